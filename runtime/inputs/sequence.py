"""Sequences: steps of features, such as samples of sensors, or the rows of an image."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from runtime.csv_file import CSVTable, read_csv
from runtime.data_frames import is_frame, rows_of
from runtime.deprecation import renamed_method
from runtime.errors import InputError, one_line
from runtime.frozen_dataclass import frozen_dataclass
from runtime.images.preprocess import check_steps, preprocess
from runtime.images.steps import Step
from runtime.inputs.image import encode_image
from runtime.numpy_files import HEADER, NPY, read_npy
from runtime.regular_files import read_input
from runtime.schema import check_types
from runtime.tensor_spec import OneTensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_VALUES = 64 * 2**20


@frozen_dataclass
class SequenceInput(OneTensor):
    """A sequence: ``float32 [batch, time, features]``, values unscaled.

    Args:
        kind: Always ``sequence``.
        name: The graph's input name.
        length: How many steps the training sequences had; files of a fixed length take exactly so many.
        features: The name of each feature of a step.
        mean: Of each feature over the training steps; the graph subtracts it.
        std: Of each feature over the training steps; the graph divides by it.
        preprocess: Steps that make an image ``[length, width, 1]`` whose rows are the sequence; empty where the
            sequences are no images.
    """

    kind: Literal["sequence"]
    name: str
    length: int
    features: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    preprocess: tuple[Step, ...] = ()

    AXES: ClassVar[tuple[str, ...]] = ("time", "feature")
    step_length = 1

    def __post_init__(self) -> None:
        """Check the types, and that the parts belong together."""
        check_types(self)
        if self.length < 1 or not len(self.features) == len(self.mean) == len(self.std) > 0:
            raise ValueError("a sequence needs length above 0, and one mean and std for each feature")
        if len(set(self.features)) != len(self.features) or not all(value > 0 for value in self.std):
            raise ValueError("a sequence's features need different names, and std above 0")
        if self.preprocess:
            check_steps(self.preprocess, (self.length, len(self.features), 1))

    @property
    def shape(self) -> tuple[None, int]:
        """Any number of steps, and the number of features."""
        return (None, len(self.features))

    def read(self, source: Any) -> NDArray[np.float32]:
        """Return one sequence.

        Args:
            source: A numeric array ``[time, features]``, or ``[time]`` where there is one feature; a ``.csv`` file
                or a data frame with a column for each feature; a ``.npy`` file or its bytes; and, where the rows of
                images are the sequences, what `runtime.images.preprocess.preprocess` takes (arrays of ``uint8`` are
                images there).

        Returns:
            ``float32 [time, features]``.

        Raises:
            InputError: If it can't be used; names it.
        """
        name = os.fspath(source) if isinstance(source, str | os.PathLike) else "the sequence"
        suffix = Path(name).suffix.lower() if isinstance(source, str | os.PathLike) else ""
        if suffix == ".csv":
            return self.read_csv(source)
        if suffix == ".npy":
            source = _content(name)
        if isinstance(source, bytes) and source.startswith(NPY):
            return self._checked(_array(source, name), name)
        if isinstance(source, np.ndarray) and not (self.preprocess and source.dtype == np.uint8):
            return self._checked(source, name)
        if is_frame(source):
            return self._checked(self._steps(rows_of(source)), "the data frame")
        if self.preprocess:
            return np.asarray(preprocess(source, self.preprocess)[:, :, 0], np.float32)
        raise InputError(f"expected an array [time, {len(self.features)}], a .npy or a .csv file, got {_kind(source)}")

    def read_csv(self, path: str | os.PathLike[str], content: bytes | None = None) -> NDArray[np.float32]:
        """Return the sequence in a CSV file with a column for each feature, ``float32 [time, features]``.

        Args:
            path: See `runtime.csv_file.read_csv`.
            content: See `runtime.csv_file.read_csv`.

        Raises:
            InputError: If it can't be used; names it.
        """
        return self._checked(self._columns(read_csv(path, content), os.fspath(path)), os.fspath(path))

    def step(self, sample: Any) -> NDArray[np.float32]:
        """Return one step of a sequence as it streams in, ``float32 [features]``.

        Raises:
            InputError: If it hasn't one finite number for each feature.
        """
        try:
            values = np.asarray(sample).reshape(1, -1)
        except ValueError as problem:  # lists of different lengths
            raise InputError(f"the step: expected {len(self.features)} numbers ({one_line(problem)})") from None
        step: NDArray[np.float32] = self._checked(values, "the step")[0]
        return step

    def several(self, inputs: Any) -> Iterable[Any] | None:
        """Return the sequences of a list or of an array of three axes, or None for a single one."""
        if isinstance(inputs, np.ndarray):
            return inputs if inputs.ndim == 3 and not (self.preprocess and inputs.dtype == np.uint8) else None
        return inputs if isinstance(inputs, list | tuple) else None

    def encode(self, sample: Any) -> bytes:
        """Return a sequence as the bytes of a ``.npy`` file, or of an image file where it is one."""
        if isinstance(sample, bytes) and not sample.startswith(NPY):
            return sample
        of_numbers = isinstance(sample, bytes) or (isinstance(sample, np.ndarray) and sample.dtype != np.uint8)
        if self.preprocess and not of_numbers:
            return encode_image(sample)
        file = io.BytesIO()
        np.lib.format.write_array(file, self.read(sample), allow_pickle=False)
        return file.getvalue()

    def edge_cases(self) -> NDArray[np.float32]:
        """Return all at the mean, all three deviations above it, and noise, ``float32 [3, length, features]``."""
        mean, std = self.scaling()
        noise = np.random.default_rng(0).standard_normal((self.length, len(mean)))
        flat = np.zeros((self.length, len(mean)))
        return np.stack([mean + std * values for values in (flat, flat + 3, noise)]).astype(np.float32)

    hard = renamed_method("hard", "edge_cases")

    def scaling(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and standard deviation of each feature."""
        return np.array(self.mean), np.array(self.std)

    def _columns(self, table: CSVTable, name: str) -> NDArray[Any]:
        lacking = [feature for feature in self.features if feature not in table.header]
        if lacking:
            raise InputError(f"{name}: lacks the column {lacking[0]!r}; it has: {', '.join(table.header)}")
        indices = [table.header.index(feature) for feature in self.features]
        steps = []
        for line, cells in zip(table.lines, table.rows, strict=True):
            try:
                steps.append([float(cells[index]) for index in indices])
            except ValueError as problem:
                raise InputError(f"{name}: line {line}: {one_line(problem)}") from None
        return np.array(steps)

    def _steps(self, rows: list[dict[str, Any]]) -> NDArray[Any]:
        lacking = [feature for feature in self.features if rows and feature not in rows[0]]
        if lacking:
            raise InputError(f"the data frame lacks the column {lacking[0]!r}; it has: {', '.join(map(str, rows[0]))}")
        try:
            return np.array([[float(row[feature]) for feature in self.features] for row in rows])
        except (TypeError, ValueError) as problem:
            raise InputError(f"the data frame: {one_line(problem)}") from None

    def _checked(self, values: NDArray[Any], name: str) -> NDArray[np.float32]:
        if values.ndim == 1 and len(self.features) == 1:
            values = values[:, None]
        if values.dtype.kind not in "fiu" or values.ndim != 2 or values.shape[1] != len(self.features):
            raise InputError(
                f"{name}: expected numbers [time, {len(self.features)}], got {values.dtype} {list(values.shape)}"
            )
        with np.errstate(over="ignore"):
            sequence = values.astype(np.float32)
        if not len(sequence) or not np.isfinite(sequence).all():
            raise InputError(f"{name}: {'holds values that are not finite' if len(sequence) else 'has no steps'}")
        return sequence


def _content(name: str) -> bytes:
    data = read_input(name, 8 * MAX_VALUES + HEADER)
    if not data.startswith(NPY):
        raise InputError(f"{name}: not a .npy file")
    return data


def _array(data: bytes, name: str) -> NDArray[Any]:
    try:
        return read_npy(data, MAX_VALUES)
    except ValueError as problem:
        raise InputError(f"{name}: {problem}") from None


def _kind(source: Any) -> str:
    return f"{os.fspath(source)!r}" if isinstance(source, str | os.PathLike) else type(source).__name__
