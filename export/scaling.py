"""Wrappers that put scaling inside the graph: raw values in, values in their own unit out.

Each returns what the network returns. `NormalizeFeatures` and `DenormalizeTargets` pass on the steps of a network that
streams; see `export.streaming`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch

from export.streaming import Streamable, state_of
from runtime.scaling import check_pixels, check_scaling


class NormalizePixels(torch.nn.Module):
    """Put scaling, mean and standard deviation of pixels inside the graph.

    Takes ``uint8`` or ``float32 [batch, height, width, channels]`` with values 0-255, gives `network` the
    normalized ``float32 [batch, channels, height, width]``, and returns what it returns.

    Args:
        network: The network proper.
        mean: Of each channel, on a scale of 0 to 1.
        std: Of each channel, on a scale of 0 to 1.

    Raises:
        ValueError: If they are on another scale, or no such values.
    """

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, network: torch.nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        means, stds = check_pixels(mean, std)
        self.network = network
        # (x / 255 - mean) / std as one multiplication and one addition
        spread = torch.tensor(stds, dtype=torch.float64)
        self.register_buffer("scale", (1 / (255 * spread)).float())
        self.register_buffer("shift", (-torch.tensor(means, dtype=torch.float64) / spread).float())

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the network's output for raw pixels."""
        scaled = pixels.to(self.scale.dtype) * self.scale + self.shift
        # dense strides, of one channel too: with channels-last ones a global pooling is exported as a Gather
        image = scaled.permute(0, 3, 1, 2).clone(memory_format=torch.contiguous_format)
        output: torch.Tensor = self.network(image)
        return output


class NormalizeFeatures(torch.nn.Module):
    """Put mean and standard deviation of features inside the graph.

    Takes ``float32 [batch, features]`` or ``[batch, time, features]``, gives `network` the same with a mean of about 0
    and a deviation of about 1, and returns what it returns.

    Args:
        network: The network proper.
        mean: Of each feature.
        std: Of each feature.

    Raises:
        ValueError: If they can't be such values, or float32 can't tell the features apart.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, network: torch.nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        means, stds = check_scaling(mean, std, "feature")
        self.network = network
        self.register_buffer("mean", torch.tensor(means, dtype=torch.float64).float())
        self.register_buffer("std", torch.tensor(stds, dtype=torch.float64).float())

    @property
    def state(self) -> dict[str, tuple[int, ...]]:
        """The state that the network remembers; see `export.streaming.Streamable`."""
        return state_of(self.network)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the network's output for raw features."""
        output: torch.Tensor = self.network(self._scaled(features))
        return output

    def step(self, sample: torch.Tensor, *states: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Take one step ``[batch, features]``; see `export.streaming.Streamable`."""
        return cast(Streamable, self.network).step(self._scaled(sample), *states)

    def _scaled(self, features: torch.Tensor) -> torch.Tensor:
        # the difference first: of values far from 0, such as years, nothing else keeps all digits
        return (features - self.mean) / self.std


class DenormalizeTargets(torch.nn.Module):
    """Bring what a network gives, of mean 0 and deviation 1, to the unit of its target.

    Args:
        network: The network proper; where it gives a tuple, for auxiliary losses, every part is scaled.
        mean: Of the target.
        std: Of the target.

    Raises:
        ValueError: If they can't be such values, or float32 can't tell the targets apart.
    """

    def __init__(self, network: torch.nn.Module, mean: float, std: float) -> None:
        super().__init__()
        ((self.mean,), (self.std,)) = check_scaling([mean], [std], "target")
        self.network = network

    @property
    def state(self) -> dict[str, tuple[int, ...]]:
        """The state that the network remembers; see `export.streaming.Streamable`."""
        return state_of(self.network)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """Return the network's output in the target's unit."""
        output = self.network(inputs)
        return tuple(map(self._scaled, output)) if isinstance(output, tuple) else self._scaled(output)

    def step(self, sample: torch.Tensor, *states: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Take one step ``[batch, features]``; see `export.streaming.Streamable`."""
        output, *after = cast(Streamable, self.network).step(sample, *states)
        return self._scaled(output), *after

    def _scaled(self, output: torch.Tensor) -> torch.Tensor:
        return output * self.std + self.mean
