"""The head that every exported image model wears: raw pixels in, whatever the network wants out."""

from __future__ import annotations

from collections.abc import Sequence

import torch


class FromPixels(torch.nn.Module):
    """Put scaling, mean and standard deviation inside the graph, so that no caller can get them wrong.

    Takes ``uint8`` or ``float32 [batch, height, width, channels]`` with values 0-255, gives `network` the
    normalised ``float32 [batch, channels, height, width]``, and returns what it returns.

    Args:
        network: The network proper.
        mean: Of each channel, on a scale of 0 to 1.
        std: Of each channel, on a scale of 0 to 1.
    """

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, network: torch.nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        if len(mean) != len(std) or not all(value > 0 for value in std):
            raise ValueError(f"mean and std need one value a channel, std above 0; got {list(mean)} and {list(std)}")
        self.network = network
        # (x / 255 - mean) / std as one multiplication and one addition
        spread = torch.tensor(std, dtype=torch.float64)
        self.register_buffer("scale", (1 / (255 * spread)).float())
        self.register_buffer("shift", (-torch.tensor(mean, dtype=torch.float64) / spread).float())

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the network's output for raw pixels."""
        scaled = pixels.to(self.scale.dtype) * self.scale + self.shift
        output: torch.Tensor = self.network(scaled.permute(0, 3, 1, 2))
        return output
