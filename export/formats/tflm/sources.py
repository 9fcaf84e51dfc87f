"""A static int8 TFLite file as C++ sources for a microcontroller, and how much memory it takes there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from export.formats.tflm.example import comment, float_text, main, numbered
from export.formats.tflm.operators import operators
from runtime.engines import tflm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.spec import ModelSpec
    from runtime.tensor_spec import TensorSpec

COLUMNS = 20


@dataclass(frozen=True)
class Footprint:
    """The memory that a model takes of a microcontroller, in bytes.

    Args:
        flash: The model's array. TFLM's own code comes on top: it depends on the processor, the kernels and the
            compiler.
        arena: Of RAM; see `runtime.engines.tflm.arena`. Stack and the caller's buffers come on top.
    """

    flash: int
    arena: int


def footprint(data: bytes) -> Footprint:
    """Return the memory that a model takes of a microcontroller.

    Raises:
        EngineError: If TFLM doesn't open the file, or is not installed.
    """
    return Footprint(len(data), tflm.arena(data))


def sources(data: bytes, spec: ModelSpec) -> dict[str, bytes]:
    """Return C++ sources: ``model_data.h``, ``model_data.cc`` with the bytes of the file, and ``main.cc``.

    Args:
        data: A file that passed `check_operators`.
        spec: What the model takes and gives; its name becomes the C++ namespace.

    Raises:
        EngineError: If TFLM doesn't open the file, or is not installed.
    """
    model, size = tflm.open_numbered(data), footprint(data)
    labels = tuple(getattr(spec.output, "labels", ()))
    labels = labels if [len(labels)] == [_length(tensor) for tensor in model.gives] else ()
    scope = re.sub(r"[^A-Za-z0-9]+", "_", f"model {spec.name}").strip("_")
    listed = "".join(f"\n    {_text(label)}," for label in labels)
    header = f"""\
// {comment(spec.name)}, written by edgezoo: a TFLite file for TensorFlow Lite for Microcontrollers.
#pragma once

#include <cstddef>
#include <cstdint>

namespace {scope} {{

// The file, in flash.
extern const unsigned char kModel[];
constexpr std::size_t kModelLength = {size.flash};

// RAM that TFLM's portable kernels took on a 64-bit machine. A 32-bit processor takes less for pointers; a vendor's
// kernels may take more for scratch memory. If AllocateTensors fails, raise it.
constexpr std::size_t kArenaSize = {size.arena};

// value = (integer - zero point) * scale, for inputs (raw values, such as pixels from 0 to 255) and outputs.
{_constants("Input", spec.input.tensors, model.takes)}
{_constants("Output", spec.output.tensors, model.gives)}

// What each output stands for; none where the task has no labels.
constexpr int kLabelCount = {len(labels)};
extern const char* const kLabels[];

}}  // namespace {scope}
"""
    body = ",\n".join(
        "    " + ", ".join(str(byte) for byte in data[at : at + COLUMNS]) for at in range(0, len(data), COLUMNS)
    )
    array = f"""\
#include "model_data.h"

namespace {scope} {{

alignas(16) const unsigned char kModel[] = {{
{body},
}};

const char* const kLabels[] = {{{listed}
    nullptr,
}};

}}  // namespace {scope}
"""
    example = main(spec, scope, operators(data), model)
    return {"model_data.h": header.encode(), "model_data.cc": array.encode(), "main.cc": example.encode()}


def _constants(end: str, specs: Sequence[TensorSpec], tensors: Sequence[tflm.Tensor]) -> str:
    """Return the constants of a graph's inputs or outputs, which are numbered where there are several."""
    lines = []
    for name, spec, tensor in zip(numbered(f"k{end}", len(tensors)), specs, tensors, strict=True):
        what = f"{comment(spec.name)}: {_shape(tensor.shape)}" if len(tensors) > 1 else _shape(tensor.shape)
        lines += [
            f"constexpr int {name}Length = {_length(tensor)};  // {what}",
            f"constexpr float {name}Scale = {float_text(tensor.scale)};",
            f"constexpr int {name}ZeroPoint = {tensor.zero_point};",
        ]
    return "\n".join(lines)


def _length(tensor: tflm.Tensor) -> int:
    return int(np.prod(tensor.shape))


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _text(label: str) -> str:
    """Return a label as a C string of UTF-8; what isn't plain is written as octal, which ends after three digits."""
    plain = set(range(32, 127)) - set(b'"\\?')
    return '"' + "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in label.encode()) + '"'
