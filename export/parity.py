"""The gate: an exported file, in its real engine, against PyTorch on real and on hard inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from export.precision import GATES, Gate
from export.reference import Reference, quality
from runtime.average_precision import AveragePrecision
from runtime.bundle import Parity
from runtime.compare import REPLAY, Difference, difference
from runtime.progress import Progress, silent
from runtime.runner import BATCH
from runtime.tasks import Detection, Forecasting, Regression
from runtime.tensors import by_name, concatenate, map_tensors, select, single, size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.model import Model
    from runtime.tasks import Output
    from runtime.tensors import Tensors


@dataclass(frozen=True)
class Verdict:
    """The result of a comparison with PyTorch.

    Args:
        parity: The figures.
        problems: What the file's precision does not allow; empty where it keeps the answer.
    """

    parity: Parity
    problems: tuple[str, ...]


def check(
    model: Model, real: Reference, hard: Reference, others: Sequence[Reference] = (), on_progress: Progress = silent
) -> Verdict:
    """Compare an opened file with PyTorch: in batches, one by one, on hard inputs, and on `others`.

    `export.precision.GATES` holds the allowed differences of each precision.

    Raises:
        EngineError: If the engine fails.
    """
    outputs = _run(model, real.inputs, on_progress)
    few = real.first(3)
    singles = concatenate([model.forward(select(few.inputs, slice(i, i + 1))) for i in range(few.size)])
    compared: dict[str, tuple[Tensors, Tensors]] = {
        "real": (real.outputs, outputs),
        "real, one by one": (few.outputs, singles),
    }
    if hard.size:
        compared["hard"] = (hard.outputs, _run(model, hard.inputs))
    for other in others:
        sizes = ", ".join(
            f"{length} steps long" if axis == "time" else f"{axis} {length}" for axis, length in other.lengths.items()
        )
        compared[f"real, {sizes}"] = (other.outputs, _run(model, other.inputs))
    return _verdict(model, compared, real, outputs, hard)


def check_steps(
    model: Model, prefixes: NDArray[np.float32], real: Reference, hard: Reference, on_progress: Progress = silent
) -> Verdict:
    """Compare an opened step graph with PyTorch: after each step of real samples, and at the end of hard ones.

    Args:
        model: The step graph.
        prefixes: PyTorch's answers to the first step, the first two, …: ``float32 [time, samples, *output.shape]``.
        real: The samples.
        hard: Inputs at the edges of the range.
        on_progress: See `Progress`.

    Raises:
        EngineError: If the engine fails.
    """
    rolled = []
    sequences = single(real.inputs)
    for step, raw in enumerate(model.rollout(sequences)):
        on_progress(f"parity of {model.file_spec.format}, step by step", step, len(prefixes))
        rolled.append(raw)
    outputs = np.stack(rolled)
    compared: dict[str, tuple[Tensors, Tensors]] = {"real": (_flat(prefixes), _flat(outputs))}
    if hard.size:
        compared["hard"] = (hard.outputs, _run(model, hard.inputs))
    return _verdict(model, compared, real, outputs[-1], hard)


def _verdict(
    model: Model,
    compared: dict[str, tuple[Tensors, Tensors]],
    real: Reference,
    outputs: Tensors,
    hard: Reference,
) -> Verdict:
    task, gate = model.spec.output, GATES[model.file_spec.precision].of(model.spec.output)
    results = {name: difference(wanted, actual, task, gate.tie(task)) for name, (wanted, actual) in compared.items()}
    allowed = float(np.finfo(np.float32).max) if gate.difference is None else gate.difference
    problems = [
        f"on {name} samples the difference{_worst(result)} is max {result.maximum:.3g}, mean {result.mean:.3g} "
        f"of the output's scale (allowed {allowed:.3g})"
        for name, result in results.items()
        if not result.maximum <= allowed
    ]
    actual, decisions = results["real"], size(compared["real"][0])
    parity = _parity(model, actual, results.get("hard"), real, outputs, hard)
    differ = round((1 - actual.agreement) * decisions)
    if differ > gate.may_differ(decisions):
        problems.append(
            f"{differ} of {decisions} decisions differ"
            + (f" (agreement {actual.agreement:.2%}, wanted {gate.agreement:.1%})" if gate.agreement < 1 else "")
        )
    lost = drop(task, parity)
    if lost is not None and not lost <= gate.may_lose(real.size):
        problems.append(
            f"{parity.metric} goes from {parity.reference:.4g} to {parity.exported:.4g}, "
            f"{lost:.2f} points worse (allowed {gate.drop:g})"
        )
    problems += _box_problems(parity, gate)
    if problems:
        problems[0] = f"{model.spec.name} as {_kind(model)} on {model.engine.version}: {problems[0]}"
        problems[-1] += f" ({real.size} real and {hard.size} hard samples)"
    return Verdict(parity, tuple(problems))


def _worst(result: Difference) -> str:
    """Return which of several outputs differs most, as a part of a sentence."""
    return f" of {max(result.tensors, key=lambda name: result.tensors[name])!r}" if result.tensors else ""


def drop(task: Output, parity: Parity) -> float | None:
    """Return how many points the metric is worse than PyTorch's; see `export.precision.Gate`. None without one."""
    if parity.reference is None or parity.exported is None:
        return None
    worse = parity.exported - parity.reference if task.better == "min" else parity.reference - parity.exported
    points = 100 * worse / (task.std if isinstance(task, Regression | Forecasting) else 1)
    return round(points, 9)  # 0.99 of 1 is a loss of exactly one point


def _box_problems(parity: Parity, gate: Gate) -> list[str]:
    """Return what a detector's file lacks beyond its metric."""
    if gate.mean_drop is None:
        return []
    if parity.metric is None:
        return ["a detector that isn't in fp32 is judged by mAP: give the right boxes of its samples as targets"]
    return [
        f"{name} goes from {reference:.4g} to {exported:.4g}, {lost:.2f} points worse (allowed {gate.mean_drop:g})"
        for name, (reference, exported) in parity.metrics.items()
        if not (lost := round(100 * (reference - exported), 9)) <= gate.mean_drop
    ]


def _parity(
    model: Model,
    real_difference: Difference,
    hard_difference: Difference | None,
    real: Reference,
    outputs: Tensors,
    hard: Reference,
) -> Parity:
    finite = all(np.isfinite(array).all() for array in by_name(outputs, [""]).values())
    return Parity(
        engine=model.engine.version,
        samples=real.size,
        max_difference=real_difference.maximum,
        mean_difference=real_difference.mean,
        cosine=real_difference.cosine,
        agreement=real_difference.agreement,
        hard_samples=hard.size,
        hard_max_difference=hard_difference.maximum if hard_difference else 0.0,
        tolerance=REPLAY[model.file_spec.precision],
        snr=real_difference.snr,
        tensors=real_difference.tensors,
        **_metrics(model.spec.output, real, outputs if finite else None),
    )


def _metrics(task: Output, real: Reference, outputs: Tensors | None) -> dict[str, Any]:
    """Return the fields of `Parity` that say how good PyTorch and the file are.

    Args:
        task: What the outputs mean.
        real: Real samples, and PyTorch's outputs.
        outputs: The file's outputs; None if they aren't finite.
    """
    if real.targets is None:
        return {"metric": None, "reference": None, "exported": None}
    wanted = real.quality(task)
    actual = None if outputs is None else quality(task, outputs, real.targets)
    fields: dict[str, Any] = {"metric": task.metric, "reference": _metric(wanted), "exported": _metric(actual)}
    if isinstance(task, Detection) and isinstance(wanted, AveragePrecision) and isinstance(actual, AveragePrecision):
        labels = zip(task.labels, wanted.labels_at_50, actual.labels_at_50, strict=True)
        fields |= {
            "metrics": {"mAP": (wanted.mean, actual.mean)},
            "labels": {name: (one, other) for name, one, other in labels if one is not None and other is not None},
        }
    return fields


def _metric(measured: float | AveragePrecision | None) -> float | None:
    return measured.at_50 if isinstance(measured, AveragePrecision) else measured


def _kind(model: Model) -> str:
    return f"{model.file_spec.format} {model.file_spec.precision}{' step graph' if model.file_spec.state else ''}"


def _flat(steps: NDArray[np.float32]) -> NDArray[np.float32]:
    return steps.reshape(-1, *steps.shape[2:])


def _run(model: Model, inputs: Tensors, on_progress: Progress = silent) -> Tensors:
    parts, count = [], size(inputs)
    for at in range(0, count, BATCH):
        on_progress(f"parity of {model.file_spec.format}", at, count)
        parts.append(model.forward(map_tensors(np.array, select(inputs, slice(at, at + BATCH)))))
    return concatenate(parts)
