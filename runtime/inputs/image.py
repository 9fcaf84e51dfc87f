"""Images: any encoded image, brought to one size and mode by the steps of `runtime.images.preprocess`."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from runtime.deprecation import renamed_method
from runtime.errors import InputError
from runtime.frozen_dataclass import frozen_dataclass
from runtime.images.decoding import MAX_BYTES
from runtime.images.preprocess import check_steps, kept_shape, preprocess, preprocess_array, preprocess_placed
from runtime.images.steps import Step
from runtime.regular_files import read_input
from runtime.schema import check_types
from runtime.tensor_spec import OneTensor

if TYPE_CHECKING:
    from numpy.typing import NDArray


@frozen_dataclass
class ImageInput(OneTensor):
    """An image: ``[batch, height, width, channels]``, raw pixel values 0-255.

    Args:
        kind: Always ``image``.
        name: The graph's input name.
        shape: Height, width, channels (1 gray, 3 RGB).
        preprocess: The steps from an encoded image to that shape.
    """

    kind: Literal["image"]
    name: str
    shape: tuple[int, int, int]
    preprocess: tuple[Step, ...]

    AXES: ClassVar[tuple[str, ...]] = ("height", "width", "channel")
    dtype: ClassVar[type[np.generic]] = np.uint8

    def __post_init__(self) -> None:
        """Check the types, and that the steps give the shape."""
        check_types(self)
        check_steps(self.preprocess, self.shape)

    def read(self, source: Any) -> NDArray[np.uint8]:
        """Return an image as the graph takes it, ``uint8 [height, width, channels]``; see `preprocess`.

        Raises:
            InputError: If it can't be used; names it.
        """
        if isinstance(source, np.ndarray):
            return preprocess_array(source, self.preprocess, self._kept_shape)
        return preprocess(source, self.preprocess)

    def read_placed(self, source: Any) -> dict[str, NDArray[Any]]:
        """Return what `read` returns by the input's name, with its placement in the picture; see `Placement.beside`.

        Raises:
            InputError: If it can't be used; names it.
        """
        image, placement = preprocess_placed(source, self.preprocess)
        return placement.beside(self.name, image)

    @cached_property
    def _kept_shape(self) -> tuple[int, int, int] | None:
        return kept_shape(self.preprocess)

    def several(self, inputs: Any) -> Iterable[Any] | None:
        """Return the images of a list, or None for a single one."""
        return inputs if isinstance(inputs, list | tuple) else None

    def encode(self, sample: Any) -> bytes:
        """Return an image as the bytes of a file: its own, or a PNG that holds the same pixels.

        Raises:
            InputError: If it is no image.
        """
        return encode_image(sample)

    def edge_cases(self) -> NDArray[np.uint8]:
        """Return all 0, all 255 and noise, ``uint8 [3, height, width, channels]``."""
        noise = np.random.default_rng(0).integers(0, 256, self.shape, np.uint8)
        return np.stack([np.zeros(self.shape, np.uint8), np.full(self.shape, 255, np.uint8), noise])

    hard = renamed_method("hard", "edge_cases")

    def scaling(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the middle and half of the range of pixel values, of each channel."""
        return np.full(self.shape[2], 127.5), np.full(self.shape[2], 127.5)


def encode_image(sample: Any) -> bytes:
    """Return an image as the bytes of a file; see `ImageInput.encode`."""
    if isinstance(sample, bytes):
        return sample
    if isinstance(sample, str | os.PathLike):
        return read_input(sample, MAX_BYTES)
    from PIL import Image

    if isinstance(sample, np.ndarray):
        sample = Image.fromarray(sample[:, :, 0] if sample.ndim == 3 and sample.shape[2] == 1 else sample)
    if not isinstance(sample, Image.Image):
        raise InputError(
            f"a sample must be a path, bytes, a Pillow image or a uint8 array, got {type(sample).__name__}"
        )
    file = io.BytesIO()
    try:
        sample.save(file, "PNG")
    except OSError:  # PNG has no such mode, for example CMYK
        sample.save(file := io.BytesIO(), "TIFF")
    return file.getvalue()
