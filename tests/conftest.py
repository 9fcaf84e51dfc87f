"""Real bundles, exported once, and image files."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hypothesis
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests import faster_export
from tests.fuzz.server import FreshForkServer
from tests.nightly import NIGHTLY
from tests.once import Once
from tests.squares import export_squares

pytest_plugins = ["tests.budget"]

# the same examples in each `make test`, so that a failure belongs to a change; `make nightly` looks for new ones
hypothesis.settings.register_profile("edgezoo", deadline=None, derandomize=not NIGHTLY)
hypothesis.settings.load_profile("edgezoo")

# a tenth of an export, and of an import of PyTorch, is Python's search for cycles among objects that stay
gc.set_threshold(20_000, 20, 50)


HEAVY = ("install", "parity", "mobile_demo", "fuzz", "export")
"""Folders whose files take minutes: they come first, so that no process is left with one while the others have none.
What waits most is the very first: the other processes compute meanwhile."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the heaviest folders first; within them the order stays."""
    items.sort(key=lambda item: next((at for at, name in enumerate(HEAVY) if name in item.path.parts), len(HEAVY)))


def pytest_collection_finish() -> None:
    """Leave what was imported out of later searches for cycles."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Distribute the tests of a file, or of a bundle, to one process."""
    from tests.scheduling import SharedFixtures

    return SharedFixtures(config, log)


def pytest_runtest_setup() -> None:
    """Spare later exports what earlier ones computed, but in `make nightly`."""
    if not NIGHTLY:
        faster_export.install()


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder of the tests' own."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("EDGEZOO_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def trials() -> Iterator[FreshForkServer]:
    """A server of children that try files before they are opened here; they start in a hundredth of the time."""
    server = FreshForkServer(("onnxruntime", "litert"))
    yield server
    server.close()


@pytest.fixture(scope="module", autouse=True)
def _quick_trials(request: pytest.FixtureRequest, trials: FreshForkServer) -> Iterator[None]:
    """Have the server try files, but for tests of the runtime, which trials are a part of, and in `make nightly`."""
    with pytest.MonkeyPatch.context() as patch:
        if not NIGHTLY and request.path.parent.name != "runtime":
            patch.setattr("runtime.isolation.probe.spawn", trials)
        yield


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Make files and folders once for all test processes."""
    base = tmp_path_factory.getbasetemp()
    return Once(base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base, tmp_path_factory)


@pytest.fixture(scope="session")
def tiny_bundle(once: Once) -> Path:
    """A seeded net of three labels for 12x10 RGB images, as ONNX and TFLite."""
    return once("tiny/bundle", export_tiny)


@pytest.fixture(scope="session")
def squares(once: Once) -> Path:
    """A detector of two labels in 96x64 pixels, in fp32 and int8, as ONNX and TFLite."""
    return once("squares/bundle", export_squares)


def export_tiny(out: Path) -> None:
    import torch
    from torch import nn

    import export

    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * 6 * 5, 3),
    )
    spec = export.ModelSpec(
        "tiny",
        export.ImageInput("image", "image", (12, 10, 3), export.image_steps((12, 10), "RGB")),
        export.Classification("classification", "logits", ("cat", "dog", "fox")),
    )
    random = np.random.default_rng(0)
    samples = [random.integers(0, 256, (12 + i % 5, 15, 3), np.uint8) for i in range(20)]
    export.export(
        export.NormalizePixels(net, (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)),
        spec,
        samples,
        out=out,
        targets=random.integers(0, 3, len(samples)),
    )


@pytest.fixture(scope="session")
def micro() -> SimpleNamespace:
    """A seeded net of three labels for 12x10 RGB images as a static int8 TFLite file, and images.

    Its members: ``spec``, ``images`` ``uint8 [64, 12, 10, 3]``, ``outputs`` of PyTorch, and ``data``, the file.
    """
    import torch
    from torch import nn

    import export
    from tests.micro import static_int8

    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(240, 3))
    module = export.NormalizePixels(net, (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)).eval()
    spec = export.ModelSpec(
        "micro net",
        export.ImageInput("image", "image", (12, 10, 3), export.image_steps((12, 10), "RGB")),
        export.Classification("classification", "logits", ("cat", "dog", "fox")),
    )
    random = np.random.default_rng(3)
    colors = random.integers(0, 256, (64, 1, 1, 3)) + random.integers(-40, 40, (64, 12, 10, 3))
    images = np.clip(colors, 0, 255).astype(np.uint8)
    with torch.inference_mode():
        outputs = module(torch.from_numpy(images)).numpy()
    return SimpleNamespace(
        spec=spec, images=images, outputs=outputs, data=static_int8(module, images.astype(np.float32))
    )


CITIES = ("", "Bern", "Oslo", "Quito")


@pytest.fixture(scope="session")
def rows() -> list[dict[str, Any]]:
    """Rows of a table: numbers, of which some are missing, and categories, of which the empty cell is one."""
    random = np.random.default_rng(4)
    return [
        {
            "age": float(random.integers(18, 90)) if i % 4 else None,
            "city": CITIES[i % 4],
            "year": float(random.integers(1990, 2026)),
        }
        for i in range(20)
    ]


@pytest.fixture(scope="session")
def table_bundle(once: Once, rows: list[dict[str, Any]]) -> Path:
    """A seeded perceptron that tells two labels apart by the rows' six features, as ONNX and TFLite."""
    return once("people/bundle", lambda out: _export_table(out, rows))


def _export_table(out: Path, rows: list[dict[str, Any]]) -> None:
    import torch

    import export
    from tests.networks import perceptron

    torch.manual_seed(0)
    columns = (
        export.NumericColumn("numeric", "age", 50.0, 20.0, 18.0, 89.0, missing=45.0),
        export.CategoricalColumn("categorical", "city", CITIES),
        export.NumericColumn("numeric", "year", 2008.0, 10.0, 1990.0, 2025.0),
    )
    input_spec = export.TableInput("table", "features", columns)
    mean, std = input_spec.scaling()
    export.export(
        export.NormalizeFeatures(perceptron(6, 1), mean.tolist(), std.tolist()),
        export.ModelSpec("people", input_spec, export.Binary("binary", "logit", ("no", "yes"))),
        rows,
        out=out,
        targets=[i % 2 for i in range(len(rows))],
    )


@pytest.fixture(scope="session")
def sequences() -> list[NDArray[np.float32]]:
    """Sequences of twelve steps of two features."""
    random = np.random.default_rng(5)
    return [random.normal((20, -3), (5, 1), (12, 2)).astype(np.float32) for _ in range(10)]


@pytest.fixture(scope="session")
def sequence_bundle(once: Once, sequences: list[NDArray[np.float32]]) -> Path:
    """A seeded LSTM that foretells two values, whole and step by step, as ONNX and TFLite."""
    return once("load/bundle", lambda out: _export_sequence(out, sequences))


def _export_sequence(out: Path, sequences: list[NDArray[np.float32]]) -> None:
    import torch

    import export
    from tests.networks import Recurrent

    torch.manual_seed(0)
    mean, std = (20.0, -3.0), (5.0, 1.0)
    export.export(
        export.NormalizeFeatures(export.DenormalizeTargets(Recurrent(2, 2), 300.0, 40.0), mean, std),
        export.ModelSpec(
            "load",
            export.SequenceInput("sequence", "sequence", 12, ("heat", "wind"), mean, std),
            export.Forecasting("forecasting", "values", "load", "MW", 2, 300.0, 40.0),
        ),
        sequences,
        out=out,
        targets=np.full((len(sequences), 2), 300.0),
    )


@pytest.fixture
def bundle_copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the tiny bundle that a test may damage."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


@pytest.fixture(scope="session")
def photo() -> NDArray[np.uint8]:
    """Smooth colours without any symmetry, 192 pixels high and 160 wide."""
    coarse = np.random.default_rng(1).integers(0, 256, (12, 10, 3), np.uint8)
    return np.array(Image.fromarray(coarse).resize((160, 192), Image.Resampling.BICUBIC))


@pytest.fixture
def save_image(tmp_path: Path) -> Callable[..., Path]:
    """Write an array or a Pillow image to a file of the given name."""

    def save(image: NDArray[Any] | Image.Image, name: str, **options: Any) -> Path:
        path = tmp_path / name
        (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(path, **options)
        return path

    return save


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """A folder of small images in three classes that differ in colour and pattern, of several sizes and formats."""
    from PIL import Image

    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for target, label in enumerate(("leaf", "sky", "stone")):
        (root / label).mkdir()
        for i in range(12):
            height, width = rng.integers(60, 120, 2)
            noise = rng.integers(0, 90, (height, width, 3), np.uint8)
            noise[:, :, target] += 150
            noise[:: 2 + target * 3] //= 2
            image = Image.fromarray(noise)
            image.save(root / label / f"{i}.{'png' if i % 3 else 'jpg'}")
    return root


@pytest.fixture(scope="session")
def quick_bundle(once: Once, photos: Path) -> Callable[[str], Path]:
    """Give the bundle of a case of `tests.quick`."""

    def make(case: str) -> Path:
        from tests.quick import write_bundle

        return once(f"quick/{case}", lambda out: write_bundle(case, out, photos))

    return make
