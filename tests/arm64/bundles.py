"""A bundle of every recipe: TFLite in fp32, and in int8, or in fp16 where int8 doesn't suit the recipe.

The networks are untrained, or pretrained where the recipe has weights: training took most of the time.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import torch

from export.bundle import fill, prepare
from export.files import Variant, verify
from export.graphs import Steps
from export.precision import CALIBRATED
from export.precision.calibration import Calibration
from runtime.bundle import Card
from zoo.recipes import recipe
from zoo.registry import descriptions
from zoo.train.config import TrainConfig, resolve
from zoo.train.plan import plan

CRASHES = ("transfer",)
"""Recipes whose int8 files end in a segmentation fault in the emulator, but not on x86-64; see docs/log.md."""
FEW = 32
"""Samples that calibrate and prove; the parity tests take all."""


def make(folder: Path) -> list[Path]:
    """Return each recipe's bundle, in a folder of its own; two processes export at a time."""
    folder.mkdir(parents=True)
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        return list(pool.map(partial(_export, folder), descriptions("zoo.recipes")))


def _export(folder: Path, name: str) -> Path:
    """Export one recipe; those without data of their own take the digits."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    declared, bundle = recipe(name), folder / name
    settings = {} if declared.data else {"size": 64}
    ready = plan(resolve(TrainConfig(name, data=declared.data or "digits", settings=settings)))
    network, module = ready.network()
    declared.pretrain(ready.config.options, network)
    for weights in network.parameters():
        if weights.ndim > 1 and not weights.any():  # layers that start at 0 would give 0, whatever the machine does
            torch.nn.init.normal_(weights, std=0.05)
    splits, spec = ready.prepared.dataset.splits, ready.run.model
    known = Calibration(splits["train"].items[:FEW], splits["train"].targets[:FEW], FEW, "min-max")
    sources, golden = prepare(module, spec, splits["validation"].items[:FEW], ["tflite"], calibration=known)
    bundle.mkdir()
    small = "int8" if declared.precision == "int8" and name not in CRASHES else "fp16"
    proofs = []
    for source in sources:
        for precision in ("fp32", small):
            if isinstance(source.part, Steps) and precision in CALIBRATED:
                continue
            variant = Variant(precision)
            proofs.append(verify(source, variant, source.quantize(variant), bundle))
    fill(bundle, spec, proofs, golden, Card(), {})
    return bundle
