"""ONNX, through torch's exporters: one file, any batch size, sequences of any length."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any, Literal

from export.precision import onnx as precision
from runtime.errors import ExportError, MissingExtraError, one_line
from runtime.quiet import quiet

if TYPE_CHECKING:
    import torch

    from export.graphs import Graph
    from runtime.spec import ModelSpec

__all__ = ["DYNAMIC", "LIBRARIES", "PIXELS", "companions", "convert", "embed", "footprint", "precision"]
LIBRARIES = ("onnx", "onnxscript")
DYNAMIC = True
PIXELS: Literal["uint8", "float32"] = "uint8"
MAX_BYTES = 2 * 2**30 - 1
"""A protobuf message's limit; larger models would need a second file for their weights."""


def convert(graph: Graph) -> bytes:
    """Return an ONNX file; see `export.formats.Format.convert`."""
    import torch

    try:
        import onnx
        import onnxscript  # noqa: F401  # the exporter's own need, named here so that its absence has our message
    except ImportError:
        raise MissingExtraError("format 'onnx'", "export") from None
    recurrent = any(isinstance(part, torch.nn.RNNBase) for part in graph.module.modules())
    try:
        with quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = (_trace if recurrent else _export)(graph)
            if model.ByteSize() > MAX_BYTES:
                raise ExportError(
                    f"format 'onnx': the model takes {model.ByteSize()} bytes; one file holds {MAX_BYTES}"
                )
            onnx.checker.check_model(model, full_check=True)
            _bare(model)
    except ExportError:
        raise
    except Exception as problem:  # the exporter's passes raise whatever they meet
        raise ExportError(f"format 'onnx': the converter failed: {one_line(_root(problem))}") from problem
    return bytes(model.SerializeToString())


def _root(problem: BaseException) -> BaseException:
    """Return what went wrong first: the exporter puts pages of advice around it."""
    while problem.__cause__:
        problem = problem.__cause__
    return problem


def _export(graph: Graph) -> Any:
    """Convert by torch's own exporter, ``dynamo=True``."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    from export.mends import attention_of_four_axes

    first, *others = (graph.axes[name] for name in graph.inputs)
    # attention's output has one layout, traced and decomposed
    with sdpa_kernel(SDPBackend.MATH), attention_of_four_axes():
        program = torch.onnx.export(
            graph.module,
            _examples(graph),
            dynamo=True,
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            dynamic_shapes=(first, tuple(others)) if others else (first,),
        )
    assert program is not None  # noqa: S101  # dynamo=True always returns one
    return program.model_proto


def _bare(model: Any) -> None:
    """Drop what no engine needs: shapes between operators, and notes that name files and lines of this machine."""
    graph = model.graph
    del graph.value_info[:], graph.metadata_props[:]
    for part in (*graph.node, *graph.initializer, *graph.input, *graph.output):
        del part.metadata_props[:]


def _trace(graph: Graph) -> Any:
    """Convert by the older exporter: the newer one freezes batch and time of recurrent layers without an error."""
    import onnx
    import torch

    file = io.BytesIO()
    torch.onnx.export(
        graph.module,
        _examples(graph),
        file,  # type: ignore[arg-type]  # the older exporter takes a file too
        dynamo=False,
        input_names=list(graph.inputs),
        output_names=list(graph.outputs),
        dynamic_axes=graph.axes,
    )
    return onnx.load_from_string(file.getvalue())


def _examples(graph: Graph) -> tuple[torch.Tensor, ...]:
    import torch

    return tuple(torch.from_numpy(array.copy()) for array in graph.inputs.values())


def embed(data: bytes, key: str, text: str) -> bytes:
    """Return the file with `text` under `key` in its metadata_props."""
    import onnx

    model = onnx.load_from_string(data)
    onnx.helper.set_model_props(model, {**{prop.key: prop.value for prop in model.metadata_props}, key: text})
    return bytes(model.SerializeToString())


def companions(data: bytes, spec: ModelSpec) -> dict[str, bytes]:
    """Return nothing: one file is enough."""
    return {}


def footprint(data: bytes) -> dict[str, int]:
    """Return nothing: there is no telling."""
    return {}
