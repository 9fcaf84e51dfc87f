"""The gate: a file that differs from PyTorch, however it came about, is not in the bundle."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from export.formats import format_module, formats_in
from runtime import Bundle
from runtime.errors import ExportError, ParityError
from tests.export.small import SAMPLES


class Wrapped(nn.Module):
    """A network with a fault before or after it."""

    def __init__(self, network, before=lambda pixels: pixels, after=lambda logits: logits):
        super().__init__()
        self.network, self.before, self.after = network, before, after

    def forward(self, pixels):
        return self.after(self.network(self.before(pixels)))


def one_weight(network):
    weights = network.network[3].weight
    with torch.no_grad():
        weights.view(-1)[weights.abs().argmax()] *= 1.01
    return network


def no_scaling(network):
    network.scale.fill_(1)
    network.shift.fill_(0)
    return network


FAULTS = {
    "one weight": one_weight,
    "swapped channels": lambda network: Wrapped(network, before=lambda pixels: pixels.flip(3)),
    "no scaling": no_scaling,
    "softmax inside": lambda network: Wrapped(network, after=lambda logits: logits.softmax(1)),
    "swapped labels": lambda network: Wrapped(network, after=lambda logits: logits.flip(1)),
    "not finite": lambda network: Wrapped(network, after=lambda logits: logits / 0),
    "clipped": lambda network: Wrapped(network, before=lambda pixels: pixels.float().clamp(0, 240)),
}


def plant(monkeypatch, fault, formats):
    """Let the converters see a network with a fault."""
    for name in formats:
        real = format_module(name).convert

        def convert(graph, real=real):
            return real(replace(graph, module=FAULTS[fault](copy.deepcopy(graph.module)).eval()))

        monkeypatch.setattr(format_module(name), "convert", convert)


def content(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize("fault", ["one weight", "swapped channels", "no scaling", "softmax inside", "not finite"])
def test_each_fault_is_caught(exported, tmp_path, monkeypatch, fault):
    plant(monkeypatch, fault, ["onnx"])
    with pytest.raises(ParityError, match=r"^small as onnx fp32 on onnxruntime ") as caught:
        exported()
    message = str(caught.value)
    assert "\n" not in message
    assert "(12 real and 3 hard samples)" in message
    for figure in ("the difference is max ", "mean ", "(allowed 1e-05)"):
        assert figure in message
    assert not list(tmp_path.iterdir())


def test_a_fault_on_hard_inputs_alone_is_caught(exported, monkeypatch):
    plant(monkeypatch, "clipped", ["onnx"])
    with pytest.raises(ParityError, match=r": on hard samples the difference") as caught:
        exported(samples=[sample // 2 for sample in SAMPLES])
    assert "on real samples" not in str(caught.value)


def test_changed_decisions_are_counted(exported, monkeypatch):
    plant(monkeypatch, "swapped labels", ["onnx"])
    with pytest.raises(ParityError, match=r"; \d+ of 12 decisions differ"):
        exported()


@pytest.mark.parametrize("faulty", formats_in("fp32"))
def test_the_other_formats_are_written_where_the_place_is_free(exported, tmp_path, monkeypatch, faulty):
    good = [name for name in formats_in("fp32") if name != faulty]
    plant(monkeypatch, "one weight", [faulty])
    with pytest.raises(ParityError, match=f"as {faulty} .*; .*bundle holds model.{good[0]} only"):
        exported(formats=formats_in("fp32"))
    bundle = Bundle.read(tmp_path / "bundle")
    bundle.check()
    assert set(bundle.manifest.models) == {f"model.{name}" for name in good}
    assert f"model.{faulty}" not in bundle.bytes("README.md").decode()


@pytest.mark.parametrize("faulty", formats_in("fp32"))
def test_an_earlier_bundle_stays_as_it_was(exported, old, tmp_path, monkeypatch, faulty):
    before = content(old)
    plant(monkeypatch, "one weight", [faulty])
    with pytest.raises(ParityError, match=f"as {faulty} .*; nothing was written; .*bundle stays as it was"):
        exported(formats=formats_in("fp32"))
    assert content(old) == before
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_where_every_format_fails_each_is_named(exported, tmp_path, monkeypatch):
    plant(monkeypatch, "one weight", formats_in("fp32"))
    with pytest.raises(ParityError) as caught:
        exported(formats=formats_in("fp32"))
    for name in formats_in("fp32"):
        assert f"small as {name} fp32 on " in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_converter_that_gives_no_model_is_named(exported, tmp_path, monkeypatch):
    monkeypatch.setattr(format_module("onnx"), "convert", lambda graph: b"")
    with pytest.raises(ExportError, match="onnx"):
        exported()
    assert not list(tmp_path.iterdir())
