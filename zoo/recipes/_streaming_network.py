"""A network over features of audio that takes whole clips, or a hop at a time: causal convolutions."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn
from torch.nn import functional as F  # PyTorch's own name for it

from export import FullPrecision
from zoo.recipes._causal import CausalSeparable
from zoo.recipes._front_end import FrontEnd, Mask, front_end

if TYPE_CHECKING:
    from zoo.recipes._features import Bands, Framing


class StreamingFeatures(FullPrecision):
    """Features of frames that end with their hops, ``[batch, hops, features]``.

    Args:
        features: The features of whole frames.
        past: Samples of a frame before its hop.
    """

    def __init__(self, features: FrontEnd, past: int) -> None:
        super().__init__()
        self.features, self.past = features, past

    def forward(self, samples: torch.Tensor, before: torch.Tensor | None = None) -> torch.Tensor:
        """Return the features of ``[batch, samples]`` after those ``[batch, past]`` before; None stands for silence."""
        joined = F.pad(samples, (self.past, 0)) if before is None else torch.cat([before, samples], 1)
        frames: torch.Tensor = self.features(joined)
        return frames


class StreamingNetwork(nn.Module):
    """Logits ``[batch, outputs]`` of all samples so far, of whole clips or hop by hop; see `export.Streamable`.

    A frame ends with its hop. Silence precedes the first one.

    Args:
        framing: How the samples are cut into frames.
        bands: The mel bands.
        options: Of the recipe: features, coefficients, widths, kernels, dilations, dropout and mask.
        outputs: The number of logits.
    """

    def __init__(self, framing: Framing, bands: Bands, options: Any, outputs: int) -> None:
        super().__init__()
        self.hop, self.past = framing.hop_samples, framing.window_samples - framing.hop_samples
        features = front_end(framing.window_samples, framing, bands, options.features, options.coefficients)
        self.features = StreamingFeatures(features, self.past)
        self.mask = Mask(options.mask)
        first = options.coefficients if options.features == "mfcc" else options.bands
        widths = [first, *options.widths]
        self.layers = nn.ModuleList(
            CausalSeparable(*pair, kernel, dilation)
            for pair, kernel, dilation in zip(pairwise(widths), options.kernels, options.dilations, strict=True)
        )
        self.head = nn.Sequential(nn.Dropout(options.dropout), nn.Linear(widths[-1], outputs))
        self.state: dict[str, tuple[int, ...]] = {"samples": (self.past,)} if self.past else {}
        self.state |= {f"layer_{i}": (widths[i], layer.past) for i, layer in enumerate(self._layers) if layer.past}

    @property
    def _layers(self) -> list[CausalSeparable]:
        return cast("list[CausalSeparable]", list(self.layers))

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """Return the logits after the last hop of ``[batch, samples]``."""
        steps = self.mask(self.features(samples)).transpose(1, 2)
        for layer in self._layers:
            steps = layer(steps)
        logits: torch.Tensor = self.head(steps[:, :, -1])
        return logits

    def step(self, sample: torch.Tensor, *states: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Take a hop ``[batch, hop]``; see `export.Streamable`."""
        rest = iter(states)
        before = next(rest) if self.past else None
        steps = self.features(sample, before).transpose(1, 2)
        following = [torch.cat([before, sample], 1)[:, self.hop :]] if before is not None else []
        for layer in self._layers:
            if layer.past:
                steps, before = layer.step(steps, next(rest))
                following.append(before)
            else:
                steps = layer(steps)
        return self.head(steps[:, :, 0]), *following
