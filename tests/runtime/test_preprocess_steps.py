"""What each step does to pixels that are known."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from runtime import InputError
from runtime.images.preprocess import check_steps, image_steps, preprocess
from runtime.images.steps import Mode, Reduce, Resize

STORED = {  # EXIF 2.3, section 4.6.4: how each orientation lays an upright picture down
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: np.rot90(upright),
    7: lambda upright: upright[::-1, ::-1].transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}


def flat(mode, color, size=(10, 12)):
    return Image.new(mode, size, color)


def one_color(source, mode="RGB", **options):
    """Return the colour that a uniform image has after preprocessing."""
    array = preprocess(source, image_steps((12, 10), mode, **options))
    assert (array == array[0, 0]).all()
    return array[0, 0].tolist()


@pytest.mark.parametrize("suffix", ["png", "webp", "tiff"])
@pytest.mark.parametrize("orientation", STORED)
def test_exif_orientation_is_undone(save_image, orientation, suffix):
    upright = np.random.default_rng(0).integers(0, 256, (12, 10, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(STORED[orientation](upright))
    path = save_image(stored, f"turned.{suffix}", exif=exif, lossless=True)
    assert np.array_equal(preprocess(path, image_steps((12, 10), "RGB")), upright)


@pytest.mark.parametrize("suffix", ["png", "tiff"])
@pytest.mark.parametrize(("wide", "narrow"), [(0, 0), (128, 0), (256, 1), (32768, 128), (65535, 255)])
def test_16_bit_gray_is_scaled(save_image, wide, narrow, suffix):
    path = save_image(np.full((12, 10), wide, np.uint16), f"deep.{suffix}")
    assert one_color(path, "L") == [narrow]
    assert one_color(path) == [narrow] * 3


def test_16_bit_gray_with_a_transparent_level_is_scaled(save_image):
    path = save_image(np.full((12, 10), 32768, np.uint16), "keyed.png", transparency=5)
    assert one_color(path) == [128] * 3


@pytest.mark.parametrize("mode", ["I;16", "I;16L", "I;16B"])
def test_16_bit_gray_in_either_byte_order(mode):
    order = ">" if mode.endswith("B") else "<"
    image = Image.frombytes(mode, (10, 12), np.full((12, 10), 256 * 100, f"{order}u2").tobytes())
    assert one_color(image, "L") == [100]


def test_a_transparent_level_or_color_of_16_bits_shows_the_ground(save_image):
    path = save_image(np.full((12, 10), 40_000, np.uint16), "grey.png", transparency=40_000)
    assert one_color(path, ground=(10, 20, 30)) == [10, 20, 30]
    header = struct.pack(">IIBBBBB", 10, 12, 16, 2, 0, 0, 0)
    row = b"\0" + struct.pack(">3H", 1000, 20_000, 40_000) * 10
    parts = [(b"IHDR", header), (b"tRNS", row[1:7]), (b"IDAT", zlib.compress(row * 12)), (b"IEND", b"")]
    chunks = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)
    assert one_color(b"\x89PNG\r\n\x1a\n" + b"".join(chunks), ground=(10, 20, 30)) == [10, 20, 30]


@pytest.mark.parametrize("largest", [1, 100, 255, 256, 1023, 4095, 65_535])
@pytest.mark.parametrize("kind", ["P2", "P3", "P5", "P6"])
def test_pgm_and_ppm_of_every_depth(kind, largest):
    value, samples = largest // 2, 10 * 12 * (3 if kind in ("P3", "P6") else 1)
    one = f"{value} ".encode() if kind in ("P2", "P3") else value.to_bytes(1 if largest < 256 else 2, "big")
    file = f"{kind}\n# grey\n10 12\n{largest}\n".encode() + one * samples
    assert abs(one_color(file, "L")[0] - value / largest * 255) <= 1


@pytest.mark.parametrize("mode", ["La", "LA", "RGBa", "RGBA", "HSV", "YCbCr", "CMYK", "PA", "P", "RGBX"])
def test_pillow_images_of_other_modes_show_their_color(mode):
    gray = mode in ("La", "LA")
    image = flat("RGBA", (128, 128, 128, 64) if gray else (200, 100, 50, 64))
    if mode in ("La", "RGBa"):
        image = image.convert(mode.upper())
    elif mode not in ("LA", "RGBA"):
        image = image.convert("RGB").quantize(4) if mode in ("P", "PA") else image.convert("RGB")
    expected = [223] * 3 if gray else [241, 216, 204] if "A" in mode.upper()[1:] and mode != "PA" else [200, 100, 50]
    assert np.abs(np.subtract(one_color(image.convert(mode)), expected)).max() <= 2


def test_cielab_colors_are_refused():
    with pytest.raises(InputError, match="the image holds CIELab colors: save it as RGB"):
        one_color(flat("LAB", (100, 128, 128)))


@pytest.mark.parametrize("suffix", ["bmp", "dib", "ico", "tga", "dds"])
@pytest.mark.parametrize("alpha", [0, 255])
def test_a_fourth_byte_that_is_0_everywhere_is_no_alpha(save_image, suffix, alpha):
    path = save_image(flat("RGBA", (200, 100, 50, alpha), (16, 16)), f"screen.{suffix}")
    data = bytearray(path.read_bytes())
    if suffix == "bmp":  # Pillow reads a fourth byte where the header has masks, as screenshots of Windows do
        pixels = bytes([50, 100, 200, alpha]) * 256
        masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
        header = struct.pack("<IiiHHIIiiII", 108, 16, 16, 1, 32, 3, len(pixels), 0, 0, 0, 0) + masks + bytes(52)
        data = b"BM" + struct.pack("<IHHI", 122 + len(pixels), 0, 0, 122) + header + pixels
        assert one_color(bytes(data)) == [200, 100, 50]
    with Image.open(io.BytesIO(data)) as image:
        assert one_color(image) == [200, 100, 50]


@pytest.mark.parametrize("mode", ["I", "F"])
def test_32_bit_values_are_refused_because_nobody_knows_their_range(mode):
    with pytest.raises(Exception, match=f"32-bit values .mode '{mode}'"):
        one_color(flat(mode, 3))


@pytest.mark.parametrize(
    ("mode", "color", "expected"),
    [
        ("RGBA", (200, 0, 100, 0), (10, 20, 30)),
        ("RGBA", (200, 0, 100, 128), (105, 10, 65)),
        ("RGBA", (200, 0, 100, 255), (200, 0, 100)),
        ("LA", (200, 0), (10, 20, 30)),
        ("LA", (200, 128), (105, 110, 115)),
    ],
)
@pytest.mark.parametrize("kind", ["image", "file"])
def test_transparency_shows_the_ground(save_image, mode, color, expected, kind):
    image = flat(mode, color)
    shown_color = one_color(save_image(image, "glass.png") if kind == "file" else image, ground=(10, 20, 30))
    assert np.abs(np.subtract(shown_color, expected)).max() <= 1


@pytest.mark.parametrize(("alpha", "expected"), [(0, [10, 20, 30]), (255, [200, 0, 100])])
def test_palette_transparency_shows_the_ground(save_image, alpha, expected):
    image = flat("P", 0)
    image.putpalette([200, 0, 100])
    path = save_image(image, "palette.png", transparency=bytes([alpha]))
    assert one_color(path, ground=(10, 20, 30)) == expected


@pytest.mark.parametrize(
    ("ink", "expected"),
    [
        ((0, 0, 0, 0), (255, 255, 255)),
        ((0, 0, 0, 255), (0, 0, 0)),
        ((0, 255, 255, 0), (255, 0, 0)),
        ((255, 0, 0, 0), (0, 255, 255)),
    ],
)
def test_cmyk_jpeg(save_image, ink, expected):
    shown_color = one_color(save_image(flat("CMYK", ink), "print.jpg", quality=95))
    assert np.abs(np.subtract(shown_color, expected)).max() <= 3


def test_gray_is_luma():
    assert one_color(flat("RGB", (255, 0, 0)), "L") == [76]
    assert one_color(flat("RGB", (0, 255, 0)), "L") == [150]


def test_crop_takes_the_center():
    stripes = np.zeros((10, 30, 3), np.uint8)
    stripes[:, 10:20] = 255
    assert (preprocess(stripes, image_steps((10, 10), "RGB")) == 255).all()


@pytest.mark.parametrize(("share", "border"), [(1.0, 0), (0.75, 0), (0.5, 255)])
def test_crop_takes_a_share_of_the_sides(share, border):
    framed = np.zeros((100, 100), np.uint8)
    framed[25:75, 25:75] = 255
    array = preprocess(framed, image_steps((20, 20), "L", share=share, interpolation="nearest"))
    assert array[10, 10] == 255
    assert {int(array[at]) for at in [(0, 0, 0), (0, -1, 0), (-1, 0, 0), (-1, -1, 0)]} == {border}


def test_stretch_keeps_everything():
    halves = np.zeros((10, 40), np.uint8)
    halves[:, 20:] = 255
    array = preprocess(halves, image_steps((10, 10), "L", fit="stretch", interpolation="box"))
    assert (array[:, :5] == 0).all()
    assert (array[:, 5:] == 255).all()


@pytest.mark.parametrize(("mode", "ground"), [("RGB", [255, 0, 0]), ("L", [76])])
def test_pad_keeps_the_aspect_and_fills_with_the_ground(mode, ground):
    steps = image_steps((16, 16), mode, fit="pad", ground=(255, 0, 0))
    array = preprocess(np.zeros((10, 20, 3), np.uint8), steps)
    assert (array[4:12] == 0).all()
    assert (array[:4] == ground).all()
    assert (array[12:] == ground).all()


def test_reduce_gives_nearly_the_same_pixels(photo, save_image):
    path = save_image(photo, "big.jpg", quality=95)
    steps = image_steps((48, 40), "RGB")
    with Image.open(path) as image:
        assert steps[0](image).size == (80, 96)
    gap = preprocess(path, steps).astype(int) - preprocess(path, steps[1:])
    assert np.abs(gap).mean() < 3


def test_reduce_leaves_a_jpeg_of_less_than_twice_the_size_alone(photo, save_image):
    path = save_image(photo, "medium.jpg", quality=95)
    steps = image_steps((round(192 / 1.9), round(160 / 1.9)), "RGB")
    assert np.array_equal(preprocess(path, steps), preprocess(path, steps[1:]))


@given(*[st.integers(1, 600)] * 2, *[st.integers(1, 200)] * 2)
def test_reduce_never_decodes_below_the_needed_size(width, height, needed_width, needed_height):
    file = io.BytesIO()
    Image.new("L", (width, height)).save(file, "JPEG")
    got = Reduce(width=needed_width, height=needed_height)(Image.open(file)).size
    for turned in [got, got[::-1]]:
        assert turned in [(width, height), (height, width)] or (
            turned[0] >= needed_width and turned[1] >= needed_height
        )


@given(*[st.integers(1, 600)] * 2, *[st.integers(1, 200)] * 2)
def test_reduce_for_a_letterbox_keeps_the_longer_side_alone(width, height, needed_width, needed_height):
    file = io.BytesIO()
    Image.new("L", (width, height)).save(file, "JPEG")
    step = Reduce(width=needed_width, height=needed_height, letterbox=True)
    got, scale = step(Image.open(file)).size, step.scale((width, height))
    assert got == (-(-width // scale), -(-height // scale))
    assert scale == 1 or max(got) >= max(needed_width, needed_height)
    assert scale >= Reduce(width=needed_width, height=needed_height).scale((width, height))


def test_a_jpeg_of_twice_a_letterbox_is_not_resized(photo, save_image):
    path = save_image(photo, "big.jpg", quality=95)
    steps = image_steps((96, 96), "RGB", fit="pad")
    assert steps[0] == Reduce(width=96, height=96, letterbox=True)
    with Image.open(path) as image:
        assert image.size == (160, 192)
        reduced = np.asarray(steps[0](image).convert("RGB"))
    array = preprocess(path, steps)
    assert np.array_equal(array[:, 8:88], reduced)
    assert np.abs(array.astype(int) - preprocess(path, steps[1:])).mean() < 3


@given(st.integers(1, 64), st.floats(0.05, 1))
def test_reduce_leaves_enough_pixels_for_the_crops_share(side, share):
    assert image_steps((side, side), "RGB", share=share)[0].width >= side / share


def test_a_callers_own_lazy_image_keeps_its_size(photo, save_image):
    path = save_image(photo, "lazy.jpg", quality=95)
    steps = image_steps((12, 10), "RGB")
    with Image.open(path) as image:
        lazy = preprocess(image, steps)
        assert image.size == (160, 192)
        assert np.array_equal(lazy, preprocess(np.asarray(image), steps))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda steps: steps[:-1], "one 'resize' step at its end"),
        (lambda steps: steps[:3] + steps[4:], "one 'mode' step"),
        (lambda steps: (steps[3], steps[2], steps[4]), "after every 'flatten'"),
        (lambda steps: (steps[4], steps[3]), "at its end"),
        (lambda steps: (*steps, steps[4]), "one 'resize' step"),
        (lambda steps: (), "one 'mode' step"),
    ],
)
def test_steps_that_might_give_another_array_are_refused(change, complaint):
    with pytest.raises(ValueError, match=complaint):
        check_steps(change(image_steps((12, 10), "RGB")), (12, 10, 3))


@pytest.mark.parametrize("shape", [(10, 12, 3), (12, 10, 1)])
def test_steps_for_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"\[12, 10, 3\].*the input takes"):
        check_steps(image_steps((12, 10), "RGB"), shape)


@pytest.mark.parametrize(("share", "seen"), [(1.0, (2, 5)), (0.5, (0, 7)), (0.25, (0, 7))])
def test_whole_pixels_pad_or_cut_as_timm_does(share, seen):
    """timm's ``border``: the longer side is brought to a share-th of the target, and the middle is kept."""
    wide = np.full((32, 64), 100, np.uint8)
    resize = Resize(width=8, height=8, fit="pad", share=share, ground=(0, 0, 0), whole_pixels=True)
    (rows,) = preprocess(wide, (Mode(mode="L"), resize))[:, 4, 0].nonzero()
    assert (rows.min(), rows.max()) == seen


@pytest.mark.parametrize(("rounding", "first"), [("even", 2), ("down", 1)])
def test_whole_pixels_start_at_the_even_one_or_before(rounding, first):
    steps = np.tile(np.arange(11, dtype=np.uint8), (11, 1))
    resize = Resize(width=8, height=8, fit="stretch", share=8 / 11, whole_pixels=True, rounding=rounding)
    assert preprocess(steps, (Mode(mode="L"), resize))[0, :, 0].tolist() == list(range(first, first + 8))


@pytest.mark.parametrize("options", [{"share": 0.0}, {"share": 1.01}, {"ground": (0, 0, 256)}, {"ground": (-1, 0, 0)}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=f"^{'share' if 'share' in options else 'the ground'}"):
        image_steps((12, 10), "RGB", **options)


@pytest.mark.parametrize(("size", "mode", "options", "complaint"), [
    ((12, 10), "RGBA", {}, "Mode.mode: unknown value 'RGBA'.*choose from: L, RGB"),
    ((12, 10), "BGR", {}, "Mode.mode"),
    (12, "RGB", {}, r"size must be \(height, width\) in pixels, got 12"),
    ((12, 10, 3), "RGB", {}, r"size must be \(height, width\)"),
    ((12.5, 10), "RGB", {}, "Resize.height: expected int, got 12.5"),
    ((-1, 10), "RGB", {}, "1 to 4096 pixels"),
    ((12, 10), "RGB", {"fit": "squash"}, "Resize.fit: unknown value 'squash'"),
    ((12, 10), "RGB", {"interpolation": "cubic"}, "did you mean 'bicubic'"),
    ((12, 10), "RGB", {"share": "0.9"}, "Resize.share: expected float"),
    ((12, 10), "RGB", {"share": float("nan")}, "Resize.share: expected float"),
    ((12, 10), "RGB", {"ground": (1, 2)}, "Resize.ground: expected list of 3"),
    ((12, 10), "RGB", {"ground": 255}, "Resize.ground"),
])  # fmt: skip
def test_values_of_another_type_are_refused_by_name(size, mode, options, complaint):
    with pytest.raises(ValueError, match=complaint):
        image_steps(size, mode, **options)


def test_lists_and_numbers_of_numpy_are_taken():
    steps = image_steps(np.array([12, 10]).tolist(), "RGB", share=np.float32(0.5), ground=[np.uint8(1), 2, 3])
    assert steps == image_steps((12, 10), "RGB", share=0.5, ground=(1, 2, 3))
