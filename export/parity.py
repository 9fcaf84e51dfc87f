"""The gate: an exported file, in its real engine, against PyTorch on real and on hard inputs."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from export.precision import GATES
from runtime.bundle import Parity
from runtime.compare import FP32_TOLERANCE, REPLAY, Difference, difference
from runtime.errors import ExportError, ExportNote
from runtime.inputs import SequenceInput
from runtime.progress import Progress, silent
from runtime.runner import BATCH
from runtime.scratch import array_on_disk
from runtime.shapes import fits, format_shape
from runtime.tasks import Forecasting, Regression

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.model import Model
    from runtime.spec import ModelSpec
    from runtime.tasks import Output


LENGTH_SAMPLES = 8
"""How many sequences of each length a file of any length is proved with."""
LONG = 512
"""Steps from which on one sequence is enough."""

ADVICE = {
    "image": "wrap a network that takes normalised [batch, channels, height, width] in export.NormalizePixels",
    "table": "wrap a network that takes normalised [batch, features] in export.NormalizeFeatures",
    "sequence": "wrap a network that takes normalised [batch, time, features] in export.NormalizeFeatures",
}
"""Advice, by the kind of input, for a module that refuses raw inputs."""


@dataclass(frozen=True)
class Reference:
    """Inputs and what PyTorch answers.

    Args:
        inputs: ``[samples, *input.shape]`` of the input's dtype.
        outputs: ``float32 [samples, *output.shape]``.
        targets: The right answer to each sample, as the task's `measure` takes it, or None where nobody knows.
    """

    inputs: NDArray[Any]
    outputs: NDArray[np.float32]
    targets: NDArray[Any] | None = None

    def first(self, count: int) -> Reference:
        """Return the first samples alone."""
        targets = None if self.targets is None else self.targets[:count]
        return Reference(self.inputs[:count], self.outputs[:count], targets)


def reference(
    module: torch.nn.Module,
    spec: ModelSpec,
    samples: Sequence[Any],
    targets: NDArray[Any] | None,
    on_progress: Progress = silent,
) -> Reference:
    """Read samples and run them through PyTorch.

    Raises:
        InputError: If a sample can't be read.
        ExportError: If the module doesn't take the manifest's input or give its output, all finite, or a sequence
            has another length than the manifest says.
    """
    length = spec.input.length if isinstance(spec.input, SequenceInput) else 0
    shape = tuple(length if size is None else size for size in spec.input.shape)
    inputs = array_on_disk((len(samples), *shape), spec.input.dtype)
    for at, sample in enumerate(samples):
        if at % BATCH == 0:
            on_progress("read samples", at, len(samples))
        values = spec.input.read(sample)
        if values.shape != shape:
            raise ExportError(f"sample {at} has {len(values)} steps, the input's length is {length}: cut or fill it")
        inputs[at] = values
    return Reference(inputs, answers(module, spec, inputs, on_progress), targets)


def hard_inputs(module: torch.nn.Module, spec: ModelSpec, real: Reference) -> Reference:
    """Return made-up inputs at the edges of the range with PyTorch's answers.

    Those that the network itself has no answer to decide nothing and are left out, with an `ExportNote`: where it
    fails or its answer is not finite, or where that is noise of rounding, which float64 tells.
    """
    made_up = spec.input.edge_cases()
    if isinstance(spec.input, SequenceInput):  # its values have no ranges but those that were seen
        axes = tuple(range(real.inputs.ndim - 1))
        made_up = made_up.clip(real.inputs.min(axes), real.inputs.max(axes))
    try:
        exact: torch.nn.Module | None = copy.deepcopy(module).double()
    except Exception:  # it is written for float32 alone
        exact = None
    kept = [(one, answer) for one in made_up if (answer := steady_answer(module, exact, spec, one[None])) is not None]
    if len(kept) < len(made_up):
        warnings.warn(
            f"PyTorch itself has no finite, steady answer to {len(made_up) - len(kept)} of {len(made_up)} "
            "made-up inputs at the edges of the range: files are not compared on them",
            ExportNote,
            stacklevel=2,
        )
    if not kept:
        return Reference(made_up[:0], real.outputs[:0])
    return Reference(np.stack([one for one, _ in kept]), np.concatenate([answer for _, answer in kept]))


def steady_answer(
    module: torch.nn.Module, exact: torch.nn.Module | None, spec: ModelSpec, made_up: NDArray[Any]
) -> NDArray[np.float32] | None:
    """Return PyTorch's answer to a made-up input; None if it fails, is not finite, or float64 (`exact`) has another."""
    try:
        answer = answers(module, spec, made_up)
    except ExportError:
        return None
    values = torch.from_numpy(made_up.copy())
    try:
        with torch.no_grad():
            wanted = (exact or module)(values.double() if exact and values.is_floating_point() else values)
    except Exception:  # it is written for float32 alone
        return answer
    return answer if difference(wanted.float().numpy(), answer, spec.output).maximum <= 10 * FP32_TOLERANCE else None


def check_calls(module: torch.nn.Module, spec: ModelSpec, real: Reference) -> None:
    """Check that PyTorch's answer to a sample depends on nothing but the sample.

    Raises:
        ExportError: If another call answers it otherwise; says what may be the cause.
    """
    several, few = real.first(BATCH), real.first(3)
    calls = {
        "at a second call": (
            several,
            len(several.inputs),
            "it keeps values from call to call, or draws random numbers",
        ),
        "alone": (few, 1, "its code depends on the batch size or on the other samples"),
        "in a batch of 2": (few, 2, "its code depends on the batch size or on the other samples"),
    }
    for when, (known, size, cause) in calls.items():
        rows = [answers(module, spec, known.inputs[at : at + size]) for at in range(0, len(known.inputs), size)]
        gap = difference(known.outputs, np.concatenate(rows), spec.output).maximum
        if not gap <= 10 * FP32_TOLERANCE:
            raise ExportError(
                f"the module answers the same samples otherwise {when} (by {gap:.3g} of the output's scale): {cause}, "
                "which no file can hold"
            )


def answers(
    module: torch.nn.Module, spec: ModelSpec, inputs: NDArray[Any], on_progress: Progress = silent
) -> NDArray[np.float32]:
    """Return PyTorch's raw outputs ``float32 [samples, *output.shape]`` for inputs that were read.

    Raises:
        ExportError: If the module doesn't take the manifest's input or give its output, all finite.
    """
    rows = []
    with torch.no_grad():  # what a module keeps of inference mode, such as a table of places, can't be traced
        for at in range(0, len(inputs), BATCH):
            on_progress("PyTorch", at, len(inputs))
            batch = np.array(inputs[at : at + BATCH])
            try:
                raw = module(torch.from_numpy(batch))
            except Exception as problem:
                raise ExportError(
                    f"the module fails on {batch.dtype} {list(batch.shape)} ({type(problem).__name__}: {problem}); "
                    f"{ADVICE[spec.input.kind]}"
                ) from problem
            shape = tuple(raw.shape) if isinstance(raw, torch.Tensor) else ()
            if not fits(shape, (len(batch), *spec.output.shape)):
                raise ExportError(
                    f"the module gives {list(shape) or type(raw).__name__} for {len(batch)} samples, not "
                    f"[{len(batch)}, {format_shape(spec.output.shape)}] as the output {spec.output.task!r} says"
                )
            rows.append(raw.float().numpy())
    outputs: NDArray[np.float32] = np.concatenate(rows)
    if not np.isfinite(outputs).all():
        worst = int(np.argmin(np.isfinite(outputs).reshape(len(outputs), -1).all(axis=1)))
        raise ExportError(
            f"the module's own outputs are not finite on these samples, first on sample {worst}: leave out "
            "what it can't answer, or train it again"
        )
    return outputs


def other_lengths(
    module: torch.nn.Module, spec: ModelSpec, real: Reference, lengths: Collection[int]
) -> tuple[Reference, ...]:
    """Return sequences of those lengths that the module takes, made of real ones, with PyTorch's answers."""
    if not isinstance(spec.input, SequenceInput):
        return ()
    inputs = np.array(real.inputs[:LENGTH_SAMPLES])
    references = []
    for length in sorted({*lengths} - {inputs.shape[1]}):
        turns = -(-length // inputs.shape[1])
        longer = np.concatenate([np.roll(inputs, turn, axis=0) for turn in range(turns)], axis=1)[:, :length]
        longer = longer if length <= LONG else longer[:1]  # attention takes memory for each pair of steps
        try:
            references.append(Reference(longer, answers(module, spec, longer)))
        except ExportError:  # such as of fewer steps than a convolution sees
            continue
    return tuple(references)


def usual_lengths(length: int) -> set[int]:
    """Return lengths that tell whether a file is right for any: the shortest, odd and prime ones, and longer ones."""
    near = {length // 2, *range(length - 3, length + 4), length * 3 // 2 + 1, 2 * length, 2 * length + 1}
    return {size for size in near | {1, 2, 3, 5, 7, 11, 13} if size > 0}


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

    What is allowed is what `export.precision.GATES` says of the file's precision.

    Raises:
        EngineError: If the engine fails.
    """
    outputs = _run(model, real.inputs, on_progress)
    few = real.first(3)
    singles = np.concatenate([model.forward(few.inputs[i : i + 1]) for i in range(len(few.inputs))])
    compared = {
        "real": (real.outputs, outputs),
        "real, one by one": (few.outputs, singles),
    }
    if len(hard.inputs):
        compared["hard"] = (hard.outputs, _run(model, hard.inputs))
    for other in others:
        compared[f"real, {other.inputs.shape[1]} steps long"] = (other.outputs, _run(model, other.inputs))
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
    for step, raw in enumerate(model.rollout(real.inputs)):
        on_progress(f"parity of {model.file_spec.format}, step by step", step, len(prefixes))
        rolled.append(raw)
    outputs = np.stack(rolled)
    compared = {"real": (_flat(prefixes), _flat(outputs))}
    if len(hard.inputs):
        compared["hard"] = (hard.outputs, _run(model, hard.inputs))
    return _verdict(model, compared, real, outputs[-1], hard)


def _verdict(
    model: Model,
    compared: dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]],
    real: Reference,
    outputs: NDArray[np.float32],
    hard: Reference,
) -> Verdict:
    task, gate = model.spec.output, GATES[model.file_spec.precision]
    results = {name: difference(wanted, actual, task, gate.tie(task)) for name, (wanted, actual) in compared.items()}
    allowed = float(np.finfo(np.float32).max) if gate.difference is None else gate.difference
    problems = [
        f"on {name} samples the difference is max {result.maximum:.3g}, mean {result.mean:.3g} "
        f"of the output's scale (allowed {allowed:.3g})"
        for name, result in results.items()
        if not result.maximum <= allowed
    ]
    actual, decisions = results["real"], len(compared["real"][0])
    parity = _parity(model, actual, results.get("hard"), real, outputs, hard)
    differ = round((1 - actual.agreement) * decisions)
    if differ > gate.may_differ(decisions):
        problems.append(
            f"{differ} of {decisions} decisions differ"
            + (f" (agreement {actual.agreement:.2%}, wanted {gate.agreement:.1%})" if gate.agreement < 1 else "")
        )
    lost = drop(task, parity)
    if lost is not None and not lost <= gate.may_lose(len(real.inputs)):
        problems.append(
            f"{parity.metric} goes from {parity.reference:.4g} to {parity.exported:.4g}, "
            f"{lost:.2f} points worse (allowed {gate.drop:g})"
        )
    if problems:
        problems[0] = f"{model.spec.name} as {_kind(model)} on {model.engine.version}: {problems[0]}"
        problems[-1] += f" ({len(real.inputs)} real and {len(hard.inputs)} hard samples)"
    return Verdict(parity, tuple(problems))


def drop(task: Output, parity: Parity) -> float | None:
    """Return how many points the metric is worse than PyTorch's; see `export.precision.Gate`. None without one."""
    if parity.reference is None or parity.exported is None:
        return None
    worse = parity.exported - parity.reference if task.better == "min" else parity.reference - parity.exported
    points = 100 * worse / (task.std if isinstance(task, Regression | Forecasting) else 1)
    return round(points, 9)  # 0.99 of 1 is a loss of exactly one point


def _parity(
    model: Model,
    real_difference: Difference,
    hard_difference: Difference | None,
    real: Reference,
    outputs: NDArray[np.float32],
    hard: Reference,
) -> Parity:
    task, targets = model.spec.output, real.targets
    finite = bool(np.isfinite(outputs).all())
    return Parity(
        engine=model.engine.version,
        samples=len(real.inputs),
        max_difference=real_difference.maximum,
        mean_difference=real_difference.mean,
        cosine=real_difference.cosine,
        agreement=real_difference.agreement,
        metric=None if targets is None else task.metric,
        reference=None if targets is None else task.measure(real.outputs, targets),
        exported=None if targets is None or not finite else task.measure(outputs, targets),
        hard_samples=len(hard.inputs),
        hard_max_difference=hard_difference.maximum if hard_difference else 0.0,
        tolerance=REPLAY[model.file_spec.precision],
        snr=real_difference.snr,
    )


def _kind(model: Model) -> str:
    return f"{model.file_spec.format} {model.file_spec.precision}{' step graph' if model.file_spec.state else ''}"


def _flat(steps: NDArray[np.float32]) -> NDArray[np.float32]:
    return steps.reshape(-1, *steps.shape[2:])


def _run(model: Model, inputs: NDArray[Any], on_progress: Progress = silent) -> NDArray[np.float32]:
    rows = []
    for at in range(0, len(inputs), BATCH):
        on_progress(f"parity of {model.file_spec.format}", at, len(inputs))
        rows.append(model.forward(np.array(inputs[at : at + BATCH])))
    return np.concatenate(rows)
