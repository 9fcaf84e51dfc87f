"""Layers of causal networks that run on whole sequences, and step by step with a state."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F  # PyTorch's own name for it


class CausalSeparable(nn.Module):
    """A depthwise and a pointwise convolution over time that see no later step, each normalized and rectified.

    They have a second axis of size 1: TFLite's converter folds no batch normalization into convolutions of one axis.

    Args:
        inputs: Channels before.
        outputs: Channels after.
        kernel: Steps that the depthwise convolution sees.
        dilation: Steps from one of them to the next.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.dilation, self.past = dilation, (kernel - 1) * dilation
        self.depthwise = nn.Conv2d(inputs, inputs, (kernel, 1), dilation=(dilation, 1), groups=inputs, bias=False)
        self.pointwise = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(inputs), nn.BatchNorm2d(outputs)])

    def forward(self, steps: torch.Tensor) -> torch.Tensor:
        """Return ``[batch, outputs, time]`` for ``[batch, inputs, time]``; zeros precede the first step."""
        return self.valid(F.pad(steps, (self.past, 0)))

    def step(self, step: torch.Tensor, before: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Take one step.

        Args:
            step: ``[batch, inputs, 1]``.
            before: The steps before it, ``[batch, inputs, past]``.

        Returns:
            ``[batch, outputs, 1]``, and the steps before the next one.
        """
        steps = torch.cat([before, step], 2)
        return self.valid(steps), steps[:, :, 1:]

    def valid(self, steps: torch.Tensor) -> torch.Tensor:
        """Return ``[batch, outputs, time - past]`` for ``[batch, inputs, time]``, of which `past` precede the first."""
        depthwise, pointwise = self.norms
        filtered = torch.relu(depthwise(self.depthwise(steps.unsqueeze(3))))
        mixed: torch.Tensor = torch.relu(pointwise(self.pointwise(filtered)))
        return mixed.squeeze(3)
