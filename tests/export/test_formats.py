"""Formats are found from disk, and each declares all that the others do."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch

from export.formats import Format, Graph, PrecisionModule, Reader, format_module, format_names, reader
from runtime.errors import OptionError


def members(protocol):
    methods = [name for name, value in vars(protocol).items() if inspect.isfunction(value) and name[0] != "_"]
    return {*protocol.__annotations__, *methods} - {"__init__"}


def test_helpers_are_no_formats():
    assert {"onnx", "tflite", "tflm"} <= {*format_names()}
    assert not [name for name in format_names() if name.startswith("_")]
    with pytest.raises(OptionError, match="unknown format '_litert'"):
        format_module("_litert")


@pytest.mark.parametrize("name", format_names())
def test_a_format_declares_what_the_protocols_list(name):
    declared = format_module(name)
    assert [each for each in members(Format) if not hasattr(declared, each)] == []
    assert [each for each in members(PrecisionModule) if not hasattr(declared.precision, each)] == []
    assert declared.reader is None or all(hasattr(declared.reader, each) for each in members(Reader))


def test_a_format_that_nothing_looks_into_is_named_with_those_that_can_be():
    with pytest.raises(OptionError, match=r"unknown format that can be diagnosed: 'tflm' \(.*onnx, tflite"):
        reader("tflm")
    assert reader("onnx") is format_module("onnx").reader


def test_a_graph_is_traced_once_for_onnx(monkeypatch):
    from export.formats.onnx import tracing

    calls = []
    trace = tracing.trace
    monkeypatch.setattr(tracing, "trace", lambda *arguments: calls.append(arguments) or trace(*arguments))
    inputs = {"x": np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)}
    graph = Graph(torch.nn.Linear(3, 2).eval(), inputs, ("y",), {"x": {0: "batch"}, "y": {0: "batch"}})
    declared = format_module("onnx")
    assert declared.convert(graph)
    assert declared.branches(graph) == ()
    assert len(calls) == 1
