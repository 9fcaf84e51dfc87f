"""A module to a TFLite file, by litert-torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set
from typing import TYPE_CHECKING, Any

import numpy as np

from export.converter_warnings import collect_warnings
from export.formats._litert import decompositions
from export.formats._litert.interrupts import deferred_interrupt
from export.formats._litert.schema import packed, unpacked
from export.precision import FULL_PRECISION
from runtime.errors import ExportError, MissingExtraError
from runtime.scratch import scratch_folder

if TYPE_CHECKING:
    import torch

    from export.formats import Graph
    from export.tracing import Branch


def convert(module: torch.nn.Module, examples: tuple[torch.Tensor, ...], format_name: str) -> bytes:
    """Return a module as a TFLite file, of the examples' shapes.

    Args:
        module: Takes the examples.
        examples: Each has memory of its own: the converter mistakes shared memory for one and the same input.
        format_name: Who asks.

    Raises:
        ExportError: If the converter refuses it.
    """
    from export.tracing import nothing_swallowed, reason

    try:
        with collect_warnings():
            try:
                import litert_torch
            except ImportError:
                raise MissingExtraError(f"format {format_name!r} (Linux on x86-64 and macOS only)", "export") from None
            decompositions.register()
            with scratch_folder() as folder:
                file = folder / "model.tflite"
                with deferred_interrupt():
                    with nothing_swallowed():
                        converted = litert_torch.convert(module, examples)
                    converted.export(str(file))
                model = unpacked(file.read_bytes())
                _name_briefly(model, _labels(module))
                _flatten_biases(model)
                return packed(model)
    except MissingExtraError:
        raise
    except Exception as problem:  # the converter's passes raise whatever they meet
        raise ExportError(f"format {format_name!r}: {reason(problem)}") from problem


def branches(graph: Graph) -> tuple[Branch, ...]:
    """Return nothing: no axis of the file is open; see `export.formats.Format.branches`."""
    return ()


def _labels(module: torch.nn.Module) -> set[str]:
    """Return the parts that stay in fp32 as the converter calls modules: their class, and the end of their path."""
    from export.full_precision import full_precision_parts

    return {
        f"{type(part).__module__}.{type(part).__qualname__}" + (f"_{path.rpartition('.')[2]}" if path else "")
        for path, part in full_precision_parts(module).items()
    }


def _name_briefly(model: Any, full_precision: Set[str]) -> None:
    """Name tensors after the module that they come from: classes, too, are a tenth of a small file.

    ``pkg.Net/torch.nn.modules.container.Sequential_body/torch.nn.modules.conv.Conv2d_0;1`` becomes ``body/0;1``, with
    a mark before it where one of the modules stays in fp32.
    """
    for graph in model.subgraphs:
        used: set[bytes] = set()
        for tensor in graph.tensors:
            scopes, mark, number = tensor.name.decode().rpartition(";")
            modules = scopes.split("/")
            parts = [module.rpartition(".")[2].partition("_")[2] for module in modules]
            start = "" if full_precision.isdisjoint(modules) else FULL_PRECISION
            brief = (start + "/".join(filter(None, parts)) + mark + number).encode() if mark else tensor.name
            while brief in used:
                brief += b"'"
            used.add(brief)
            tensor.name = brief


def _flatten_biases(model: Any) -> None:
    """Give biases one axis: the converter leaves some ``[1, 1, 1, outputs]``, which engines refuse in int8."""
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    matrix = [i for i, code in enumerate(model.operatorCodes) if code.builtinCode == BuiltinOperator.FULLY_CONNECTED]
    for graph in model.subgraphs:
        used = Counter(int(i) for operator in graph.operators for i in operator.inputs)
        for operator in graph.operators:
            bias = int(operator.inputs[2]) if operator.opcodeIndex in matrix and len(operator.inputs) > 2 else -1
            shape = graph.tensors[bias].shape if bias >= 0 and used[bias] == 1 else []
            if len(shape) > 1 and max(shape) == np.prod(shape):
                graph.tensors[bias].shape = np.array([max(shape)], np.int32)
