"""Random changes of training pictures with boxes, by name: mosaics, windows and flips, which the boxes share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.average_precision import LabeledBoxes
from runtime.box_targets import pack, unpack
from runtime.errors import OptionError
from zoo.data._annotations.checks import MAX_BOXES
from zoo.data._box_geometry import BoxedImage, crop, flip, mosaic, window_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

WITH_BOXES = ("mosaic", "scale", "flip")
"""Changes that boxes share."""
PIXELS = ("invert", "color", "brightness", "contrast", "ground", "blur", "sharpen")
"""Changes that move no pixel."""
SCALES = (0.7, 1.4)
"""By how much a picture is made smaller and larger at most."""
MOSAICS = 0.5
"""The share of pictures that become part of a mosaic."""
WHOLE_PICTURES = 0.2
"""The share of the epochs, at the end, that have no mosaics: devices don't see any (Ge et al. 2021: YOLOX)."""
MEETING = (0.3, 0.7)
"""Where the four pictures of a mosaic meet, as a share of both sides."""


def check_augmentation(names: Sequence[str], *, boxes: bool) -> None:
    """Refuse changes that pictures with boxes, or without, can't have.

    Raises:
        OptionError: If there is such a name.
    """
    if boxes:
        unfit = [name for name in names if name not in (*WITH_BOXES, *PIXELS)]
        allowed = ", ".join((*WITH_BOXES, *PIXELS))
        problem = f"doesn't move boxes with their picture; task=detection has: {allowed}"
    else:
        unfit = [name for name in names if name in ("mosaic", "scale")]
        problem = "is for pictures with boxes (task=detection); choose zoom or crop here"
    of_sounds = [name for name in names if name in ("speed", "filter", "gain", "noise")]
    if of_sounds:
        raise OptionError(f"augment={of_sounds[0]} is for recordings: leave it out")
    if unfit:
        raise OptionError(f"augment={unfit[0]} {problem}")


@dataclass(frozen=True)
class BoxAugmentation:
    """Changes pictures with boxes; its random choices follow from PyTorch's generator.

    Args:
        names: Of `WITH_BOXES` and `PIXELS`.
        pixels: The changes of a Pillow image for those of `PIXELS` among them, or None.
        epochs: The epochs of the training.
    """

    names: tuple[str, ...]
    pixels: Callable[[Any], Any] | None
    epochs: int

    def __call__(
        self, inputs: NDArray[Any], targets: NDArray[np.float32], index: int, epoch: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Return a changed picture ``uint8 [height, width, 3]`` and its boxes ``float32 [rows, 5]``.

        Args:
            inputs: All training pictures, ``uint8 [items, height, width, 3]``.
            targets: Their boxes in pixels, ``float32 [items, most, 5]``.
            index: Which picture is changed.
            epoch: From 0.
        """
        import torch

        random = np.random.default_rng(int(torch.randint(2**31, ())))
        rows = targets.shape[1]
        sample = _sample(inputs, targets, index)
        if "mosaic" in self.names:
            rows = min(4 * rows, MAX_BOXES)
        in_mosaic = random.random() < MOSAICS and epoch < (1 - WHOLE_PICTURES) * self.epochs
        if "mosaic" in self.names and in_mosaic:
            others = random.integers(len(targets), size=3).tolist()
            sample = self._mosaic([sample, *(_sample(inputs, targets, other) for other in others)], random)
        elif "scale" in self.names:
            size = sample.image.shape[1], sample.image.shape[0]
            sample = crop(sample, self._window(size, size, random), *size)
        if "flip" in self.names and random.random() < 0.5:
            sample = flip(sample)
        image = sample.image
        if self.pixels is not None:
            from PIL import Image

            image = np.array(self.pixels(Image.fromarray(image)))
        return np.ascontiguousarray(image), pack([LabeledBoxes(sample.boxes, sample.classes)], rows)[0]

    def _mosaic(self, samples: list[BoxedImage], random: np.random.Generator) -> BoxedImage:
        height, width = samples[0].image.shape[:2]
        x, y = (round(side * random.uniform(*MEETING)) for side in (width, height))
        quarters = ((x, y), (width - x, y), (x, height - y), (width - x, height - y))
        order = [samples[i] for i in random.permutation(4)]
        windows = [self._window((width, height), quarter, random) for quarter in quarters]
        return mosaic(order, windows, (x, y), (width, height))

    def _window(
        self, image_size: tuple[int, int], size: tuple[int, int], random: np.random.Generator
    ) -> tuple[float, float, float, float]:
        """Return a window of a picture that shows it in its own size, or a little larger or smaller."""
        scale = float(np.exp(random.uniform(*np.log(SCALES)))) if "scale" in self.names else 1.0
        whole = max(image_size[0] / size[0], image_size[1] / size[1])
        return window_of(image_size, size, scale * whole, (random.random(), random.random()))


def _sample(inputs: NDArray[Any], targets: NDArray[np.float32], index: int) -> BoxedImage:
    boxes = unpack(targets[index])
    return BoxedImage(inputs[index], boxes.corners, boxes.labels)
