"""Where a model's input lies in the picture that it was made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from runtime.images.steps import Affine

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.tensors import Tensors

KEY = "\0placement"
"""The name under which a sample has its placement beside its tensors; no tensor can have it, for it isn't printable."""


class Placement(NamedTuple):
    """The map from pixels of a model's input to pixels of the upright picture.

    Args:
        affine: The map.
        width: Width of the picture in pixels, upright and before any reduction.
        height: Its height in pixels.
    """

    affine: Affine
    width: int
    height: int

    @staticmethod
    def whole(width: int, height: int) -> Placement:
        """Return the placement of an input that is the picture itself."""
        return Placement(Affine(1.0, 1.0, 0.0, 0.0), width, height)

    def to_input(self, corners: NDArray[np.generic]) -> NDArray[np.float64]:
        """Return corners ``float [boxes, 4]`` of the picture in pixels of the input."""
        scale = np.array([self.affine.scale_x, self.affine.scale_y] * 2)
        return np.asarray((corners - np.array([self.affine.offset_x, self.affine.offset_y] * 2)) / scale)

    def beside(self, name: str, image: NDArray[np.uint8]) -> dict[str, NDArray[np.generic]]:
        """Return a sample of the image by its name, with this placement, to be batched like any other sample."""
        affine = self.affine
        numbers = (affine.scale_x, affine.scale_y, affine.offset_x, affine.offset_y, self.width, self.height)
        return {name: image, KEY: np.array(numbers)}

    @staticmethod
    def split(sample: Tensors) -> tuple[NDArray[np.uint8], Placement]:
        """Return the image and the placement of a sample; an image alone is the whole picture."""
        if not isinstance(sample, dict):
            return sample, Placement.whole(sample.shape[1], sample.shape[0])
        *numbers, width, height = sample[KEY].tolist()
        (image,) = (array for name, array in sample.items() if name != KEY)
        return cast("NDArray[np.uint8]", image), Placement(Affine(*numbers), int(width), int(height))
