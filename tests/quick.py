"""Every recipe and every task as a bundle, after one epoch: in every format, whatever it is worth.

Recipes, tasks and formats are found from disk, so a new file is tested. Three cases have every precision, the others
those that most people take, and deep recipes fewer layers of each kind; `make nightly` gives every precision and every
layer to all.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from export.bundle import fill, prepare
from export.files import Variant, verify
from export.formats import formats_in
from export.graphs import Steps
from export.precision import CALIBRATED
from tests.nightly import NIGHTLY
from zoo.exporting.run import finished
from zoo.recipes import recipe
from zoo.recipes.mobilenet import LAYERS
from zoo.registry import descriptions
from zoo.train.pipeline import train

QUICK: dict[str, Any] = {"epochs": 1}
SMALL: dict[str, dict[str, Any]] = {
    "crnn": {"width": 32, "widths": [8, 16, 24, 32], "hidden": 24},
    "keyword": {"rate": 8_000, "widths": [32, 32, 32]},
    "keyword-stream": {"rate": 8_000, "seconds": 0.3, "widths": [16, 16], "kernels": [5, 5], "dilations": [1, 2]},
    "transfer": {"backbone": "test_efficientnet", "pretrained": False},
    "detect": {
        "backbone": "test_efficientnet",
        "pretrained": False,
        "height": 64,
        "width": 96,
        "channels": 16,
        "depth": 1,
        "ema": 0.0,
        "batch_size": 4,
    },
}
"""Lines of 8 steps, because TFLite has a copy of a recurrent layer's operators for each; few layers of each kind; a
detector whose few steps aren't averaged away."""
SHORTER: dict[str, Any] = {
    "zoo.data.series.LENGTH": 12 if NIGHTLY else 8,
    "zoo.data.scenes.COUNTS": {"train": 64, "validation": 48, "test": 8},
    "zoo.data.tones.COUNTS": {"train": 16, "validation": 10},
}
"""Constants with fewer steps, for the same reason as those of lines, with fewer layers, and with fewer lines and
scenes; `make nightly` has all lines and layers."""
if not NIGHTLY:
    SHORTER |= {
        "zoo.data.lines.LINES": {"train": 1_200, "validation": 200, "test": 20},
        "zoo.recipes.googlenet.PARTS": (("3b",), ("4a",), ("5a",)),
        "zoo.recipes.mobilenet.LAYERS": (*LAYERS[:3], LAYERS[6], LAYERS[-1]),
    }
FEW = 48
"""Samples that prove precisions below fp32: some of their kernels take a hundred times as long."""
TASKS: dict[str, tuple[str, str | None, dict[str, Any]]] = {
    "anomaly": ("autoencoder", "digits", {}),
    "binary": ("mlp", "breast-cancer", {}),
    "classification": ("mlp", "wine", {}),
    "ctc": ("crnn", "lines", SMALL["crnn"]),
    "detection": ("detect", "scenes", SMALL["detect"]),
    "forecasting": ("gru", "series", {}),
    "multilabel": ("cnn", "digits", {"task": "multilabel"}),
    "regression": ("mlp", "diabetes", {}),
}
"""For each task a recipe and data that need no path."""
RECIPES: dict[str, tuple[str, str | None, dict[str, Any]]] = {
    name: (name, recipe(name).data, SMALL.get(name, {})) for name in descriptions("zoo.recipes")
}
WHOLE = ("cnn", "gru", "task-binary")
"""An image, a sequence and a table."""
COMMON = ("fp32", "int8")
"""Precisions of all cases; those of `WHOLE`, and all cases in `make nightly`, have every precision."""
CASES = RECIPES | {f"task-{name}": case for name, case in TASKS.items() if case not in RECIPES.values()}


def write_bundle(case: str, out: Path, photos: Path) -> None:
    """Train a case for a moment and write its bundle; recipes without data of their own train on small photos."""
    name, data, settings = CASES[case]
    settings = QUICK | ({} if data else {"size": 64}) | settings
    with ExitStack() as patches:
        for constant, shorter in SHORTER.items():
            patches.enter_context(patch(constant, shorter))
        patches.enter_context(patch("zoo.report.plots._png", lambda *_: b""))  # no bundle here shows pictures
        run = finished(train(name, data=data or f"folder:{photos}", out=out.parent / "run", settings=settings))
    targets, spec = run.held.targets, run.run.model
    sources, golden = prepare(
        run.module, spec, run.held.items, formats_in("fp32"), targets=targets, calibration=run.calibration
    )
    proofs = []
    for source in sources:
        few = replace(source, part=replace(source.part, real=source.part.real.first(FEW)))
        few.__dict__["_converted"] = replace(source.final, real=few.part.real), source.data  # once is enough
        for precision in source.writer.precision.QUANTIZERS:
            if (isinstance(source.part, Steps) and precision in CALIBRATED) or not _is_tried(case, precision):
                continue
            each = source if precision == "fp32" else few
            variant = Variant(precision)
            proofs.append(verify(each, variant, each.quantize(variant), out.parent))
    out.mkdir()
    fill(out, spec, proofs, golden, run.card, {})


def _is_tried(case: str, precision: str) -> bool:
    return precision in COMMON or case in WHOLE or NIGHTLY
