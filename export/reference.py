"""PyTorch's answers: to real samples, to made-up inputs, and to samples of other lengths."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from runtime.box_targets import to_input
from runtime.compare import FP32_TOLERANCE, difference
from runtime.errors import ExportError, ExportNote
from runtime.images.placement import Placement
from runtime.inputs import SequenceInput, TensorsInput
from runtime.postprocess import measure
from runtime.progress import Progress, silent
from runtime.runner import BATCH
from runtime.scratch import array_on_disk
from runtime.shapes import fits, format_shape
from runtime.tasks import Detection
from runtime.tensors import by_name, concatenate, map_tensors, select, size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.average_precision import AveragePrecision
    from runtime.inputs import Input
    from runtime.spec import ModelSpec
    from runtime.tasks import Output
    from runtime.tensors import Tensors

STEADY = FP32_TOLERANCE / 2
"""How far PyTorch's answer to a made-up input may be from that in float64, relative to the output's scale. Where
PyTorch rounds by more, a file that rounds as much the other way is off by more than the tolerance, and yet sound."""
LENGTH_SAMPLES = 8
"""How many sequences of each length a file of any length is proved with."""
LONG = 512
"""Steps from which on one sequence is enough."""

ADVICE = {
    "image": "wrap a network that takes normalized [batch, channels, height, width] in export.NormalizePixels",
    "table": "wrap a network that takes normalized [batch, features] in export.NormalizeFeatures",
    "sequence": "wrap a network that takes normalized [batch, time, features] in export.NormalizeFeatures",
    "audio": "it must take float32 [batch, samples], mono, from -1 to 1: its features are computed inside",
    "tensors": "the tensors of the input go to it in their order, or as keywords if its forward has their names",
}
"""Advice, by the kind of input, for a module that refuses raw inputs."""


@dataclass(frozen=True)
class Reference:
    """Inputs and what PyTorch answers.

    Args:
        inputs: ``[samples, *shape]`` of the input's tensor, or arrays by name of its tensors.
        outputs: The same of the task's tensors.
        targets: The right answer to each sample, as the task's `measure` takes it, or None where it is unknown.
        lengths: The length of each axis of any length, by its name, where it is not the usual one.
    """

    inputs: Tensors
    outputs: Tensors
    targets: NDArray[Any] | None = None
    lengths: Mapping[str, int] = field(default_factory=dict)
    _quality: dict[Output, float | AveragePrecision] = field(default_factory=dict, repr=False, compare=False)

    @property
    def size(self) -> int:
        """The number of samples."""
        return size(self.inputs)

    def quality(self, task: Output) -> float | AveragePrecision | None:
        """Return how good PyTorch's outputs are, None without targets; files in all formats share one measurement."""
        if task not in self._quality and self.targets is not None:
            self._quality[task] = quality(task, self.outputs, self.targets)
        return self._quality.get(task)

    def first(self, count: int) -> Reference:
        """Return the first samples alone."""
        targets = None if self.targets is None else self.targets[:count]
        return Reference(select(self.inputs, slice(count)), select(self.outputs, slice(count)), targets, self.lengths)


def quality(task: Output, outputs: Tensors, targets: NDArray[Any]) -> float | AveragePrecision:
    """Return how good raw outputs are: a detector's average precision, of which mAP50 is the metric, or the metric."""
    if isinstance(task, Detection):
        return task.average_precision(outputs, targets)
    return measure(task, outputs, targets)


def reference(
    module: torch.nn.Module,
    spec: ModelSpec,
    samples: Sequence[Any],
    targets: NDArray[Any] | None,
    on_progress: Progress = silent,
) -> Reference:
    """Read samples and run them through PyTorch.

    The boxes of a detector's targets are brought to pixels of the model's input.

    Raises:
        InputError: If a sample can't be read.
        ExportError: If the module doesn't take the manifest's input or give its output, all finite, or a sequence
            has another length than the manifest says.
    """
    names = [tensor.name for tensor in spec.input.tensors]
    first = by_name(spec.read(samples[0]), names)
    usual = lengths_of(spec.input)
    sizes = {
        tensor.name: tuple(
            usual.get(axis, length) if isinstance(axis, str) else axis
            for axis, length in zip(tensor.shape, first[tensor.name].shape, strict=True)
        )
        for tensor in spec.input.tensors
    }
    inputs = {
        tensor.name: array_on_disk((len(samples), *sizes[tensor.name]), tensor.numpy_dtype)
        for tensor in spec.input.tensors
    }
    for at, sample in enumerate(samples):
        if at % BATCH == 0:
            on_progress("read samples", at, len(samples))
        arrays = by_name(spec.read(sample), names)
        if isinstance(spec.output, Detection) and targets is not None:
            targets[at] = to_input(targets[at], Placement.split(arrays)[1])
        for name in names:
            values = arrays[name]
            if values.shape != sizes[name]:
                raise ExportError(
                    f"sample {at} has {len(values)} steps, the input's length is {sizes[name][0]}: cut or fill it"
                    if isinstance(spec.input, SequenceInput)
                    else f"sample {at}: tensor {name!r} has the shape {list(values.shape)}, the first or usual sample "
                    f"{list(sizes[name])}: cut or fill it"
                )
            inputs[name][at] = values
    batch: Tensors = inputs if len(inputs) > 1 else inputs[names[0]]
    return Reference(batch, answers(module, spec, batch, on_progress), targets)


def lengths_of(input_spec: Input) -> dict[str, int]:
    """Return the usual length of each of an input's axes of any length, by name, as far as it is known."""
    if isinstance(input_spec, SequenceInput):
        return {"time": input_spec.length}
    return dict(input_spec.lengths) if isinstance(input_spec, TensorsInput) else {}


def described(spec: ModelSpec, real: Reference) -> ModelSpec:
    """Return the specification with what real samples tell of tensors: their usual lengths, and ranges of values."""
    if not isinstance(spec.input, TensorsInput):
        return spec
    arrays = by_name(real.inputs, spec.input.names)
    lengths = {
        axis: length
        for tensor in spec.input.tensors
        for axis, length in zip(tensor.shape, arrays[tensor.name].shape[1:], strict=True)
        if isinstance(axis, str)
    }
    tensors = tuple(
        replace(
            tensor,
            low=float(arrays[tensor.name].min()) if tensor.low is None else tensor.low,
            high=float(arrays[tensor.name].max()) if tensor.high is None else tensor.high,
        )
        for tensor in spec.input.tensors
    )
    return replace(spec, input=replace(spec.input, tensors=tensors, lengths=lengths))


def hard_inputs(module: torch.nn.Module, spec: ModelSpec, real: Reference) -> Reference:
    """Return made-up inputs at the edges of the range with PyTorch's answers.

    Samples that the network itself has no answer to decide nothing and are left out, with an `ExportNote`: where it
    fails or its answer is not finite, or where that is noise of rounding, which float64 tells.
    """
    made_up: Tensors = spec.input.edge_cases()
    if isinstance(spec.input, SequenceInput):  # its values have no ranges but those that were seen
        seen = by_name(real.inputs, [spec.input.name])[spec.input.name]
        axes = tuple(range(seen.ndim - 1))
        made_up = spec.input.edge_cases().clip(seen.min(axes), seen.max(axes))
    try:
        exact: torch.nn.Module | None = copy.deepcopy(module).double()
    except Exception:  # it is written for float32 alone
        exact = None
    samples = [select(made_up, slice(at, at + 1)) for at in range(size(made_up))]
    kept = [(one, answer) for one in samples if (answer := steady_answer(module, exact, spec, one)) is not None]
    if len(kept) < len(samples):
        warnings.warn(
            f"PyTorch itself has no finite, steady answer to {len(samples) - len(kept)} of {len(samples)} "
            "made-up inputs at the edges of the range: files are not compared on them",
            ExportNote,
            stacklevel=2,
        )
    if not kept:
        return Reference(select(made_up, slice(0)), select(real.outputs, slice(0)))
    return Reference(concatenate([one for one, _ in kept]), concatenate([answer for _, answer in kept]))


def steady_answer(
    module: torch.nn.Module, exact: torch.nn.Module | None, spec: ModelSpec, made_up: Tensors
) -> Tensors | None:
    """Return PyTorch's answer to a made-up input; None if it fails, is not finite, or float64 (`exact`) has another."""
    try:
        answer = answers(module, spec, made_up)
    except ExportError:
        return None
    try:
        with torch.no_grad():
            wanted = _call(exact or module, spec, made_up, double=exact is not None)
    except Exception:  # it is written for float32 alone
        return answer
    return answer if difference(wanted, answer, spec.output).maximum <= STEADY else None


def check_calls(module: torch.nn.Module, spec: ModelSpec, real: Reference) -> None:
    """Check that PyTorch's answer to a sample depends on nothing but the sample.

    Raises:
        ExportError: If another call answers it otherwise; says what may be the cause.
    """
    several, few = real.first(BATCH), real.first(3)
    calls = {
        "at a second call": (
            several,
            several.size,
            "it keeps values from call to call, or draws random numbers",
        ),
        "alone": (few, 1, "its code depends on the batch size or on the other samples"),
        "in a batch of 2": (few, 2, "its code depends on the batch size or on the other samples"),
    }
    for when, (known, each, cause) in calls.items():
        parts = [answers(module, spec, select(known.inputs, slice(at, at + each))) for at in range(0, known.size, each)]
        gap = difference(known.outputs, concatenate(parts), spec.output).maximum
        if not gap <= 10 * FP32_TOLERANCE:
            raise ExportError(
                f"the module answers the same samples otherwise {when} (by {gap:.3g} of the output's scale): {cause}, "
                "which no file can hold"
            )


def answers(module: torch.nn.Module, spec: ModelSpec, inputs: Tensors, on_progress: Progress = silent) -> Tensors:
    """Return PyTorch's raw outputs for a batch of inputs that were read.

    Raises:
        ExportError: If the module doesn't take the manifest's input or give its output, all finite.
    """
    parts, count = [], size(inputs)
    with torch.no_grad():  # what a module keeps of inference mode, such as a table of places, can't be traced
        for at in range(0, count, BATCH):
            on_progress("PyTorch", at, count)
            batch = map_tensors(np.array, select(inputs, slice(at, at + BATCH)))
            try:
                raw = _call(module, spec, batch)
            except ExportError:
                raise
            except Exception as problem:
                raise ExportError(
                    f"the module fails on {_described(batch)} ({type(problem).__name__}: {problem}); "
                    f"{ADVICE[spec.input.kind]}"
                ) from problem
            parts.append(raw)
    outputs = concatenate(parts)
    for name, array in by_name(outputs, [""]).items():
        if not np.isfinite(array).all():
            worst = int(np.argmin(np.isfinite(array).reshape(len(array), -1).all(axis=1)))
            raise ExportError(
                f"the module's own outputs {f'{name!r} ' if name else ''}are not finite on these samples, first on "
                f"sample {worst}: leave out what it can't answer, or train it again"
            )
    return outputs


def _call(module: torch.nn.Module, spec: ModelSpec, batch: Tensors, *, double: bool = False) -> Tensors:
    """Run a module on a batch.

    Raises:
        ExportError: If it doesn't give the outputs that the specification says.
    """
    arrays = by_name(batch, [""])
    tensors = [torch.from_numpy(np.array(array)) for array in arrays.values()]
    result = module(*(each.double() if double and each.is_floating_point() else each for each in tensors))
    wanted, count = spec.output.tensors, size(batch)
    results = result if isinstance(result, tuple) and len(wanted) > 1 else (result,)
    outputs = {}
    for tensor, raw in zip(wanted, results, strict=True):
        shape = tuple(raw.shape) if isinstance(raw, torch.Tensor) else ()
        if not isinstance(raw, torch.Tensor) or not fits(shape, (count, *tensor.sizes)):
            what = f"{tensor.name!r} as " if len(wanted) > 1 else ""
            raise ExportError(
                f"the module gives {what}{list(shape) or type(raw).__name__} for {count} samples, not "
                f"[{format_shape((count, *tensor.sizes))}] as the output {spec.output.task!r} says"
            )
        array = (raw.float() if raw.is_floating_point() else raw).numpy()
        if array.dtype != tensor.dtype:
            raise ExportError(
                f"the module gives {tensor.name!r} as {array.dtype}, the specification says {tensor.dtype}"
            )
        outputs[tensor.name] = array
    return outputs if len(wanted) > 1 else outputs[wanted[0].name]


def _described(batch: Tensors) -> str:
    return ", ".join(
        f"{f'{name} ' if name else ''}{array.dtype} {list(array.shape)}" for name, array in by_name(batch, [""]).items()
    )


def other_lengths(
    module: torch.nn.Module, spec: ModelSpec, real: Reference, lengths: Mapping[str, Collection[int]]
) -> tuple[Reference, ...]:
    """Return samples of other lengths that the module takes, made of real ones, with PyTorch's answers.

    Args:
        module: The module.
        spec: What it takes and gives.
        real: Real samples.
        lengths: The lengths of an axis, by its name.
    """
    references, few = [], map_tensors(np.array, select(real.inputs, slice(LENGTH_SAMPLES)))
    for axis, sizes in lengths.items():
        for length in sorted({*sizes} - {lengths_of(spec.input)[axis]}):
            longer = _of_length(spec.input, few, axis, length)
            if length > LONG:  # attention takes memory for each pair of steps
                longer = select(longer, slice(1))
            try:
                outputs = answers(module, spec, longer)
            except ExportError:  # such as of fewer steps than a convolution sees
                continue
            references.append(Reference(longer, outputs, lengths={axis: length}))
    return tuple(references)


def _of_length(input_spec: Input, batch: Tensors, axis: str, length: int) -> Tensors:
    """Return samples of which an axis has another length: cut, or continued by those of the next sample."""
    arrays = dict(by_name(batch, [tensor.name for tensor in input_spec.tensors]))
    for tensor in input_spec.tensors:
        for number, name in enumerate(tensor.shape, 1):
            if name == axis:
                array = arrays[tensor.name]
                turns = range(-(-length // array.shape[number]))
                longer = np.concatenate([np.roll(array, turn, axis=0) for turn in turns], axis=number)
                arrays[tensor.name] = longer.take(range(length), axis=number)
    return arrays if isinstance(batch, dict) else arrays[input_spec.tensors[0].name]


def usual_lengths(length: int) -> set[int]:
    """Return lengths that tell whether a file is right for any: the shortest, odd and prime ones, and longer ones."""
    near = {length // 2, *range(length - 3, length + 4), length * 3 // 2 + 1, 2 * length, 2 * length + 1}
    return {size for size in near | {1, 2, 3, 5, 7, 11, 13} if size > 0}
