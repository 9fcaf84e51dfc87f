"""What a golden pack holds: whose samples, without what a picture's file says besides; and bundles without one."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin, TiffImagePlugin

import export
import runtime
from export.disclosure import disclosure_of
from export.golden import encode, made_up
from export.strip import encode_anew, strip
from runtime.bundle import CARD, GOLDEN
from runtime.inputs import CategoricalColumn, NumericColumn, SequenceInput, TableInput
from runtime.verify import Replay, verify
from tests.export.small import SAMPLES, SPEC

SECRET = b"SECRET"
PICTURE = Image.fromarray(
    np.kron(np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
)


def camera(orientation=6):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "SECRET"
    exif.get_ifd(0x8825)[1] = "SECRET"
    return exif


def texts():
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "SECRET")
    info.add_itxt("XML:com.adobe.xmp", "SECRET")
    return info


def tags():
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    directory[270] = directory[315] = directory[33432] = "SECRET"
    directory[274], directory[700] = 8, SECRET
    return directory


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


SAYING = {"exif": camera(), "icc_profile": SECRET, "xmp": SECRET}


def others():
    """Return new pictures, for a Pillow image remembers how it was saved."""
    return {"save_all": True, "append_images": [PICTURE.rotate(90), PICTURE.rotate(180)]}


DEEP = PICTURE.convert("L").convert("I").point(lambda value: value * 200).convert("I;16")
FILES = {
    "jpeg": saved(PICTURE, "JPEG", comment=SECRET, **SAYING),
    "progressive jpeg": saved(PICTURE, "JPEG", progressive=True, comment=SECRET, **SAYING),
    "jpeg of inks": saved(PICTURE.convert("CMYK"), "JPEG", **SAYING),
    "pictures in a jpeg": saved(PICTURE, "MPO", exif=camera(), **others()),
    "png": saved(PICTURE, "PNG", pnginfo=texts(), exif=camera(5), icc_profile=SECRET),
    "png of a palette": saved(PICTURE.convert("P"), "PNG", pnginfo=texts(), transparency=3),
    "deep png": saved(DEEP, "PNG", pnginfo=texts()),
    "animated png": saved(PICTURE, "PNG", pnginfo=texts(), **others()),
    "webp": saved(PICTURE, "WEBP", **SAYING),
    "webp with alpha": saved(PICTURE.convert("RGBA"), "WEBP", lossless=True, **SAYING),
    "animated webp": saved(PICTURE, "WEBP", **SAYING, **others()),
    "gif": saved(PICTURE.convert("P"), "GIF", comment=SECRET, transparency=5),
    "animated gif": saved(PICTURE, "GIF", comment=SECRET, **others()),
    "tiff": saved(PICTURE, "TIFF", tiffinfo=tags(), icc_profile=SECRET),
    "packed tiff": saved(PICTURE, "TIFF", tiffinfo=tags(), compression="tiff_lzw"),
    "tiff of inks": saved(PICTURE.convert("CMYK"), "TIFF", tiffinfo=tags()),
    "deep tiff": saved(DEEP, "TIFF", tiffinfo=tags()),
    "tiff of pages": saved(PICTURE, "TIFF", tiffinfo=tags(), **others()),
    "large tiff": saved(PICTURE, "TIFF", tiffinfo=tags(), big_tiff=True),
    "bmp": saved(PICTURE, "BMP"),
    "ppm": saved(PICTURE, "PPM").replace(b"P6\n", b"P6\n# SECRET\n"),
}


def decoded(data):
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return image.mode, np.asarray(ImageOps.exif_transpose(image))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.filterwarnings("ignore")
def test_metadata_goes_and_pixels_stay(name):
    data = FILES[name] + SECRET  # behind the image's end
    clean = strip(data)
    assert SECRET not in clean
    assert strip(clean) == clean
    (mode, seen), (was, wanted) = decoded(clean), decoded(data)
    assert mode == was
    assert np.array_equal(seen, wanted)
    with Image.open(io.BytesIO(clean)) as image:
        assert getattr(image, "n_frames", 1) == 1
        assert set(image.getexif()) <= {0x0112} or image.format == "TIFF"
    anew = encode_anew(data)
    assert SECRET not in anew
    assert np.array_equal(decoded(anew)[1], wanted)


def test_a_thumbnail_goes_and_a_plain_file_stays_as_it_is():
    plain = saved(PICTURE, "JPEG")
    assert strip(plain) == plain
    assert plain[:4] == b"\xff\xd8\xff\xe0"
    thumbnail = plain[:4] + b"\0\x13" + plain[6:18] + b"\1\1" + b"abc" + plain[20:]
    assert strip(thumbnail) == plain


def test_what_can_not_be_taken_apart_is_encoded_anew():
    torn = FILES["png"][:8] + b"\0\0\0\1" + FILES["png"][12:]
    with pytest.raises(ValueError, match="can't be decoded"):
        strip(torn)


@pytest.mark.filterwarnings("ignore")
def test_the_pack_of_a_bundle_says_nothing_but_pixels(exported):
    samples = [*list(FILES.values())[:8], *SAMPLES[:4]]
    bundle = exported(samples=samples, formats=["onnx"], golden=list(FILES.values()))
    assert SECRET not in b"".join(bundle.golden().raw)
    assert all(replay.passed is not False for replay in verify(bundle.path))


def test_cells_of_other_columns_are_left_out():
    table = TableInput("table", "row", (NumericColumn("numeric", "age", 40.0, 9.0, 20.0, 60.0),))
    assert json.loads(encode(table, b'{"name": "SECRET", "age": 31}')) == [31.0]
    sequence = SequenceInput("sequence", "steps", 3, ("x",), (0.0,), (1.0,))
    file = io.BytesIO()
    np.save(file, np.ones((3, 1), np.float32))
    assert SECRET not in encode(sequence, file.getvalue() + SECRET)


def test_without_a_pack(exported, tmp_path):
    bundle = exported(formats=["onnx"], golden="none", pictures={"worst.png": SECRET, "confusion.png": b"shares"})
    assert {GOLDEN, "worst.png"}.isdisjoint(bundle.manifest.files)
    assert "confusion.png" in bundle.manifest.files
    assert (bundle.manifest.golden.kind, bundle.golden(), len(bundle.inputs())) == ("none", None, 3)
    said = disclosure_of(bundle.manifest)
    assert said == (
        "The bundle has no golden pack, so there is nothing to replay, and no sample of the data is in the bundle."
    )
    assert said in bundle.bytes(CARD).decode()
    replays = list(verify(bundle.path))
    assert replays
    assert all(isinstance(replay, Replay) and replay.passed is None for replay in replays)
    assert any(replay.note == "there is no golden pack to compare with" for replay in replays)
    assert runtime.load(bundle.path).predict(SAMPLES[0]).label in SPEC.output.labels
    (bundle.path / GOLDEN).write_bytes(b"")
    with pytest.raises(runtime.IntegrityError, match="lists no such file"):
        bundle.check()


def test_made_up_samples(exported):
    bundle = exported(formats=["onnx"], golden="made-up")
    golden = bundle.golden()
    assert (bundle.manifest.golden.kind, bundle.manifest.golden.samples, golden.real) == ("made-up", 8, 8)
    own = {SPEC.input.read(sample).tobytes() for sample in SAMPLES}
    assert own.isdisjoint(pixels.tobytes() for pixels in golden.inputs)
    assert all(replay.passed is not False for replay in verify(bundle.path))
    assert "8 pictures that are made up" in disclosure_of(bundle.manifest)


def test_a_folder_of_samples(exported, tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "one.JFIF").write_bytes(FILES["jpeg"])
    (tmp_path / "in" / "deep" / "two").write_bytes(FILES["png"])
    (tmp_path / "in" / ".hidden.png").write_bytes(FILES["png"])
    (tmp_path / "in" / "notes.txt").write_text("no picture")
    bundle = exported(formats=["onnx"], golden=tmp_path / "in")
    assert (bundle.manifest.golden.kind, len(bundle.golden().raw)) == ("chosen", 2)
    assert "2 pictures that you chose for it are in golden.npz" in disclosure_of(bundle.manifest, yours=True)
    for wrong, why in (
        (tmp_path / "absent", "no such folder"),
        (tmp_path / "in" / "notes.txt", "holds no images"),
        ([], "no samples"),
    ):
        with pytest.raises(runtime.OptionError, match=why):
            exported(formats=["onnx"], golden=wrong, out=tmp_path / "other")


def test_whose_the_samples_are(complete):
    assert disclosure_of(complete.manifest, yours=True) == "8 of your own pictures are in golden.npz."
    assert "8 of its maker’s own pictures are in golden.npz." in complete.bytes(CARD).decode()


@pytest.mark.parametrize(
    "input_spec",
    [
        TableInput(
            "table",
            "row",
            (
                NumericColumn("numeric", "age", 40.0, 9.0, 20.0, 60.0),
                CategoricalColumn("categorical", "sex", ("f", "m")),
            ),
        ),
        SequenceInput("sequence", "steps", 5, ("x", "y"), (1.0, 2.0), (3.0, 4.0)),
        SequenceInput("sequence", "steps", 4, ("0", "1"), (0.0,) * 2, (1.0,) * 2, export.image_steps((4, 2), "L")),
    ],
    ids=["table", "sequence", "rows of images"],
)
def test_made_up_inputs_of_every_kind_can_be_read(input_spec):
    raw = made_up(input_spec)
    assert len(set(raw)) == len(raw) == 8
    for each in raw:
        assert input_spec.read(encode(input_spec, each)).shape[-1] == input_spec.shape[-1]


def test_metadata_that_decides_what_is_seen_is_a_refusal(monkeypatch):
    monkeypatch.setattr("export.golden.strip", lambda data: saved(PICTURE.rotate(90), "PNG"))
    monkeypatch.setattr("export.golden.encode_anew", lambda data: saved(PICTURE.rotate(90), "PNG"))
    with pytest.raises(runtime.ExportError, match="can't be left out"):
        encode(SPEC.input, FILES["jpeg"])
