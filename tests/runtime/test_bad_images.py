"""Sources that are no usable image are refused in one line that names them."""

from __future__ import annotations

import io
import os
import struct
import tracemalloc
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from runtime import InputError, InputNote
from runtime.preprocess import MAX_BYTES, image_steps, preprocess

STEPS = image_steps((12, 10), "RGB")


def complaint(source):
    with pytest.raises(InputError) as caught:
        preprocess(source, STEPS)
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    return text


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width, height):
    """Return a PNG that promises pixels and holds next to none."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    ("width", "height"), [(30_000, 30_000), (10_000, 10_000), (6_000, 5_000), (20_000, 10), (10, 20_000)]
)
def test_too_many_pixels_are_refused_from_the_header(tmp_path, width, height):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(width, height))
    complaint(path)
    tracemalloc.start()
    text = complaint(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(path) in text
    assert "too large; the limit is 25 megapixels" in text
    assert peak < 2**20


TEXTS = {"zTXt": b"k\0\0", "iTXt": b"k\0\1\0\0\0", "iCCP": b"k\0\0"}


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("kind", TEXTS)
def test_a_text_of_100_mb_that_is_compressed(tmp_path, kind, place):
    file = io.BytesIO()
    Image.new("RGB", (64, 64), (9, 8, 7)).save(file, "PNG")
    data, bomb = file.getvalue(), chunk(kind.encode(), TEXTS[kind] + zlib.compress(bytes(100 * 2**20), 9))
    at = data.index(b"IDAT" if place == "before" else b"IEND") - 4
    path = tmp_path / "bomb.png"
    path.write_bytes(data[:at] + bomb + data[at:])
    assert path.stat().st_size < 150_000
    tracemalloc.start()
    text = complaint(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert text == f"{path}: the image is damaged (Decompressed data too large for PngImagePlugin.MAX_TEXT_CHUNK)"
    assert peak < 8 * 2**20


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_a_canvas_that_is_too_large_is_never_made(kind):
    file = io.BytesIO()
    Image.new("P" if kind == "gif" else "RGB", (64, 64)).save(file, kind, lossless=True)
    data = bytearray(file.getvalue())
    if kind == "gif":
        data[6:10] = struct.pack("<HH", 65_535, 65_535)
    else:
        at = data.index(b"VP8L") + 9
        data[at : at + 4] = struct.pack("<I", 12_999 | 12_999 << 14)
    text = complaint(bytes(data))
    assert "too large; the limit is 25 megapixels" in text


@pytest.mark.parametrize("kind", ["gif", "webp", "png", "tiff"])
def test_of_several_frames_the_first_is_answered_and_that_is_noted(save_image, kind):
    frames = [Image.new("RGB", (20, 30), colour) for colour in ("red", "green", "blue")]
    several = save_image(frames[0], f"several.{kind}", save_all=True, append_images=frames[1:])
    with pytest.warns(InputNote) as notes:
        array = preprocess(several, STEPS)
    assert [str(note.message) for note in notes] == [f"{several}: holds several frames; the first is the one answered"]
    assert (np.abs(array.astype(int) - (255, 0, 0)) < 9).all(), "WebP loses a little"
    one = save_image(frames[0], f"one.{kind}")
    with warnings.catch_warnings(action="error"):
        assert (np.abs(preprocess(one, STEPS).astype(int) - array) < 9).all()


def test_too_many_pixels_are_refused_in_a_pillow_image():
    assert "6000x5000 pixels is too large" in complaint(Image.open(io.BytesIO(png_header(6000, 5000))))


def test_a_pillow_image_without_pixels():
    assert complaint(Image.new("RGB", (0, 10))) == "the image: the image has no pixels (0x10)"


def test_an_image_at_the_limit_is_read():
    assert preprocess(Image.new("L", (16_384, 1)), STEPS).shape == (12, 10, 3)


def test_too_many_bytes_are_refused(tmp_path):
    path = tmp_path / "huge.png"
    path.touch()
    os.truncate(path, MAX_BYTES + 1)
    assert complaint(path) == f"{path}: 256 MB is too large; the limit is 256 MB"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"Dear diary, this is no image.", "not an image that can be read"),
        (b"", "the file is empty"),
        (
            b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
            "not an image that can",
        ),
        (b"\x89PNG\r\n\x1a\n", "the image is damaged"),
        (png_header(12, 10), "the image is damaged"),
    ],
    ids=["text", "empty", "svg", "signature only", "pixels missing"],
)
@pytest.mark.parametrize("kind", ["path", "bytes"])
def test_content_that_is_no_image(tmp_path, content, expected, kind):
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    text = complaint(path if kind == "path" else content)
    assert text.startswith(f"{path}: " if kind == "path" else f"{len(content)} bytes: ")
    assert expected in text


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "gif", "tiff", "ppm"])
def test_a_truncated_file(photo, save_image, suffix):
    path = save_image(photo, f"cut.{suffix}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert complaint(path).startswith(f"{path}: ")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "gif", "tiff", "ppm"])
@given(st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), min_size=1, max_size=5))
def test_damage_raises_nothing_else(suffix, changes):
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    Image.fromarray(pixels).save(file, {"jpg": "jpeg"}.get(suffix, suffix))
    damaged = bytearray(file.getvalue())
    for at, value in changes:
        damaged[at % len(damaged)] = value
    try:
        array = preprocess(bytes(damaged), STEPS)
    except InputError as problem:
        assert len(str(problem).splitlines()) == 1
    else:
        assert array.shape == (12, 10, 3)


def test_a_folder(tmp_path):
    assert complaint(tmp_path) == f"{tmp_path}: is a folder, not an image"


def test_a_missing_file(tmp_path):
    assert complaint(tmp_path / "absent.png") == f"{tmp_path / 'absent.png'}: no such file"


@pytest.mark.timeout(10)
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    assert complaint(tmp_path / "pipe.png") == f"{tmp_path / 'pipe.png'}: is not a regular file"


@pytest.mark.parametrize("name", ["two\nlines.png", "zero\0byte.png", "x" * 5000])
def test_a_strange_name(name):
    assert ": " in complaint(name)


@pytest.mark.parametrize(
    ("array", "got"),
    [
        (np.full((12, 10, 3), np.nan), "got float64 holding NaN [12, 10, 3]"),
        (np.zeros((12, 10, 3), np.float32), "got float32 [12, 10, 3]"),
        (np.zeros((12, 10), np.int64), "got int64 [12, 10]"),
        (np.zeros((12, 10), bool), "got bool [12, 10]"),
        (np.array([[None]]), "got object [1, 1]"),
        (np.array([["a"]]), "got <U1 [1, 1]"),
        (np.zeros((2, 12, 10, 3), np.uint8), "got uint8 [2, 12, 10, 3]; give several images as a list"),
        (np.zeros(12, np.uint8), "got uint8 [12]"),
        (np.zeros((), np.uint8), "got uint8 []"),
        (np.zeros((12, 10, 2), np.uint8), "got uint8 [12, 10, 2]"),
        (np.zeros((3, 12, 10), np.uint8), "got uint8 [3, 12, 10]"),
        (np.zeros((0, 10, 3), np.uint8), "got uint8 [0, 10, 3]"),
        (np.zeros((12, 10, 0), np.uint8), "got uint8 [12, 10, 0]"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_array_of_another_kind(array, got):
    text = complaint(array)
    assert text.startswith("expected a uint8 array [height, width] or [height, width, 1, 3 or 4]")
    assert text.endswith(got)


def test_an_array_of_too_many_pixels():
    assert "20000x10 pixels" in complaint(np.zeros((10, 20_000), np.uint8))


@pytest.mark.parametrize("source", [3, None, {"image": 1}, [], True, object()], ids=lambda value: type(value).__name__)
def test_another_type(source):
    assert complaint(source).endswith(f"or a uint8 array, got {type(source).__name__}")


def test_a_file_object_in_text_mode(save_image, photo):
    assert complaint(io.StringIO("text")) == "the file object gave str: open it in binary mode ('rb')"
    path = save_image(photo, "photo.png")
    with path.open(encoding="utf-8") as file:
        assert complaint(file) == f"{path} gave str: open it in binary mode ('rb')"


def test_a_file_object_that_cannot_be_read(save_image, photo):
    path = save_image(photo, "photo.png")
    with path.open("rb") as closed:
        pass
    assert str(path) in complaint(closed)
    with path.open("ab") as write_only:
        assert str(path) in complaint(write_only)
