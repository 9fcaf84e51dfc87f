"""Small networks trained for a moment on scikit-learn's digits, as images, rows of a table and sequences of rows."""

from __future__ import annotations

import typing
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torch import nn

import export
from export.precision import CALIBRATED
from runtime.spec import Precision
from tests.networks import Recurrent

PROVED = 300
"""Samples that files are proved with; calibration takes from the others, as training does."""
_PIXELS, TARGETS = load_digits(return_X_y=True)
_MEAN, _STD = float(_PIXELS.mean()), float(_PIXELS.std())
LABELS = tuple("0123456789")
PRECISIONS: tuple[Precision, ...] = typing.get_args(Precision)
CLASSES = export.Classification("classification", "logits", LABELS)


@dataclass(frozen=True)
class Case:
    """A trained network with what its export needs.

    Args:
        module: Takes raw inputs.
        spec: What it takes and gives.
        items: All digits as the spec's input reads them.
    """

    module: nn.Module
    spec: export.ModelSpec
    items: Any

    @property
    def held(self) -> dict[str, Any]:
        """What `export.export` proves with."""
        return {"samples": list(self.items[:PROVED]), "targets": TARGETS[:PROVED]}

    @property
    def known(self) -> export.Calibration:
        """What it calibrates with."""
        return export.Calibration(list(self.items[PROVED:]), TARGETS[PROVED:], 100)

    def export(self, out: Any, formats: list[str], precisions: list[str], **options: Any) -> Any:
        """Export the network."""
        arguments = {"calibration": self.known, **self.held, **options}
        return export.export(self.module, self.spec, formats=formats, precisions=precisions, out=out, **arguments)


def convolutional() -> Case:
    """Images: a convolution, a depthwise one, a pooling, and a linear layer."""
    network = nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(),
        nn.Conv2d(12, 12, 3, padding=1, groups=12), nn.ReLU(),
        nn.Conv2d(12, 24, 1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(24 * 16, 10),
    )  # fmt: skip
    images = np.round(_PIXELS.reshape(-1, 8, 8, 1) * 255 / 16).astype(np.uint8)
    input_spec = export.ImageInput("image", "image", (8, 8, 1), export.image_steps((8, 8), "L"))
    module = export.NormalizePixels(network, (_MEAN / 16,), (_STD / 16,))
    return _trained(module, export.ModelSpec("conv", input_spec, CLASSES), images)


def perceptron() -> Case:
    """Rows of a table."""
    network = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 10))
    columns = [export.NumericColumn("numeric", f"p{i}", _MEAN, _STD, 0.0, 16.0) for i in range(64)]
    input_spec = export.TableInput("table", "features", tuple(columns))
    module = export.NormalizeFeatures(network, *(list(each) for each in zip(*[(_MEAN, _STD)] * 64, strict=True)))
    case = _trained(module, export.ModelSpec("table", input_spec, CLASSES), _PIXELS.astype(np.float32))
    rows = [{f"p{i}": float(value) for i, value in enumerate(row)} for row in case.items]
    return Case(case.module, case.spec, rows)


def recurrent() -> Case:
    """Sequences of eight rows: an LSTM that streams."""
    mean, std = [_MEAN] * 8, [_STD] * 8
    names = tuple(f"c{i}" for i in range(8))
    input_spec = export.SequenceInput("sequence", "sequence", 8, names, tuple(mean), tuple(std))
    module = export.NormalizeFeatures(Recurrent(8, 10, hidden=32, layers=1), mean, std)
    return _trained(module, export.ModelSpec("rows", input_spec, CLASSES), _PIXELS.reshape(-1, 8, 8).astype(np.float32))


def _trained(module: nn.Module, spec: export.ModelSpec, inputs: NDArray[Any]) -> Case:
    torch.manual_seed(0)
    for part in module.modules():
        if hasattr(part, "reset_parameters"):
            part.reset_parameters()
    known, targets = torch.from_numpy(inputs[PROVED:]), torch.from_numpy(TARGETS[PROVED:])
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.01)
    for _ in range(8):
        for part in torch.randperm(len(known)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(known[part]), targets[part]).backward()
            optimizer.step()
    return Case(module.eval(), spec, inputs)


def precisions(kind: str) -> list[Precision]:
    """Return the precisions that suit a kind of network: others make unrolled layers larger, or step by step wrong."""
    return [each for each in PRECISIONS if kind != "sequence" or each not in {*CALIBRATED, "int4-weights"}]
