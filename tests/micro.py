"""Networks as static int8 TFLite files, as TFLM takes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from runtime.native_output import suppress_output


def converted(module: torch.nn.Module, samples: NDArray[np.float32]) -> bytes:
    """Return a float TFLite file of batch 1."""
    with suppress_output():
        import litert_torch

        edge = litert_torch.convert(module.eval(), (torch.from_numpy(samples[:1].copy()),))
        return bytes(edge.model_content())


def static_int8(module: torch.nn.Module, samples: NDArray[np.float32]) -> bytes:
    """Return the file quantised, inputs and outputs too; calibrated with `samples`."""
    data = converted(module, samples)
    with suppress_output():
        from ai_edge_quantizer import calibrator, quantizer, recipe, recipe_manager
        from ai_edge_quantizer.utils import qsv_utils

        scheme = recipe.static_wi8_ai8()
        manager = recipe_manager.RecipeManager()
        manager.load_quantization_recipe(scheme)
        # smallest and largest: the library's default is a moving average of them, which cuts off half of all samples
        ranges = calibrator.Calibrator(data, num_threads=1, qsv_update_func=qsv_utils.min_max_update)
        ranges.calibrate({"serving_default": [{"args_0": one[None]} for one in samples]}, manager)
        made = quantizer.Quantizer(data, scheme).quantize(ranges.get_model_qsvs())
        return bytes(made.quantized_model)


def litert(data: bytes, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what LiteRT makes of real samples, one by one, with a static int8 file.

    By its own kernels, which TFLM's are made after: those of XNNPACK round differently after each layer.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    kernels = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter: Any = Interpreter(model_content=data, num_threads=1, experimental_op_resolver_type=kernels)
    interpreter.allocate_tensors()
    (input_details,), (output_details,) = interpreter.get_input_details(), interpreter.get_output_details()
    (scale, zero), (step, origin) = input_details["quantization"], output_details["quantization"]
    rows = []
    for sample in samples:
        steps = np.clip(np.round(sample[None] / scale) + zero, -128, 127)
        interpreter.set_tensor(input_details["index"], steps.astype(np.int8))
        interpreter.invoke()
        rows.append((interpreter.get_tensor(output_details["index"]).astype(np.float32) - origin) * step)
    return np.concatenate(rows)
