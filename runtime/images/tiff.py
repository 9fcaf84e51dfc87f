"""TIFF files as libtiff shows them, or a refusal that says of which kind they are.

Pillow alone gives the stored numbers of some kinds, which are not what the picture shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from runtime.errors import InputError, one_line
from runtime.images.containers import check_tags

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL.Image import Image

    Tags = Mapping[int, Any]

# TIFF 6.0, section 8, and its supplements
_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_PLANES, _COLORS, _INK_SET, _EXTRA_SAMPLES, _SAMPLE_FORMAT = 284, 320, 332, 338, 339
_YCBCR_COEFFICIENTS, _YCBCR_SUBSAMPLING, _REFERENCE_BLACK_WHITE = 529, 530, 532
_UNCOMPRESSED, _OLD_JPEG, _SEPARATE = 1, 6, 2
_MIN_IS_WHITE, _CMYK, _YCBCR = 0, 5, 6
_PHOTOMETRICS = {
    0: "MinIsWhite", 1: "MinIsBlack", 2: "RGB", 3: "palette", 4: "mask", 5: "CMYK", 6: "YCbCr", 8: "CIELab",
    9: "ICCLab", 10: "ITULab", 32803: "CFA", 32844: "LogL", 32845: "LogLuv", 34892: "LinearRaw",
}  # fmt: skip
_LAB = (8, 9, 10)
_SAMPLE_FORMATS = {1: "unsigned", 2: "signed", 3: "floating-point", 4: "undefined", 5: "complex", 6: "complex"}
_SAVE = "save it as a PNG, or as a TIFF of 8-bit RGB or gray"


def open_tiff(stream: BinaryIO) -> Image:
    """Open a TIFF file; its pixels wait until they are needed.

    Raises:
        InputError: If nothing here reads its kind of pixels; describes the kind.
        Exception: The errors that Pillow raises on damaged files.
    """
    from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

    header = stream.read(8)
    if header.startswith(b"MM\0+"):
        raise InputError(f"a big-endian BigTIFF can't be read: {_SAVE}")
    tags = ImageFileDirectory_v2(header + (stream.read(8) if header[2] == 43 else b""))  # 43: a BigTIFF
    check_tags(stream, tags.next, "big" if tags.prefix == b"MM" else "little", big=header[2] == 43)
    stream.seek(tags.next)
    tags.load(stream)
    _check(tags)
    stream.seek(0)
    try:
        return TiffImageFile(stream)
    except SyntaxError:
        if tags.get(_WIDTH) and tags.get(_LENGTH):
            raise InputError(f"a TIFF of {_kind(tags)} can't be read: {_SAVE}") from None
        raise


def as_libtiff_shows(image: Any) -> Image:
    """Return what an opened TIFF file shows, decoded: 0 is black, the largest value white, in 8 or 16 bits a sample.

    Args:
        image: A `PIL.TiffImagePlugin.TiffImageFile`.

    Raises:
        InputError: If nothing here reads its kind of pixels, or they are damaged.
    """
    tags = image.tag_v2
    _check(tags)
    compression, photometric, bits = image.info.get("compression", "raw"), tags.get(_PHOTOMETRIC), _bits(tags)
    try:
        image.load()
    except OSError as problem:
        unknown = "" if compression == "raw" else f", or Pillow lacks its compression, {compression}"
        raise InputError(f"the image is damaged{unknown} ({one_line(problem)})") from None
    except ValueError:  # the kind is in Pillow's list, and its decoder lacks it
        raise InputError(f"a TIFF of {_kind(tags)} can't be read: {_SAVE}") from None
    if image.mode.startswith("I;16") and (photometric == _MIN_IS_WHITE or bits < 16):
        return _full_range(image, bits, inverted=photometric == _MIN_IS_WHITE)
    if image.mode in ("P", "PA") and max(tags[_COLORS]) < 256:  # colors of 8 bits, against the standard
        palette = np.array(tags[_COLORS], np.uint8).reshape(3, -1).T
        image = image.copy()
        image.putpalette(palette.tobytes(), "RGB")
    return image  # type: ignore[no-any-return]


def declares_alpha(image: Any) -> bool:
    """Say whether the file says what its fourth sample is."""
    return _EXTRA_SAMPLES in image.tag_v2


def _full_range(image: Image, bits: int, *, inverted: bool) -> Image:
    import PIL.Image

    largest = 2**bits - 1
    values = np.asarray(image).astype(np.uint32)
    values = ((largest - values if inverted else values) * 65535 + largest // 2) // largest
    return PIL.Image.fromarray(values.astype(np.uint16))


def _check(tags: Tags) -> None:
    """Refuse files that Pillow shows otherwise than libtiff, or that no program could show rightly."""
    photometric, bits = tags.get(_PHOTOMETRIC), _bits(tags)
    compression = tags.get(_COMPRESSION, _UNCOMPRESSED)
    if photometric is None and compression != _OLD_JPEG:
        raise InputError(f"the TIFF doesn't say which of its values is black (no PhotometricInterpretation): {_SAVE}")
    if set(_tuple(tags.get(_SAMPLE_FORMAT, 1))) != {1} or bits > 16:
        raise InputError(
            f"a TIFF of {_kind(tags)} doesn't say which of its values are black and white: "
            "save it as a PNG or TIFF of 8 or 16 bits, unsigned"
        )
    if (
        photometric in _LAB
        or (photometric == _CMYK and tags.get(_INK_SET, 1) != 1)
        or (photometric == _YCBCR and compression == _UNCOMPRESSED and not _plain_ycbcr(tags))
        or (tags.get(_PLANES) == _SEPARATE and compression == _UNCOMPRESSED and not _plain_planes(tags))
    ):
        raise InputError(f"a TIFF of {_kind(tags)} can't be read: {_SAVE}")


def _plain_ycbcr(tags: Tags) -> bool:
    """Say whether Pillow's own decoder, which knows JPEG's YCbCr alone, reads these samples."""
    return (
        _tuple(tags.get(_YCBCR_SUBSAMPLING, (2, 2))) == (1, 1)
        and np.allclose(
            _numbers(tags.get(_YCBCR_COEFFICIENTS, (0.299, 0.587, 0.114))), (0.299, 0.587, 0.114), atol=1e-3
        )
        and _numbers(tags.get(_REFERENCE_BLACK_WHITE)) == [0, 255, 128, 255, 128, 255]
    )


def _plain_planes(tags: Tags) -> bool:
    """Say whether Pillow's own decoder, which takes the first letter of each mode, reads these planes."""
    return (
        set(_tuple(tags.get(_BITS, 1))) == {8}
        and tags.get(_PHOTOMETRIC) in (1, 2, 3, 5)
        and tags.get(_FILL_ORDER, 1) == 1
        and _tuple(tags.get(_EXTRA_SAMPLES, ())) in ((), (2,))
    )


def _bits(tags: Tags) -> int:
    return max((bits for bits in _tuple(tags.get(_BITS, 1)) if isinstance(bits, int)), default=1)


def _tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _numbers(value: Any) -> list[float]:
    return [float(each) for each in _tuple(value) if each is not None]


def _kind(tags: Tags) -> str:
    """Describe the kind of pixels, for a message."""
    from PIL.TiffImagePlugin import COMPRESSION_INFO

    photometric, compression = tags.get(_PHOTOMETRIC), tags.get(_COMPRESSION, _UNCOMPRESSED)
    sample_format = _tuple(tags.get(_SAMPLE_FORMAT, 1))[0]
    words = [
        f"{_bits(tags)}-bit {_SAMPLE_FORMATS.get(sample_format, f'format {sample_format}')} "
        f"{_PHOTOMETRICS.get(photometric, f'photometric {photometric}')} samples"  # type: ignore[arg-type]
    ]
    if _EXTRA_SAMPLES in tags:
        words.append("extra samples")
    if tags.get(_PLANES) == _SEPARATE:
        words.append("separate planes")
    words.append("big-endian" if getattr(tags, "prefix", b"") == b"MM" else "little-endian")
    name = COMPRESSION_INFO.get(compression, str(compression))
    words.append("no compression" if name == "raw" else f"compression {name.removeprefix('tiff_')}")
    return ", ".join(words)
