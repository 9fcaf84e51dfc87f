"""The example program of TFLM's sources: it runs a model once on inputs that its reader fills in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from runtime.tasks import Classification

if TYPE_CHECKING:
    from runtime.engines.tflm import TFLM, Tensor
    from runtime.spec import ModelSpec
    from runtime.tensor_spec import TensorSpec

METHODS = {
    "BATCH_MATMUL": "BatchMatMul",
    "CUMSUM": "CumSum",
    "PADV2": "PadV2",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTM",
}
"""Operators whose method of ``MicroMutableOpResolver`` is not named after the words of their own name."""


def main(spec: ModelSpec, scope: str, used: tuple[str, ...], model: TFLM) -> str:
    """Return ``main.cc``.

    Args:
        spec: What the model takes and gives.
        scope: The C++ namespace of its constants.
        used: The names of the operators that it uses.
        model: The opened file.
    """
    adds = "\n".join(f"  resolver.Add{_method(name)}();" for name in used)
    chosen = spec.output if isinstance(spec.output, Classification) else None
    logits = chosen and chosen.activation == "none"
    answer = f"""
  // the values are {"logits; the softmax of them are probabilities" if logits else "probabilities"}
  std::printf("answer: %s\\n", {scope}::kLabels[best]);"""
    track = "\n    if (value > highest) highest = value, best = i;" if chosen else ""
    before = "  int best = 0;\n  float highest = -3.4e38f;\n" if chosen else ""
    names = numbered("Input", len(model.takes)), numbered("Output", len(model.gives))
    parts = list(zip(names[0], spec.input.tensors, model.takes, strict=True))
    readers = "\n\n".join(
        _reader(name, tensor.name if len(parts) > 1 else "", _order(spec, tensor)) for name, tensor, _ in parts
    )
    fills = "\n".join(_fill(scope, name, index, tensor) for index, (name, _, tensor) in enumerate(parts))
    several = len(model.gives) > 1
    prints = "\n".join(
        _print(scope, name, index, tensor, output.name if several else "", (before, track))
        for index, (name, output, tensor) in enumerate(zip(names[1], spec.output.tensors, model.gives, strict=True))
    )
    return f"""\
// Runs {comment(spec.name)} once. Build it with model_data.cc and TensorFlow Lite for Microcontrollers.
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

{readers}

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

{fills}
  if (static_cast<int>(interpreter.Invoke()) != 0) {{
    std::printf("Invoke failed\\n");
    return 1;
  }}

{prints}{answer if chosen else ""}
  return 0;
}}
"""


def numbered(name: str, count: int) -> list[str]:
    """Return the names of things of one kind, which are numbered where there are several."""
    return [name] if count == 1 else [f"{name}{index}" for index in range(count)]


def _reader(name: str, tensor: str, order: str) -> str:
    """Return the function that gives the raw values of an input."""
    what = f"the input {comment(tensor)}" if tensor else "the input"
    return f"""\
// Value i of {what}, raw: put your camera, sensor or buffer here. {comment(order)}
float Read{name}(int i) {{
  (void)i;
  return 0.0f;
}}"""


def _fill(scope: str, name: str, index: int, tensor: Tensor) -> str:
    """Return the lines that write an input."""
    lower = name.lower()
    if tensor.dtype == np.int32:
        return f"""\
  std::int32_t* {lower} = interpreter.input({index})->data.i32;
  for (int i = 0; i < {scope}::k{name}Length; ++i) {lower}[i] = static_cast<std::int32_t>(Read{name}(i));"""
    if tensor.dtype == np.float32:
        return f"""\
  float* {lower} = interpreter.input({index})->data.f;
  for (int i = 0; i < {scope}::k{name}Length; ++i) {lower}[i] = Read{name}(i);"""
    return f"""\
  std::int8_t* {lower} = interpreter.input({index})->data.int8;
  for (int i = 0; i < {scope}::k{name}Length; ++i) {{
    float steps = std::round(Read{name}(i) / {scope}::k{name}Scale) + {scope}::k{name}ZeroPoint;
    {lower}[i] = static_cast<std::int8_t>(std::fmin(std::fmax(steps, -128.0f), 127.0f));
  }}"""


def _print(scope: str, name: str, index: int, tensor: Tensor, what: str, best: tuple[str, str]) -> str:
    """Return the lines that print an output.

    Args:
        scope: The namespace.
        name: What the output is called in the program.
        index: Its number.
        tensor: Its type.
        what: Its own name, where there are several.
        best: What stands before the loop and in it to find the largest value.
    """
    before, track = best
    lower = name.lower()
    label = f'"{_plain(what)}"' if what else f'i < {scope}::kLabelCount ? {scope}::kLabels[i] : "value"'
    whole = tensor.dtype == np.int32
    kind, field = ("std::int32_t", "i32") if whole else ("std::int8_t", "int8")
    real = f"static_cast<float>({lower}[i]{'' if whole else f' - {scope}::k{name}ZeroPoint'})"
    return f"""\
  const {kind}* {lower} = interpreter.output({index})->data.{field};
{before}  for (int i = 0; i < {scope}::k{name}Length; ++i) {{
    float value = {real}{"" if whole else f" * {scope}::k{name}Scale"};
    std::printf("%s %g\\n", {label}, static_cast<double>(value));{track}
  }}"""


def _plain(name: str) -> str:
    """Return a name as the content of a C string."""
    return "".join(char if char.isascii() and char.isalnum() else "_" for char in name)


def _order(spec: ModelSpec, tensor: TensorSpec) -> str:
    axes = {
        "image": "Rows, columns, channels.",
        "table": "The columns' features.",
        "sequence": "Steps, features.",
        "audio": "Samples from -1 to 1.",
    }
    return axes.get(spec.input.kind) or ", ".join(tensor.axes or ("The tensor's values",)) + "."


def _method(operator: str) -> str:
    return METHODS.get(operator) or "".join(
        word if word[0].isdigit() else word.capitalize() for word in operator.split("_")
    )


def float_text(value: float) -> str:
    """Return a number as C++ writes it."""
    text = f"{value:.9g}"  # enough digits for every float
    return f"{text}f" if "." in text or "e" in text else f"{text}.0f"


def comment(text: str) -> str:
    """Return a text as it may stand in a comment."""
    return "".join(char if char.isascii() and char.isprintable() and char != "\\" else "?" for char in text)
