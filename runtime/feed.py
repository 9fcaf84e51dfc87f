"""How a graph made elsewhere is fed: our raw pixels to the tensor it takes, what it gives to our raw outputs.

Files that edgezoo exports take raw pixels and need none of this. A file of another project stays as it is, byte for
byte, and what it lacks stands in the bundle's manifest.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from runtime.errors import EngineError
from runtime.frozen_dataclass import frozen_dataclass
from runtime.quantization import QuantizationParams

if TYPE_CHECKING:
    from numpy.typing import NDArray

FLOOR = 1e-9
"""Probabilities below are taken for it: a logarithm needs more than 0, and smaller ones make no difference."""

Layout = Literal["NHWC", "NCHW"]
Order = Literal["RGB", "BGR"]
Gives = Literal["values", "softmax", "sigmoid"]


@frozen_dataclass
class Feed:
    """The seam between the manifest's input and output and those of a graph made elsewhere.

    Args:
        input: The name that the graph's own input goes by.
        output: The name of the output that holds the values; empty where the model has the graph's own outputs, by
            their names.
        layout: The order of the input's axes.
        dtype: The input's type.
        mean: What is subtracted from each channel, in pixel values 0-255, in the order of `order`.
        std: What it is divided by then, in pixel values.
        order: The order of three channels.
        input_scale: How the scaled pixels are written as integers; None where they go in as they are.
        output_scale: The same for the output.
        gives: Of bundles that earlier releases made: ``softmax`` or ``sigmoid`` if the graph ends in one, which is
            then undone. Now the output's `activation` says so.
    """

    input: str
    output: str
    layout: Layout
    dtype: Literal["uint8", "int8", "float16", "float32"]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    order: Order = "RGB"
    input_scale: QuantizationParams | None = None
    output_scale: QuantizationParams | None = None
    gives: Gives = "values"

    def __post_init__(self) -> None:
        """Check the names and the ranges."""
        if not self.input:
            raise ValueError("a feed needs the names of the graph's input and output")
        if not len(self.mean) == len(self.std) > 0 or not all(value > 0 for value in self.std):
            raise ValueError(
                f"mean and std need one value for each channel, std above 0, got {self.mean} and {self.std}"
            )

    @cached_property
    def _constants(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return np.array(self.mean, np.float32), np.array(self.std, np.float32)

    def take(self, pixels: NDArray[np.uint8]) -> NDArray[Any]:
        """Return the graph's input for raw pixels ``uint8 [batch, height, width, channels]``."""
        values: NDArray[Any] = pixels[..., ::-1] if self.order == "BGR" else pixels
        mean, std = self._constants
        # numpy computes along rows ten times as fast as along three channels (docs/log.md)
        if self.layout == "NCHW":
            rows = np.ascontiguousarray(values.transpose(0, 3, 1, 2))
            shape, mean, std = rows.shape, mean[:, None, None], std[:, None, None]
        else:
            shape, rows = values.shape, values.reshape(*values.shape[:2], -1)
            mean, std = np.tile(mean, shape[2]), np.tile(std, shape[2])
        if mean.any() or (std != 1).any() or self.input_scale:
            rows = rows - mean
            rows /= std
        if self.input_scale:
            rows = self.input_scale.integers(rows, self.dtype)
        return np.ascontiguousarray(rows, self.dtype).reshape(shape)

    def give(self, tensor: NDArray[Any], count: int) -> NDArray[np.float32]:
        """Return raw outputs ``float32 [count, values]`` for what the graph gave for `count` images.

        Raises:
            EngineError: If they don't share it evenly.
        """
        if tensor.size % count:
            raise EngineError(f"the output {self.output!r} has the shape {list(tensor.shape)} for a batch of {count}")
        rows = tensor.reshape(count, -1)
        values = self.output_scale.values(rows) if self.output_scale else rows.astype(np.float32)
        if self.gives == "values":
            return values
        # the runtime's softmax and sigmoid turn these back into the same probabilities
        chances = np.clip(values, FLOOR, 1, dtype=np.float32)
        logits = np.log(chances)
        if self.gives == "sigmoid":
            logits -= np.log(np.clip(1 - values, FLOOR, 1, dtype=np.float32))
        return np.asarray(logits, np.float32)
