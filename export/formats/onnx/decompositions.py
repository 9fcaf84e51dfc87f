"""Decompositions of functions that torch's ONNX exporter translates wrongly into others.

One that returns NotImplemented leaves the function as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any


def decomposed() -> AbstractContextManager[object]:
    """Return a context that replaces the functions while a module is traced."""
    import torch
    from torch.overrides import TorchFunctionMode

    decompositions: dict[Any, Callable[..., Any]] = {
        torch.nn.functional.scaled_dot_product_attention: _joined_attention,
        torch.nn.functional.max_pool1d: _pooled,
        torch.max_pool1d: _pooled,
        torch._VF._pack_padded_sequence: _packed,
        torch._VF._pad_packed_sequence: _unpacked,
    }

    class Decomposing(TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            options, decompose = kwargs or {}, decompositions.get(function)
            result = decompose(*args, **options) if decompose else NotImplemented
            return function(*args, **options) if result is NotImplemented else result

    return Decomposing()


def _joined_attention(query: Any, key: Any, value: Any, attn_mask: Any = None, *more: Any, **options: Any) -> Any:
    """Let attention have four axes: the exporter knows no more."""
    import torch

    if attn_mask is not None or query.dim() <= 4:
        return NotImplemented
    parts = [part.flatten(0, part.dim() - 4) for part in (query, key, value)]
    attention: Any = torch.nn.functional.scaled_dot_product_attention
    return attention(*parts, None, *more, **options).reshape(*query.shape[:-1], value.shape[-1])


def _pooled(
    values: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Pool along one axis as along two: the size of the axis becomes a number otherwise."""
    import torch

    if return_indices:
        return NotImplemented

    def last(option: Any) -> int:
        return int(option[0] if isinstance(option, list | tuple) else option)

    sizes = [(1, last(kernel_size)), (1, last(stride or kernel_size)), (0, last(padding)), (1, last(dilation))]
    pool: Any = torch.max_pool2d
    return pool(values.unsqueeze(-2), *sizes, ceil_mode).squeeze(-2)


def _packed(steps: Any, lengths: Any, batch_first: bool) -> Any:
    """Leave packed sequences padded, with lengths in the place of batch sizes, as our recurrent layers take them."""
    return (steps.transpose(0, 1) if batch_first else steps), lengths


def _unpacked(steps: Any, lengths: Any, batch_first: bool, *_: Any) -> Any:
    """Give what was left padded."""
    return (steps.transpose(0, 1) if batch_first else steps), lengths
