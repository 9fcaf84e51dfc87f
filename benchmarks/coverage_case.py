"""One architecture of timm in one format, with random weights: what `benchmarks.coverage` runs in processes."""

from __future__ import annotations

import copy
import re
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measure import alternate

if TYPE_CHECKING:
    from export.files import ConvertedGraph

PROVED, CALIBRATED = 4, 10
PRECISIONS = ("fp32", "int8")
TIMED = 5
"""How many runs the median is of, in turns with PyTorch's."""


@dataclass
class File:
    """What became of one precision.

    Args:
        problem: Why there is no file, or none that keeps PyTorch's answer; empty if it does.
        size: Of the file, in bytes.
        difference: The largest difference from PyTorch on photos and hard inputs, relative to the output's scale.
        snr: The signal-to-noise ratio on photos, in decibels.
        milliseconds: The median time of one image in the engine, on one thread.
        torch_milliseconds: The same of PyTorch, in turns with it.
    """

    problem: str = ""
    size: int = 0
    difference: float = 0.0
    snr: float = 0.0
    milliseconds: float = 0.0
    torch_milliseconds: float = 0.0


@dataclass
class Case:
    """What became of an architecture in a format.

    Args:
        name: Of the architecture.
        format: Of the files.
        parameters: How many weights it has.
        size: The height of its images, in pixels.
        seconds: How long all of it took.
        rounding: The largest difference between PyTorch in float32 and in float64, relative to the output's scale: how
            much the network magnifies rounding. Measured where fp32 fails.
        files: By precision.
    """

    name: str
    format: str
    parameters: int = 0
    size: int = 0
    seconds: float = 0.0
    rounding: float = 0.0
    files: dict[str, File] = field(default_factory=dict)


def run(name: str, format_name: str) -> Case:
    """Build, convert, prove and time an architecture."""
    import numpy as np
    import torch

    from export import Calibration
    from export.bundle import prepare
    from runtime.errors import ZooError
    from zoo.catalogue import backbones

    start = time.monotonic()
    torch.set_num_threads(1)
    case = Case(name, format_name)
    network = backbones.create(name, random_weights=True)
    case.parameters = sum(weights.numel() for weights in network.parameters())
    module, spec = backbones.wrapped(name, network)
    case.size = spec.input.shape[0] or 0
    photos = backbones.sample_photos(PROVED + CALIBRATED)
    (source, *_), _ = prepare(
        module, spec, photos[:PROVED], (format_name,), calibration=Calibration(photos[PROVED:], None, CALIBRATED)
    )
    sample = torch.from_numpy(np.array(source.part.real.inputs[:1]))

    def original() -> Any:
        with torch.inference_mode():
            return module(sample)

    for precision in PRECISIONS:
        try:
            case.files[precision] = _file(source, precision, original)
        except ZooError as problem:
            case.files[precision] = File(without_places(str(problem)))
            break
    if case.files["fp32"].problem:
        real = source.part.real
        with torch.inference_mode():
            exact = copy.deepcopy(module).double()(torch.from_numpy(np.array(real.inputs))).numpy()
        case.rounding = float(np.abs(real.outputs - exact).max() / np.abs(exact).max())
    case.seconds = time.monotonic() - start
    return case


def _file(source: ConvertedGraph, precision: Any, original: Any) -> File:
    from export.files import Variant, verify
    from runtime.loading import load

    with tempfile.TemporaryDirectory() as folder:
        variant = Variant(precision)
        proof = verify(source, variant, source.quantize(variant), Path(folder))
        parity = proof.parity
        model = load(Path(folder) / proof.name, engine=source.engine, device="cpu", threads=1, trusted=True)
        inputs = source.part.real.inputs[:1]
        ours, theirs = alternate(lambda: model.forward(inputs), original, TIMED)
    return File(
        problem=without_places("; ".join(proof.problems)) if precision == "fp32" else "",
        size=len(proof.data),
        difference=max(parity.max_difference, parity.hard_max_difference),
        snr=parity.snr or 0.0,
        milliseconds=1000 * ours,
        torch_milliseconds=1000 * theirs,
    )


def without_places(problem: str) -> str:
    """Return a message without folders of this machine."""
    return re.sub(r"/\S*/(?=site-packages/|model\.)", "", problem)
