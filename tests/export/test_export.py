"""Export of any module: what goes into a bundle, and what is refused in one line."""

from __future__ import annotations

import copy
import logging
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from torch import nn

import export
import runtime
from export.converter_warnings import collect_warnings
from export.formats import format_module, formats_in
from runtime.bundle import GOLDEN
from runtime.bundle.golden import Golden
from runtime.engines import engine_module
from runtime.errors import ExportError, InputError, OptionError
from runtime.images.preprocess import preprocess
from runtime.spec import decode_metadata
from tests.engines import FLOAT_ENGINES
from tests.export.small import SAMPLES, SPEC, network


def test_a_bundle_of_every_format(complete):
    complete.check()
    assert set(complete.manifest.models) == {f"model.{name}" for name in formats_in("fp32")}
    for model in complete.manifest.models.values():
        assert (model.parity.samples, model.parity.hard_samples, model.parity.agreement) == (12, 3, 1.0)
        assert 0 <= model.parity.mean_difference <= model.parity.max_difference <= model.parity.tolerance
        assert model.parity.cosine > 0.999999
    for name in FLOAT_ENGINES:
        assert runtime.load(complete.path, engine=name).predict(SAMPLES[0]).label in ("cat", "dog", "fox")


@pytest.mark.parametrize(("input_name", "output_name"), [("relu", "scale"), ("scale", "relu"), ("x", "linear_1")])
def test_names_may_be_those_that_the_graph_uses_inside(exported, input_name, output_name):
    spec = replace(SPEC, input=replace(SPEC.input, name=input_name), output=replace(SPEC.output, name=output_name))
    bundle = exported(spec=spec, precisions=["fp32", "int8"], calibration=export.Calibration(SAMPLES), allow_drift=True)
    graph = onnx.load(bundle.path / "model.onnx").graph
    assert ([each.name for each in graph.input], [each.name for each in graph.output]) == ([input_name], [output_name])
    assert {model.parity.agreement for model in bundle.manifest.models.values()} == {1.0}


@pytest.mark.parametrize("name", [SPEC.output.name, " ", "a\nb"])
def test_names_that_name_nothing_are_refused(exported, name):
    with pytest.raises(ExportError, match="inputs and outputs need different names of printable characters"):
        exported(spec=replace(SPEC, input=replace(SPEC.input, name=name)))


def test_targets_give_the_accuracy(exported):
    pixels = np.stack([preprocess(sample, SPEC.input.preprocess) for sample in SAMPLES])
    with torch.inference_mode():
        answers = network()(torch.from_numpy(pixels)).argmax(1).numpy()
    answers[:3] = (answers[:3] + 1) % 3
    parity = exported(targets=answers).manifest.models["model.onnx"].parity
    assert (parity.metric, parity.reference, parity.exported) == ("accuracy", 0.75, 0.75)


def test_without_targets_there_is_no_accuracy(complete):
    parity = complete.manifest.models["model.onnx"].parity
    assert (parity.metric, parity.reference, parity.exported) == (None, None, None)


def encoded(image, name, tmp_path):
    image.save(tmp_path / name)
    return tmp_path / name


def test_every_kind_of_sample(exported, tmp_path):
    random = np.random.default_rng(1)
    images = [Image.fromarray(random.integers(0, 256, (20 + i, 16, 3), np.uint8)) for i in range(8)]
    samples = [
        np.asarray(images[0]),
        np.asarray(images[1].convert("L"))[:, :, None],
        np.asarray(images[2].convert("RGBA")),
        images[3].convert("P"),
        images[4].convert("CMYK"),
        encoded(images[5], "sample.png", tmp_path),
        str(encoded(images[6], "sample.jpg", tmp_path)),
        encoded(images[7].convert("CMYK"), "cmyk.jpg", tmp_path).read_bytes(),
    ]
    golden = Golden.decode(exported(samples=samples).bytes(GOLDEN), "golden")
    for sample, pixels in zip(samples, golden.inputs[: golden.real], strict=True):
        assert np.array_equal(pixels, preprocess(sample, SPEC.input.preprocess))
    assert golden.raw[6:8] == ((tmp_path / "sample.jpg").read_bytes(), (tmp_path / "cmyk.jpg").read_bytes())


def test_the_module_is_not_changed(exported):
    """Nor is it exported as it trains: with dropout, parity would fail."""
    module = network().train()
    module.network.insert(1, nn.Dropout(0.9))
    module.network[4].weight.requires_grad_(False)
    before = copy.deepcopy(module.state_dict())
    exported(module)
    assert all(part.training for part in module.modules())
    assert [parameter.requires_grad for parameter in module.parameters()] == [True, True, False, True]
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())


class Tuple(nn.Module):
    def forward(self, pixels):
        return pixels.float().mean((1, 2)), pixels


class Scalar(nn.Module):
    def forward(self, pixels):
        return pixels.float().mean()


class NotFinite(nn.Module):
    def forward(self, pixels):
        return pixels.float().mean((1, 2)) / 0


FOUR = export.NormalizePixels(nn.Sequential(nn.Flatten(), nn.Linear(90, 4)), [0] * 3, [1] * 3)
NHWC = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(24, 3))


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (FOUR, r"gives \[12, 4\] for 12 samples, not \[12, 3\]"),
        (NotFinite(), "the module's own outputs are not finite"),
        (NHWC, r"fails on uint8 \[.*6, 5, 3\].*wrap .* in export.NormalizePixels"),
        (Tuple(), "the module"),
        (Scalar(), "the module"),
    ],
    ids=["wrong labels", "not finite", "normalised channels first", "tuple", "scalar"],
)
def test_a_module_that_breaks_the_contract(exported, tmp_path, module, message):
    with pytest.raises(ExportError, match=message) as caught:
        exported(module)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"formats": ["onx"]}, OptionError, r"unknown format 'onx' \(did you mean 'onnx'\?\)"),
        ({"formats": []}, OptionError, "name at least one format: onnx"),
        ({"samples": []}, ExportError, "no samples to prove the files with"),
        ({"targets": [0, 1]}, ExportError, "12 samples have 2 targets"),
        ({"samples": [b"no image"]}, InputError, "not an image"),
        ({"samples": ["nowhere.png"]}, InputError, "nowhere.png: no such file"),
        ({"samples": [np.zeros((4, 4, 3))]}, InputError, "expected a uint8 array"),
        ({"samples": [3]}, InputError, "expected a path"),
    ],
    ids=["unknown format", "no format", "no samples", "targets", "bytes", "path", "float array", "number"],
)
def test_what_cannot_be_exported_is_one_line(exported, tmp_path, options, error, message):
    with pytest.raises(error, match=message) as caught:
        exported(**options)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_module_that_the_converter_refuses(exported):
    class Data(nn.Module):
        def forward(self, pixels):
            means = pixels.float().mean((1, 2))
            return means * 2 if means.sum().item() > 0 else means

    line = r"test_export.py:\d+ \(return means \* 2 if means.sum"
    with pytest.raises(ExportError, match=f"format 'onnx': the converter failed at {line}") as caught:
        exported(Data())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [1, 2])
def test_a_frozen_batch_axis_is_refused(exported, tmp_path, monkeypatch, size):
    """The converter isn't told that the first axis may change."""
    real = format_module("onnx").convert

    def frozen(graph):
        return real(replace(graph, inputs={"image": graph.inputs["image"][:size]}, axes={"image": {}, "logits": {}}))

    monkeypatch.setattr(format_module("onnx"), "convert", frozen)
    with pytest.raises(ExportError, match="format 'onnx': the batch axis is frozen") as caught:
        exported()
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_what_makes_a_number_of_the_batch_is_written_for_one_sample(exported):
    class Counting(nn.Module):
        def forward(self, pixels):
            return pixels.float().mean((1, 2)).view(len(pixels), 3)

    with pytest.warns(runtime.ExportNote, match=r"model.onnx takes one sample at a time: .*view\(len\(pixels\), 3\)"):
        bundle = exported(Counting(), precisions=["fp32", "int8-dynamic"])
    assert {model.spec.batch for model in bundle.manifest.models.values()} == {1}
    assert len(runtime.load(bundle.path).predict(SAMPLES)) == 12


class Remembering(nn.Module):
    def forward(self, pixels):
        self.before = pixels.float().mean((1, 2)) + 0.5 * getattr(self, "before", torch.zeros(3))[:1]
        return self.before


class Random(nn.Module):
    def forward(self, pixels):
        return nn.functional.dropout(pixels.float().mean((1, 2)), 0.5, training=True)


class Alone(nn.Module):
    def forward(self, pixels):
        means = pixels.float().mean((1, 2))
        return means * 2 if pixels.shape[0] == 1 else means


class Relative(nn.Module):
    def forward(self, pixels):
        means = pixels.float().mean((1, 2))
        return means - means.mean(0)


@pytest.mark.parametrize(
    ("module", "when"),
    [(Remembering(), "second call"), (Random(), "second call"), (Alone(), "alone"), (Relative(), "alone")],
)
def test_an_answer_that_depends_on_more_than_the_sample_is_refused(exported, module, when):
    with pytest.raises(ExportError, match=f"the module answers the same samples otherwise (at a )?{when}.*no file"):
        exported(module)


def test_the_golden_pack_belongs_together(complete):
    golden = Golden.decode(complete.bytes(GOLDEN), "golden")
    assert (len(golden.raw), golden.real) == (8, 8)
    for raw, pixels in zip(golden.raw, golden.inputs[:8], strict=True):
        assert np.array_equal(preprocess(raw, SPEC.input.preprocess), pixels)
    with torch.inference_mode():
        wanted = network()(torch.from_numpy(golden.inputs)).numpy()
    assert np.allclose(golden.outputs, wanted, atol=1e-6)
    zeros, full, noise = golden.inputs[8:]
    assert (zeros == 0).all() and (full == 255).all() and len(np.unique(noise)) > 50
    known = {preprocess(sample, SPEC.input.preprocess).tobytes() for sample in SAMPLES}
    assert len({pixels.tobytes() for pixels in golden.inputs[:8]} & known) == 8


def test_each_file_carries_the_manifest_s_model_part(complete):
    manifest = complete.manifest
    for name in FLOAT_ENGINES:
        file = f"model.{engine_module(name).FORMAT}"
        metadata = decode_metadata(engine_module(name).metadata(complete.bytes(file)), file)
        assert (metadata.format, metadata.model, metadata.file) == (
            manifest.format,
            manifest.model,
            manifest.models[file].spec,
        )


CARD = export.Card(
    summary="Tells pets apart.",
    data=export.DataOrigin("pets", "a shelter", "CC BY 4.0", {"train": 70, "validation": 12}, "0" * 64),
    weights=export.Origin("a backbone", "PyPI: some package", "Apache-2.0"),
    metrics={"validation accuracy": 0.75},
    training={"recipe": "by hand"},
)


def test_the_card_is_in_manifest_and_readme(exported):
    bundle = exported(card=CARD, formats=formats_in("fp32"), pictures={"curves.png": b"\x89PNG"})
    assert bundle.manifest.card == CARD
    text = bundle.bytes("README.md").decode()
    for name, entry in bundle.manifest.files.items():
        assert name in text or name in (GOLDEN, "README.md")
        if name.startswith("model."):
            assert f"| `{name}` | {entry.size / 1000:,.1f} kB | fp32 |" in text
    for word in ("Tells pets apart.", "CC BY 4.0", "a shelter", "PyPI: some package", "Apache-2.0", "0.75", "70 train"):
        assert word in text
    assert "![Loss and metric over the epochs of training](curves.png)" in text
    assert bundle.bytes("curves.png") == b"\x89PNG"


def test_no_file_says_where_it_was_made(complete, sequence_bundle):
    here = str(Path(export.__file__).parents[1]).encode()
    for bundle in (complete, runtime.Bundle.read(sequence_bundle)):
        for name in bundle.manifest.files:
            assert here not in bundle.bytes(name), name


def test_source_date_epoch_sets_the_time(exported, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert exported().manifest.created == "2023-11-14T22:13:20Z"


def test_progress_is_reported(exported):
    calls = []
    exported(on_progress=lambda *call: calls.append(call))
    assert {"read samples", "PyTorch", "convert to onnx", "parity of onnx"} <= {what for what, _, _ in calls}
    assert all(0 <= done <= total for _, done, total in calls)


def test_a_missing_converter_names_the_extra(exported, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(
        runtime.MissingExtraError, match=r"format 'onnx' is not installed: pip install 'edgezoo\[export\]'"
    ):
        exported()


def test_a_missing_engine_names_the_extra(exported, monkeypatch):
    for name in ("onnxruntime", "openvino"):
        monkeypatch.setattr(engine_module(name), "missing", lambda: True)
    with pytest.raises(runtime.MissingExtraError, match=r"pip install 'edgezoo\[onnx\]'"):
        exported()


def _branching(values):
    return values * 2 if values.sum() > 0 else values


def test_what_converters_warn_of_is_logged(caplog, capfd):
    with caplog.at_level("INFO", "export"), collect_warnings():
        warnings.warn("a constant was folded", UserWarning, stacklevel=1)
        logging.getLogger("converter").warning("an operator was left out")
        sys.stdout.write("chatter")
    assert [record.message for record in caplog.records] == [
        "converter: an operator was left out", "UserWarning: a constant was folded"
    ]  # fmt: skip
    assert capfd.readouterr() == ("", "")
    incorrect = r"test_export.py:\d+: .*might cause the trace to be incorrect"
    with pytest.raises(ExportError, match=incorrect), collect_warnings():
        torch.jit.trace(_branching, torch.ones(2))
