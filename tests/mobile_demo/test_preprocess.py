"""Preprocessing in the browser against Python's: not one byte may differ."""

from __future__ import annotations

import io
from dataclasses import asdict
from itertools import product

import numpy as np
import PIL
import pytest
from PIL import Image

from runtime.compare import PIXEL_TOLERANCE
from runtime.errors import InputError
from runtime.images.preprocess import image_steps, preprocess
from runtime.images.steps import Flatten, Mode, Orient, Reduce, Resize
from tests.nightly import NIGHTLY, nightly_but

pytestmark = pytest.mark.skipif(
    int(PIL.__version__.split(".")[0]) < 13, reason="Pillow 13 turned the order of the passes round for tall images"
)

INTERPOLATIONS = ("nearest", "box", "bilinear", "bicubic", "lanczos")
SIZES = (
    (1, 1), (1, 9), (7, 1), (2, 3), (5, 4), (28, 28), (33, 47), (64, 48), (3, 700), (700, 3), (224, 224), (480, 640),
    (1200, 540), (301, 299), (4000, 31), (17, 4000), (1500, 2000), (97, 1), (10, 12),
)  # fmt: skip
"""Height and width; their number has no divisor in common with the options', so that all of them meet."""
TARGETS = ((1, 1), (12, 10), (28, 28), (3, 40), (64, 5), (96, 96), (224, 224))
SHARES = (1.0, 0.875, 1 / 3, 0.07)
GROUNDS = ((255, 255, 255), (0, 0, 0), (200, 30, 120))
LARGE = ((4000, 3000, 3), (3000, 4000, 4), (4000, 4000, 1))


def picture(number, height, width, channels):
    """Return noise, smooth ramps, or hard edges, whose overshoot has to be clipped."""
    random = np.random.default_rng(number)
    if number % 3 == 0:
        return random.integers(0, 256, (height, width, channels), np.uint8)
    if number % 3 == 1:
        y, x, c = np.ogrid[:height, :width, :channels]
        return ((3 * y + 5 * x + 77 * c) % 256).astype(np.uint8)
    return (random.random((height, width, channels)) < 0.5).astype(np.uint8) * 255


def cases(interpolation):
    options = product((1, 3, 4), ("crop", "stretch", "pad"), ("L", "RGB"), range(3))
    for number, (channels, fit, mode, _) in enumerate(options):
        size = SIZES[number % len(SIZES)]
        target = size if number % 11 == 0 else TARGETS[number % len(TARGETS)]
        share = SHARES[number % len(SHARES)] if max(target) < 1000 else 1.0
        ground = GROUNDS[number % len(GROUNDS)]
        share = max(share, max(target) / 4000)
        steps = image_steps(target, mode, fit=fit, share=share, interpolation=interpolation, ground=ground)
        yield picture(number, *size, channels), steps


def compare(layer, pairs):
    """Return for each array how many bytes of the browser's answer differ from Python's."""
    wanted = []
    for number, (array, steps) in enumerate(pairs):
        layer.files[f"in{number}"] = array.tobytes()
        wanted.append((preprocess(array, steps), array.shape, [asdict(step) for step in steps]))
    layer.call(
        """async (cases) => {
          for (const [i, { shape: [height, width, channels], steps }] of cases.entries()) {
            const pixels = { width, height, channels, data: await file("in" + i) };
            await give("out" + i, model.preprocess(pixels, steps));
          }
        }""",
        [{"shape": list(shape), "steps": steps} for _, shape, steps in wanted],
    )
    differing = []
    for number, (answer, _, _) in enumerate(wanted):
        del layer.files[f"in{number}"]
        pixels = np.frombuffer(layer.files.pop(f"out{number}"), np.uint8)
        assert pixels.size == answer.size
        differing.append(int((pixels != answer.ravel()).sum()))
    return differing


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_no_byte_differs(layer, interpolation):
    differing = compare(layer, cases(interpolation))
    assert len(differing) == 54
    assert differing == [0] * 54


@pytest.mark.parametrize("interpolation", nightly_but("bilinear".__eq__, ["nearest", "bilinear", "bicubic"]))
def test_no_byte_differs_for_large_images(layer, interpolation):
    steps = image_steps((224, 224), "RGB", interpolation=interpolation)
    more = image_steps((1500, 1500), "RGB", interpolation=interpolation)  # so much that its memory is not kept
    assert compare(layer, [(picture(2, *LARGE[0]), more), *((picture(2, *shape), steps) for shape in LARGE)]) == [0] * 4


def test_no_byte_differs_where_opencv_resizes(layer):
    """Python's bytes are those of OpenCV itself (`tests/runtime/test_opencv.py`)."""
    pairs = []
    for number, (size, fit, mode) in enumerate(product(SIZES, ("stretch", "pad"), ("L", "RGB"))):
        target = size if number % 11 == 0 and max(size) < 1000 else TARGETS[number % len(TARGETS)]
        ground = GROUNDS[number % len(GROUNDS)]
        steps = image_steps(target, mode, fit=fit, interpolation="opencv-bilinear", ground=ground)
        pairs.append((picture(number, *size, (1, 3, 4)[number % 3]), steps))
    large = image_steps((640, 640), "RGB", fit="pad", interpolation="opencv-bilinear", ground=(114, 114, 114))
    pairs.append((picture(2, 717, 1277, 3), large))
    assert compare(layer, pairs) == [0] * len(pairs)


def test_no_byte_differs_where_whole_pixels_are_cut_out(layer):
    pairs = []
    for number, size in enumerate(SIZES):
        options = list(product((28, 97), ("crop", "stretch", "pad"), (1.0, 0.875, 0.95)))
        for side, fit, share in options if NIGHTLY else options[number % 2 :: 2]:
            filtered = INTERPOLATIONS[1 + number % 4]
            resize = Resize(
                width=side + number % 3, height=side, fit=fit, share=share, interpolation=filtered, whole_pixels=True,
                ground=(9, 99, 199), rounding=("even", "down")[number // 2 % 2],
            )  # fmt: skip
            if side / share * max(size) / min(size) < 20_000:
                pairs.append((picture(number, *size, 3), (Mode(), resize)))
    assert compare(layer, pairs) == [0] * len(pairs)


def test_no_byte_differs_without_every_step(layer):
    resize = Resize(width=20, height=30, fit="pad", ground=(9, 99, 199))
    lists = [
        (Mode(mode="L"), resize),
        (Mode(mode="RGB"), resize),
        (Flatten(ground=(1, 2, 3)), Mode(mode="L"), resize),
        (Flatten(), Orient(), Mode(), Reduce(width=9, height=9), Resize(width=41, height=43, interpolation="nearest")),
        (Mode(), Resize(width=43, height=41, share=0.5)),
    ]
    pairs = [(picture(0, 41, 43, channels), steps) for steps in lists for channels in (1, 3, 4)]
    assert compare(layer, pairs) == [0] * len(pairs)


def test_every_alpha_lies_on_every_ground_as_in_python(layer):
    alpha, color = np.mgrid[:256, :256].astype(np.uint8)
    array = np.stack([color, 255 - color, color, alpha], axis=2)
    grounds = [(255, 255, 255), (0, 0, 0), (1, 127, 254), (200, 100, 50)]
    pairs = [(array, (Flatten(ground=each), Mode(), Resize(width=256, height=256))) for each in grounds]
    assert compare(layer, pairs) == [0] * len(grounds)


def test_what_is_given_stays_as_it_is(layer):
    kept = layer.call(
        """() => {
          const pixels = { width: 4, height: 4, channels: 1, data: new Uint8Array(16).fill(7) };
          const out = model.preprocess(pixels, [{ step: "mode", mode: "L" },
            { step: "resize", width: 4, height: 4, fit: "crop", share: 1, interpolation: "box", ground: [0, 0, 0] }]);
          out.fill(0);
          return [...pixels.data];
        }"""
    )
    assert kept == [7] * 16


@pytest.mark.parametrize("size", [(16_385, 1), (5000, 5001), (0, 3)])
def test_what_python_refuses_is_refused(layer, size):
    height, width = size
    with pytest.raises(InputError):
        preprocess(np.zeros((height, width), np.uint8), image_steps((8, 8), "L"))
    said = layer.call(
        """([height, width]) => said(() => {
          model.preprocess({ width, height, channels: 1, data: new Uint8Array(0) }, []);
        })""",
        size,
    )
    assert said.startswith("ZooError: ")
    assert f"{width}x{height}" in said


@pytest.mark.parametrize("order", ["RGBA", "RGBX", "BGRA", "BGRX"])
def test_frames_of_any_order_of_colors_are_read(layer, order):
    pixels = layer.call(
        """async (format) => {
          const bytes = Uint8Array.from({ length: 4 * 4 * 2 }, (_, i) => (i % 4 === 3 ? 255 : 8 * i));
          const frame = new VideoFrame(bytes, { format, codedWidth: 4, codedHeight: 2, timestamp: 0 });
          const pixels = await model.decodeFrame(frame);
          frame.close();
          return [pixels.width, pixels.height, ...pixels.data];
        }""",
        order,
    )
    array = np.arange(0, 4 * 4 * 2 * 8, 8).astype(np.uint8).reshape(2, 4, 4)
    array[..., 3] = 255
    wanted = array if order.startswith("RGB") else array[..., [2, 1, 0, 3]]
    assert pixels == [4, 2, *wanted.ravel().tolist()]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("by", ["exif", "xmp"])
def test_files_are_turned_upright_as_in_python(layer, kind, by):
    image = Image.fromarray(picture(1, 24, 40, 3))
    expected = []
    for orientation in range(1, 9):
        file = io.BytesIO()
        image.save(file, kind, **tag(kind, by, orientation))
        opened = Image.open(file)
        name = f"{orientation}.{kind}"
        layer.files[name] = file.getvalue()
        layer.files[name + ".pixels"] = np.asarray(opened).tobytes()
        assert opened.getexif().get(0x0112) == orientation
        expected.append((name, np.asarray(Orient()(opened))))
    layer.call(
        """async (names) => {
          for (const name of names) {
            const pixels = { width: 40, height: 24, channels: 3, data: await file(name + ".pixels") };
            const { width, height, data } = model.orient(pixels, model.orientationOf(await file(name)));
            await give(name + ".out", new Uint8Array([width, height, ...data]));
          }
        }""",
        [name for name, _ in expected],
    )
    for name, upright in expected:
        height, width, _ = upright.shape
        assert layer.files[name + ".out"] == bytes([width, height]) + upright.tobytes()


@pytest.mark.parametrize(
    "options", [{}, {"subsampling": 0}, {"progressive": True}, {"quality": 30}, {"mode": "L"}], ids=str
)
def test_jpegs_are_read_as_in_python(layer, options):
    """The browser decodes them, at the reduced size that the steps allow: within what decoders may differ by."""
    coarse = Image.fromarray(np.random.default_rng(3).integers(0, 256, (9, 12, 3), np.uint8))
    pairs = []
    for number, size in enumerate([(50, 40), (127, 96), (448, 450), (897, 1000), (1800, 2000), (1000, 448)]):
        file = io.BytesIO()
        exif = Image.Exif()
        exif[0x0112] = 1 + number % 8
        saved = {key: value for key, value in options.items() if key != "mode"}
        image = coarse.resize(size, Image.Resampling.BICUBIC).convert(options.get("mode", "RGB"))
        image.save(file, "JPEG", exif=exif, **saved)
        fit = {"fit": "pad"} if number % 3 == 2 else {"share": 0.875}
        steps = image_steps((96, 112), "RGB", interpolation="bicubic", **fit)
        layer.files[f"{number}.jpg"] = file.getvalue()
        pairs.append(([asdict(step) for step in steps], preprocess(file.getvalue(), steps)))
    layer.call(
        """async (lists) => {
          for (const [i, steps] of lists.entries()) {
            const pixels = await model.decodeFile(await file(i + ".jpg"), steps);
            await give(i + ".out", model.preprocess(pixels, steps));
          }
        }""",
        [steps for steps, _ in pairs],
    )
    for number, (_, wanted) in enumerate(pairs):
        pixels = np.frombuffer(layer.files[f"{number}.out"], np.uint8).astype(int)
        assert np.abs(pixels - wanted.ravel()).max() <= PIXEL_TOLERANCE, number


def test_a_jpeg_over_the_limit_is_read_at_reduced_scale_as_in_python(layer):
    image = Image.new("RGB", (6400, 4800), (200, 100, 50))
    image.paste((20, 10, 5), (0, 0, 3200, 4800))
    image.save(file := io.BytesIO(), "JPEG")
    layer.files["large.jpg"] = file.getvalue()
    answers = {}
    for size in (96, 2500):
        steps = image_steps((size, size), "RGB", fit="stretch")[1:]  # 2500: more than the 2400 rows at half the scale
        answers[size] = layer.call(
            """async (steps) => {
              try {
                const pixels = await model.decodeFile(await file("large.jpg"), steps);
                await give("large.out", model.preprocess(pixels, steps));
                return "read";
              } catch (problem) { return problem.message; }
            }""",
            [asdict(step) for step in steps],
        )
        if size == 96:
            wanted = preprocess(file.getvalue(), steps).ravel()
    assert answers[96] == "read"
    assert np.abs(np.frombuffer(layer.files["large.out"], np.uint8).astype(int) - wanted).max() <= PIXEL_TOLERANCE
    assert answers[2500] == "6400x4800 pixels is too large; the limit is 25 megapixels and 16384 pixels a side"


@pytest.mark.parametrize("decoder", [True, False], ids=["webcodecs", "bitmaps"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_decoded_files_are_turned_upright_once(layer, kind, decoder):
    """Browsers turn some kinds of files by themselves."""
    image = Image.fromarray(np.random.default_rng(3).integers(0, 256, (5, 7, 3), np.uint8)).resize((42, 30))
    steps = (Mode(mode="RGB"), Resize(width=40, height=40, fit="pad"))
    wanted = []
    for orientation in range(1, 9):
        file = io.BytesIO()
        image.save(file, kind, **tag(kind, "exif", orientation), **({"lossless": True} if kind == "WEBP" else {}))
        layer.files[f"turned{orientation}"] = file.getvalue()
        wanted.append(preprocess(file.getvalue(), (Orient(), *steps)))
    layer.call(
        """async ([steps, decoder]) => {
          const kept = globalThis.ImageDecoder;
          if (!decoder) delete globalThis.ImageDecoder;
          for (let i = 1; i <= 8; i++) {
            const pixels = await model.decodeFile(await file("turned" + i));
            await give("turned" + i, model.preprocess(pixels, steps));
          }
          globalThis.ImageDecoder = kept;
        }""",
        [[asdict(step) for step in steps], decoder],
    )
    for orientation, array in enumerate(wanted, 1):
        pixels = np.frombuffer(layer.files[f"turned{orientation}"], np.uint8).astype(int)
        assert np.abs(pixels - array.ravel()).max() <= PIXEL_TOLERANCE, orientation


def tag(kind, by, orientation):
    if by == "exif":
        exif = Image.Exif()
        exif[0x010F] = "a camera of some name"
        exif[0x0112] = orientation
        return {"exif": exif}
    xmp = f'<x:xmpmeta><rdf:Description tiff:Orientation="{orientation}"/></x:xmpmeta>'
    if kind != "PNG":
        return {"xmp": xmp.encode()}
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", xmp)
    return {"pnginfo": info}


def test_damaged_files_have_an_orientation_all_the_same(layer):
    exif = Image.Exif()
    exif[0x0112] = 6
    files = []
    for kind in ("JPEG", "PNG", "WEBP"):
        file = io.BytesIO()
        Image.new("RGB", (8, 8)).save(file, kind, exif=exif)
        files.append(file.getvalue())
    random = np.random.default_rng(0)
    for number in range(600):
        data = bytearray(files[number % 3])
        for index in random.integers(0, len(data), 3):
            data[index] = random.integers(256)
        layer.files[f"damaged{number}"] = bytes(data[: random.integers(1, len(data) + 1)])
    orientations = layer.call(
        """async () => {
          const found = [];
          for (let i = 0; i < 600; i++) found.push(model.orientationOf(await file("damaged" + i)));
          return found;
        }"""
    )
    assert set(orientations) <= set(range(1, 9))
    for number in range(600):
        del layer.files[f"damaged{number}"]
