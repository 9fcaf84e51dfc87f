"""A graph to an ONNX file, by torch's exporter, and metadata in it."""

from __future__ import annotations

import ast
from collections.abc import Set
from itertools import count
from typing import TYPE_CHECKING, Any

from export.converter_warnings import collect_warnings
from export.precision import FULL_PRECISION
from runtime.errors import ExportError, MissingExtraError

if TYPE_CHECKING:
    from export.formats import Graph
    from export.tracing import Branch

MAX_BYTES = 2 * 2**30 - 1
"""A protobuf message's limit; larger models would need a second file for their weights."""

PREFIX = "edgezoo_"
"""Of the names of inputs and outputs while the exporter names everything else."""


def convert(graph: Graph) -> bytes:
    """Return an ONNX file; see `export.formats.Format.convert`."""
    from export.full_precision import full_precision_parts
    from export.tracing import reason

    try:
        import onnx
        import onnxscript  # noqa: F401  # the exporter's own need, named here so that its absence has our message
    except ImportError:
        raise MissingExtraError("format 'onnx'", "export") from None
    try:
        with collect_warnings():
            model = _export(graph)
            if model.ByteSize() > MAX_BYTES:
                raise ExportError(f"the model takes {model.ByteSize()} bytes; one file holds {MAX_BYTES}")
            onnx.checker.check_model(model, full_check=True)
            _mark(model, full_precision_parts(graph.module).keys())
            _bare(model)
            _name_axes(model, graph)
    except Exception as problem:  # the exporter's passes raise whatever they meet
        raise ExportError(f"format 'onnx': {reason(problem)}") from problem
    return bytes(model.SerializeToString())


def branches(graph: Graph) -> tuple[Branch, ...]:
    """Return the decisions by an axis's size that the file keeps; see `export.formats.Format.branches`."""
    from export.formats.onnx.tracing import traced

    return traced(graph).branches


def _export(graph: Graph) -> Any:
    """Convert by torch's own exporter."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    from export.formats.onnx.tracing import traced

    names = {f"{PREFIX}{number}": name for number, name in enumerate((*graph.inputs, *graph.outputs))}
    # attention's output has one layout, traced and decomposed
    with sdpa_kernel(SDPBackend.MATH):
        program = torch.onnx.export(
            traced(graph).program,
            dynamo=True,
            input_names=list(names)[: len(graph.inputs)],
            output_names=list(names)[len(graph.inputs) :],
        )
    assert program is not None  # noqa: S101  # dynamo=True always returns one
    model = program.model_proto
    rename(model, names)
    return model


def rename(model: Any, names: dict[str, str]) -> None:
    """Name inputs and outputs, and whatever else had their names, such as the output of a layer called ``relu``."""
    graphs = [model.graph]
    for graph in graphs:  # it grows: branches of operators are graphs
        graphs += [
            part for node in graph.node for each in node.attribute for part in (each.g, *each.graphs) if part.node
        ]
    used = {name for graph in graphs for node in graph.node for name in (*node.input, *node.output)}
    used |= {each.name for graph in graphs for each in (*graph.initializer, *graph.input, *graph.output)}
    for name in used.intersection(names.values()) - names.keys():
        names = {**names, name: next(new for i in count() if (new := f"{name}_{i}") not in used)}
    for graph in graphs:
        for each in (*graph.initializer, *graph.input, *graph.output, *graph.value_info):
            each.name = names.get(each.name, each.name)
        for node in graph.node:
            node.input[:] = [names.get(name, name) for name in node.input]
            node.output[:] = [names.get(name, name) for name in node.output]


def _name_axes(model: Any, graph: Graph) -> None:
    """Name the open axes as the graph does."""
    for value in (*model.graph.input, *model.graph.output):
        for number, axis in graph.axes[value.name].items():
            value.type.tensor_type.shape.dim[number].dim_param = axis


def _mark(model: Any, paths: Set[str]) -> None:
    """Mark the names of nodes that stay in fp32.

    The exporter notes the paths of the modules around each, but for those that its own passes add, such as Split.
    """
    marked: set[str] = set()
    for node in model.graph.node:
        notes = {note.key: note.value for note in node.metadata_props}
        scopes = notes.get("pkg.torch.onnx.name_scopes")
        if not (paths.isdisjoint(ast.literal_eval(scopes)[:-1]) if scopes else marked.isdisjoint(node.input)):
            node.name = FULL_PRECISION + node.name
            marked.update(node.output)


def _bare(model: Any) -> None:
    """Drop what no engine needs: shapes between operators, and notes that name files and lines of this machine."""
    graph = model.graph
    del graph.value_info[:], graph.metadata_props[:]
    for part in (*graph.node, *graph.initializer, *graph.input, *graph.output):
        del part.metadata_props[:]


def embed(data: bytes, key: str, text: str) -> bytes:
    """Return the file with `text` under `key` in its metadata_props."""
    import onnx

    model = onnx.load_from_string(data)
    onnx.helper.set_model_props(model, {**{prop.key: prop.value for prop in model.metadata_props}, key: text})
    return bytes(model.SerializeToString())
