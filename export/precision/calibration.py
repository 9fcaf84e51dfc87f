"""Calibration: which real inputs tell the ranges of activations, and how."""

from __future__ import annotations

import typing
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from export.converter_warnings import collect_warnings
from runtime.errors import CalibrationError, MissingExtraError, OptionError, unknown
from runtime.inputs import SequenceInput, TensorsInput
from runtime.tasks import Binary, Classification
from runtime.tensors import shapes, size, stack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.spec import ModelSpec
    from runtime.tensors import Tensors

Method = Literal["min-max", "moving-average", "percentile", "entropy"]
METHODS: tuple[Method, ...] = typing.get_args(Method)
Activations = Callable[[], Iterator[dict[str, "NDArray[np.float32]"]]]
"""Runs the float graph over the calibration inputs, batch by batch, and gives all its activations."""

FEWEST = 10
"""With fewer samples a range is the accident of a few inputs."""
DECAY = 0.9
"""Of the moving average, for each batch."""
BATCH = 8
NARROWEST = 1e-3
"""A range is at least this wide."""
BINS = {"percentile": 2**14, "entropy": 512}
"""Of a histogram: few enough for entropy's search, which takes time by the square of them."""
PERCENTILE = 99.999
QUANTIZED_BINS = 128


@dataclass(frozen=True)
class Calibration:
    """Inputs to calibrate with, and the method.

    Args:
        samples: Real inputs that the model was trained on, as ``spec.input.read`` takes them. Never those that the
            files are proved with: a range that was fitted to them would flatter the file.
        targets: The right answer to each, to take as many of each class; None where there are no classes.
        number: How many to take.
        method: min-max takes the extremes of all; moving-average smooths the extremes of each batch; percentile cuts
            off the rarest hundred-thousandth, half of it at either end; entropy cuts where the distribution changes
            least (Kullback-Leibler divergence, as in TensorRT).
    """

    samples: Sequence[Any]
    targets: NDArray[Any] | None = None
    number: int = 200
    method: Method = "min-max"

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
            OptionError: If the method is unknown, the number below `FEWEST`, or targets are missing.
        """
        if self.method not in METHODS:
            raise OptionError(unknown("calibration method", self.method, METHODS))
        if self.number < FEWEST:
            raise OptionError(f"calibration needs at least {FEWEST} samples, got {self.number}")
        if self.targets is not None and len(self.targets) != len(self.samples):
            raise OptionError(f"{len(self.samples)} calibration samples have {len(self.targets)} targets")


@dataclass(frozen=True)
class Calibrated:
    """Inputs chosen for calibration.

    Args:
        inputs: ``[samples, *input.shape]`` as read.
        balance: How many of each label; empty where there are none.
    """

    inputs: Tensors
    balance: dict[str, int]


def choose(calibration: Calibration, spec: ModelSpec) -> Calibrated:
    """Choose and read calibration inputs, the same number of each class as far as there are any.

    Raises:
        CalibrationError: If there are too few samples, or all are of one class.
        InputError: If a sample can't be read.
    """
    count, targets = len(calibration.samples), calibration.targets
    if count < FEWEST:
        raise CalibrationError(f"calibration needs at least {FEWEST} training samples, got {count}: give more data")
    order = np.random.default_rng(0).permutation(count)
    balance: dict[str, int] = {}
    labels: tuple[str, ...] = ()
    if targets is not None and isinstance(spec.output, Classification | Binary):
        classes = np.asarray(targets)[order].astype(np.int64)
        labels = spec.output.labels
        if len(np.unique(classes)) < 2:
            raise CalibrationError(
                f"all {count} calibration samples are of one class, {labels[int(classes[0])]!r}; ranges would fit "
                f"that class alone: give samples of all {len(labels)} classes"
            )
        rank = np.zeros(count, np.int64)  # the first of each class, then the second of each, and so on
        for number in np.unique(classes):
            of_class = classes == number
            rank[of_class] = np.arange(of_class.sum())
        order = order[np.argsort(rank, kind="stable")]
    picked = order[: calibration.number].tolist()
    inputs = {i: spec.input.read(calibration.samples[i]) for i in picked}
    if isinstance(spec.input, SequenceInput):
        inputs = {i: sequence for i, sequence in inputs.items() if len(sequence) == spec.input.length}
        if len(inputs) < FEWEST:
            raise CalibrationError(
                f"calibration needs at least {FEWEST} sequences of {spec.input.length} steps, got {len(inputs)}"
            )
    if isinstance(spec.input, TensorsInput):
        usual = Counter(shapes(sample) for sample in inputs.values()).most_common(1)[0][0]
        inputs = {i: sample for i, sample in inputs.items() if shapes(sample) == usual}
    if labels:
        counts = np.bincount(np.asarray(targets, np.int64)[list(inputs)], minlength=len(labels))
        balance = dict(zip(labels, counts.tolist(), strict=True))
    return Calibrated(stack(list(inputs.values())), balance)


def batches(inputs: dict[str, NDArray[Any]]) -> Iterator[dict[str, NDArray[Any]]]:
    """Cut inputs by name into batches."""
    for at in range(0, size(inputs), BATCH):
        yield {name: np.array(array[at : at + BATCH]) for name, array in inputs.items()}


@dataclass(frozen=True)
class Statistics:
    """Statistics of each activation over the calibration inputs, by its name in the graph.

    Args:
        ranges: The smallest and the largest value.
        means: The mean of each channel, ``float64 [channels]``, of activations with two axes or more.
    """

    ranges: dict[str, tuple[float, float]]
    means: dict[str, NDArray[np.float64]]


def observe(activations: Activations, method: Method, channel_axis: int) -> Statistics:
    """Run the graph over the calibration inputs and take statistics of every activation.

    Args:
        activations: Gives all activations, batch by batch; called once or twice.
        method: See `Calibration`.
        channel_axis: Where channels lie in activations of four axes; they are the last in others.

    Raises:
        CalibrationError: If an activation is not finite on the calibration inputs.
    """
    ranges: dict[str, tuple[float, float]] = {}
    sums: dict[str, NDArray[np.float64]] = {}
    counts: dict[str, int] = {}
    uneven: set[str] = set()  # their last axis has the batch in it, so it holds no channels
    for values in activations():
        for name, array in _without_padding(values).items():
            if array.ndim > 1:  # one axis alone is the batch's
                axis = channel_axis % 4 if array.ndim == 4 else array.ndim - 1
                others = tuple(i for i in range(array.ndim) if i != axis)
                total = array.sum(axis=others, dtype=np.float64)
                if total.shape == sums.get(name, total).shape:
                    sums[name] = sums.get(name, 0) + total
                    counts[name] = counts.get(name, 0) + array.size // array.shape[axis]
                else:
                    uneven.add(name)
            ranges[name] = _wider(ranges.get(name), (float(array.min()), float(array.max())), method)
    broken = [name for name, extremes in ranges.items() if not np.isfinite(extremes).all()]
    if broken:
        raise CalibrationError(f"activation {broken[0]!r} is not finite on the calibration samples: train again")
    if method in ("percentile", "entropy"):
        ranges |= _histograms(activations, method, ranges)
    # what is always the same, such as a dead layer's zeros, would get a scale that the next layer's biases overflow at
    ranges = {name: (low, max(high, low + NARROWEST)) for name, (low, high) in ranges.items()}
    means = {name: total / counts[name] for name, total in sums.items() if name not in uneven}
    return Statistics(ranges, means)


def _without_padding(values: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """Put the smallest finite value where maximum pooling has laid -inf around an activation, which no range holds."""
    padded = {}
    for name, array in values.items():
        if array.size:
            low = array.min()
            if np.isneginf(low):
                array = np.where(np.isneginf(array), array[np.isfinite(array)].min(initial=0.0), array)
            padded[name] = array
    return padded


def _wider(old: tuple[float, float] | None, new: tuple[float, float], method: Method) -> tuple[float, float]:
    if old is None:
        return new
    if method == "moving-average":
        return DECAY * old[0] + (1 - DECAY) * new[0], DECAY * old[1] + (1 - DECAY) * new[1]
    return float(np.minimum(old[0], new[0])), float(np.maximum(old[1], new[1]))  # a NaN stays one


def _histograms(
    activations: Activations, method: Method, extremes: dict[str, tuple[float, float]]
) -> dict[str, tuple[float, float]]:
    """Take ranges from histograms, by ONNX Runtime's collector.

    It sees the extremes first: it adds bins for what lies outside those it has, which is without end for an outlier.
    """
    try:
        from onnxruntime.quantization.calibrate import HistogramCollector
    except ImportError:
        raise MissingExtraError(f"calibration method {method!r}", "export") from None
    collector = HistogramCollector(method, False, BINS[method], QUANTIZED_BINS, PERCENTILE, "same")
    with collect_warnings():
        collector.collect({name: np.array(ends, np.float32) for name, ends in extremes.items()})
        for values in activations():
            collector.collect(_without_padding(values))
        ranges = collector.compute_collection_result()
    return {name: (float(low), float(high)) for name, (low, high, *_) in ranges.items()}


def rounding_error(weights: NDArray[np.float32], largest: int) -> NDArray[np.float64]:
    """Return what rounding adds to weights ``[outputs, ...]`` whose largest of each output becomes `largest`."""
    flat = weights.reshape(len(weights), -1).astype(np.float64)
    top = np.abs(flat).max(axis=1, keepdims=True)
    step = np.where(top > 0, top, 1) / largest
    return (np.round(flat / step) * step - flat).reshape(weights.shape)
