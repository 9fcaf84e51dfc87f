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

from runtime import InputError, InputNote, OptionError
from runtime.images.decoding import MAX_BYTES
from runtime.images.preprocess import image_steps, preprocess

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
    assert "EDGEZOO_MAX_MEGAPIXELS=" in text
    assert peak < 2**20


def large_jpeg(width, height, **options):
    """Return a JPEG of one colour with a darker left half; it is flat, so that tests are quick."""
    image = Image.new("RGB", (width, height), (200, 100, 50))
    image.paste((20, 10, 5), (0, 0, width // 2, height))
    image.save(file := io.BytesIO(), "JPEG", quality=75, **options)
    return file.getvalue()


@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=["baseline", "progressive"])
@pytest.mark.parametrize("reduces", [True, False])
def test_a_large_jpeg_is_decoded_at_reduced_scale(options, reduces):
    data = large_jpeg(6400, 4800, **options)
    steps = STEPS if reduces else STEPS[1:]
    small = Image.new("RGB", (640, 480), (200, 100, 50))
    small.paste((20, 10, 5), (0, 0, 320, 480))
    expected = preprocess(small, STEPS).astype(int)
    assert np.abs(preprocess(data, steps) - expected).max() <= 3
    with Image.open(io.BytesIO(data)) as image:
        assert np.abs(preprocess(image, steps) - expected).max() <= 3
        assert image.size == (6400, 4800), "the caller's object stays as it is"


def test_a_large_jpeg_that_is_turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    array = preprocess(large_jpeg(6400, 4800, exif=exif), STEPS)
    assert (array[:4] < 40).all()
    assert (array[8:] > 40).all()


def test_a_large_jpeg_is_refused_where_the_model_takes_more_pixels_than_are_left(monkeypatch):
    data, steps = large_jpeg(6400, 4800), image_steps((2500, 2500), "RGB", fit="stretch")
    with pytest.raises(InputError, match=r"at 1/2 scale it has fewer than the 2500x2500.*EDGEZOO_MAX_MEGAPIXELS=31"):
        preprocess(data, steps)
    monkeypatch.setenv("EDGEZOO_MAX_MEGAPIXELS", "31")
    assert preprocess(data, steps).shape == (2500, 2500, 3)


def test_the_limit_can_be_changed(monkeypatch):
    wide = np.zeros((10, 20_000), np.uint8)
    monkeypatch.setenv("EDGEZOO_MAX_MEGAPIXELS", "40")
    assert preprocess(wide, STEPS).shape == (12, 10, 3)
    assert "8000x6000 pixels is too large; the limit is 40 megapixels" in complaint(png_header(8000, 6000))
    monkeypatch.setenv("EDGEZOO_MAX_MEGAPIXELS", "0.01")
    assert "200x100 pixels is too large; the limit is 0.01 megapixels" in complaint(png_header(200, 100))


@pytest.mark.parametrize("value", ["much", "0", "-1", "nan", "inf"])
def test_a_limit_that_is_no_number_is_refused(monkeypatch, value):
    monkeypatch.setenv("EDGEZOO_MAX_MEGAPIXELS", value)
    with pytest.raises(OptionError, match="EDGEZOO_MAX_MEGAPIXELS must be a number of megapixels such as 50"):
        preprocess(png_header(10, 10), STEPS)


def test_a_progressive_jpeg_counts_with_all_its_coefficients(monkeypatch):
    data = large_jpeg(640, 480, progressive=True, subsampling=0)
    monkeypatch.setenv("EDGEZOO_MAX_MEGAPIXELS", "0.1")
    assert "too large for a progressive JPEG" in complaint(data)
    assert preprocess(large_jpeg(640, 480, subsampling=0), STEPS).shape == (12, 10, 3)


TEXTS = {"zTXt": b"k\0\0", "iTXt": b"k\0\1\0\0\0", "iCCP": b"k\0\0"}


@pytest.mark.parametrize("position", ["before", "after"])
@pytest.mark.parametrize("kind", TEXTS)
def test_a_text_of_100_mb_that_is_compressed(tmp_path, kind, position):
    file = io.BytesIO()
    Image.new("RGB", (64, 64), (9, 8, 7)).save(file, "PNG")
    data, bomb = file.getvalue(), chunk(kind.encode(), TEXTS[kind] + zlib.compress(bytes(100 * 2**20), 9))
    at = data.index(b"IDAT" if position == "before" else b"IEND") - 4
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
    frames = [Image.new("RGB", (20, 30), color) for color in ("red", "green", "blue")]
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
    assert complaint(tmp_path / "pipe.png") == f"{tmp_path / 'pipe.png'}: can't be opened (is not a regular file)"


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


def test_a_file_object_is_read_from_where_it_stands_or_from_its_start(save_image, photo):
    file = io.BytesIO(b"header")
    file.seek(6)
    Image.fromarray(photo).save(file, "PNG")
    expected = preprocess(photo, STEPS)
    file.seek(6)
    assert np.array_equal(preprocess(file, STEPS), expected), "from the middle"
    Image.fromarray(photo).save(written := io.BytesIO(), "PNG")
    assert written.tell() == len(written.getvalue())
    assert np.array_equal(preprocess(written, STEPS), expected), "straight after it was written"
    assert np.array_equal(preprocess(written, STEPS), expected), "again"
    with (save_image(photo, "photo.png")).open("rb") as opened:
        assert np.array_equal(preprocess(opened, STEPS), preprocess(opened, STEPS))
    assert complaint(io.BytesIO()).endswith("the file is empty")


def test_a_stream_without_positions():
    read, write = os.pipe()
    Image.new("RGB", (8, 8)).save(file := io.BytesIO(), "PNG")
    os.write(write, file.getvalue())
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        assert preprocess(pipe, STEPS).shape == (12, 10, 3)
        assert complaint(pipe).endswith("the file is empty")


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
