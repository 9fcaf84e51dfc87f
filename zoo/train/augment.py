"""Random changes of training inputs, by name; each input's change follows from PyTorch's generator alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image, ImageFilter
from torchvision.transforms import v2

from zoo.data import Boxes
from zoo.train.augment_audio import AudioAugmentation, read_background
from zoo.train.augment_boxes import PIXELS, BoxAugmentation
from zoo.train.outliers import WithOutliers

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from zoo.data import Target
    from zoo.recipes import Training

    Augment = Callable[[NDArray[Any], NDArray[Any], int, int], tuple[NDArray[Any], Any]]
    """All training inputs and targets, the index of one and the epoch, to the changed input and its target."""


def augmenter(training: Training, inputs: NDArray[Any], target: Target, rate: int = 0) -> Augment | None:
    """Return the changes of training inputs that the options name; None where they name none.

    Args:
        training: The options.
        inputs: The training inputs ``[items, height, width, channels]``, or rows of images ``[items, height, width]``;
            recordings ``[items, samples]``.
        target: The kind of target: boxes move with their images.
        rate: Samples per second of recordings, in Hz; 0 for images.
    """
    if rate:
        changes = (
            AudioAugmentation(training.augment, read_background(training.background, rate))
            if training.augment
            else None
        )
        return WithOutliers(changes, training.outliers) if training.outliers else changes
    if not training.augment:
        return None
    size = int(inputs.shape[1]), int(inputs.shape[2])
    if isinstance(target, Boxes):
        names = tuple(name for name in training.augment if name != "flip" or target.mirrored)
        still = tuple(name for name in names if name in PIXELS)
        return BoxAugmentation(names, augmentation(still, size, 0), training.epochs)
    return on_images(augmentation(training.augment, size, int(np.median(inputs[:256, 0, 0]))))


def on_images(transform: Any) -> Augment:
    """Return what a transform of a Pillow image does to a training input; the target stays."""

    def augment(inputs: NDArray[Any], targets: NDArray[Any], index: int, epoch: int) -> tuple[NDArray[Any], Any]:
        pixels = inputs[index].astype(np.uint8)  # rows of an image, read as a sequence, hold them as float32
        changed = transform(Image.fromarray(pixels if pixels.shape[-1] == 3 else pixels.reshape(pixels.shape[:2])))
        picture = changed.permute(1, 2, 0).numpy() if isinstance(changed, torch.Tensor) else changed
        return np.array(picture, inputs.dtype).reshape(pixels.shape), targets[index]

    return augment


def augmentation(names: tuple[str, ...], size: tuple[int, int], fill: int) -> v2.Transform | None:
    """Return transforms of Pillow images for the options' names, in a fixed order; None for no names.

    On small images they take a quarter of the time that they take on tensors; only erasing wants a tensor.

    Args:
        names: Of `zoo.recipes.Augmentation`.
        size: Height and width.
        fill: The value of pixels that move in from outside.
    """
    bilinear = v2.InterpolationMode.BILINEAR
    known: dict[str, tuple[v2.Transform, ...]] = {
        "stroke": (Stroke(),),
        "crop": (v2.RandomResizedCrop(size, scale=(0.6, 1.0), ratio=(0.8, 1.25), antialias=True),),
        "shift": (v2.RandomAffine(10, translate=(0.1, 0.1), scale=(0.9, 1.1), interpolation=bilinear, fill=fill),),
        "zoom": (
            v2.RandomAffine(
                12, translate=(0.18, 0.18), scale=(0.5, 1.35), shear=(-12, 12, -6, 6), interpolation=bilinear, fill=fill
            ),
        ),
        "flip": (v2.RandomHorizontalFlip(),),
        "invert": (v2.RandomInvert(),),
        "color": (v2.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2),),
        "brightness": (v2.ColorJitter(brightness=0.4),),
        "contrast": (v2.ColorJitter(contrast=0.4),),
        "ground": (Ground(),),
        "blur": (v2.RandomApply([v2.GaussianBlur(3, (0.1, 1.5))], 0.3),),
        "sharpen": (v2.RandomAdjustSharpness(2, 0.3),),
        "erase": (v2.PILToTensor(), v2.RandomErasing(0.3, scale=(0.02, 0.2), value=fill)),
    }
    chosen = [transform for name, transforms in known.items() if name in names for transform in transforms]
    return v2.Compose(chosen) if chosen else None


class Stroke(v2.Transform):  # type: ignore[misc]  # torchvision has no types
    """Makes the bright lines of half of the images thicker, by up to 2 pixels, and of a tenth thinner."""

    def transform(self, image: Image.Image, params: dict[str, Any]) -> Image.Image:
        """Return an image of the same size and mode."""
        kind, strength = torch.rand(2).tolist()
        if kind < 0.4:
            changed = image.filter(ImageFilter.MaxFilter(3))
        elif kind < 0.5:
            changed = image.filter(ImageFilter.MaxFilter(5))
        elif kind < 0.6:
            changed, strength = image.filter(ImageFilter.MinFilter(3)), strength / 2
        else:
            return image
        return Image.blend(image, changed, strength)


class Ground(v2.Transform):  # type: ignore[misc]
    """Shows two thirds of the images as a camera does: less contrast, a ground of any gray, uneven light, noise."""

    def transform(self, image: Image.Image, params: dict[str, Any]) -> Image.Image:
        """Return an image of the same size and mode."""
        if torch.rand(()) < 0.33:
            return image
        contrast, offset, angle, uneven, noise = torch.rand(5).tolist()
        contrast = 0.2 + 0.8 * contrast
        pixels = np.asarray(image, np.float32) * contrast + 255 * (1 - contrast) * offset
        rows, columns = np.mgrid[-1 : 1 : pixels.shape[0] * 1j, -1 : 1 : pixels.shape[1] * 1j].astype(np.float32)
        turn = 2 * np.pi * angle
        light = 40 * uneven * contrast * (np.cos(turn) * columns + np.sin(turn) * rows)
        pixels += light if pixels.ndim == 2 else light[:, :, None]
        pixels += torch.randn(pixels.shape).numpy() * (12 * noise * contrast)
        return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))
