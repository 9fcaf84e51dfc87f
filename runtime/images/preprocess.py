"""The one executable preprocessing specification: encoded image in, ``uint8 [height, width, channels]`` out.

A specification is a tuple of steps, stored in the manifest and executed in order by `preprocess`. Training's
evaluation, parity, golden inputs and every device run this same function. It does geometry only; scaling,
mean and standard deviation live inside the model's graph.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from runtime.errors import InputError, one_line
from runtime.frozen_dataclass import frozen_dataclass
from runtime.images.decoding import (
    SIXTEEN_BIT,
    as_shown,
    check_pixels,
    decode_reduced,
    eight_bits,
    fits,
    from_array,
    note_frames,
    open_image,
    open_stream,
)
from runtime.schema import check_types

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from typing import BinaryIO

    from numpy.typing import NDArray
    from PIL.Image import Image

    Source = str | os.PathLike[str] | bytes | BinaryIO | Image | NDArray[np.uint8]

CHANNELS = {"L": 1, "RGB": 3}
_ORIENTATION_TAG = 0x0112  # EXIF 2.3, section 4.6.4

Interpolation = Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]


@frozen_dataclass
class Reduce:
    """Decode a JPEG of at least twice the needed size at 1/2, 1/4 or 1/8 scale, never below `width` x `height`.

    The scaling happens inside the inverse DCT (libjpeg's ``scale_num``), so it saves most of the decoding.
    """

    step: Literal["reduce"] = "reduce"
    width: int = 1
    height: int = 1

    def __post_init__(self) -> None:
        """Check the types and the ranges."""
        check_types(self)
        _check_size(self.width, self.height)

    def __call__(self, image: Image) -> Image:
        """Ask the decoder for the reduced scale; other formats and decoded images stay as they are."""
        from PIL.ImageFile import ImageFile

        if isinstance(image, ImageFile):
            side = max(self.width, self.height)  # EXIF may still swap the axes
            image.draft(None, (side, side))
        return image


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


@frozen_dataclass
class Flatten:
    """Lay a transparent image on a ground of one colour (red, green, blue: 0-255)."""

    step: Literal["flatten"] = "flatten"
    ground: tuple[int, int, int] = (255, 255, 255)

    def __post_init__(self) -> None:
        """Check the types and the ranges."""
        check_types(self)
        if not all(0 <= value <= 255 for value in self.ground):
            raise ValueError(f"the ground's colour must be 0 to 255, got {self.ground}")

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
    """Convert to one colour mode: ``RGB``, or ``L`` for grey (ITU-R 601-2 luma). 16-bit grey is scaled, not clipped."""

    step: Literal["mode"] = "mode"
    mode: Literal["L", "RGB"] = "RGB"

    def __post_init__(self) -> None:
        """Check the types."""
        check_types(self)

    def __call__(self, image: Image) -> Image:
        """Return the image in the mode.

        Raises:
            InputError: If the image holds 32-bit values, whose range nobody knows.
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
class Resize:
    """Resize to `width` x `height` pixels in one resampling.

    ``crop`` takes the largest centred box of the target's shape, times `share` of its sides; ``stretch`` takes
    the whole image; ``pad`` fits the whole image and fills the rest with `ground` (its luma for grey images).

    With `whole_pixels` the box is that of torchvision's and timm's evaluation. They resize to whole pixels, a share-th
    larger than the target (``crop`` brings the shorter side to that, ``stretch`` both, ``pad`` the longer one), and cut
    whole pixels out of the middle. The result is theirs but for a grey level here and there: Pillow takes boxes in
    single precision. Where the middle lies between two pixels, they start at the even one, and Transformers' processors
    at the one before (`rounding` ``down``).
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
            raise ValueError(f"the ground's colour must be 0 to 255, got {self.ground}")

    def __call__(self, image: Image) -> Image:
        """Return the image in the target size."""
        import PIL.Image

        width, height = image.size
        size = (self.width, self.height)
        resample = PIL.Image.Resampling[self.interpolation.upper()]
        if self.fit == "pad":
            inner = self._inner(width, height)
            if inner != image.size:
                image = image.resize(inner, resample)
            if inner == size:
                return image
            ground = PIL.Image.new("RGB", (1, 1), self.ground).convert(image.mode).getpixel((0, 0))
            padded = PIL.Image.new(image.mode, size, ground)
            across, down = (
                (outer - within) // 2 if outer >= within else -round((within - outer) / 2)
                for outer, within in zip(size, inner, strict=True)
            )
            padded.paste(image, (across, down))
            return padded
        box = (0.0, 0.0, float(width), float(height))
        if self.whole_pixels:
            box = self._cut(width, height)
        elif self.fit == "crop":
            scale = self.share * min(width / self.width, height / self.height)
            wide, high = self.width * scale, self.height * scale
            left, top = (width - wide) / 2, (height - high) / 2
            box = (
                max(0.0, left),
                max(0.0, top),
                min(float(width), left + wide),
                min(float(height), top + high),
            )
        if image.size == size and box == (0.0, 0.0, float(width), float(height)):
            return image
        return image.resize(size, resample, box=box)

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


def _decode(image: Image) -> Image:
    image.load()
    return image


def _check_size(width: int, height: int) -> None:
    if not (0 < width <= 4096 and 0 < height <= 4096):
        raise ValueError(f"width and height must be 1 to 4096 pixels, got {width}x{height}")


def image_steps(
    size: tuple[int, int],
    mode: Literal["L", "RGB"],
    *,
    fit: Literal["crop", "stretch", "pad"] = "crop",
    share: float = 1.0,
    interpolation: Interpolation = "bilinear",
    ground: tuple[int, int, int] = (255, 255, 255),
    whole_pixels: bool = False,
    rounding: Literal["even", "down"] = "even",
) -> tuple[Step, ...]:
    """Return the usual steps for a model that takes images of `size` (height, width); the others as `Resize` has them.

    With `whole_pixels` JPEGs are not decoded at reduced scale, for torchvision and timm don't.

    Raises:
        ValueError: If a value is of another type or out of its range; names it.
    """
    if not isinstance(size, tuple | list) or len(size) != 2:
        raise ValueError(f"size must be (height, width) in pixels, got {size!r}")
    resize = Resize(
        width=size[1], height=size[0], fit=fit, share=share, interpolation=interpolation, ground=ground,
        whole_pixels=whole_pixels, rounding=rounding,
    )  # fmt: skip
    upright = (Orient(), Flatten(ground=ground), Mode(mode=mode), resize)
    if whole_pixels:
        return upright
    return (
        Reduce(width=math.ceil(resize.width / resize.share), height=math.ceil(resize.height / resize.share)),
        *upright,
    )


def check_steps(steps: tuple[Step, ...], shape: tuple[int, int, int]) -> None:
    """Check that `steps` give arrays of `shape` (height, width, channels), whatever image comes in.

    Raises:
        ValueError: If they don't; says what is missing.
    """
    modes = [step for step in steps if isinstance(step, Mode)]
    sizes = [step for step in steps if isinstance(step, Resize)]
    if (
        len(modes) != 1
        or len(sizes) != 1
        or steps[-1] is not sizes[0]
        or any(isinstance(s, Flatten) for s in steps[steps.index(modes[0]) :])
    ):
        raise ValueError("preprocessing needs one 'mode' step after every 'flatten', and one 'resize' step at its end")
    given = (sizes[0].height, sizes[0].width, CHANNELS[modes[0].mode])
    if given != shape:
        raise ValueError(
            f"preprocessing gives [height, width, channels] = {list(given)}, the input takes {list(shape)}"
        )


def preprocess(source: Source, steps: tuple[Step, ...]) -> NDArray[np.uint8]:
    """Run a preprocessing specification on one image.

    Args:
        source: A path, the bytes of an encoded image, a binary file object, a Pillow image, or a uint8 array
            ``[height, width]`` or ``[height, width, 1 | 3 | 4]`` (grey, RGB or RGBA, 0-255).
        steps: The specification.

    Returns:
        ``uint8 [height, width, channels]`` in RGB or grey, contiguous. Of a file with several frames or pages that is
        the first, with a warning, `runtime.InputNote`.

    Raises:
        InputError: If the source is no image, is damaged, or is over the limits of `runtime.images.decoding`; names the
            source. A JPEG over the limit is decoded at reduced scale.
    """
    if isinstance(source, np.ndarray):
        return preprocess_array(source, steps, kept_shape(steps))
    if any(base.__module__ == "PIL.Image" for base in type(source).__mro__):
        image = cast("Image", source)
        if _is_large_jpeg(image) and not image.fp.closed:  # type: ignore[attr-defined]
            return preprocess(_encoded(image), steps)
        # a lazily opened file is decoded whole: reducing it would change the caller's object
        return _run(image, (_decode, *steps), "the image")
    name, stream = open_stream(source)
    try:
        with stream:
            image = open_image(stream, name)
            note_frames(image, name)
            if _is_large_jpeg(image):
                reduces = [step for step in steps if isinstance(step, Reduce)]
                side = max(reduces[0].width, reduces[0].height) if reduces else 0
                decode_reduced(image, _needed(steps), side, name)
                steps = tuple(step for step in steps if not isinstance(step, Reduce))
            return _run(image, steps, name)
    except OSError as problem:
        raise InputError(f"{name}: can't be read ({one_line(problem)})") from None


def preprocess_array(
    source: NDArray[Any], steps: tuple[Step, ...], kept: tuple[int, int, int] | None
) -> NDArray[np.uint8]:
    """Run a preprocessing specification on an array; see `preprocess`.

    Args:
        source: ``uint8 [height, width]`` or ``[height, width, 1 | 3 | 4]``.
        steps: The specification.
        kept: What `kept_shape` returns for it.

    Raises:
        InputError: If the array is no such image.
    """
    if kept and source.dtype == np.uint8 and (source.shape == kept or (source.shape == kept[:2] and kept[2] == 1)):
        return np.array(source, order="C").reshape(kept)
    return _run(from_array(source), steps, "the array")


def kept_shape(steps: tuple[Step, ...]) -> tuple[int, int, int] | None:
    """Return the shape of arrays that the steps return as they are, or None if they cut every image."""
    last = steps[-1]
    if not isinstance(last, Resize) or (last.share != 1 and (last.fit == "crop" or last.whole_pixels)):
        return None
    mode = next((step.mode for step in steps if isinstance(step, Mode)), None)
    return (last.height, last.width, CHANNELS[mode]) if mode else None


def _needed(steps: tuple[Step, ...]) -> tuple[int, int]:
    """Return the width and height that the steps resize to."""
    return next(((step.width, step.height) for step in steps if isinstance(step, Resize)), (1, 1))


def _is_large_jpeg(image: Image) -> bool:
    """Say whether the image is a JPEG that is over the limit and not decoded yet."""
    return bool(getattr(image, "format", None) in ("JPEG", "MPO") and getattr(image, "tile", None)) and not fits(
        *image.size
    )


def _encoded(image: Any) -> bytes:
    """Return the file that a Pillow image was opened from."""
    position = image.fp.tell()
    image.fp.seek(0)
    data = image.fp.read()
    image.fp.seek(position)
    return cast("bytes", data)


def _run(image: Image, steps: tuple[Callable[[Image], Image], ...], name: str) -> NDArray[np.uint8]:
    check_pixels(*image.size, name)
    try:
        for step in (as_shown, *steps):
            image = step(image)
        array = np.asarray(image, dtype=np.uint8)
    except InputError as problem:
        raise InputError(f"{name}: {problem}") from None
    except Exception as problem:  # decoders raise everything from struct.error to SyntaxError on damaged files
        raise InputError(f"{name}: the image is damaged ({one_line(problem)})") from None
    return array if array.ndim == 3 else array[:, :, None]
