"""A small bundle of every recipe, trained for an epoch: TFLite in fp32 and in int8, or fp16 where int8 doesn't suit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from export.bundle import fill, prepare
from export.files import Variant, prove
from export.graphs import Steps
from export.precision import CALIBRATED
from tests.photos import write_photos
from zoo.modules import descriptions
from zoo.pipeline import finished, train
from zoo.recipe import recipe

FEW = 48
"""Samples that each file is proved on here; the parity tests take all."""


def make(folder: Path) -> Iterator[Path]:
    """Yield each recipe's bundle in a folder of its own; recipes without data of their own train on small photos."""
    (folder / "photos").mkdir(parents=True)
    photos = write_photos(folder / "photos")
    for name in descriptions("zoo.recipes"):
        declared, place = recipe(name), folder / name
        settings = {"epochs": 1} | ({} if declared.data else {"size": 64})
        run = finished(train(name, data=declared.data or f"folder:{photos}", out=folder / "run", settings=settings,
                             overwrite=True))  # fmt: skip
        items, targets = run.held.items[:FEW], run.held.targets[:FEW]
        sources, golden = prepare(
            run.module, run.run.model, items, ["tflite"], targets=targets, calibration=run.calibration
        )
        place.mkdir()
        proofs = []
        for source in sources:
            for precision in ("fp32", "int8" if declared.precision == "int8" else "fp16"):
                if isinstance(source.part, Steps) and precision in CALIBRATED:
                    continue
                variant = Variant(precision)
                proofs.append(prove(source, variant, source.quantise(variant), place))
        fill(place, run.run.model, proofs, golden, run.card, {})
        yield place
