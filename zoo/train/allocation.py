"""A limit on what the layers of a network may allocate: its sizes come from files and command lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from runtime.bundle import MAX_FILE
from runtime.errors import OptionError

MAX_TENSORS = 20_000
_FACTORIES = (
    torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.arange, torch.linspace, torch.eye,
)  # fmt: skip


class LimitedAllocation(TorchFunctionMode):
    """Counts the bytes and tensors that PyTorch's factory functions make, before they are allocated.

    Raises:
        OptionError: If they are more than a model file may hold, or than any network has.
    """

    def __init__(self) -> None:
        super().__init__()
        self.size, self.tensors = 0, 0

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Call a function of PyTorch, if the limits allow it."""
        kwargs = kwargs or {}
        if function in _FACTORIES:
            planned = function(*args, **{**kwargs, "device": "meta"})
            self.size += planned.numel() * planned.element_size()
            self.tensors += 1
            if self.size > MAX_FILE or self.tensors > MAX_TENSORS:
                raise OptionError(
                    f"the network has over {MAX_FILE / 1e9:.1f} GB of weights or over {MAX_TENSORS:,} tensors, more "
                    "than a model file may hold: choose smaller layers, or fewer"
                )
        return function(*args, **kwargs)
