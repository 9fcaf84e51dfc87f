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
from runtime.images.decoding import (
    SCALES,
    as_shown,
    check_pixels,
    decode_reduced,
    fits,
    from_array,
    note_frames,
    open_image,
    open_stream,
)
from runtime.images.placement import Placement
from runtime.images.steps import (
    CHANNELS,
    OPENCV,
    Affine,
    Flatten,
    Interpolation,
    Mode,
    Orient,
    Reduce,
    Resize,
    Step,
    swaps_sides,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from typing import BinaryIO

    from numpy.typing import NDArray
    from PIL.Image import Image

    Source = str | os.PathLike[str] | bytes | BinaryIO | Image | NDArray[np.uint8]


def _decode(image: Image) -> Image:
    image.load()
    return image


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

    With `whole_pixels` or OpenCV's interpolation JPEGs are not decoded at reduced scale, for torchvision, timm and
    OpenCV don't.

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
    if whole_pixels or interpolation == OPENCV:
        return upright
    width, height = (math.ceil(side / resize.share) for side in (resize.width, resize.height))
    return (Reduce(width=width, height=height, letterbox=fit == "pad"), *upright)


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
    if sizes[0].interpolation == OPENCV and any(isinstance(step, Reduce) for step in steps):
        raise ValueError(f"preprocessing with {OPENCV} needs every pixel of an image: leave out its 'reduce' step")
    result = (sizes[0].height, sizes[0].width, CHANNELS[modes[0].mode])
    if result != shape:
        raise ValueError(
            f"preprocessing gives [height, width, channels] = {list(result)}, the input takes {list(shape)}"
        )


def oldest_format(steps: tuple[Step, ...]) -> int:
    """Return the oldest version of the contract that has the steps."""
    reduces = any(isinstance(step, Reduce) and step.letterbox for step in steps)
    return 3 if reduces or any(isinstance(step, Resize) and step.interpolation == OPENCV for step in steps) else 1


def preprocess(source: Source, steps: tuple[Step, ...]) -> NDArray[np.uint8]:
    """Run a preprocessing specification on one image.

    Args:
        source: A path, the bytes of an encoded image, a binary file object, a Pillow image, or a uint8 array
            ``[height, width]`` or ``[height, width, 1 | 3 | 4]`` (gray, RGB or RGBA, 0-255).
        steps: The specification.

    Returns:
        ``uint8 [height, width, channels]`` in RGB or gray, contiguous. Of a file with several frames or pages that is
        the first, with a warning, `runtime.InputNote`.

    Raises:
        InputError: If the source is no image, is damaged, or is over the limits of `runtime.images.decoding`; names the
            source. A JPEG over the limit is decoded at reduced scale.
    """
    if isinstance(source, np.ndarray):
        return preprocess_array(source, steps, kept_shape(steps))
    return preprocess_placed(source, steps)[0]


def preprocess_placed(source: Source, steps: tuple[Step, ...]) -> tuple[NDArray[np.uint8], Placement]:
    """Run a preprocessing specification on one image, and say where the result lies in the upright picture.

    Raises:
        InputError: As `preprocess` does.
    """
    if isinstance(source, np.ndarray):
        return _run(from_array(source), steps, "the array")
    if any(base.__module__ == "PIL.Image" for base in type(source).__mro__):
        image = cast("Image", source)
        if _is_large_jpeg(image) and not image.fp.closed:  # type: ignore[attr-defined]
            return preprocess_placed(_encoded(image), steps)
        # a lazily opened file is decoded whole: reducing it would change the caller's object
        return _run(image, (_decode, *steps), "the image")
    name, stream = open_stream(source)
    try:
        with stream:
            image = open_image(stream, name)
            note_frames(image, name)
            size = image.size
            if _is_large_jpeg(image):
                reduce = next((step for step in steps if isinstance(step, Reduce)), None)
                decode_reduced(image, _needed(steps, reduce), reduce.scale(size) if reduce else 1, name)
                steps = tuple(step for step in steps if not isinstance(step, Reduce))
            return _run(image, steps, name, size)
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
    return _run(from_array(source), steps, "the array")[0]


def kept_shape(steps: tuple[Step, ...]) -> tuple[int, int, int] | None:
    """Return the shape of arrays that the steps return as they are, or None if they cut every image."""
    last = steps[-1]
    if not isinstance(last, Resize) or (last.share != 1 and (last.fit == "crop" or last.whole_pixels)):
        return None
    mode = next((step.mode for step in steps if isinstance(step, Mode)), None)
    return (last.height, last.width, CHANNELS[mode]) if mode else None


def _needed(steps: tuple[Step, ...], reduce: Reduce | None) -> tuple[int, int]:
    """Return the least width and height that the steps resize: of a letterbox the longer side alone counts."""
    width, height = next(((step.width, step.height) for step in steps if isinstance(step, Resize)), (1, 1))
    return (max(width, height), 1) if reduce and reduce.letterbox else (width, height)


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


def _run(
    image: Image, steps: tuple[Callable[[Image], Image], ...], name: str, size: tuple[int, int] | None = None
) -> tuple[NDArray[np.uint8], Placement]:
    """Run the steps on an image.

    Args:
        image: The image.
        steps: The specification.
        name: What messages call the image.
        size: Width and height of the file, where the image may be reduced already.
    """
    check_pixels(*image.size, name)
    full, resize, resized = size or image.size, None, image.size
    try:
        for step in (as_shown, *steps):
            if isinstance(step, Resize):
                resize, resized = step, image.size
            elif isinstance(step, Orient) and image.size != full and swaps_sides(image):
                full = full[::-1]
            image = step(image)
        array = np.asarray(image, dtype=np.uint8)
    except InputError as problem:
        raise InputError(f"{name}: {problem}") from None
    except Exception as problem:  # decoders raise everything from struct.error to SyntaxError on damaged files
        raise InputError(f"{name}: the image is damaged ({one_line(problem)})") from None
    return array if array.ndim == 3 else array[:, :, None], _placement(full, resize, resized)


def _placement(full: tuple[int, int], resize: Resize | None, resized: tuple[int, int]) -> Placement:
    """Return where a result lies in the picture.

    Args:
        full: Width and height of the file, upright.
        resize: The step that resized it; None if there was none.
        resized: Width and height of the image that it resized, which a JPEG's decoder may have reduced.
    """
    factor = next((factor for factor in reversed(SCALES) if -(-max(full) // factor) == max(resized)), 1)
    width, height = resized if factor == 1 else full
    affine = resize.inverse(*resized) if resize else Affine(1.0, 1.0, 0.0, 0.0)
    return Placement(affine.times(factor), width, height)
