"""The parts that an image file is made of, counted before a decoder sees them, which works for each.

A part that is not counted here is damaged or of another kind, and the decoder says so.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO, Literal

from runtime.errors import InputError

MAX_PARTS = 20_000
"""Parts that a file of any size may have."""
MAX_SCANS = 64
"""Scans of a JPEG, each of which goes over all its pixels; a progressive one has about ten."""
MAX_PLAIN = 4_000_000
"""Values of an image that are written as text."""
_BLOCK = 2**16
_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
_START_OF_SCAN, _END = 0xDA, 0xD9
_START_OF_FRAME = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
_ALONE = {0x01, *range(0xD0, 0xD9)}
"""Markers without a segment."""


def check_parts(stream: BinaryIO, decoder: str) -> None:
    """Count the parts of an image file, and put the stream back to its start.

    Args:
        stream: The file, which can be sought.
        decoder: Pillow's decoder of it, such as ``Jpeg``.

    Raises:
        InputError: If there are more than any image needs.
    """
    if decoder not in _PARTS:
        return
    parts, size = _PARTS[decoder]
    limit = MAX_PARTS + stream.seek(0, os.SEEK_END) // size
    for count, _ in enumerate(parts(stream)):
        if count >= limit:
            raise InputError(f"the file is made of more than {limit} parts, which no image needs: save it again")
    stream.seek(0)


def check_plain(width: int, height: int, channels: int) -> None:
    """Check the size of an image whose values are written as text.

    Raises:
        InputError: If reading them would take seconds.
    """
    if width * height * channels > MAX_PLAIN:
        raise InputError(
            f"{width}x{height} pixels are too many for values that are written as text; the limit is "
            f"{MAX_PLAIN:,} values: save it as a PNG or a binary PNM"
        )


def _jpeg(stream: BinaryIO) -> Iterator[None]:
    """Walk the segments up to the first scan; where the decoder goes on behind it, to the end (ITU-T T.81, annex B)."""
    stream.seek(2)
    progressive, components, scans = False, b"", 0
    while byte := stream.read(1):
        yield
        if byte != b"\xff":
            continue
        while (byte := stream.read(1)) == b"\xff":
            yield
        marker = byte[0] if byte else _END
        if marker == _END:
            return
        if marker in _ALONE or not marker:
            continue
        length = int.from_bytes(stream.read(2), "big") - 2
        if length < 0:
            return
        if marker in _START_OF_FRAME:
            progressive, components = marker in _PROGRESSIVE, stream.read(length)[5:6]
        elif marker == _START_OF_SCAN:
            scans += 1
            if stream.read(length)[:1] == components and not progressive:
                return  # one scan holds everything, and decoding ends with it
            if scans > MAX_SCANS:
                raise InputError(f"the JPEG has more than {MAX_SCANS} scans, which no image needs: save it again")
            _skip_scan(stream)
        else:
            stream.seek(length, os.SEEK_CUR)


def _skip_scan(stream: BinaryIO) -> None:
    """Go to the marker that ends a scan's data, or to the end."""
    while block := stream.read(_BLOCK):
        match = _MARKER.search(block)
        if match:
            stream.seek(match.start() - len(block), os.SEEK_CUR)
            return
        if block.endswith(b"\xff") and len(block) > 1:
            stream.seek(-1, os.SEEK_CUR)  # its other half is in the next block


def _png(stream: BinaryIO) -> Iterator[None]:
    """Walk the chunks (PNG specification, section 5.3)."""
    stream.seek(8)
    while len(head := stream.read(8)) == 8:
        yield
        stream.seek(int.from_bytes(head[:4], "big") + 4, os.SEEK_CUR)


def _webp(stream: BinaryIO) -> Iterator[None]:
    """Walk the chunks (RIFF)."""
    stream.seek(12)
    while len(head := stream.read(8)) == 8:
        yield
        length = int.from_bytes(head[4:], "little")
        stream.seek(length + length % 2, os.SEEK_CUR)


def _gif(stream: BinaryIO) -> Iterator[None]:
    """Walk the blocks up to the second frame, for which Pillow looks (GIF89a, appendix A)."""
    _skip_palette(stream, 10, 2)
    frames = 0
    while kind := stream.read(1):
        yield
        if kind == b",":
            frames += 1
            _skip_palette(stream, stream.tell() + 8, 0)
            stream.seek(1, os.SEEK_CUR)
        elif kind == b"!":
            stream.seek(1, os.SEEK_CUR)
        elif kind == b";":
            return
        else:
            continue
        if frames == 2:
            return
        while length := stream.read(1)[:1].strip(b"\0"):
            yield
            stream.seek(length[0], os.SEEK_CUR)


def _skip_palette(stream: BinaryIO, at: int, rest: int) -> None:
    """Read the flags at a position, and skip the `rest` of their block and the palette that they announce."""
    stream.seek(at)
    flags = (stream.read(1) or b"\0")[0]
    stream.seek(rest + (3 << ((flags & 7) + 1) if flags & 0x80 else 0), os.SEEK_CUR)


_PARTS: dict[str, tuple[Callable[[BinaryIO], Iterator[None]], int]] = {
    "Jpeg": (_jpeg, 1_000),
    "Png": (_png, 1_000),
    "WebP": (_webp, 1_000),
    "Gif": (_gif, 200),
}
"""How a decoder's files are walked through, and a size in bytes that most of their parts exceed."""

_TIFF_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}


def check_tags(stream: BinaryIO, at: int, order: Literal["little", "big"], *, big: bool) -> None:
    """Check that the tags of a TIFF's page, which the decoder copies, hold no more than the file does.

    Args:
        stream: The file, which can be sought.
        at: Where the page's directory begins.
        order: Of the bytes.
        big: Whether it is a BigTIFF.

    Raises:
        InputError: If several tags hold the same large part of the file.
    """
    length, held = stream.seek(0, os.SEEK_END), 0
    stream.seek(at)
    wide, entry = (8, 20) if big else (4, 12)
    count = int.from_bytes(stream.read(8 if big else 2), order)
    for _ in range(min(count, length // entry)):
        tag = stream.read(entry)
        size = _TIFF_SIZES.get(int.from_bytes(tag[2:4], order), 1) * int.from_bytes(tag[4 : 4 + wide], order)
        held += size if size <= length else 0
        if held > length:
            raise InputError("the image is damaged (its tags hold more than the file does)")
