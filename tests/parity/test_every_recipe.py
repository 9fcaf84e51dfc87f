"""Every recipe, trained for a moment, passes parity in every format: found from disk, so a new file is tested."""

import numpy as np
import pytest

import runtime
from export.formats import format_names
from runtime.compare import FP32_TOLERANCE
from runtime.verify import Replay, verify
from zoo.pipeline import export_run, train
from zoo.recipe import descriptions, recipe

QUICK = {"epochs": 1}
QUICK_PHOTOS = QUICK | {"size": 64}


@pytest.fixture(scope="module", params=sorted(descriptions("zoo.recipes")))
def bundle(request, tmp_path_factory, photos):
    """A bundle of the recipe in every format; recipes without data of their own train on small photos."""
    folder = tmp_path_factory.mktemp(request.param)
    data = recipe(request.param).data
    settings = QUICK if data else QUICK_PHOTOS
    data = data or f"folder:{photos}"
    run = train(request.param, data=data, out=folder / "run", settings=settings)
    return export_run(run, format_names(), out=folder / "bundle")


@pytest.mark.parametrize("format_name", format_names())
def test_parity_on_real_samples(bundle, format_name):
    parity = bundle.manifest.models[f"model.{format_name}"].parity
    figures = f"{bundle.manifest.model.name} {format_name}: max {parity.max_difference}, mean {parity.mean_difference}"
    assert parity.max_difference <= FP32_TOLERANCE, figures
    assert parity.hard_max_difference <= FP32_TOLERANCE, figures
    assert parity.agreement == 1, figures
    assert parity.samples == bundle.manifest.card.data.samples["validation"]
    assert parity.exported == parity.reference == bundle.manifest.card.metrics["validation accuracy"]


def test_golden_pack_replays_on_every_engine(bundle):
    replays = [result for result in verify(bundle.path) if isinstance(result, Replay)]
    assert {result.file for result in replays} == set(bundle.manifest.models)
    for result in replays:
        assert result.passed, result


@pytest.mark.parametrize("format_name", format_names())
def test_one_file_alone_predicts_like_the_bundle(bundle, format_name, tmp_path):
    alone = tmp_path / f"renamed.{format_name}"
    alone.write_bytes(bundle.bytes(f"model.{format_name}"))
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (50, 40, 3), np.uint8)
    whole, single = runtime.load(bundle.path), runtime.load(alone)
    assert single.labels == whole.labels
    np.testing.assert_allclose(single.predict(image).scores, whole.predict(image).scores, atol=1e-5)


@pytest.mark.parametrize("format_name", format_names())
def test_scaling_lives_in_the_graph(bundle, format_name):
    """Raw pixels are all a caller gives: brighter pixels change the answer, so nothing clips or rescales them."""
    model = runtime.load(bundle.path / f"model.{format_name}")
    rng = np.random.default_rng(2)
    dark = rng.integers(0, 100, (1, *model.spec.input.shape), np.uint8)
    assert np.abs(model.logits(dark) - model.logits(dark + 150)).max() > 1e-3
