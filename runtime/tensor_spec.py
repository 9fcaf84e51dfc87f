"""The tensors of a graph: the name of each, its type, its shape, and what its axes mean."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Literal, cast

import numpy as np

from runtime.errors import shown
from runtime.frozen_dataclass import frozen_dataclass
from runtime.printable import is_printable
from runtime.schema import check_types

DType = Literal["float32", "int32", "int64", "uint8", "int8", "bool"]
GraphDType = Literal["float32", "int32", "int64", "uint8", "int8", "bool", "float16", "float64", "int16"]
"""The types that the graph of a file may have instead."""

MAX_AXES = 7
MAX_ELEMENTS = 2**24
"""The largest number of elements that a sample of a tensor may have."""


@frozen_dataclass
class TensorSpec:
    """A tensor of a graph, without its batch axis.

    Args:
        name: The name of the graph's input or output.
        shape: The size of each axis of one sample; a name stands for an axis of any length, and axes of one name have
            one length.
        dtype: The type of its elements.
        axes: What each axis means, such as ``("channel", "time")``; empty where it is unknown.
        low: The smallest value that is meant for it, where that is known; made-up inputs stay above.
        high: The largest one.
    """

    name: str
    shape: tuple[int | str, ...]
    dtype: DType = "float32"
    axes: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        """Check the types, the axes and the sizes."""
        check_types(self)
        sizes = [size for size in self.shape if isinstance(size, int)]
        if len(self.shape) > MAX_AXES or not all(size > 0 for size in sizes) or math.prod(sizes) > MAX_ELEMENTS:
            raise ValueError(
                f"tensor {self.name!r}: a sample has at most {MAX_AXES} axes of sizes above 0 and {MAX_ELEMENTS} "
                f"elements, got {list(self.shape)[:8]}"
            )
        for axis in (*self.dynamic, *self.axes):
            if not axis or not is_printable(axis):
                raise ValueError(f"tensor {self.name!r}: an axis needs a printable name, got {shown(axis)}")
        if self.axes and len(self.axes) != len(self.shape):
            raise ValueError(f"tensor {self.name!r} has {len(self.shape)} axes and {len(self.axes)} names for them")
        if self.low is not None and self.high is not None and not self.low <= self.high:
            raise ValueError(f"tensor {self.name!r}: low must be at most high, got {self.low} and {self.high}")

    @property
    def dynamic(self) -> tuple[str, ...]:
        """The names of its axes of any length."""
        return tuple(size for size in self.shape if isinstance(size, str))

    @cached_property
    def sizes(self) -> tuple[int | None, ...]:
        """The size of each axis, None for one of any length."""
        return tuple(None if isinstance(size, str) else size for size in self.shape)

    @cached_property
    def numpy_dtype(self) -> np.dtype[np.generic]:
        """The type of its elements in numpy."""
        return np.dtype(self.dtype)

    def __str__(self) -> str:
        """Return its type and shape, as ``float32 [batch, 3, time]``."""
        return f"{self.dtype} [{', '.join(map(str, ('batch', *self.shape)))}]"


def check_tensors(tensors: tuple[TensorSpec, ...]) -> None:
    """Check that tensors can be told apart.

    Raises:
        ValueError: If there is none, two have one name, or a name is empty, long or not printable.
    """
    names = [tensor.name for tensor in tensors]
    for name in names:
        if not name.strip() or len(name) > 200 or not is_printable(name):
            raise ValueError(f"a tensor's name is 1 to 200 printable characters, got {shown(name)}")
    if not names or len(set(names)) != len(names):
        raise ValueError(f"at least one tensor, of different names, is needed; got {', '.join(names) or 'none'}")


class OneTensor:
    """A kind of input, or a task, with one tensor, which has its name, `shape` and `dtype`."""

    AXES: ClassVar[tuple[str, ...]]
    """What each axis means; the name of an axis of any length."""
    dtype: ClassVar[type[np.generic]] = np.float32
    SINCE: ClassVar[int] = 2
    """The version of the contract that has it."""
    PLACED: ClassVar[bool] = False
    """Whether a task's answers lie in the picture."""
    step_length: int = 0
    """Of an input that streaming networks take step by step: how many entries of its first axis a step has."""

    @cached_property
    def tensors(self: Any) -> tuple[TensorSpec, ...]:
        """The tensor."""
        shape = tuple(axis if size is None else size for axis, size in zip(self.AXES, self.shape, strict=True))
        return (TensorSpec(self.name, shape, cast(DType, np.dtype(self.dtype).name), self.AXES),)


class SeveralTensors:
    """A kind of input, or a task, with any number of tensors."""

    tensors: tuple[TensorSpec, ...]
    SINCE: ClassVar[int] = 3
    """The version of the contract that has it."""
    PLACED: ClassVar[bool] = False
    """Whether a task's answers lie in the picture."""
    step_length: int = 0
    """See `OneTensor`: it can't be taken step by step."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the tensors."""
        return tuple(tensor.name for tensor in self.tensors)

    def slack_of_each(self, slack: Mapping[str, float] | float) -> Mapping[str, float]:
        """Return by name how far each tensor's values may be off; a number is that of the only tensor."""
        return slack if isinstance(slack, Mapping) else {self.names[0]: slack}
