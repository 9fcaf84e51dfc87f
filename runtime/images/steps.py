"""The steps of a preprocessing specification: what each does to an image."""

from __future__ import annotations

import math
from dataclasses import field
from typing import TYPE_CHECKING, Final, Literal

from runtime.errors import InputError
from runtime.frozen_dataclass import frozen_dataclass
from runtime.images.decoding import SCALES, SIXTEEN_BIT, decode_at, eight_bits
from runtime.schema import NEW, check_types

if TYPE_CHECKING:
    from PIL.Image import Image

CHANNELS = {"L": 1, "RGB": 3}
_ORIENTATION_TAG = 0x0112  # EXIF 2.3, section 4.6.4
_SWAPPING = (5, 6, 7, 8)
"""Orientations whose sides are swapped."""

Interpolation = Literal["nearest", "box", "bilinear", "bicubic", "lanczos", "opencv-bilinear"]
OPENCV: Final = "opencv-bilinear"


@frozen_dataclass
class Reduce:
    """Decode a JPEG of at least twice the needed size at 1/2, 1/4 or 1/8 scale, never below `width` x `height`.

    The scaling happens inside the inverse DCT (libjpeg's ``scale_num``), so it saves most of the decoding.

    Args:
        step: Always ``reduce``.
        width: The least width.
        height: The least height.
        letterbox: The image is scaled to fit into `width` x `height`, so only its longer side must not go below theirs.
    """

    step: Literal["reduce"] = "reduce"
    width: int = 1
    height: int = 1
    letterbox: bool = field(default=False, metadata=NEW)

    def __post_init__(self) -> None:
        """Check the types and the ranges."""
        check_types(self)
        _check_size(self.width, self.height)

    def __call__(self, image: Image) -> Image:
        """Ask the decoder for the reduced scale; other formats and decoded images stay as they are."""
        from PIL.ImageFile import ImageFile

        if isinstance(image, ImageFile):
            decode_at(image, self.scale(image.size))
        return image

    def scale(self, size: tuple[int, int]) -> int:
        """Return the scale (8, 4, 2 or 1) of which a JPEG of a size in pixels is decoded at 1/scale."""
        side = max(self.width, self.height)  # EXIF may still swap the axes
        most = min(max(size) // side, min(size)) if self.letterbox else min(size) // side
        return next((scale for scale in SCALES if most >= scale), 1)


@frozen_dataclass
class Orient:
    """Turn the image upright as its EXIF orientation says."""

    step: Literal["orient"] = "orient"

    def __call__(self, image: Image) -> Image:
        """Return the image upright."""
        from PIL.Image import Transpose

        turns = {
            2: Transpose.FLIP_LEFT_RIGHT,
            3: Transpose.ROTATE_180,
            4: Transpose.FLIP_TOP_BOTTOM,
            5: Transpose.TRANSPOSE,
            6: Transpose.ROTATE_270,
            7: Transpose.TRANSVERSE,
            8: Transpose.ROTATE_90,
        }
        image.load()  # Pillow turns a TIFF upright by itself when it loads, and then forgets the orientation
        turn = turns.get(image.getexif().get(_ORIENTATION_TAG, 1))
        return image if turn is None else image.transpose(turn)


def swaps_sides(image: Image) -> bool:
    """Say whether `Orient` swaps the sides of an image that is not loaded yet."""
    return image.getexif().get(_ORIENTATION_TAG, 1) in _SWAPPING


@frozen_dataclass
class Flatten:
    """Lay a transparent image on a ground of one color (red, green, blue: 0-255)."""

    step: Literal["flatten"] = "flatten"
    ground: tuple[int, int, int] = (255, 255, 255)

    def __post_init__(self) -> None:
        """Check the types and the ranges."""
        check_types(self)
        if not all(0 <= value <= 255 for value in self.ground):
            raise ValueError(f"the ground's color must be 0 to 255, got {self.ground}")

    def __call__(self, image: Image) -> Image:
        """Return the image without transparency."""
        if not image.has_transparency_data or image.mode in SIXTEEN_BIT:
            return image
        import PIL.Image

        ground = PIL.Image.new("RGBA", image.size, (*self.ground, 255))
        if image.mode == "La":  # multiplied by its alpha
            image = image.convert("LA")
        ground.alpha_composite(image.convert("RGBA"))
        return ground.convert("RGB")


@frozen_dataclass
class Mode:
    """Convert to one color mode: ``RGB``, or ``L`` for gray (ITU-R 601-2 luma). 16-bit gray is scaled, not clipped."""

    step: Literal["mode"] = "mode"
    mode: Literal["L", "RGB"] = "RGB"

    def __post_init__(self) -> None:
        """Check the types."""
        check_types(self)

    def __call__(self, image: Image) -> Image:
        """Return the image in the mode.

        Raises:
            InputError: If the image holds 32-bit values, whose range is unknown.
        """
        if image.mode in SIXTEEN_BIT:
            image = eight_bits(image)
        if image.mode in ("I", "F"):
            raise InputError(
                f"the image has 32-bit values (mode {image.mode!r}), which don't say what is black and what is white: "
                "save it as a PNG of 8 or 16 bits"
            )
        if image.mode == "La":
            image = image.convert("LA")
        return image if image.mode == self.mode else image.convert(self.mode)


@frozen_dataclass
class Affine:
    """A map of coordinates: ``x * scale_x + offset_x`` and ``y * scale_y + offset_y``, float64.

    Coordinates are in pixels from an image's left and top edges: its first pixel reaches from 0 to 1.
    """

    scale_x: float
    scale_y: float
    offset_x: float
    offset_y: float

    def times(self, factor: int) -> Affine:
        """Return the map to pixels of an image whose sides are `factor` times as long."""
        if factor == 1:
            return self
        return Affine(self.scale_x * factor, self.scale_y * factor, self.offset_x * factor, self.offset_y * factor)


@frozen_dataclass
class Resize:
    """Resize to `width` x `height` pixels in one resampling.

    ``crop`` takes the largest centred box of the target's shape, times `share` of its sides; ``stretch`` takes
    the whole image; ``pad`` fits the whole image and fills the rest with `ground` (its luma for gray images).

    ``pad`` with a `share` of 1 and without `whole_pixels` is the letterbox of the YOLO family, to the pixel: one ratio
    for both sides, sizes rounded to the nearest pixel, and where the padding is odd one pixel less at the left and top.

    With `whole_pixels` the box is that of torchvision's and timm's evaluation. They resize to whole pixels, a share-th
    larger than the target (``crop`` brings the shorter side to that, ``stretch`` both, ``pad`` the longer one), and cut
    whole pixels out of the middle. The result is theirs but for a gray level here and there: Pillow takes boxes in
    single precision. Where the middle lies between two pixels, they start at the even one, and Transformers' processors
    at the one before (`rounding` ``down``).

    Images are resampled as Pillow does it, which averages over all pixels of an image that shrinks. The interpolation
    ``opencv-bilinear`` is that of ``cv2.resize`` with ``INTER_LINEAR`` (`runtime.images.opencv`), to the byte: it skips
    pixels then, and so does the training of networks that are fed by OpenCV. It resizes whole images only.
    """

    step: Literal["resize"] = "resize"
    width: int = 1
    height: int = 1
    fit: Literal["crop", "stretch", "pad"] = "crop"
    share: float = 1.0
    interpolation: Interpolation = "bilinear"
    ground: tuple[int, int, int] = (255, 255, 255)
    whole_pixels: bool = False
    rounding: Literal["even", "down"] = "even"

    def __post_init__(self) -> None:
        """Check the types and the ranges."""
        check_types(self)
        _check_size(self.width, self.height)
        if not 0 < self.share <= 1:
            raise ValueError(f"share must be above 0 and at most 1, got {self.share}")
        if not all(0 <= value <= 255 for value in self.ground):
            raise ValueError(f"the ground's color must be 0 to 255, got {self.ground}")
        if self.interpolation == OPENCV and (self.fit == "crop" or self.share != 1 or self.whole_pixels):
            raise ValueError(
                f"{OPENCV} resizes whole images: fit must be stretch or pad, with a share of 1 and without "
                "whole_pixels; for others choose another interpolation, such as bilinear"
            )

    def __call__(self, image: Image) -> Image:
        """Return the image in the target size."""
        import PIL.Image

        size = (self.width, self.height)
        if self.fit == "pad":
            inner = self._inner(*image.size)
            if inner != image.size:
                image = self._resampled(image, inner)
            if inner == size:
                return image
            ground = PIL.Image.new("RGB", (1, 1), self.ground).convert(image.mode).getpixel((0, 0))
            padded = PIL.Image.new(image.mode, size, ground)
            padded.paste(image, self._margins(inner))
            return padded
        box = self._box(*image.size)
        if image.size == size and box == (0.0, 0.0, *map(float, size)):
            return image
        return self._resampled(image, size, box)

    def _resampled(
        self, image: Image, size: tuple[int, int], box: tuple[float, float, float, float] | None = None
    ) -> Image:
        """Return the box of an image, by default the whole, in `size` (width, height)."""
        import PIL.Image

        if self.interpolation == OPENCV:  # which has no boxes
            from runtime.images.opencv import resize_image

            return resize_image(image, *size)
        return image.resize(size, PIL.Image.Resampling[self.interpolation.upper()], box=box)

    def inverse(self, width: int, height: int) -> Affine:
        """Return the map from pixels of the resized image to pixels of an image of `width` x `height`.

        It is the inverse of what calling the step does, with the same rounding. `width` and `height` are those of the
        upright image. A JPEG that `Reduce` has decoded at 1/2, 1/4 or 1/8 scale has its sides rounded up to multiples
        of that: the map for its full size is off by less than one pixel of the resized image for ``crop`` and
        ``stretch``, and by less than two for ``pad``, which rounds once more. The exact map is that for the reduced
        size, times 2, 4 or 8.
        """
        if self.fit == "pad":
            inner_width, inner_height = self._inner(width, height)
            margin_x, margin_y = self._margins((inner_width, inner_height))
            scale_x, scale_y = width / inner_width, height / inner_height
            return Affine(scale_x, scale_y, -margin_x * scale_x, -margin_y * scale_y)
        left, top, right, bottom = self._box(width, height)
        return Affine((right - left) / self.width, (bottom - top) / self.height, left, top)

    def _box(self, width: int, height: int) -> tuple[float, float, float, float]:
        """Return the box of the image that ``crop`` and ``stretch`` resize: left, top, right, bottom."""
        if self.whole_pixels:
            return self._cut(width, height)
        if self.fit == "stretch":
            return (0.0, 0.0, float(width), float(height))
        scale = self.share * min(width / self.width, height / self.height)
        wide, high = self.width * scale, self.height * scale
        left, top = (width - wide) / 2, (height - high) / 2
        return (max(0.0, left), max(0.0, top), min(float(width), left + wide), min(float(height), top + high))

    def _margins(self, inner: tuple[int, int]) -> tuple[int, int]:
        """Return where ``pad`` lays the left and top edges of the whole image: below 0 where it is larger than that."""
        across, down = (
            (outer - within) // 2 if outer >= within else -round((within - outer) / 2)
            for outer, within in zip((self.width, self.height), inner, strict=True)
        )
        return across, down

    def _inner(self, width: int, height: int) -> tuple[int, int]:
        """Return the size that ``pad`` brings the whole image to."""
        if self.whole_pixels:  # timm.data.transforms.ResizeKeepRatio: it divides by the ratio, which rounds otherwise
            ratio = max(width / math.floor(self.width / self.share), height / math.floor(self.height / self.share))
            return max(1, round(width / ratio)), max(1, round(height / ratio))
        scale = min(self.width / width, self.height / height)
        return max(1, round(width * scale)), max(1, round(height * scale))

    def _cut(self, width: int, height: int) -> tuple[float, float, float, float]:
        """Return the box of the image that the cut-out pixels of the resized image come from.

        One resampling of that box computes them as resizing the whole would, for it sees the pixels around the box.
        """
        wide, high = math.floor(self.width / self.share), math.floor(self.height / self.share)
        if self.fit == "crop" and wide != high:  # timm.data.transforms.ResizeKeepRatio
            ratio = min(width / wide, height / high)
            wide, high = round(width / ratio), round(height / ratio)
        elif self.fit == "crop":  # torchvision.transforms.Resize(side): the longer side is rounded down
            side = wide
            wide, high = (side, int(side * height / width)) if width <= height else (int(side * width / height), side)
        # torchvision.transforms.CenterCrop and transformers.image_transforms.center_crop
        half = math.floor if self.rounding == "down" else round
        left, top = half((wide - self.width) / 2), half((high - self.height) / 2)
        across, down = width / wide, height / high
        return (
            left * across,
            top * down,
            min(float(width), (left + self.width) * across),
            min(float(height), (top + self.height) * down),
        )


Step = Reduce | Orient | Flatten | Mode | Resize


def _check_size(width: int, height: int) -> None:
    if not (0 < width <= 4096 and 0 < height <= 4096):
        raise ValueError(f"width and height must be 1 to 4096 pixels, got {width}x{height}")
