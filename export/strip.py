"""Encoded images without what says more than their pixels: EXIF, places, comments, thumbnails, profiles, other frames.

Pixels are not encoded anew: parts of the file are left out, and nothing follows the image's end. Of EXIF the
orientation alone stays. Which parts hold pixels is in the formats' specifications: JPEG (ITU-T T.81), PNG (W3C, third
edition), WebP (RFC 9649), GIF89a, TIFF 6.0, Netpbm.
"""

from __future__ import annotations

import io
import re
import struct
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

_ORIENTATION = 0x0112
_UPRIGHT = 1
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_WEBP_PIXELS = (b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF")
_JPEG_TABLES = {0xC4, 0xCC, 0xDB, 0xDC, 0xDD}
_JPEG_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_NEXT = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""The marker that ends what a scan has coded."""
_TIFF_PIXELS = (
    *(256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 292, 293, 317, 320),
    *(322, 323, 324, 325, 332, 338, 339, 347, 512, 519, 520, 521, 529, 530, 531, 532),
)  # fmt: skip
_TIFF_OFFSETS = {273: 279, 324: 325}
"""The tag with where strips or tiles of pixels lie, and that with their sizes."""
_TIFF_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}


def strip(data: bytes) -> bytes:
    """Return an encoded image without its metadata, in its own format where that is one of those above.

    Args:
        data: The file. One without metadata comes back as it is.

    Raises:
        ValueError: If it can't be decoded.
    """
    for start, without in _FORMATS.items():
        if data.startswith(start):
            try:
                return without(data, _exif(_opened(data)))
            except Exception:  # of a kind that is not known here, or damaged where no decoder looks
                break
    return encode_anew(data)


def encode_anew(data: bytes) -> bytes:
    """Return a PNG or TIFF file of an image's first frame, upright and without metadata, with the same pixels.

    Raises:
        ValueError: If it can't be decoded.
    """
    from PIL import ImageOps

    try:
        image = _opened(data)
        image.load()
        upright = ImageOps.exif_transpose(image).copy()  # of a plain class, which has no tags to write
        shades = image.info.get("transparency")
        upright.info = {} if shades is None else {"transparency": shades}
        file = io.BytesIO()
        try:
            upright.save(file, "PNG")
        except OSError:  # PNG has no such mode, for example CMYK
            upright.save(file := io.BytesIO(), "TIFF")
    except Exception as problem:  # decoders raise whatever they meet in a damaged file
        raise ValueError(f"the image can't be decoded ({problem})") from None
    return file.getvalue()


def _opened(data: bytes) -> Image:
    import PIL.Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata, which goes
        return PIL.Image.open(io.BytesIO(data))


def _exif(image: Image) -> bytes:
    """Return EXIF that holds the orientation alone; nothing for an image that is upright."""
    turn = image.getexif().get(_ORIENTATION, _UPRIGHT)
    if turn not in range(2, 9):
        return b""
    return struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, _ORIENTATION, 3, 1, turn, 0, 0)


def _jpeg(data: bytes, exif: bytes) -> bytes:
    kept, at, placed = [data[:2]], 2, not exif
    while at < len(data):
        if data[at] != 0xFF:
            raise ValueError("a JPEG segment without its marker")
        while data[at + 1] == 0xFF:  # fill bytes
            at += 1
        marker = data[at + 1]
        if marker == 0xD9:
            break
        end = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
        part = data[at:end]
        if marker == 0xE0 and part[4:9] == b"JFIF\0":
            if len(part) > 18:  # a thumbnail follows
                part = b"\xff\xe0\0\x10" + part[4:16] + b"\0\0"
            kept.append(part)
        elif not placed:
            kept.append(struct.pack(">HH", 0xFFE1, len(exif) + 8) + b"Exif\0\0" + exif)
            placed = True
            continue
        elif marker in _JPEG_TABLES | _JPEG_FRAMES or (marker == 0xEE and part[4:9] == b"Adobe"):
            kept.append(part)
        elif marker == 0xDA:
            following = _JPEG_NEXT.search(data, end)
            end = following.start() if following else len(data)
            kept.append(data[at:end])  # with what is coded after the segment
        at = end
    return b"".join([*kept, b"\xff\xd9"])


def _png(data: bytes, exif: bytes) -> bytes:
    kept, at = [_PNG], len(_PNG)
    while at < len(data):
        (length,), kind = struct.unpack_from(">I", data, at), data[at + 4 : at + 8]
        if kind in _PNG_PIXELS:
            kept.append(data[at : at + length + 12])
        if kind == b"IHDR" and exif:
            kept.append(_chunk(b"eXIf", exif))
        at += length + 12
        if kind == b"IEND":
            break
    return b"".join(kept)


def _chunk(kind: bytes, content: bytes) -> bytes:
    from zlib import crc32

    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc32(kind + content))


def _webp(data: bytes, exif: bytes) -> bytes:
    if data[8:12] != b"WEBP":
        raise ValueError("a RIFF file that is no WebP")
    kept, at, end = [b"WEBP"], 12, 8 + struct.unpack_from("<I", data, 4)[0]
    frames = 0
    while at < min(end, len(data)):
        kind, length = struct.unpack_from("<4sI", data, at)
        part = data[at : at + 8 + length + length % 2]
        at += len(part)
        frames += kind == b"ANMF"
        if kind == b"VP8X":  # its flags: 0x20 for a profile, 0x08 for EXIF, 0x04 for XMP
            kept.append(part[:8] + bytes([part[8] & ~0x2C | (0x08 if exif else 0)]) + part[9:])
        elif kind in _WEBP_PIXELS and frames <= 1:
            kept.append(part)
    if exif:
        kept.append(b"EXIF" + struct.pack("<I", len(exif)) + exif)
    whole = b"".join(kept)
    return b"RIFF" + struct.pack("<I", len(whole)) + whole


def _gif(data: bytes, _: bytes) -> bytes:
    def table(flags: int) -> int:
        return 3 << ((flags & 7) + 1) if flags & 0x80 else 0

    def blocks_end(at: int) -> int:
        while data[at]:
            at += data[at] + 1
        return at + 1

    at = 13 + table(data[10])
    kept = [data[:at]]
    while True:
        if data[at] == 0x21:  # an extension; of them the graphic control says what is transparent
            end = blocks_end(at + 2)
            if data[at + 1] == 0xF9:
                kept[1:] = [data[at:end]]
            at = end
        elif data[at] == 0x2C:
            end = blocks_end(at + 11 + table(data[at + 9]))
            return b"".join([*kept, data[at:end], b";"])
        else:
            raise ValueError("a GIF file without an image")


def _bmp(data: bytes, _: bytes) -> bytes:
    size = struct.unpack_from("<I", data, 2)[0]
    return data[:size] if 54 <= size <= len(data) else data


def _netpbm(data: bytes, _: bytes) -> bytes:
    fields = 3 if data[:2] in (b"P1", b"P4") else 4
    word = rb"(?:\s|#[^\n\r]*[\n\r])*([^\s#]+)"
    head = re.match(word * fields, data)
    if head is None:
        raise ValueError("a Netpbm file without a header")
    written = b"\n".join([head[1], head[2] + b" " + head[3], *head.groups()[3:]]) + b"\n"
    if data[:2] in (b"P1", b"P2", b"P3"):
        return written + re.sub(rb"#[^\n\r]*", b"", data[head.end() :])
    width, height, most = int(head[2]), int(head[3]), int(head[4]) if fields == 4 else 1
    rows = {b"P4": (width + 7) // 8, b"P5": width, b"P6": 3 * width}[data[:2]]
    start = head.end() + 1
    return written + data[start : start + rows * height * (2 if most > 255 else 1)]


def _tiff(data: bytes, _: bytes) -> bytes:
    """Return a TIFF file of the first page: its tags about pixels, in their order, and then the pixels as they were."""
    order = "<" if data[:2] == b"II" else ">"
    if struct.unpack_from(f"{order}H", data, 2)[0] != 42:
        raise ValueError("a BigTIFF file")
    (first,) = struct.unpack_from(f"{order}I", data, 4)
    entries: dict[int, tuple[int, int, bytes]] = {}
    for index in range(struct.unpack_from(f"{order}H", data, first)[0]):
        tag, kind, count = struct.unpack_from(f"{order}HHI", data, first + 2 + 12 * index)
        size = _TIFF_SIZES[kind] * count
        at = first + 10 + 12 * index
        if size > 4:
            (at,) = struct.unpack_from(f"{order}I", data, at)
        if tag in _TIFF_PIXELS:
            entries[tag] = kind, count, data[at : at + size]

    def numbers(tag: int) -> tuple[Any, ...]:
        kind, count, values = entries[tag]
        return struct.unpack(f"{order}{count}{'H' if kind == 3 else 'I'}", values)

    if entries.keys() & {512, 519, 520, 521}:
        raise ValueError("a TIFF file with a JPEG of the old kind")
    where = next(tag for tag in _TIFF_OFFSETS if tag in entries)
    pieces = [data[at : at + size] for at, size in zip(numbers(where), numbers(_TIFF_OFFSETS[where]), strict=True)]
    entries[where] = 4, len(pieces), bytes(4 * len(pieces))
    at = 8 + 2 + 12 * len(entries) + 4
    offset_of: dict[int, int] = {}
    for tag, entry in entries.items():
        size = len(entry[2])
        if size > 4:
            offset_of[tag] = at
            at += size + size % 2
    offsets = [at + sum(map(len, pieces[:i])) for i in range(len(pieces))]
    entries[where] = 4, len(pieces), struct.pack(f"{order}{len(pieces)}I", *offsets)
    head = [data[:4], struct.pack(f"{order}IH", 8, len(entries))]
    for tag, (kind, count, values) in entries.items():
        held = struct.pack(f"{order}I", offset_of[tag]) if tag in offset_of else values.ljust(4, b"\0")
        head.append(struct.pack(f"{order}HHI", tag, kind, count) + held)
    long = [values + b"\0" * (len(values) % 2) for values in (entries[tag][2] for tag in offset_of)]
    return b"".join([*head, bytes(4), *long, *pieces])


_FORMATS = {
    b"\xff\xd8\xff": _jpeg,
    _PNG: _png,
    b"RIFF": _webp,
    b"GIF8": _gif,
    b"BM": _bmp,
    **{b"P%d" % kind: _netpbm for kind in range(1, 7)},
    b"II*\0": _tiff,
    b"MM\0*": _tiff,
}
