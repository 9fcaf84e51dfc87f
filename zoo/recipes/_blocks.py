"""Modules that PyTorch lacks, of which recipes compose their networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn


class Maxout(nn.Module):
    """The larger of two linear pieces: halves the units or channels (Goodfellow et al., 2013)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[batch, units, ...]`` for ``[batch, 2 * units, ...]``."""
        return torch.maximum(*x.chunk(2, dim=1))


class Sum(nn.Module):
    """The sum of what parts give for the same input, such as a block and its shortcut."""

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum."""
        first, *others = (part(x) for part in self.parts)
        return cast(Tensor, sum(others, start=first))


class Parallel(nn.Module):
    """The channels of what parts give for the same input, one after the other."""

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x: Tensor) -> Tensor:
        """Return the channels of all parts, ``[batch, channels, ...]``."""
        return torch.cat([part(x) for part in self.parts], dim=1)


class Remainder(nn.Module):
    """The difference of the input and a part's output."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, x: Tensor) -> Tensor:
        """Return the input less the part's output."""
        return x - cast(Tensor, self.part(x))


class Supervised(nn.Module):
    """Parts in a row; in training, heads after all but the last give answers of their own.

    Args:
        parts: The parts; the last one gives the main answer.
        heads: An auxiliary head for each part but the last.
    """

    def __init__(self, parts: Sequence[nn.Module], heads: Sequence[nn.Module]) -> None:
        super().__init__()
        *early, self.last = parts
        self.early, self.heads = nn.ModuleList(early), nn.ModuleList(heads)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return the main answer; in training a tuple of it and those of the heads."""
        answers = []
        for part, head in zip(self.early, self.heads, strict=True):
            x = part(x)
            if self.training:
                answers.append(head(x))
        main: Tensor = self.last(x)
        return (main, *answers) if self.training else main


class Columns(nn.Module):
    """The columns of an image as a sequence, from left to right."""

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[batch, width, channels * height]`` for ``[batch, channels, height, width]``."""
        return x.permute(0, 3, 1, 2).flatten(2)


class EveryStep(nn.Module):
    """The outputs of a recurrent layer at every step."""

    def __init__(self, recurrent: nn.RNNBase) -> None:
        super().__init__()
        self.recurrent = recurrent

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[batch, time, hidden]``, or twice as many features of a bidirectional layer."""
        return cast(Tensor, self.recurrent(x)[0])


class LastStep(nn.Module):
    """Recurrent layers with a linear readout of where they end up.

    Args:
        recurrent: The layers, batch first. A bidirectional one is read where each direction ends.
        outputs: Values that the readout gives.
        dropout: Share of units dropped before the readout in training.
    """

    def __init__(self, recurrent: nn.RNNBase, outputs: int, dropout: float) -> None:
        super().__init__()
        self.recurrent = recurrent
        self.directions = 2 if recurrent.bidirectional else 1
        units = self.directions * recurrent.hidden_size
        self.readout = nn.Sequential(nn.Dropout(dropout), nn.Linear(units, outputs))

    @property
    def state(self) -> dict[str, tuple[int, ...]]:
        """The state from step to step; empty if the layer is bidirectional. See `export.streaming.Streamable`."""
        names = ("hidden", "cell") if isinstance(self.recurrent, nn.LSTM) else ("hidden",)
        shape = (self.recurrent.num_layers, self.recurrent.hidden_size)
        return dict.fromkeys(names if self.directions == 1 else (), shape)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[batch, outputs]`` for ``[batch, time, features]``."""
        _, after = self.recurrent(x)
        hidden = after[0] if isinstance(after, tuple) else after
        return cast(Tensor, self.readout(torch.cat(hidden[-self.directions :].unbind(0), dim=1)))

    def step(self, sample: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Take one step ``[batch, features]``; see `export.streaming.Streamable`."""
        before = tuple(state.transpose(0, 1).contiguous() for state in states)
        several = isinstance(self.recurrent, nn.LSTM)
        output, after = self.recurrent(sample[:, None], before if several else before[0])
        return self.readout(output[:, 0]), *(part.transpose(0, 1) for part in (after if several else (after,)))
