"""Bundles for a platform: what is of no use there is left out, and named."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

import export
from export import Raw, TensorsInput, TensorSpec
from export.platforms import PLATFORMS
from runtime.errors import ExportError, ExportNote, OptionError
from runtime.verify import verify
from tests.export.test_streaming import write
from tests.networks import Convolution

PICTURE = b"\x89PNG\r\n\x1a\n"


class Masked(nn.Module):
    """Takes numbers, and which of them count."""

    def forward(self, numbers, mask):
        return torch.where(mask, numbers, torch.zeros_like(numbers)).sum(1, keepdim=True)


def test_browsers_get_no_steps_no_sources_and_no_pictures(tmp_path):
    torch.manual_seed(0)
    with pytest.warns(ExportNote) as notes:
        bundle = write(
            tmp_path, Convolution(2, 3), ("onnx", "tflm"), platform="web", pictures={"curves.png": PICTURE}
        )  # fmt: skip
    assert [str(note.message) for note in notes if issubclass(note.category, ExportNote)] == [
        "left out: tflm: browsers run onnx and tflite only",
        "left out: model.step.onnx: browsers take whole inputs of this model, not steps",
        "left out: curves.png: browsers show no pictures of the model card",
    ]
    assert set(bundle.manifest.files) == {"model.onnx", "golden.npz", "README.md"}
    assert "curves.png" not in bundle.bytes("README.md").decode()
    assert all(result.passed for result in verify(bundle.path, threads=1))


def test_browsers_get_no_tensors_that_an_engine_refuses(tmp_path):
    spec = export.ModelSpec(
        "masked",
        TensorsInput("tensors", (TensorSpec("numbers", (4,)), TensorSpec("mask", (4,), "bool"))),
        Raw("raw", (TensorSpec("sum", (1,)),)),
    )
    samples = [{"numbers": [1.0, 2.0, 3.0, float(i)], "mask": [True, False, i % 2 == 0, True]} for i in range(8)]
    with pytest.warns(ExportNote, match="model.tflite: browsers exchange no tensors of bool with files in tflite"):
        bundle = export.export(Masked(), spec, samples, out=tmp_path / "masked", platform="web")
    assert list(bundle.manifest.models) == ["model.onnx"]


def test_browsers_get_no_large_files(exported, tmp_path, monkeypatch):
    monkeypatch.setitem(PLATFORMS, "web", replace(PLATFORMS["web"], largest=1000))
    with pytest.raises(
        ExportError, match=r"no file for browsers: model.onnx: its .* MB are more than the 0 MB"
    ) as caught:
        exported(platform="web")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_no_platform_and_formats_that_none_runs(exported, tmp_path):
    with pytest.raises(OptionError, match=r"unknown platform 'wob' \(did you mean 'web'\?\); choose from: web"):
        exported(platform="wob")
    with pytest.raises(OptionError, match="format tflm: browsers run onnx and tflite only"):
        exported(formats=["tflm"], platform="web")
    assert not list(tmp_path.iterdir())
