"""Encoded images: which files are opened, within which limits, and what their pixels show."""

from __future__ import annotations

import importlib
import io
import math
import os
import warnings
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from runtime.errors import InputError, InputNote, OptionError, one_line
from runtime.images.containers import check_parts, check_plain
from runtime.regular_files import open_regular

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

SIGNATURES = {
    "Jpeg": (b"\xff\xd8\xff",),
    "Png": (b"\x89PNG",),
    "WebP": (b"RIFF",),
    "Bmp": (b"BM",),
    "Gif": (b"GIF8",),
    "Tiff": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "Ppm": (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6"),
}
"""Pillow's decoders that may see a file, and the bytes that such a file starts with."""
MAX_PIXELS = 25_000_000
"""How many pixels an image may have once it is decoded, unless `LIMIT` says otherwise."""
MAX_SIDE = 16_384
MAX_BYTES = 256 * 2**20
LIMIT = "EDGEZOO_MAX_MEGAPIXELS"
"""The environment variable that changes `MAX_PIXELS`, and `MAX_SIDE` in the same ratio."""
BYTES_PER_PIXEL = 16
"""What the steps need at most for each decoded pixel: four copies of four bytes, where an image is transparent."""
SCALES = (8, 4, 2, 1)
"""A JPEG can be decoded at one over these; its sides are rounded up."""
SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")
SPARE_ALPHA = ("BMP", "DIB", "ICO", "CUR", "TGA", "DDS")
"""Formats whose fourth byte may be unused: an alpha of 0 everywhere means that there is none."""


def max_pixels() -> int:
    """Return how many pixels an image may have once it is decoded.

    Raises:
        OptionError: If `LIMIT` holds no positive number.
    """
    value = os.environ.get(LIMIT, "").strip()
    if not value:
        return MAX_PIXELS
    try:
        pixels = float(value) * 1e6
    except ValueError:
        pixels = math.nan
    if not 1 <= pixels < 1e12:
        raise OptionError(f"{LIMIT} must be a number of megapixels such as 50, got {value!r}")
    return int(pixels)


def fits(width: int, height: int) -> bool:
    """Say whether pixels of that size may be decoded."""
    limit = max_pixels()
    return width * height <= limit and max(width, height) <= MAX_SIDE * max(1.0, limit / MAX_PIXELS)


def check_pixels(width: int, height: int, name: str) -> None:
    """Refuse from the header what would take too much memory to decode.

    Raises:
        InputError: If the image is too large, or has no pixels.
    """
    if not width or not height:
        raise InputError(f"{name}: the image has no pixels ({width}x{height})")
    if not fits(width, height):
        raise InputError(f"{name}: {width}x{height} pixels is too large; {_how_to_raise(width, height)}")


def decode_reduced(image: Any, needed: tuple[int, int], scale: int, name: str) -> None:
    """Have a JPEG that is over the limit decoded at 1/2, 1/4 or 1/8 scale, inside its inverse DCT.

    Args:
        image: A `PIL.JpegImagePlugin.JpegImageFile` that is not decoded yet.
        needed: The least width and height that the steps resize.
        scale: The scale that the steps ask for, which is exceeded only where the limit demands it.
        name: The image's name, for messages.

    Raises:
        InputError: If that takes too much memory all the same, or leaves fewer pixels than `needed`.
    """
    width, height = image.size
    within = next((scale for scale in reversed(SCALES) if fits(-(-width // scale), -(-height // scale))), None)
    if within is None or _coefficient_bytes(image) > BYTES_PER_PIXEL * max_pixels():
        kind = "progressive JPEG" if image.info.get("progressive") else "JPEG"
        raise InputError(
            f"{name}: {width}x{height} pixels is too large for a {kind}, which is decoded at reduced scale; "
            f"{_how_to_raise(width, height)}"
        )
    scale = max(within, scale)
    size = -(-width // scale), -(-height // scale)
    if max(size) < max(needed) or min(size) < min(needed):
        raise InputError(
            f"{name}: {width}x{height} pixels is too large, and at 1/{scale} scale it has fewer than the "
            f"{needed[0]}x{needed[1]} that the model takes; {_how_to_raise(width, height)}"
        )
    decode_at(image, scale)


def decode_at(image: Any, scale: int) -> None:
    """Have a JPEG that is not decoded yet decoded at 1/scale; other images stay as they are."""
    width, height = image.size
    if scale > 1:
        image.draft(None, (max(1, width // scale), max(1, height // scale)))


def _coefficient_bytes(image: Any) -> int:
    """Return what a progressive JPEG takes while it is decoded, at any scale: all its coefficients, of two bytes."""
    if not image.info.get("progressive"):
        return 0
    factors: list[tuple[int, int]] = [(layer[1], layer[2]) for layer in image.layer]
    most = max(across for across, _ in factors) * max(down for _, down in factors)
    width, height = image.size
    return int(2 * width * height * sum(across * down for across, down in factors) // max(1, most))


def _how_to_raise(width: int, height: int) -> str:
    limit = max_pixels()
    side = int(MAX_SIDE * max(1.0, limit / MAX_PIXELS))
    megapixels = math.ceil(max(width * height / 1e6, max(width, height) / MAX_SIDE * MAX_PIXELS / 1e6))
    return (
        f"the limit is {limit / 1e6:g} megapixels and {side} pixels a side; "
        f"{LIMIT}={megapixels} in the environment lets it in"
    )


def open_stream(source: Any) -> tuple[str, BinaryIO]:
    """Return a name for messages and a seekable stream.

    A file object is read from where it stands; one that stands at its end, as after writing, from its start.

    Raises:
        InputError: If the source can't be read, or is none.
    """
    if isinstance(source, str | os.PathLike):
        name = os.fspath(source)
        try:
            return name, open_regular(name)
        except FileNotFoundError:
            raise InputError(f"{name}: no such file") from None
        except IsADirectoryError:
            raise InputError(f"{name}: is a folder, not an image") from None
        except (OSError, ValueError) as problem:
            raise InputError(f"{name}: can't be opened ({one_line(problem)})") from None
    if isinstance(source, bytes | bytearray | memoryview):
        return f"{len(source)} bytes", io.BytesIO(source)
    if hasattr(source, "read"):
        name = str(getattr(source, "name", "the file object"))
        try:
            data = source.read(MAX_BYTES + 1)
            if not data and hasattr(source, "seekable") and source.seekable():
                source.seek(0)
                data = source.read(MAX_BYTES + 1)
        except UnicodeDecodeError:
            data = ""
        except (OSError, ValueError) as problem:
            raise InputError(f"{name}: can't be read ({one_line(problem)})") from None
        if not isinstance(data, bytes):
            raise InputError(f"{name} gave {type(data).__name__}: open it in binary mode ('rb')")
        return name, io.BytesIO(data)
    raise InputError(
        f"expected a path, bytes, a file object, a Pillow image or a uint8 array, got {type(source).__name__}"
    )


def open_image(stream: BinaryIO, name: str) -> Image:
    """Read an image's header; the pixels wait until a step needs them.

    Raises:
        InputError: If the stream holds no image of a known format, or a damaged one.
    """
    import PIL.Image

    length = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    if length == 0:
        raise InputError(f"{name}: the file is empty")
    if length > MAX_BYTES:
        raise InputError(f"{name}: {length / 2**20:.0f} MB is too large; the limit is {MAX_BYTES / 2**20:.0f} MB")
    start = stream.read(4)
    stream.seek(0)
    decoder = next((decoder for decoder, magic in SIGNATURES.items() if start.startswith(magic)), None)
    if decoder is None:
        raise InputError(f"{name}: not an image that can be read ({', '.join(map(str.upper, SIGNATURES))})")
    try:
        check_parts(stream, decoder)
        if decoder == "Tiff":
            from runtime.images.tiff import open_tiff

            return open_tiff(stream)
        # Image.open would import and try many decoders; a file is one decoder's business
        importlib.import_module(f"PIL.{decoder}ImagePlugin")
        image = PIL.Image.OPEN[decoder.upper()][0](stream, "")
        if image.tile and image.tile[0][0] == "ppm_plain":
            check_plain(*image.size, len(image.getbands()))
        return image
    except InputError as problem:
        raise InputError(f"{name}: {problem}") from None
    except Exception as problem:
        raise InputError(f"{name}: the image is damaged ({one_line(problem)})") from None


def note_frames(image: Image, name: str) -> None:
    """Warn of an animation or of several pages: only the first is looked at."""
    try:
        several = getattr(image, "is_animated", False)
    except Exception:  # what is damaged shows when it is decoded
        return
    if several:
        warnings.warn(f"{InputError(name)}: holds several frames; the first is the one answered", InputNote, 3)


def as_shown(image: Image) -> Image:
    """Return an opened image with the values that its format means, where Pillow gives the stored ones.

    Raises:
        InputError: If the file doesn't tell what its values mean.
    """
    if image.format == "TIFF" and hasattr(image, "tag_v2"):
        from runtime.images.tiff import as_libtiff_shows, declares_alpha

        spare = not declares_alpha(image)
        image = as_libtiff_shows(image)
    else:
        spare = image.format in SPARE_ALPHA
    if image.mode == "LAB":
        raise InputError("the image holds CIELab colors: save it as RGB")
    if image.format == "PPM" and image.mode == "I":  # Pillow has scaled it to 16 bits
        import PIL.Image

        return PIL.Image.fromarray(np.asarray(image).astype(np.uint16))
    if image.format == "PNG" and image.mode == "RGB" and max(image.info.get("transparency", (0,))) > 255:
        image.load()
        image = image.copy()  # Pillow has cut the pixels to 8 bits, the color that is transparent not
        image.info["transparency"] = tuple(value >> 8 for value in image.info["transparency"])
    if image.mode in SIXTEEN_BIT and isinstance(image.info.get("transparency"), int):
        import PIL.Image

        opaque = np.asarray(image) != image.info["transparency"]
        return PIL.Image.merge("LA", (eight_bits(image), PIL.Image.fromarray(opaque).convert("L")))
    if spare and image.mode == "RGBA" and image.getchannel("A").getextrema() == (0, 0):
        return image.convert("RGB")
    return image


def eight_bits(image: Image) -> Image:
    """Return 16-bit gray as 8-bit gray, scaled and not clipped."""
    import PIL.Image

    wide = np.asarray(image).astype(np.uint32)
    return PIL.Image.fromarray(((wide * 255 + 32767) // 65535).astype(np.uint8))


def from_array(array: NDArray[Any]) -> Image:
    """Return an array as a Pillow image.

    Raises:
        InputError: If it is no ``uint8 [height, width]`` or ``[height, width, 1 | 3 | 4]``.
    """
    import PIL.Image

    expected = "expected a uint8 array [height, width] or [height, width, 1, 3 or 4] with values 0-255"
    if array.dtype != np.uint8:
        nan = " holding NaN" if array.dtype.kind == "f" and np.isnan(array).any() else ""
        raise InputError(f"{expected}, got {array.dtype}{nan} {list(array.shape)}")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)) or 0 in array.shape:
        several = "; give several images as a list" if array.ndim == 4 else ""
        raise InputError(f"{expected}, got uint8 {list(array.shape)}{several}")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    return PIL.Image.fromarray(np.ascontiguousarray(array))
