"""The network of the recurrent recipes, which differ in the cell alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from zoo.recipes import Recipe, Training
from zoo.recipes._inputs import sequences

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Options:
    """The network's shape."""

    layers: int = 2
    """Recurrent layers, each reading the one before."""
    hidden: int = 128
    """Units of each layer, in each direction."""
    bidirectional: bool = False
    """Read backwards too: knows the whole sequence, but can't stream."""
    dropout: float = 0.2
    """Share of units dropped between layers and before the readout in training."""
    size: int = 0
    """Height and width of images whose rows are the sequence; 0 keeps the data's own."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not (1 <= self.layers <= 16 and self.hidden > 0 and 0 <= self.dropout < 1):
            raise ValueError(f"layers must be 1 to 16, hidden above 0 and dropout 0 to 1, got {self}")


def recurrent(cell: Literal["RNN", "LSTM", "GRU"], training: Training) -> Recipe:
    """Return the recipe of one of PyTorch's recurrent layers with a readout of its last step."""

    def build(options: Options, shape: tuple[int, ...], outputs: int) -> nn.Module:
        from torch import nn

        from zoo.recipes._blocks import LastStep

        between = options.dropout if options.layers > 1 else 0.0
        layers = getattr(nn, cell)(
            shape[1], options.hidden, options.layers, batch_first=True, dropout=between,
            bidirectional=options.bidirectional,
        )  # fmt: skip
        return LastStep(layers, outputs, options.dropout)

    search: dict[str, Any] = {
        "lr": (1e-3, 2e-2),
        "hidden": [64, 128, 192],
        "layers": (1, 2),
        "dropout": [0.0, 0.2, 0.4],
    }
    return Recipe(Options, build, training=training, input=sequences, search=search, precision="int8-dynamic")
