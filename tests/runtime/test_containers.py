"""Images made of more parts than a decoder gets through are refused before it sees them; sound ones never are."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from runtime import InputError
from runtime.images.containers import MAX_PARTS, MAX_SCANS, check_parts
from runtime.images.preprocess import image_steps, preprocess

STEPS = image_steps((12, 10), "RGB")
MANY = 60_000
"""Parts that are too many for a file of up to 5 MB."""


def encoded(kind, mode="RGB", size=(64, 64), **options):
    channels = {"L": (), "RGB": (3,), "CMYK": (4,)}[mode]
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], *channels), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels, mode).save(file, kind, **options)
    return file.getvalue()


def chunk(kind, content=b""):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def jpeg(inserted):
    data = encoded("JPEG")
    return data[:2] + inserted + data[2:]


def png(inserted):
    data = encoded("PNG")
    return data[:33] + inserted + data[33:]


def gif(inserted):
    data = encoded("GIF", "L")
    at = 13 + (3 << ((data[10] & 7) + 1))
    return data[:at] + inserted + data[at:]


def webp(inserted):
    body = encoded("WEBP", lossless=True)[12:] + inserted
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


MADE_OF_MANY = {
    "comments of a JPEG": lambda: jpeg(b"\xff\xfe\0\2" * MANY),
    "segments of a JPEG": lambda: jpeg(b"\xff\xed\0\2" * MANY),
    "fill bytes of a JPEG": lambda: jpeg(b"\xff" * MANY),
    "chunks of a PNG": lambda: png(chunk(b"teSt") * MANY),
    "texts of a PNG": lambda: png(chunk(b"tEXt", b"a\0b") * MANY),
    "data chunks of a PNG": lambda: png(chunk(b"IDAT") * MANY),
    "extensions of a GIF": lambda: gif(b"!\xfe\1a\0" * MANY),
    "blocks of an extension of a GIF": lambda: gif(b"!\xfe" + b"\1a" * MANY + b"\0"),
    "unknown bytes of a GIF": lambda: gif(b"\0" * MANY),
    "extensions behind a GIF's first frame": lambda: encoded("GIF", "L")[:-1] + b"!\xfe\1a\0" * MANY,
    "chunks of a WebP": lambda: webp(b"ABCD\0\0\0\0" * MANY),
}


@pytest.mark.parametrize("case", MADE_OF_MANY)
def test_too_many_parts_are_refused(case):
    with pytest.raises(InputError, match=r"is made of more than \d+ parts"):
        preprocess(MADE_OF_MANY[case](), STEPS)


@pytest.mark.parametrize("options", [{"progressive": True}, {"progressive": True, "subsampling": 0, "quality": 10}])
def test_a_scan_repeated_is_refused(options):
    data = encoded("JPEG", **options)
    at = data.rindex(b"\xff\xda")
    end = data.rindex(b"\xff\xd9")
    assert preprocess(data[:end] + data[at:end] * 20 + data[end:], STEPS).shape == (12, 10, 3)
    with pytest.raises(InputError, match=f"more than {MAX_SCANS} scans"):
        preprocess(data[:end] + data[at:end] * MAX_SCANS + data[end:], STEPS)


@pytest.mark.parametrize("magic", ["P2", "P3"])
def test_a_large_image_written_as_text_is_refused(magic):
    assert preprocess(f"{magic} 2 2 255\n{'7 ' * 12}".encode(), STEPS).shape == (12, 10, 3)
    with pytest.raises(InputError, match="too many for values that are written as text"):
        preprocess(f"{magic} 4000 4000 255\n1".encode(), STEPS)


def test_tags_that_hold_a_file_many_times_are_refused():
    content, count = 200_000, 100
    tags = [(1000 + i, 7, content, 8) for i in range(count)]
    directory = struct.pack("<H", count) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    with pytest.raises(InputError, match="its tags hold more than the file does"):
        preprocess(b"II*\0" + struct.pack("<I", 8 + content) + bytes(content) + directory, STEPS)


def test_sound_files_pass():
    frames = [Image.fromarray(np.full((64, 64), shade, np.uint8)) for shade in range(0, 250, 10)]
    animation = io.BytesIO()
    frames[0].save(animation, "GIF", save_all=True, append_images=frames[1:], comment=b"a" * 2_000)
    files = {
        "Jpeg": [
            encoded("JPEG"),
            encoded("JPEG", "CMYK", progressive=True),
            encoded("JPEG", progressive=True, exif=Image.Exif(), comment=b"a" * 60_000),
            encoded("JPEG", size=(2_000, 1_500), progressive=True, restart_marker_blocks=1),
        ],
        "Png": [png(chunk(b"IDAT") * (MAX_PARTS // 2))],
        "Gif": [animation.getvalue(), encoded("GIF", "L", (1_000, 1_000))],
        "WebP": [encoded("WEBP")],
    }
    for decoder, each in files.items():
        for data in each:
            stream = io.BytesIO(data)
            check_parts(stream, decoder)
            assert stream.tell() == 0
