"""Checks of callers' arguments: samples and targets in any of the usual forms become ours."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from export.box_targets import as_boxes
from runtime.errors import ExportError, OptionError, shown, unknown
from runtime.tasks import CTC, Anomaly, Binary, Classification, Detection, Forecasting, MultiLabel, Raw
from runtime.tasks.text import PADDING

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.tasks import Output


def as_sequence(samples: object) -> Sequence[Any]:
    """Return samples as a sequence; tensors become arrays.

    Raises:
        ExportError: If they are one sample, or batches.
    """
    if isinstance(samples, torch.utils.data.DataLoader):
        raise ExportError(
            "samples: a DataLoader gives batches of scaled values: give the raw inputs of its data set, one by one"
        )
    if isinstance(samples, torch.Tensor):
        samples = samples.detach().cpu().numpy()
    placed = hasattr(samples, "__len__") and hasattr(samples, "__getitem__")
    single = isinstance(samples, str | bytes | os.PathLike | Mapping | np.generic)
    if (
        single
        or not (placed or isinstance(samples, Iterable))
        or (isinstance(samples, np.ndarray) and not samples.ndim)
    ):
        raise ExportError(f"samples must be several inputs, got {shown(samples)}: put it into a list")
    return _Samples(samples if placed else list(cast("Iterable[Any]", samples)))


class _Samples(Sequence[Any]):
    """Samples, of which those that are tensors are given as arrays."""

    def __init__(self, samples: Any) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: Any) -> Any:
        sample = self.samples[index]
        return sample.detach().cpu().numpy() if isinstance(sample, torch.Tensor) else sample

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))  # data sets of PyTorch needn't end with an IndexError


def check_keywords(function: str, keywords: Mapping[str, object], declared: Any) -> None:
    """Check keywords against those that a TypedDict declares, as Python checks a function's own.

    Raises:
        TypeError: If one is unknown or missing.
    """
    for name in keywords:
        if name not in declared.__required_keys__ | declared.__optional_keys__:
            raise TypeError(f"{function}() got an unexpected keyword argument {name!r}")
    for name in sorted(declared.__required_keys__ - keywords.keys()):
        raise TypeError(f"{function}() missing a required keyword argument: {name!r}")


def check_types(**arguments: tuple[object, type]) -> None:
    """Check that each argument is of its type, or None.

    Raises:
        OptionError: Names the first that is not.
    """
    for name, (value, kind) in arguments.items():
        if value is not None and not isinstance(value, kind):
            raise OptionError(f"{name} must be export.{kind.__name__}, got {type(value).__name__}")


def as_names(names: str | Sequence[str]) -> Sequence[str]:
    """Return names of formats or precisions, of which one may come alone."""
    return (names,) if isinstance(names, str) else names


def as_targets(targets: Any, output: Output, count: int) -> NDArray[Any] | None:
    """Return targets as the task's `measure` takes them.

    Args:
        targets: One for each sample: numbers; or labels, where the task has some; or texts, for CTC;
            or boxes, see `as_boxes`.
        output: The task.
        count: How many samples there are.

    Raises:
        ExportError: If they don't fit; says what would.
    """
    if targets is None:
        return None
    if isinstance(targets, str | bytes | Mapping) or not isinstance(targets, Iterable):
        raise ExportError(f"targets must be a list with one for each sample, got {shown(targets)}")
    values: Any = targets.detach().cpu().numpy() if isinstance(targets, torch.Tensor) else targets
    values = values if isinstance(values, np.ndarray) and values.ndim else list(values)
    if len(values) != count:
        raise ExportError(f"{count} samples have {len(values)} targets")
    if isinstance(output, Raw):
        raise ExportError("targets: raw outputs have no metric to compare: leave the targets out")
    if isinstance(output, Classification | Binary):
        return _places(values, output.labels)
    if isinstance(output, MultiLabel):
        return _held(values, output.labels)
    if isinstance(output, Detection):
        return as_boxes(values, output.labels)
    if isinstance(output, CTC):
        return _codes(values, output.alphabet)
    shape = (count, output.horizon) if isinstance(output, Forecasting) else (count,)
    numbers = _numbers(values, shape)
    if isinstance(output, Anomaly) and not np.isin(numbers, (0, 1)).all():
        raise ExportError("targets must be 1 for an anomaly and 0 for what is none")
    return numbers


def _array(values: Any) -> NDArray[Any]:
    try:
        return np.asarray(values)
    except ValueError:  # lists of different lengths
        return np.asarray(values, object)


def _numbers(values: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    numbers = _array(values)
    if numbers.dtype.kind not in "fiub" or not np.isfinite(numbers).all():
        raise ExportError(f"targets must be finite numbers, got {shown(numbers.ravel()[:1].tolist())}")
    if numbers.size != np.prod(shape):
        raise ExportError(f"targets have the shape {list(numbers.shape)}, wanted {list(shape)}")
    return numbers.reshape(shape)


def _places(values: Any, labels: tuple[str, ...]) -> NDArray[np.int64]:
    array = _array(values)
    if array.dtype.kind in "USO" and all(isinstance(value, str) for value in array.ravel()):
        for value in array.ravel():
            if value not in labels:
                raise ExportError(f"targets: {unknown('label', str(value), labels)}")
        return np.array([labels.index(value) for value in array.ravel()], np.int64)
    numbers = _numbers(values, (len(array),))
    if (numbers != np.round(numbers)).any() or numbers.min() < 0 or numbers.max() >= len(labels):
        low, high = numbers.min(), numbers.max()
        hint = ": they count from 1, take 1 off each" if low >= 1 and high == len(labels) else ""
        raise ExportError(
            f"targets must be the labels, or their numbers from 0 to {len(labels) - 1}; got {low:g} to {high:g}{hint}"
        )
    return numbers.astype(np.int64)


def _held(values: Any, labels: tuple[str, ...]) -> NDArray[np.int64]:
    rows = [value for value in values if isinstance(value, list | tuple | set | frozenset)]
    if len(rows) == len(values) and all(isinstance(label, str) for row in rows for label in row):
        strange = {label for row in rows for label in row} - {*labels}
        if strange:
            raise ExportError(f"targets: {unknown('label', min(strange), labels)}")
        return np.array([[label in row for label in labels] for row in rows], np.int64)
    numbers = _numbers(values, (len(values), len(labels)))
    if not np.isin(numbers, (0, 1)).all():
        raise ExportError(f"targets must be 1 for each of the {len(labels)} labels that holds and 0 for the others")
    return numbers.astype(np.int64)


def _codes(values: Any, alphabet: str) -> NDArray[np.int64]:
    if all(isinstance(value, str) for value in values):
        strange = {char for text in values for char in text} - {*alphabet}
        if strange:
            raise ExportError(f"targets: {min(strange)!r} is not in the alphabet {shown(alphabet)}")
        longest = max(map(len, values))
        filled = [[*map(alphabet.index, text), *[PADDING] * (longest - len(text))] for text in values]
        return np.array(filled, np.int64).reshape(len(values), longest)
    codes = _array(values)
    whole = codes.dtype.kind in "iu" and codes.ndim == 2
    if not whole or codes.min() < PADDING or codes.max() >= len(alphabet):
        raise ExportError(
            f"targets must be texts, or numbers [samples, characters] from 0 to {len(alphabet) - 1}, shorter ones "
            f"filled up with {PADDING}"
        )
    return codes.astype(np.int64)
