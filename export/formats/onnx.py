"""ONNX, through torch's dynamo exporter: one file, any batch size."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from runtime.errors import ExportError, MissingExtraError, one_line
from runtime.quiet import quiet

if TYPE_CHECKING:
    import torch

    from runtime.spec import ModelSpec

DYNAMIC_BATCH = True
MAX_BYTES = 2 * 2**30 - 1
"""A protobuf message's limit; larger models would need a second file for their weights."""


def convert(module: torch.nn.Module, spec: ModelSpec, pixels: torch.Tensor) -> bytes:
    """Return an ONNX file; see `export.formats.Format.convert`."""
    import torch

    try:
        import onnx
        import onnxscript  # noqa: F401  # the exporter's own need, named here so that its absence has our message
    except ImportError:
        raise MissingExtraError("format 'onnx'", "export") from None
    try:
        with quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                module,
                (pixels,),
                dynamo=True,
                input_names=[spec.input.name],
                output_names=[spec.output.name],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
            )
            assert program is not None  # noqa: S101  # dynamo=True always returns one
            model = program.model_proto
            if model.ByteSize() > MAX_BYTES:
                raise ExportError(
                    f"format 'onnx': the model takes {model.ByteSize()} bytes; one file holds {MAX_BYTES}"
                )
            onnx.checker.check_model(model, full_check=True)
    except ExportError:
        raise
    except Exception as problem:  # the exporter's passes raise whatever they meet
        raise ExportError(f"format 'onnx': the converter failed: {one_line(problem)}") from problem
    return bytes(model.SerializeToString())


def embed(data: bytes, key: str, text: str) -> bytes:
    """Return the file with `text` under `key` in its metadata_props."""
    import onnx

    model = onnx.load_from_string(data)
    onnx.helper.set_model_props(model, {**{prop.key: prop.value for prop in model.metadata_props}, key: text})
    return bytes(model.SerializeToString())
