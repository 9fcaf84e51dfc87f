"""Whatever image comes in, the declared array comes out."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from runtime.images.preprocess import image_steps, preprocess

MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "I;16")
FITS = st.sampled_from(["crop", "stretch", "pad"])
INTERPOLATIONS = st.sampled_from(["nearest", "box", "bilinear", "bicubic", "lanczos"])
TARGETS = st.tuples(st.integers(1, 64), st.integers(1, 64))
SIZES = st.tuples(st.integers(1, 200), st.integers(1, 200))
SHARES = st.floats(0.05, 1)
COLORS = st.tuples(*[st.integers(0, 255)] * 3)


def noise(mode, size, seed, transparent):
    random = np.random.default_rng(seed)
    image = Image.frombytes(mode, size, random.bytes(len(Image.new(mode, size).tobytes())))
    if mode in ("P", "PA"):
        image.putpalette(random.bytes(768))
    if transparent:
        image.info["transparency"] = {"P": random.bytes(256), "RGB": (1, 2, 3)}.get(mode, 1)
    return image


@pytest.mark.parametrize("transparent", [False, True])
@pytest.mark.parametrize("mode", MODES)
@given(st.data())
def test_every_mode_and_size_gives_the_declared_array(mode, transparent, data):
    height, width = data.draw(TARGETS)
    color_mode = data.draw(st.sampled_from(["L", "RGB"]))
    steps = image_steps(
        (height, width),
        color_mode,
        fit=data.draw(FITS),
        share=data.draw(SHARES),
        interpolation=data.draw(INTERPOLATIONS),
        ground=data.draw(COLORS),
    )
    keyed = transparent and mode in ("1", "L", "P", "RGB", "I;16")
    array = preprocess(noise(mode, data.draw(SIZES), data.draw(st.integers(0, 99)), keyed), steps)
    assert array.dtype == np.uint8
    assert array.flags.c_contiguous
    assert array.shape == (height, width, {"L": 1, "RGB": 3}[color_mode])


@given(COLORS, SIZES, TARGETS, FITS, SHARES, INTERPOLATIONS)
def test_a_uniform_image_keeps_its_color(color, size, target, fit, share, interpolation):
    steps = image_steps(target, "RGB", fit=fit, share=share, interpolation=interpolation, ground=color)
    array = preprocess(Image.new("RGB", size, color), steps)
    assert np.abs(array.astype(int) - color).max() <= 1


@given(TARGETS, st.sampled_from(["L", "RGB"]), FITS, INTERPOLATIONS, st.data())
def test_an_array_of_the_target_shape_comes_out_unchanged(target, mode, fit, interpolation, data):
    array = data.draw(arrays(np.uint8, (*target, {"L": 1, "RGB": 3}[mode]), elements=st.integers(0, 255)))
    steps = image_steps(target, mode, fit=fit, interpolation=interpolation)
    for same in (array, array[:, :, 0]) if mode == "L" else (array,):
        prepared = preprocess(same, steps)
        assert np.array_equal(prepared, array)
        assert not np.shares_memory(prepared, array)


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([(), (3,), (4,)]), st.integers(0, 99))
def test_every_kind_of_source_gives_the_same_pixels(tmp_path_factory, height, width, channels, seed):
    steps = image_steps((12, 10), "RGB", ground=(1, 2, 3))
    array = np.random.default_rng(seed).integers(0, 256, (height, width, *channels), np.uint8)
    path = tmp_path_factory.getbasetemp() / "same.png"
    Image.fromarray(array).save(path)
    expected = preprocess(array, steps)
    encoded = path.read_bytes()
    sources = [path, str(path), encoded, bytearray(encoded), memoryview(encoded), io.BytesIO(encoded)]
    with path.open("rb") as file, Image.open(path) as image:
        for source in [*sources, file, image]:
            assert np.array_equal(preprocess(source, steps), expected), type(source)


def test_a_class_derived_from_pillows_is_an_image():
    class Scan(Image.Image):
        pass

    scan = Scan()
    scan.__setstate__(Image.new("RGB", (10, 12), (9, 8, 7)).__getstate__())
    assert (preprocess(scan, image_steps((12, 10), "RGB")) == (9, 8, 7)).all()


def test_arrays_need_not_be_contiguous(photo):
    steps = image_steps((12, 10), "RGB")
    mirrored = photo[:, ::-1]
    assert np.array_equal(preprocess(mirrored, steps), preprocess(mirrored.copy(), steps))
