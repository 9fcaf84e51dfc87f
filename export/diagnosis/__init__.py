"""Diagnosis of a file: it runs side by side with PyTorch on real samples, and every layer is compared.

A tensor of the file is compared where a fresh conversion of the module, which has the same names, holds the same
values as one of PyTorch's operations. The operators between two such tensors are a layer here: usually one operator
with those fused into it, or a recurrent layer with all its steps. Each layer's error is measured twice: as the file
runs, with all that the layers before it have done, and by itself, fed with PyTorch's values. Only the second tells
whose fault it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from export.adapter import adapted
from export.diagnosis.matching import Match, match
from export.diagnosis.original import Original
from export.diagnosis.sums import Sums
from export.formats import Opened, format_module, reader
from export.graphs import whole
from export.inference_copy import inference_copy
from export.reference import Reference, answers
from runtime.errors import ExportError, OptionError
from runtime.native_output import suppress_output
from runtime.progress import Progress, silent
from runtime.tensors import by_name, select, size

if TYPE_CHECKING:
    import torch

    from export.formats._segments import Segment
    from runtime.spec import FileSpec, ModelSpec
    from runtime.tensors import Tensors

SAMPLES = 8
"""How many samples are enough: they are run one by one, and only sums are kept."""
FLOOR = 1e-5
"""The error that any layer may add in float32; converters reach 1e-6."""
MARGIN = 6
"""How many times the noise of rounding its input and output a layer may add: sound int8 layers were measured at 3, and
at 7.4 where weights differ much between channels, as in pretrained networks; what is usual in a file counts too."""
TYPICAL = 5
"""How many times the median of the file's layers of the same arithmetic a layer may add, up to `MOST`."""
MOST = 0.1
"""The error that is a fault even if it is usual in the file, unless rounding explains it."""
CANCELLED = 0.05
"""A layer whose signal is smaller than this share of its values, or its input's, has lost digits: it may add more."""


@dataclass(frozen=True)
class Layer:
    """A layer of the file.

    Args:
        path: The submodule whose weights it applies, as in ``named_modules()``; without weights, the last one that it
            stands for. The module itself is the empty path.
        others: The paths of the submodules that are folded into it or skipped.
        operators: The file's operators that compute it.
        tensor: The file's name of its output.
        shape: Of its output, for a batch of one.
        reference_range: The smallest and the largest value that PyTorch gives.
        file_range: The smallest and the largest value that the file gives.
        error: How far the file's values are from PyTorch's: noise over signal, the root mean square of the
            difference over the standard deviation of PyTorch's values.
        own: The same when the layer is fed with PyTorch's values: what it adds by itself.
        limit: The largest `own` that its arithmetic explains.
        bits: Of its arithmetic: 8 in int8, 11 in float16, 24 in float32 (of a floating-point number's digits).
    """

    path: str
    others: tuple[str, ...]
    operators: tuple[str, ...]
    tensor: str
    shape: tuple[int, ...]
    reference_range: tuple[float, float]
    file_range: tuple[float, float]
    error: float
    own: float
    limit: float
    bits: int

    @property
    def jumps(self) -> bool:
        """Whether it adds more error than its arithmetic explains."""
        return not self.own <= self.limit

    @property
    def snr(self) -> float:
        """Signal to noise of `error`, in dB; infinite where the file is exact."""
        return -20 * math.log10(self.error) if 0 < self.error < math.inf else math.copysign(math.inf, -self.error)


@dataclass(frozen=True)
class Diagnosis:
    """Every layer of a file that could be compared, in execution order."""

    layers: tuple[Layer, ...]
    samples: int

    @property
    def first(self) -> Layer | None:
        """The first layer whose error jumps, or None."""
        return next((layer for layer in self.layers if layer.jumps), None)

    def worst(self, count: int) -> tuple[Layer, ...]:
        """Return the layers that add the most error by themselves, worst first; those that jump come before others."""
        return tuple(sorted(self.layers, key=lambda layer: (not layer.jumps, -layer.own))[:count])


def diagnose(
    module: torch.nn.Module,
    spec: ModelSpec,
    data: bytes,
    file_spec: FileSpec,
    inputs: Tensors,
    on_progress: Progress = silent,
) -> Diagnosis:
    """Compare a file with the module that it was exported from, layer by layer.

    Args:
        module: As it was exported; it is copied, not changed.
        spec: What the model takes and gives.
        data: The file.
        file_spec: How the file implements the model.
        inputs: A batch of real inputs that were read; the first `SAMPLES` are used.
        on_progress: Called with what is being done, how much is done, and how much there is.

    Raises:
        OptionError: If the file takes steps, or nothing can look into its format.
        ExportError: If PyTorch can't trace the module, or the file has other tensors than a fresh conversion.
        EngineError: If the file can't be run.
        MissingExtraError: If the format's engine is not installed.
    """
    if file_spec.state:
        raise OptionError("a step graph can't be diagnosed: name the file of the same format that takes whole inputs")
    opens, writer = reader(file_spec.format), format_module(file_spec.format)
    names = [tensor.name for tensor in spec.input.tensors]
    arrays = by_name(inputs, names)
    inputs = select({name: arrays[name] for name in names} if len(names) > 1 else arrays[names[0]], slice(SAMPLES))
    module = adapted(inference_copy(module), spec)
    on_progress("trace PyTorch", 0, 1)
    original = Original(module, select(inputs, slice(1)))
    real = Reference(inputs, answers(module, spec, inputs))
    on_progress(f"convert to {file_spec.format} anew", 0, 1)
    part = whole(module, spec, real, real)
    fresh = writer.convert((part.of_one_length() if file_spec.steps or file_spec.lengths else part).graph)
    pairs = pair(original, opens.open(fresh), inputs)
    opened = opens.open(data, pairs)
    dtypes = file_spec.dtypes if file_spec.input_dtype is None else {names[0]: file_spec.input_dtype}
    typed = {name: array.astype(dtypes.get(name, array.dtype)) for name, array in by_name(inputs, names).items()}
    return compare(original, pairs, opened, typed if isinstance(inputs, dict) else typed[names[0]], on_progress)


def pair(original: Original, fresh: Opened, inputs: Tensors) -> dict[str, Match]:
    """Find the tensors of a fresh conversion that hold the values of PyTorch's operations.

    Args:
        original: The module.
        fresh: Its conversion, opened for all its tensors.
        inputs: A batch, of which the first and the last sample are used.
    """
    first, last = select(inputs, slice(1)), select(inputs, slice(-1, None))
    pairs = match(original.run(first), fresh.run(first))
    wanted, actual = original.run(last), fresh.run(last)
    return {
        name: pair
        for name, pair in pairs.items()
        if np.allclose(actual[name], pair.laid_out(wanted[pair.node]), atol=1e-4 * np.abs(actual[name]).max())
    }


def compare(
    original: Original,
    pairs: Mapping[str, Match],
    opened: Opened,
    inputs: Tensors,
    on_progress: Progress = silent,
) -> Diagnosis:
    """Run a file and PyTorch side by side.

    Args:
        original: The module.
        pairs: Which tensors hold what operation's values; see `pair`.
        opened: The file, opened for those tensors.
        inputs: A batch of the types that the file takes.
        on_progress: Called with what is being done, how much is done, and how much there is.

    Raises:
        ExportError: If the file has few of those tensors, or of other sizes.
        EngineError: If the file can't be run.
    """
    segments = opened.segments
    strange = ExportError(
        "the file has not the tensors of a fresh conversion: another network was exported to it, or other versions of "
        "the converter wrote it; export the run again"
    )
    if len(segments) < max(1, len(pairs) // 4):  # an output alone, whose name never changes, tells of no layer
        raise strange
    sums = {segment.name: Sums() for segment in segments}
    for at in range(size(inputs)):
        on_progress("compare", at, size(inputs))
        sample = select(inputs, slice(at, at + 1))
        values = original.run(sample)
        wanted = {name: pairs[name].laid_out(values[pairs[name].node]) for name in sums}
        with suppress_output():
            actual = opened.run(sample)
            if any(value.size != wanted[name].size for name, value in actual.items()):
                raise strange
            alone = opened.alone(sample, wanted)
        for name, each in sums.items():
            each.add(wanted[name], actual[name], alone[name])
    usual = {
        bits: float(np.median([sums[segment.name].own for segment in segments if segment.bits == bits]))
        for bits in {segment.bits for segment in segments}
    }
    return Diagnosis(
        tuple(_layer(original, pairs, segment, sums, usual[segment.bits]) for segment in segments), size(inputs)
    )


def _layer(
    original: Original, pairs: Mapping[str, Match], segment: Segment, sums: Mapping[str, Sums], usual: float
) -> Layer:
    mine, starts = sums[segment.name], [sums[name] for name in segment.starts]
    owner = original.owner(pairs[segment.name].node, [pairs[name].node for name in segment.starts])
    lost = CANCELLED * max(each.size for each in (mine, *starts)) / mine.signal if mine.signal else 1.0
    rounding = math.hypot(*(each.rounding(segment.bits) for each in (mine, *starts)))
    return Layer(
        path=owner.path,
        others=owner.others,
        operators=segment.kinds,
        tensor=segment.name,
        shape=pairs[segment.name].shape,
        reference_range=mine.reference_range,
        file_range=mine.file_range,
        error=mine.error,
        own=mine.own,
        limit=max(FLOOR * max(1.0, lost), MARGIN * rounding, min(TYPICAL * usual, MOST)),
        bits=segment.bits,
    )
