"""TIFF files are answered as libtiff shows them, or refused with their kind.

The expected grey levels are those of libtiff 4.5's tiff2rgba, tried on the same files.
"""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image

from runtime import InputError
from runtime.images.preprocess import image_steps, preprocess

WIDTH, HEIGHT = 16, 8
LEVELS = np.linspace(0, 1, WIDTH) * np.ones((HEIGHT, 1))
"""From black on the left to white on the right."""
CODES = {"H": 3, "L": 4}


def tiff(strips, bits, photometric, order="II", **tags):
    """Return a TIFF file; `tags` are values of further tags, by name."""
    end = {"II": "<", "MM": ">"}[order]
    numbers = {"sample_format": 339, "planes": 284, "colors": 320, "extra": 338, "ink_set": 332, "fill": 266}
    entries = {
        256: ("L", [WIDTH]), 257: ("L", [HEIGHT]), 258: ("H", bits), 259: ("H", [1]), 277: ("H", [len(bits)]),
        278: ("L", [HEIGHT]), 279: ("L", [len(strip) for strip in strips]), 273: ("L", [0] * len(strips)),
        **({} if photometric is None else {262: ("H", [photometric])}),
        **{numbers[name]: ("H", np.ravel(value).tolist()) for name, value in tags.items()},
    }  # fmt: skip
    start = 8 + 2 + 12 * len(entries) + 4
    values = sum(struct.calcsize(f"{len(each)}{code}") for code, each in entries.values())
    entries[273] = ("L", [start + values + sum(map(len, strips[:i])) for i in range(len(strips))])
    directory, outside = struct.pack(f"{end}H", len(entries)), b""
    for tag, (code, each) in sorted(entries.items()):
        data = struct.pack(f"{end}{len(each)}{code}", *each)
        directory += struct.pack(f"{end}HHL", tag, CODES[code], len(each))
        if len(data) > 4:
            directory += struct.pack(f"{end}L", start + len(outside))
            outside += data
        else:
            directory += data.ljust(4, b"\0")
    outside = outside.ljust(values, b"\0")
    return order.encode() + struct.pack(f"{end}HL", 42, 8) + directory + bytes(4) + outside + b"".join(strips)


def gray(bits, order="II"):
    """Return `LEVELS` as packed samples."""
    values = np.round(LEVELS * (2**bits - 1))
    if bits in (8, 16, 32):
        return values.astype({"II": "<", "MM": ">"}[order] + f"u{bits // 8}").tobytes()
    planes = (values.astype(np.uint16)[..., None] >> np.arange(bits)[::-1]) & 1
    return np.packbits(planes.reshape(HEIGHT, -1).astype(np.uint8), axis=1).tobytes()


def seen(file, mode="L"):
    return preprocess(file, image_steps((HEIGHT, WIDTH), mode)).astype(int)


def refusal(file):
    with pytest.raises(InputError) as caught:
        seen(file)
    assert "damaged" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("order", ["II", "MM"])
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 12, 16])
@pytest.mark.parametrize("white", [False, True], ids=["MinIsBlack", "MinIsWhite"])
def test_gray_of_every_depth_is_what_it_shows_or_refused(bits, white, order):
    file = tiff([gray(bits, order)], [bits], 0 if white else 1, order)
    if (bits, white) == (12, True) or (order == "MM" and (bits == 12 or (bits == 16 and white))):  # Pillow can't
        kind = f"a TIFF of {bits}-bit unsigned {'MinIsWhite' if white else 'MinIsBlack'} samples"
        assert kind in refusal(file)
        return
    expected = np.round(LEVELS * (2**bits - 1)) / (2**bits - 1) * 255
    assert np.abs(seen(file)[..., 0] - (255 - expected if white else expected)).max() <= 1


def test_a_pillow_image_of_a_tiff_is_read_like_the_file(tmp_path):
    (tmp_path / "white.tif").write_bytes(tiff([gray(16)], [16], 0))
    with Image.open(tmp_path / "white.tif") as image:
        assert np.array_equal(seen(image), seen(tmp_path / "white.tif"))
        assert np.array_equal(seen(image), seen(tmp_path / "white.tif")), "the second time too"


def test_a_compressed_tiff_of_16_bits_whose_smallest_value_is_white(tmp_path):
    image = Image.fromarray(np.round(LEVELS * 65535).astype(np.uint16))
    image.save(tmp_path / "white.tif", compression="tiff_lzw", tiffinfo={262: 0})
    assert np.abs(seen(tmp_path / "white.tif")[..., 0] - 255 * (1 - LEVELS)).max() <= 1


@pytest.mark.parametrize("order", ["II", "MM"])
@pytest.mark.parametrize("scale", [1, 256])
def test_palettes_of_8_and_16_bits(scale, order):
    colors = np.random.default_rng(0).integers(0, 256, (3, 256))
    file = tiff([gray(8)], [8], 3, order, colors=colors * scale)
    assert np.array_equal(seen(file, "RGB"), colors.T[np.round(LEVELS * 255).astype(int)])


@pytest.mark.parametrize(
    ("bits", "sample_format", "kind"),
    [
        (8, 2, "8-bit signed"),
        (16, 2, "16-bit signed"),
        (32, 2, "32-bit signed"),
        (32, 1, "32-bit unsigned"),
        (16, 3, "16-bit floating-point"),
        (32, 3, "32-bit floating-point"),
        (64, 3, "64-bit floating-point"),
    ],
)
@pytest.mark.parametrize("order", ["II", "MM"])
@pytest.mark.parametrize("photometric", [0, 1, 2])
def test_samples_without_a_known_range_are_refused(bits, sample_format, kind, order, photometric):
    samples = 3 if photometric == 2 else 1
    data = bytes(WIDTH * HEIGHT * samples * bits // 8)
    text = refusal(tiff([data], [bits] * samples, photometric, order, sample_format=[sample_format] * samples))
    assert f"a TIFF of {kind} " in text
    assert "doesn't say which of its values are black and white" in text


@pytest.mark.parametrize("photometric", [8, 9, 10, 4, 32803])
def test_colors_that_nothing_here_reads_are_refused_by_name(photometric):
    samples = 3 if photometric in (8, 9, 10) else 1
    name = {8: "CIELab", 9: "ICCLab", 10: "ITULab", 4: "mask", 32803: "CFA"}[photometric]
    assert name in refusal(tiff([bytes(WIDTH * HEIGHT * samples)], [8] * samples, photometric))


def test_rgb_in_separate_planes():
    planes = np.random.default_rng(0).integers(0, 256, (3, HEIGHT, WIDTH), np.uint8)
    file = tiff([plane.tobytes() for plane in planes], [8] * 3, 2, planes=2)
    assert np.array_equal(seen(file, "RGB"), planes.transpose(1, 2, 0))


@pytest.mark.parametrize("samples", [1, 3])
def test_16_bits_in_separate_planes_are_refused(samples):
    file = tiff([gray(16)] * samples, [16] * samples, 2 if samples == 3 else 1, planes=2)
    assert "separate planes" in refusal(file)


def test_inks_that_are_not_cmyk_are_refused():
    data = bytes(WIDTH * HEIGHT * 4)
    assert (seen(tiff([data], [8] * 4, 5)) == 255).all()
    assert "CMYK" in refusal(tiff([data], [8] * 4, 5, ink_set=2))


def test_subsampled_colors_without_compression_are_refused():
    assert "YCbCr" in refusal(tiff([bytes(WIDTH * HEIGHT * 3 // 2)], [8] * 3, 6))


def test_a_tiff_that_does_not_say_which_value_is_black_is_refused():
    assert "PhotometricInterpretation" in refusal(tiff([gray(8)], [8], None))


def test_a_fourth_sample_of_zeros_that_nothing_declares_is_no_alpha():
    colors = np.dstack([np.full((HEIGHT, WIDTH, 3), (9, 80, 200), np.uint8), np.zeros((HEIGHT, WIDTH), np.uint8)])
    assert (seen(tiff([colors.tobytes()], [8] * 4, 2), "RGB") == (9, 80, 200)).all()
    assert (seen(tiff([colors.tobytes()], [8] * 4, 2, extra=2), "RGB") == 255).all(), "declared: transparent"
