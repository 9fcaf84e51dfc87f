"""The operators that a module runs, as PyTorch dispatches them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from export.activation import Operator, Tape
from runtime.tensors import by_name

if TYPE_CHECKING:
    from runtime.tensors import Tensors


def last_operator(module: torch.nn.Module, inputs: Tensors) -> Operator | None:
    """Return what makes a module's output for a batch of inputs; None if PyTorch doesn't tell.

    Below the modules, so that functions, methods, scripts and wrappers are seen as well.
    """
    tensors = [torch.from_numpy(array.copy()) for array in by_name(inputs, [""]).values()]
    recorder = _Recorder(tensors)
    try:
        with torch.no_grad(), recorder:
            output = module(*tensors)
    except Exception:  # a module that was compiled may refuse to be watched
        return None
    return recorder.tape.makers([_memory(output)]).get(_memory(output))


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]  # its class has untyped hooks
    """Put each operator onto a tape. Tensors go by their memory: operators may change it in place, or show it anew."""

    def __init__(self, graph_inputs: Sequence[torch.Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.tape = Tape(map(_memory, graph_inputs))
        self._kept: list[torch.Tensor] = []  # no other tensor shall take their place in memory

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        operands, results = list(_tensors((args, kwargs))), list(_tensors(result))
        self._kept += results
        self.tape.add(func.overloadpacket.__name__, map(_memory, operands), map(_memory, results))
        return result


def _tensors(values: Any) -> Iterator[torch.Tensor]:
    return (value for value in tree_leaves(values) if isinstance(value, torch.Tensor))


def _memory(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
