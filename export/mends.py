"""What litert-torch translates wrongly or not at all, in operators that it translates rightly.

Each mend is a decomposition, put into the converter's own table: it sees every graph, whatever module it came from.
Those that return NotImplemented leave the operator as it is.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np


@cache
def register() -> None:
    """Put all mends into litert-torch's table."""
    import torch
    from litert_torch.fx_infra import decomp

    aten = torch.ops.aten
    decomp.add_pre_convert_decomp(aten.upsample_nearest2d.vec, _nearest)
    decomp.add_pre_convert_decomp(aten.expand.default, _expanded)
    decomp.add_pre_convert_decomp(aten.repeat.default, _repeated)
    decomp.add_pre_convert_decomp(aten.conv1d.default, _pointwise)


def _nearest(image: Any, size: Any, scales: Any) -> Any:
    """Enlarge by a share of a pixel: TFLite takes the pixel at the middle of the new one, PyTorch that at its edge."""
    import torch

    old = image.shape[-2:]
    new = size if size is not None else [int(n * factor) for n, factor in zip(old, scales, strict=True)]
    if all(n % m == 0 for m, n in zip(old, new, strict=True)):
        return torch.ops.aten.upsample_nearest2d.default(image, new)
    for axis, before, after in zip((2, 3), old, new, strict=True):
        places = np.minimum(np.floor(np.arange(after, dtype=np.float32) * np.float32(before / after)), before - 1)
        image = image.index_select(axis, image.new_tensor(places).long())
    return image


def _expanded(values: Any, size: Any, *, implicit: bool = False) -> Any:
    """Repeat an image along an axis by adding zeros: the converter loses the axes of what it repeats otherwise."""
    import torch

    shape = [old if new == -1 else new for old, new in zip(values.shape, size[-values.dim() :], strict=True)]
    if len(size) != 4 or values.dim() != 4 or list(values.shape) == shape or not values.is_floating_point():
        return NotImplemented
    return values + torch.zeros(shape, dtype=values.dtype)


def _repeated(values: Any, times: Any) -> Any:
    """Repeat by joining copies: the converter repeats images along the axis where another layout has channels."""
    import torch

    if values.dim() != len(times) or 0 in times:
        return NotImplemented
    for axis, count in enumerate(times):
        if count > 1:
            values = torch.cat([values] * count, axis)
    return values


def _pointwise(
    steps: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = (1,),
    padding: Any = (0,),
    dilation: Any = (1,),
    groups: int = 1,
) -> Any:
    """Convolve single steps by a matrix: behind a product of matrices the converter gives it an axis too many."""
    import torch

    if steps.dim() != 3 or weight.shape[2] != 1 or (list(stride), list(padding), groups) != ([1], [0], 1):
        return NotImplemented
    return torch.nn.functional.linear(steps.transpose(1, 2), weight[:, :, 0], bias).transpose(1, 2)
