"""Small networks for sequences and tables, as users write them."""

from __future__ import annotations

import torch
from torch import nn


class Recurrent(nn.Module):
    """Layers of LSTM cells, whose answer comes from the last step; causal unless it reads both ways."""

    def __init__(self, features: int, outputs: int, hidden: int = 6, layers: int = 2, both_ways: bool = False) -> None:
        super().__init__()
        self.layers = nn.LSTM(features, hidden, layers, batch_first=True, bidirectional=both_ways)
        self.head = nn.Linear(hidden * (1 + both_ways), outputs)
        self.state = {} if both_ways else {"hidden": (layers, hidden), "cell": (layers, hidden)}

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(inputs)[0][:, -1])

    def step(self, sample: torch.Tensor, *states: torch.Tensor) -> tuple[torch.Tensor, ...]:
        before = tuple(state.transpose(0, 1).contiguous() for state in states)
        output, after = self.layers(sample[:, None], before)
        return self.head(output[:, 0]), *(state.transpose(0, 1) for state in after)


class Convolution(nn.Module):
    """One causal convolution over time, whose state is the last few steps."""

    def __init__(self, features: int, outputs: int, width: int = 3) -> None:
        super().__init__()
        self.width = width
        self.layer = nn.Conv1d(features, 8, width)
        self.head = nn.Linear(8, outputs)
        self.state = {"before": (width - 1, features)}

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        padded = nn.functional.pad(inputs.transpose(1, 2), (self.width - 1, 0))
        return self.head(torch.relu(self.layer(padded))[:, :, -1])

    def step(self, sample: torch.Tensor, *states: torch.Tensor) -> tuple[torch.Tensor, ...]:
        window = torch.cat([states[0], sample[:, None]], 1)
        return self.head(torch.relu(self.layer(window.transpose(1, 2)))[:, :, -1]), window[:, 1:]


def perceptron(features: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(features, 8), nn.ReLU(), nn.Linear(8, outputs))


class TwoInTwoOut(nn.Module):
    """Scores of a hundred beside values of a thousandth, from numbers and words."""

    def __init__(self):
        super().__init__()
        self.numbers, self.words = nn.Linear(8, 16), nn.Embedding(20, 16)
        self.large, self.small = nn.Linear(16, 3), nn.Linear(16, 4)

    def forward(self, words, numbers):
        hidden = torch.relu(self.numbers(numbers) + self.words(words).mean(1))
        return {"unused": hidden, "large": 100 * self.large(hidden), "small": 1e-3 * self.small(hidden)}


class Squares(nn.Module):
    """A detector that sees each cell of 8x8 pixels that is red, or green, and gives the cell as a box."""

    def __init__(self, gain=40.0):
        super().__init__()
        self.pool = nn.AvgPool2d(8)
        self.scores, self.distances = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 4, 1)
        with torch.no_grad():
            self.scores.weight.copy_(gain * torch.tensor([[1.0, -1, -1], [-1, 1, -1]])[:, :, None, None])
            self.scores.bias.fill_(-gain / 2)
            self.distances.weight.zero_()
            self.distances.weight[:, 2] = 0.1
            self.distances.bias.fill_(0.5)

    def forward(self, pixels):
        cells = self.pool(pixels.permute(0, 3, 1, 2).float() / 255)
        return self.distances(cells).flatten(2).transpose(1, 2), self.scores(cells).flatten(2).transpose(1, 2)
