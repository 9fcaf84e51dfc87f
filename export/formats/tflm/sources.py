"""A static int8 TFLite file as C++ sources for a microcontroller, and how much memory it takes there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from export.formats.tflm.operators import open_file, operators
from runtime.engines import tflm
from runtime.tasks import Classification

if TYPE_CHECKING:
    from runtime.spec import ModelSpec

COLUMNS = 20
METHODS = {
    "BATCH_MATMUL": "BatchMatMul",
    "CUMSUM": "CumSum",
    "PADV2": "PadV2",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTM",
}
"""Operators whose method of ``MicroMutableOpResolver`` is not named after the words of their own name."""


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
    """Return C++ sources: ``model_data.h``, ``model_data.cc`` with the very bytes of the file, and ``main.cc``.

    Args:
        data: A file that passed `check_operators`.
        spec: What the model takes and gives; its name becomes the C++ namespace.

    Raises:
        EngineError: If TFLM doesn't open the file, or is not installed.
    """
    model, size = open_file(data), footprint(data)
    inputs, outputs = int(np.prod(model.taken.shape)), int(np.prod(model.given.shape))
    labels = tuple(getattr(spec.output, "labels", ()))
    labels = labels if len(labels) == outputs else ()
    scope = re.sub(r"[^A-Za-z0-9]+", "_", f"model {spec.name}").strip("_")
    listed = "".join(f"\n    {_text(label)}," for label in labels)
    header = f"""\
// {_comment(spec.name)}, written by edgezoo: a TFLite file for TensorFlow Lite for Microcontrollers.
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
constexpr int kInputLength = {inputs};  // {_shape(model.taken.shape)}
constexpr float kInputScale = {_float(model.taken.scale)};
constexpr int kInputZeroPoint = {model.taken.zero_point};
constexpr int kOutputLength = {outputs};  // {_shape(model.given.shape)}
constexpr float kOutputScale = {_float(model.given.scale)};
constexpr int kOutputZeroPoint = {model.given.zero_point};

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
    example = _example(spec, scope, operators(data))
    return {"model_data.h": header.encode(), "model_data.cc": array.encode(), "main.cc": example.encode()}


def _example(spec: ModelSpec, scope: str, used: tuple[str, ...]) -> str:
    adds = "\n".join(f"  resolver.Add{_method(name)}();" for name in used)
    chosen = spec.output if isinstance(spec.output, Classification) else None
    logits = chosen and chosen.activation == "none"
    answer = f"""
  // the values are {"logits; the softmax of them are probabilities" if logits else "probabilities"}
  std::printf("answer: %s\\n", {scope}::kLabels[best]);"""
    track = "\n    if (value > highest) highest = value, best = i;" if chosen else ""
    before = "  int best = 0;\n  float highest = -3.4e38f;\n" if chosen else ""
    label = f'i < {scope}::kLabelCount ? {scope}::kLabels[i] : "value"'
    return f"""\
// Runs {_comment(spec.name)} once. Build it with model_data.cc and TensorFlow Lite for Microcontrollers.
#include <cmath>
#include <cstdint>
#include <cstdio>

#include "model_data.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"

// Releases of TFLM have their classes in tflite or in tflite::micro.
namespace tflite {{
namespace micro {{}}
}}  // namespace tflite
using namespace tflite;
using namespace tflite::micro;

namespace {{

alignas(16) std::uint8_t arena[{scope}::kArenaSize];

// Value i of the input, raw: put your camera, sensor or buffer here. {_comment(_order(spec))}
float ReadInput(int i) {{
  (void)i;
  return 0.0f;
}}

}}  // namespace

int main() {{
  // exactly the operators that the model uses: others would only fill the flash
  static MicroMutableOpResolver<{len(used)}> resolver;
{adds}

  static MicroInterpreter interpreter(GetModel({scope}::kModel), resolver, arena, sizeof(arena));
  if (static_cast<int>(interpreter.AllocateTensors()) != 0) {{
    std::printf("AllocateTensors failed: see kArenaSize\\n");
    return 1;
  }}

  std::int8_t* input = interpreter.input(0)->data.int8;
  for (int i = 0; i < {scope}::kInputLength; ++i) {{
    float steps = std::round(ReadInput(i) / {scope}::kInputScale) + {scope}::kInputZeroPoint;
    input[i] = static_cast<std::int8_t>(std::fmin(std::fmax(steps, -128.0f), 127.0f));
  }}
  if (static_cast<int>(interpreter.Invoke()) != 0) {{
    std::printf("Invoke failed\\n");
    return 1;
  }}

  const std::int8_t* output = interpreter.output(0)->data.int8;
{before}  for (int i = 0; i < {scope}::kOutputLength; ++i) {{
    float value = static_cast<float>(output[i] - {scope}::kOutputZeroPoint) * {scope}::kOutputScale;
    std::printf("%s %g\\n", {label}, static_cast<double>(value));{track}
  }}{answer if chosen else ""}
  return 0;
}}
"""


def _order(spec: ModelSpec) -> str:
    axes = {"image": "Rows, columns, channels.", "table": "The columns' features.", "sequence": "Steps, features."}
    return axes.get(spec.input.kind) or ", ".join(spec.input.tensors[0].axes or ("The tensor's values",)) + "."


def _method(operator: str) -> str:
    return METHODS.get(operator) or "".join(
        word if word[0].isdigit() else word.capitalize() for word in operator.split("_")
    )


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _float(value: float) -> str:
    text = f"{value:.9g}"  # enough digits for every float
    return f"{text}f" if "." in text or "e" in text else f"{text}.0f"


def _text(label: str) -> str:
    """Return a label as a C string of UTF-8; what isn't plain is written as octal, which ends after three digits."""
    plain = set(range(32, 127)) - set(b'"\\?')
    return '"' + "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in label.encode()) + '"'


def _comment(text: str) -> str:
    return "".join(char if char.isascii() and char.isprintable() and char != "\\" else "?" for char in text)
