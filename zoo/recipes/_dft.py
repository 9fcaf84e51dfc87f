"""The power spectrum of real frames as a few small matrix products, which every format and engine has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from numpy.typing import NDArray


class PowerSpectrum(nn.Module):
    """The squared magnitudes of a discrete Fourier transform, of every bin from 0 to half the points.

    The transform of ``a * b`` points is factored into transforms of `a` and of `b` points with twiddle factors between
    them (Cooley and Tukey, 1965): of 512 points one matrix product takes 131,584 constants, two and the factors take
    5,000. Of real frames half of the first transform's outputs are the conjugates of the others and are left out.

    Args:
        length: Samples of a frame, at most `points`; the frame is filled up with zeros.
        points: Of the transform; a power of two.
    """

    first: Tensor
    twiddle_real: Tensor
    twiddle_imaginary: Tensor
    second: Tensor

    def __init__(self, length: int, points: int) -> None:
        super().__init__()
        a = 1 << (points.bit_length() - 1) // 2
        b = points // a
        self.rows, self.columns = -(-length // b), b
        k1, n2 = np.arange(a // 2 + 1), np.arange(b)
        first = _roots(k1, np.arange(self.rows), a)
        twiddle = _roots(n2, k1, points)
        second = _roots(n2, n2, b)
        for name, values in {
            "first": np.concatenate([first.real, first.imag]),
            "twiddle_real": twiddle.real,
            "twiddle_imaginary": twiddle.imag,
            "second": np.block([[second.real, -second.imag], [second.imag, second.real]]),
        }.items():
            constant(self, name, values)
        bins = (k1[:, None] + a * n2).ravel()
        self.bins: NDArray[np.int64] = np.minimum(bins, points - bins)
        """The bin of each output, 0 to half the points; some bins come twice."""

    @property
    def length(self) -> int:
        """The samples that `forward` takes of a frame: whole rows of the first transform."""
        return self.rows * self.columns

    def forward(self, frames: Tensor) -> Tensor:
        """Return ``[batch, frames, outputs]`` for ``[batch, frames, length]``; `bins` names the outputs."""
        count = frames.shape[1]
        columns = frames.reshape(-1, count, self.rows, self.columns).transpose(2, 3)
        real, imaginary = F.linear(columns, self.first).chunk(2, dim=3)
        turned = [
            real * self.twiddle_real - imaginary * self.twiddle_imaginary,
            real * self.twiddle_imaginary + imaginary * self.twiddle_real,
        ]
        real, imaginary = F.linear(torch.cat(turned, dim=2).transpose(2, 3), self.second).chunk(2, dim=3)
        return (real * real + imaginary * imaginary).reshape(-1, count, len(self.bins))


def constant(module: nn.Module, name: str, values: NDArray[np.float64]) -> None:
    """Give a module a constant in float32, which checkpoints don't hold."""
    module.register_buffer(name, torch.from_numpy(values).float(), persistent=False)


def _roots(rows: NDArray[np.int64], columns: NDArray[np.int64], points: int) -> NDArray[np.complex128]:
    """Return ``exp(-2 pi i row column / points)``, ``complex128 [rows, columns]``."""
    turns = np.outer(rows, columns) % points  # whole turns would only cost digits
    roots: NDArray[np.complex128] = np.exp(-2j * np.pi * turns / points)
    return roots
