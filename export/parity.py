"""The gate: an exported file, in its real engine, against PyTorch on real and on hard inputs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from runtime.bundle import Parity
from runtime.compare import FP32_TOLERANCE, difference
from runtime.errors import ExportError, ParityError
from runtime.model import BATCH
from runtime.preprocess import preprocess

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.model import Model
    from runtime.preprocess import Source
    from runtime.spec import ModelSpec

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


def silent(what: str, done: int, total: int) -> None:
    """Report progress to nobody."""


@dataclass(frozen=True)
class Reference:
    """Inputs and what PyTorch answers.

    Args:
        pixels: ``uint8 [samples, height, width, channels]``.
        logits: ``float32 [samples, labels]``.
        targets: The right label of each sample, ``int64 [samples]``, or None where nobody knows.
    """

    pixels: NDArray[np.uint8]
    logits: NDArray[np.float32]
    targets: NDArray[np.int64] | None


def reference(
    module: torch.nn.Module,
    spec: ModelSpec,
    samples: Sequence[Source],
    targets: NDArray[np.int64] | None,
    on_progress: Progress = silent,
) -> Reference:
    """Run samples through preprocessing and PyTorch.

    Raises:
        InputError: If a sample can't be read.
        ExportError: If the module doesn't take the manifest's shape or give its labels.
    """
    shape = (len(samples), *spec.input.shape)
    with tempfile.TemporaryFile() as file:
        # on disk: a large validation set needn't fit into memory
        pixels: NDArray[np.uint8] = np.memmap(file, np.uint8, "w+", shape=shape)
    for i, sample in enumerate(samples):
        pixels[i] = preprocess(sample, spec.input.preprocess)
        if i % BATCH == 0:
            on_progress("preprocess", i, len(samples))
    return Reference(pixels, answers(module, spec, pixels, on_progress), targets)


def answers(
    module: torch.nn.Module, spec: ModelSpec, pixels: NDArray[np.uint8], on_progress: Progress = silent
) -> NDArray[np.float32]:
    """Return PyTorch's logits ``float32 [samples, labels]`` for preprocessed inputs.

    Raises:
        ExportError: If the module doesn't take the manifest's shape or give its labels, all finite.
    """
    rows = []
    with torch.inference_mode():
        for at in range(0, len(pixels), BATCH):
            on_progress("PyTorch", at, len(pixels))
            try:
                output = module(torch.from_numpy(np.array(pixels[at : at + BATCH])))
            except Exception as problem:
                raise ExportError(
                    f"the module fails on uint8 {[BATCH, *spec.input.shape]} ({type(problem).__name__}: {problem}); "
                    "wrap a network that takes normalised [batch, channels, height, width] in export.FromPixels"
                ) from problem
            if not isinstance(output, torch.Tensor) or output.ndim != 2:
                found = list(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
                raise ExportError(f"the module gives {found}, not logits [batch, {len(spec.output.labels)}]")
            rows.append(output.float().numpy())
    logits: NDArray[np.float32] = np.concatenate(rows)
    if logits.shape != (len(pixels), len(spec.output.labels)):
        raise ExportError(
            f"the module gives {list(logits.shape)} for {len(pixels)} samples and {len(spec.output.labels)} labels"
        )
    if not np.isfinite(logits).all():
        raise ExportError("the module's own outputs are not finite on these samples: train it again")
    return logits


def hard_inputs(shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return inputs at the edges of the range, ``uint8 [3, height, width, channels]``: all 0, all 255, noise."""
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    return np.stack([np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8), noise])


def check(
    model: Model,
    real: Reference,
    hard: Reference,
    tolerance: float = FP32_TOLERANCE,
    on_progress: Progress = silent,
) -> Parity:
    """Compare an opened file with PyTorch: in batches, one by one, and on hard inputs.

    Raises:
        ParityError: If a difference is over `tolerance` or a decision differs; names the format, the samples
            and the figures.
    """
    outputs = _run(model, real.pixels, on_progress)
    found = difference(real.logits, outputs, tolerance)
    singles = np.concatenate([model.logits(np.array(real.pixels[i : i + 1])) for i in range(min(3, len(outputs)))])
    single = difference(real.logits[: len(singles)], singles, tolerance)
    extreme = difference(hard.logits, _run(model, hard.pixels, silent), tolerance)
    problems = []
    for name, result in (("real", found), ("real, one by one", single), ("hard", extreme)):
        if not result.maximum <= tolerance:
            problems.append(
                f"on {name} samples the difference is max {result.maximum:.3g}, mean {result.mean:.3g} "
                f"of the output's scale (allowed {tolerance:.3g})"
            )
    if found.agreement < 1:
        problems.append(f"{round((1 - found.agreement) * len(outputs))} of {len(outputs)} decisions differ")
    if problems:
        raise ParityError(
            f"{model.spec.name} as {model.file_spec.format} {model.file_spec.precision} on {model.engine.version}: "
            f"{'; '.join(problems)} ({len(outputs)} real and {len(hard.pixels)} hard samples)"
        )
    return Parity(
        engine=model.engine.version,
        samples=len(outputs),
        max_difference=found.maximum,
        mean_difference=found.mean,
        cosine=found.cosine,
        agreement=found.agreement,
        metric="accuracy" if real.targets is not None else None,
        reference=_accuracy(real.logits, real.targets),
        exported=_accuracy(outputs, real.targets),
        hard_samples=len(hard.pixels),
        hard_max_difference=extreme.maximum,
        tolerance=tolerance,
    )


def _run(model: Model, pixels: NDArray[np.uint8], on_progress: Progress) -> NDArray[np.float32]:
    rows = []
    for at in range(0, len(pixels), BATCH):
        on_progress(f"parity of {model.file_spec.format}", at, len(pixels))
        rows.append(model.logits(np.array(pixels[at : at + BATCH])))
    return np.concatenate(rows)


def _accuracy(logits: NDArray[np.float32], targets: NDArray[np.int64] | None) -> float | None:
    return None if targets is None else float((logits.argmax(axis=1) == targets).mean())
