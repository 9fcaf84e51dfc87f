"""golden.npz: real inputs as files, what reading made of them, and what PyTorch answered."""

from __future__ import annotations

import io
import zipfile
from dataclasses import field
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.errors import BundleError, one_line
from runtime.frozen_dataclass import frozen_dataclass

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_UNPACKED = 512 * 2**20


@frozen_dataclass
class Golden:
    """A golden pack.

    Args:
        raw: Encoded real inputs: the bytes of whole files, or of one row.
        inputs: ``uint8`` or ``float32 [samples, ...]``: `raw` as the manifest's input reads it, then made-up inputs
            at the edges of the range.
        outputs: ``float32 [samples, ...]``: PyTorch's raw outputs for `inputs`.
        real: How many of the samples, from the first, are real.
        tolerance: The largest difference of an output allowed on replay, relative to the largest absolute output.
        input_tolerance: The largest difference of an input allowed on replay, in its own values: image decoders
            may round a JPEG's inverse DCT differently.
        answers: What files of other precisions than fp32 answered to `inputs`, by file name.
    """

    raw: tuple[bytes, ...]
    inputs: NDArray[Any]
    outputs: NDArray[np.float32]
    real: int
    tolerance: float
    input_tolerance: float
    answers: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Return the content of golden.npz."""
        arrays = {f"raw_{i:03d}": np.frombuffer(data, np.uint8) for i, data in enumerate(self.raw)}
        limits = np.array([self.real, self.tolerance, self.input_tolerance], np.float64)
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, array in {
                **arrays,
                "inputs": self.inputs,
                "outputs": self.outputs,
                "limits": limits,
                **{f"answers_{name}": array for name, array in self.answers.items()},
            }.items():
                member = io.BytesIO()
                np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
                # a fixed date keeps the file the same for the same content
                info = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
                archive.writestr(info, member.getvalue(), zipfile.ZIP_DEFLATED)
        return file.getvalue()

    @classmethod
    def decode(cls, data: bytes, where: str) -> Golden:
        """Read golden.npz; that of format 1 calls its inputs ``pixels`` and its outputs ``logits``.

        Raises:
            BundleError: If it is no golden pack, or unpacks to more than `MAX_UNPACKED` bytes.
        """
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                unpacked = sum(info.file_size for info in archive.infolist())
            if unpacked > MAX_UNPACKED:
                raise BundleError(f"{where}: unpacks to {unpacked} bytes; the limit is {MAX_UNPACKED}")
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                raw = tuple(arrays[name].tobytes() for name in sorted(arrays.files) if name.startswith("raw_"))
                names = ("inputs", "outputs") if "inputs" in arrays.files else ("pixels", "logits")
                inputs, outputs, limits = arrays[names[0]], arrays[names[1]], arrays["limits"]
                answers = {
                    name.removeprefix("answers_"): arrays[name] for name in arrays.files if name.startswith("answers_")
                }
                kinds = (outputs.dtype, limits.dtype) == (np.float32, np.float64)
                kinds_agree = kinds and inputs.dtype in (np.uint8, np.float32)
        except BundleError:
            raise
        except Exception as problem:  # zipfile, zlib and numpy raise whatever they meet in a damaged file
            raise BundleError(f"{where}: not a golden pack ({one_line(problem)})") from None
        shapes_agree = inputs.ndim > 1 and outputs.ndim > 1 and limits.shape == (3,)
        counts_agree = 0 < len(raw) <= len(inputs) == len(outputs)
        finite = kinds_agree and np.isfinite(limits).all() and np.isfinite(inputs).all()
        limits_agree = shapes_agree and finite and limits[0] in range(1, len(raw) + 1)  # a whole number
        answers_agree = all((each.shape, each.dtype) == (outputs.shape, np.float32) for each in answers.values())
        if not (kinds_agree and shapes_agree and counts_agree and limits_agree and answers_agree):
            raise BundleError(f"{where}: not a golden pack (its arrays don't belong together)")
        return cls(raw, inputs, outputs, int(limits[0]), float(limits[1]), float(limits[2]), answers)
