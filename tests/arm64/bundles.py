"""A bundle of every recipe: TFLite in fp32, and in int8, or in fp16 where int8 doesn't suit the recipe.

The networks have random weights: what they have learnt changes no kernel, and training took most of the time.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from export.bundle import fill, prepare
from export.files import Variant, prove
from export.graphs import Steps
from export.precision import CALIBRATED
from export.precision.calibration import Calibration
from runtime.bundle import Card
from tests.photos import write_photos
from zoo.modules import descriptions
from zoo.pipeline import plan
from zoo.recipe import recipe

FEW = 32
"""Samples that calibrate and prove; the parity tests take all."""


def make(folder: Path) -> Iterator[Path]:
    """Yield each recipe's bundle in a folder of its own; recipes without data of their own take small photos."""
    (folder / "photos").mkdir(parents=True)
    photos = write_photos(folder / "photos")
    for name in descriptions("zoo.recipes"):
        declared, place = recipe(name), folder / name
        settings = {} if declared.data else {"size": 64, "pretrained": False}
        ready = plan(name, data=declared.data or f"folder:{photos}", settings=settings)
        torch.manual_seed(0)
        _, module = ready.run.network()
        splits, spec = ready.prepared.dataset.splits, ready.run.model
        known = Calibration(splits["train"].items[:FEW], splits["train"].targets[:FEW], FEW, "min-max")
        sources, golden = prepare(module, spec, splits["validation"].items[:FEW], ["tflite"], calibration=known)
        place.mkdir()
        proofs = []
        for source in sources:
            for precision in ("fp32", "int8" if declared.precision == "int8" else "fp16"):
                if isinstance(source.part, Steps) and precision in CALIBRATED:
                    continue
                variant = Variant(precision)
                proofs.append(prove(source, variant, source.quantise(variant), place))
        fill(place, spec, proofs, golden, Card(), {})
        yield place
