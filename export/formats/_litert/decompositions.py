"""Decompositions of operators that litert-torch translates wrongly or not at all into others.

They are added to litert-torch's own table, which it applies to every graph, whatever module it came from. One that
returns NotImplemented leaves the operator as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np


@cache
def register() -> None:
    """Add all decompositions to litert-torch's table."""
    import torch
    from litert_torch.fx_infra import decomp

    aten = torch.ops.aten
    table = decomp.pre_convert_decomp()
    decompositions: dict[Any, Callable[..., Any]] = {
        aten.upsample_nearest2d.vec: _nearest,
        aten.expand.default: _expanded,
        aten.repeat.default: _repeated,
        aten.conv1d.default: _pointwise,
        aten.constant_pad_nd.default: _padded,
        aten.unfold.default: _unfolded,
        aten.avg_pool2d.default: _averaged,
        aten.col2im.default: _folded,
        aten.convolution.default: _transposed,
        aten.conv1d.padding: _same,
        aten.conv2d.padding: _same,
        aten.adaptive_max_pool1d.default: _maximum_of_bins,
        aten.adaptive_max_pool2d.default: _maximum_of_bins,
        aten.adaptive_avg_pool1d.default: _mean_of_bins,
        aten._adaptive_avg_pool2d.default: _mean_of_bins,
    }
    for operator, decompose in decompositions.items():
        decomp.add_pre_convert_decomp(operator, _with_fallback(decompose, table.get(operator)))


def _with_fallback(decompose: Callable[..., Any], fallback: Callable[..., Any] | None) -> Callable[..., Any]:
    """Return a decomposition that leaves an operator to the table's own one, if there is one."""

    def decompose_or_fall_back(*args: Any, **options: Any) -> Any:
        result = decompose(*args, **options)
        return fallback(*args, **options) if result is NotImplemented and fallback else result

    return decompose_or_fall_back


def _nearest(image: Any, size: Any, factors: Any) -> Any:
    """Enlarge by a share of a pixel: TFLite takes the pixel at the middle of the new one, PyTorch that at its edge."""
    import torch

    old = image.shape[-2:]
    new = size if size is not None else [int(n * factor) for n, factor in zip(old, factors, strict=True)]
    if all(n % m == 0 for m, n in zip(old, new, strict=True)):
        return torch.ops.aten.upsample_nearest2d.default(image, new)
    steps = [m / n for m, n in zip(old, new, strict=True)] if size is not None else [1 / factor for factor in factors]
    for axis, before, after, step in zip((2, 3), old, new, steps, strict=True):
        indices = np.minimum(np.floor(np.arange(after, dtype=np.float32) * np.float32(step)), before - 1)
        image = image.index_select(axis, image.new_tensor(indices).long())
    return image


def _expanded(values: Any, size: Any, *, implicit: bool = False) -> Any:
    """Repeat along an axis by adding zeros: the converter loses the axes of what it repeats otherwise.

    Beyond four axes it loses them all the same, so there copies are joined.
    """
    import torch

    if len(size) != values.dim() or not values.is_floating_point():
        return NotImplemented
    shape = [old if new == -1 else new for old, new in zip(values.shape, size, strict=True)]
    if list(values.shape) == shape:
        return NotImplemented
    if len(shape) > 4:
        return _repeated(values, [new // old for old, new in zip(values.shape, shape, strict=True)])
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
        return torch.ops.aten.convolution.default(steps, weight, bias, stride, padding, dilation, False, [0], groups)
    return torch.nn.functional.linear(steps.transpose(1, 2), weight[:, :, 0], bias).transpose(1, 2)


def _padded(values: Any, widths: Any, value: float = 0) -> Any:
    """Pad with the first axes joined: TFLite pads five at most."""
    import torch

    first = values.dim() - len(widths) // 2  # of the axes that are padded
    if values.dim() <= 5 or first < 2:
        return NotImplemented
    padded = torch.nn.functional.pad(values.flatten(0, first - 1), widths, value=value)
    return padded.reshape(*values.shape[:first], *padded.shape[1:])


def _unfolded(values: Any, axis: int, size: int, step: int) -> Any:
    """Take windows along an axis by their indices: the converter pads more axes than TFLite can."""
    import torch

    axis %= values.dim()
    count = (values.shape[axis] - size) // step + 1
    indices = (torch.arange(count) * step).unsqueeze(1) + torch.arange(size)
    return values.index_select(axis, indices.flatten()).unflatten(axis, (count, size)).movedim(axis + 1, -1)


def _averaged(
    image: Any,
    kernel: Any,
    stride: Any = (),
    padding: Any = (0,),
    ceil: bool = False,
    include: bool = True,
    divisor: Any = None,
) -> Any:
    """Average what lies inside of the border: the converter leaves an operator that can't be quantized."""
    import torch

    if include or ceil or divisor is not None or not any(padding):
        return NotImplemented
    (high, wide), steps = (*padding, *padding)[:2], stride or kernel
    framed = torch.nn.functional.pad(image, [wide, wide, high, high])
    means = torch.ops.aten.avg_pool2d.default(framed, kernel, stride)
    for axis, border in ((2, high), (3, wide)):
        size, step, length = (*kernel, *kernel)[axis - 2], (*steps, *steps)[axis - 2], image.shape[axis]
        start = torch.arange(means.shape[axis]) * step - border
        inside = (start + size).clamp(max=length) - start.clamp(min=0)
        means = means * (size / inside).reshape(1, 1, *([-1, 1] if axis == 2 else [1, -1]))
    return means


def _folded(columns: Any, size: Any, kernel: Any, dilation: Any, padding: Any, stride: Any) -> Any:
    """Add windows up pixel by pixel: the converter writes a scatter that LiteRT refuses."""
    from torch.nn.functional import pad

    if columns.dim() != 3 or set(dilation) != {1}:
        return NotImplemented
    (high, wide), (down, right) = kernel, stride
    counts = [
        (n + 2 * border - k) // step + 1 for n, border, k, step in zip(size, padding, kernel, stride, strict=True)
    ]
    # each value at its window's first pixel, zeros between
    spread = pad(columns.reshape(-1, counts[0], 1, counts[1], 1), [0, right - 1, 0, 0, 0, down - 1])
    spread = spread.reshape(-1, high * wide, counts[0] * down, counts[1] * right)
    image: Any = 0
    for pixel in range(high * wide):
        top, left = divmod(pixel, wide)
        image = image + pad(spread[:, pixel], [left, wide - 1 - left, top, high - 1 - top])
    image = image[:, padding[0] : padding[0] + size[0], padding[1] : padding[1] + size[1]]
    return image.reshape(len(columns), -1, *size)


def _transposed(
    image: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, *transposition: Any
) -> Any:
    """Cut the output of a transposed convolution out of the whole one.

    `transposition` is the rest of what ``aten.convolution`` takes: whether it is transposed, output padding and groups.

    The converter adds zeros where output padding has values, and knows no other border than the one that makes the
    output `stride` times as large as the input.
    """
    import torch

    transposed, output_padding, groups = transposition
    borders = zip(weight.shape[2:], stride, padding, dilation, strict=True)
    usual = all(not border or step == 1 or 2 * border == gap * (size - 1) + 1 - step
                for size, step, border, gap in borders)  # fmt: skip
    if not transposed or (usual and not any(output_padding)):
        return NotImplemented
    none = [0] * len(stride)
    whole = torch.ops.aten.convolution.default(image, weight, None, stride, none, dilation, True, none, groups)
    for axis, (border, more) in enumerate(zip(padding, output_padding, strict=True), 2):
        wanted = whole.shape[axis] - 2 * border + more
        if more > border:  # beyond the whole output there is the bias alone
            ends = [0, 0] * (whole.dim() - axis)
            ends[-1] = more - border
            whole = torch.nn.functional.pad(whole, ends)
        whole = whole.narrow(axis, border, wanted)
    return whole if bias is None else whole + bias.reshape(-1, *[1] * len(stride))


def _same(
    image: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: str = "valid",
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """Convolve with a border in numbers: the converter knows no names of borders."""
    import torch

    sizes = weight.shape[2:]
    steps, gaps = ([each] * len(sizes) if isinstance(each, int) else [*each] * (len(sizes) // len(each))
                   for each in (stride, dilation))  # fmt: skip
    borders = [gap * (size - 1) if padding == "same" else 0 for gap, size in zip(gaps, sizes, strict=True)]
    uneven = [each % 2 for each in borders]
    if any(uneven):  # the odd pixel lies at the end, as in PyTorch
        image = torch.nn.functional.pad(image, [end for more in reversed(uneven) for end in (0, more)])
    convolve = torch.ops.aten.conv1d.default if len(sizes) == 1 else torch.ops.aten.conv2d.default
    return convolve(image, weight, bias, steps, [each // 2 for each in borders], gaps, groups)


def _maximum_of_bins(image: Any, counts: Any) -> Any:
    """Take the largest values of bins of any size: the converter has no adaptive maximum.

    Where they stand is not told: there is no telling whether a network asks, and parity says so if one does.
    """
    import torch

    largest = _binned(image, counts, torch.amax)
    return largest, torch.zeros(largest.shape, dtype=torch.int64)


def _mean_of_bins(image: Any, counts: Any) -> Any:
    """Average bins of different sizes, and bins along one axis: what the converter has can't be quantized."""
    import torch

    if any(size % count for size, count in zip(image.shape[-len(counts) :], counts, strict=True)):
        return _binned(image, counts, torch.mean)
    return NotImplemented if len(counts) > 1 else image.unflatten(-1, (counts[0], -1)).mean(-1)


def _binned(image: Any, counts: Any, reduce: Callable[..., Any]) -> Any:
    """Reduce each axis after the other to `counts` values, of bins as PyTorch's adaptive pooling has them."""
    import torch

    for axis, count in enumerate(counts, -len(counts)):
        size = image.shape[axis]
        bins = [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]
        if count != size:
            image = torch.cat([reduce(image.narrow(axis, a, b - a), [axis], True) for a, b in bins], axis)
    return image
