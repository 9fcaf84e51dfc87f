"""golden.npz: real inputs as files, what reading made of them, and what PyTorch answered."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from runtime.errors import BundleError, one_line
from runtime.frozen_dataclass import frozen_dataclass
from runtime.numpy_files import read_npz, write_npz
from runtime.tensor_spec import DType
from runtime.tensors import by_name, shapes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.tensors import Tensors

MAX_UNPACKED = 512 * 2**20
DTYPES = frozenset(map(np.dtype, get_args(DType)))


@frozen_dataclass
class Golden:
    """A golden pack.

    Args:
        raw: Encoded real inputs: the bytes of whole files, or of one row.
        inputs: ``[samples, ...]``, or arrays by name of a model with several inputs: `raw` as the manifest's input
            reads it, then made-up inputs at the edges of the range.
        outputs: ``[samples, ...]``, or arrays by name: PyTorch's raw outputs for `inputs`.
        real: How many of the samples, from the first, are real.
        tolerance: The largest difference of an output allowed on replay, relative to the largest absolute output.
        input_tolerance: The largest difference of an input allowed on replay, in its own values: image decoders
            may round a JPEG's inverse DCT differently.
        answers: What files of other precisions than fp32 answered to `inputs`, by file name.
    """

    raw: tuple[bytes, ...]
    inputs: Tensors
    outputs: Tensors
    real: int
    tolerance: float
    input_tolerance: float
    answers: dict[str, Tensors] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Return the content of golden.npz."""
        raw = {f"raw_{i:03d}": np.frombuffer(data, np.uint8) for i, data in enumerate(self.raw)}
        answers = {f"answers_{name}": batch for name, batch in self.answers.items()}
        limits = np.array([self.real, self.tolerance, self.input_tolerance], np.float64)
        return write_npz(
            {**raw, **_members({"inputs": self.inputs, "outputs": self.outputs}), "limits": limits, **_members(answers)}
        )

    @classmethod
    def decode(cls, data: bytes, where: str) -> Golden:
        """Read golden.npz; that of format 1 calls its inputs ``pixels`` and its outputs ``logits``.

        Raises:
            BundleError: If it is no golden pack, or unpacks to more than `MAX_UNPACKED` bytes.
        """
        try:
            arrays = read_npz(data, MAX_UNPACKED)
            raw = tuple(arrays[name].tobytes() for name in sorted(arrays) if name.startswith("raw_"))
            new = any(name.partition("/")[0] == "inputs" for name in arrays)
            inputs, outputs = (
                _batch(arrays, name) for name in (("inputs", "outputs") if new else ("pixels", "logits"))
            )
            limits = arrays["limits"]
            names = dict.fromkeys(name.partition("/")[0] for name in arrays if name.startswith("answers_"))
            answers = {name.removeprefix("answers_"): _batch(arrays, name) for name in names}
        except (KeyError, ValueError) as problem:
            raise BundleError(f"{where}: not a golden pack ({one_line(problem)})") from None
        samples = _samples(inputs)
        if not (
            samples == _samples(outputs)
            and 0 < len(raw) <= samples
            and all(dtype in DTYPES for batch in (inputs, outputs) for _, dtype in _types(batch).values())
            and (isinstance(inputs, dict) or inputs.ndim > 1)
            and _finite(inputs)
            and limits.shape == (3,)
            and limits.dtype == np.float64
            and np.isfinite(limits).all()
            and limits[0] in range(1, len(raw) + 1)  # a whole number
            and all(_types(each) == _types(outputs) for each in answers.values())
        ):
            raise BundleError(f"{where}: not a golden pack (its arrays don't belong together)")
        return cls(raw, inputs, outputs, int(limits[0]), float(limits[1]), float(limits[2]), answers)


def _members(batches: dict[str, Tensors]) -> dict[str, NDArray[Any]]:
    """Return the arrays of batches under the names of the members: ``inputs``, or ``inputs/NAME`` of several."""
    return {
        f"{key}/{name}" if name else key: array
        for key, batch in batches.items()
        for name, array in by_name(batch, ("",)).items()
    }


def _batch(arrays: dict[str, NDArray[Any]], key: str) -> Tensors:
    """Return the batch that members hold, the inverse of `_members`.

    Raises:
        ValueError: If no member does.
    """
    if key in arrays:
        return arrays[key]
    batch = {name.removeprefix(f"{key}/"): array for name, array in arrays.items() if name.startswith(f"{key}/")}
    if not batch:
        raise ValueError(f"{key} is missing")
    return batch


def _samples(batch: Tensors) -> int:
    """Return the number of samples; -1 if the arrays have different numbers of them."""
    counts = {shape[0] if shape else -1 for shape in shapes(batch)}
    return counts.pop() if len(counts) == 1 else -1


def _finite(batch: Tensors) -> bool:
    return all(np.isfinite(array).all() for array in by_name(batch, ("",)).values())


def _types(batch: Tensors) -> dict[str, tuple[tuple[int, ...], Any]]:
    return {name: (array.shape, array.dtype) for name, array in by_name(batch, ("",)).items()}
