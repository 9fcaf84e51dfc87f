"""golden.npz: real inputs as files, what preprocessing made of them, and what PyTorch answered."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from runtime.errors import BundleError, one_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_UNPACKED = 512 * 2**20


@dataclass(frozen=True)
class Golden:
    """A golden pack.

    Args:
        raw: Encoded images, the bytes of whole files.
        pixels: ``uint8 [samples, height, width, channels]``: `raw` preprocessed.
        logits: ``float32 [samples, labels]``: PyTorch's outputs for `pixels`.
        real: How many of the samples, from the first, are real; the rest are made up (all 0, all 255, noise).
        tolerance: The largest difference of an output allowed on replay, relative to the largest absolute logit.
        pixel_tolerance: The largest difference of a preprocessed pixel allowed on replay, 0-255: image decoders
            may round a JPEG's inverse DCT differently.
    """

    raw: tuple[bytes, ...]
    pixels: NDArray[np.uint8]
    logits: NDArray[np.float32]
    real: int
    tolerance: float
    pixel_tolerance: int

    def encode(self) -> bytes:
        """Return the content of golden.npz."""
        arrays = {f"raw_{i:03d}": np.frombuffer(data, np.uint8) for i, data in enumerate(self.raw)}
        limits = np.array([self.real, self.tolerance, self.pixel_tolerance], np.float64)
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, array in {
                **arrays,
                "pixels": self.pixels,
                "logits": self.logits,
                "limits": limits,
            }.items():
                member = io.BytesIO()
                np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
                # a fixed date keeps the file the same for the same content
                info = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
                archive.writestr(info, member.getvalue(), zipfile.ZIP_DEFLATED)
        return file.getvalue()

    @classmethod
    def decode(cls, data: bytes, where: str) -> Golden:
        """Read golden.npz.

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
                pixels, logits, limits = arrays["pixels"], arrays["logits"], arrays["limits"]
                kinds = (pixels.dtype, logits.dtype, limits.dtype) == (np.uint8, np.float32, np.float64)
        except BundleError:
            raise
        except Exception as problem:  # zipfile, zlib and numpy raise whatever they meet in a damaged file
            raise BundleError(f"{where}: not a golden pack ({one_line(problem)})") from None
        shapes_agree = kinds and pixels.ndim == 4 and logits.ndim == 2 and limits.shape == (3,)
        counts_agree = 0 < len(raw) == len(pixels) == len(logits)
        if not (shapes_agree and counts_agree and np.isfinite(limits).all() and 0 < limits[0] <= len(raw)):
            raise BundleError(f"{where}: not a golden pack (its arrays don't belong together)")
        return cls(raw, pixels, logits, int(limits[0]), float(limits[1]), int(limits[2]))
