"""A bundle is read whole and unchanged, or refused in one line that names the file or field."""

from __future__ import annotations

import json
import os
import tracemalloc
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

import runtime
from runtime import Bundle, BundleError, IntegrityError, ManifestError
from runtime.bundle import MANIFEST, MAX_MANIFEST, Manifest, parse_manifest, write_manifest
from runtime.errors import shown
from tests.runtime.edits import edit_manifest

FILES = ("model.onnx", "model.tflite", "golden.npz", "README.md")
ENTRY = {"sha256": "0" * 64, "size": 3}


def complaint(kind: type[BundleError], action: Callable[[], object]) -> str:
    with pytest.raises(kind) as caught:
        action()
    assert isinstance(caught.value, runtime.ZooError)
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    return text


def manifest_complaint(bundle: Path, change: Callable[[dict], object]) -> str:
    edit_manifest(bundle, change)
    text = complaint(ManifestError, lambda: Bundle.read(bundle))
    assert text.startswith(str(bundle / MANIFEST))
    return text


def test_a_bundle_is_read(tiny_bundle):
    bundle = Bundle.read(tiny_bundle)
    bundle.check()
    assert tuple(bundle.manifest.files) == FILES
    assert tuple(bundle.manifest.models) == ("model.onnx", "model.tflite")
    assert bundle.manifest.model.output.labels == ("cat", "dog", "fox")
    assert bundle.manifest.model.input.shape == (12, 10, 3)
    assert bundle.bytes("README.md").count(b"\n# tiny\n") == 1


def test_the_path_may_be_text_and_the_folder_a_link(tiny_bundle, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tiny_bundle)
    assert Bundle.read(str(link)).manifest == Bundle.read(tiny_bundle).manifest


def test_a_manifest_survives_writing(tiny_bundle):
    manifest = Bundle.read(tiny_bundle).manifest
    assert write_manifest(manifest) == (tiny_bundle / MANIFEST).read_bytes()
    assert parse_manifest(write_manifest(manifest), MANIFEST) == manifest


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_bit(bundle_copy, name):
    data = bytearray((bundle_copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (bundle_copy / name).write_bytes(data)
    bundle = Bundle.read(bundle_copy)
    assert f"{bundle_copy / name}: " in complaint(IntegrityError, bundle.check)
    assert f"{bundle_copy / name}: " in complaint(IntegrityError, lambda: bundle.bytes(name))


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: os.truncate(path, path.stat().st_size - 1),
        lambda path: os.truncate(path, 0),
        lambda path: os.truncate(path, path.stat().st_size + 1),
        lambda path: path.unlink(),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: (path.unlink(), path.symlink_to(path)),
        lambda path: (
            path.rename(path.parent.parent / "moved"),
            path.symlink_to(path.parent.parent / "moved"),
        ),
        lambda path: (path.unlink(), os.mkfifo(path)),
    ],
    ids=["cut", "empty", "longer", "missing", "a folder", "a loop", "a link", "a pipe"],
)
@pytest.mark.timeout(10)
@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_not_the_listed_one(bundle_copy, name, damage):
    damage(bundle_copy / name)
    bundle = Bundle.read(bundle_copy)
    assert str(bundle_copy / name) in complaint(IntegrityError, bundle.check)


@pytest.mark.parametrize("name", ["model.onnx", "model.tflite"])
def test_a_damaged_model_file_is_not_loaded(bundle_copy, name):
    os.truncate(bundle_copy / name, 100)
    engine = {"model.onnx": "onnxruntime", "model.tflite": "litert"}[name]
    assert name in complaint(IntegrityError, lambda: runtime.load(bundle_copy, engine=engine))


def free_descriptor() -> int:
    os.close(number := os.dup(0))
    return number


def test_a_refused_file_is_closed(bundle_copy):
    (bundle_copy / "README.md").unlink()
    (bundle_copy / "README.md").mkdir()
    bundle = Bundle.read(bundle_copy)
    free = free_descriptor()
    complaint(IntegrityError, bundle.check)
    assert free_descriptor() == free


@pytest.mark.parametrize("name", ["extra.bin", ".hidden", "sub"])
def test_a_file_that_is_not_listed(bundle_copy, name):
    (bundle_copy / name).mkdir() if name == "sub" else (bundle_copy / name).touch()
    bundle = Bundle.read(bundle_copy)
    expected = f"{bundle_copy / name}: the manifest lists no such file: remove it"
    assert complaint(IntegrityError, bundle.check) == expected
    assert repr(name) in complaint(BundleError, lambda: bundle.bytes(name))


@pytest.mark.parametrize(
    "name",
    [
        "../evil.onnx", "..", "/etc/passwd", "sub/model.onnx", "..\\evil.onnx", "C:\\evil.onnx", "C:evil",
        ".hidden", "", " ", "model.onnx\n", "zero\0byte", "naïve.onnx", "manifest.json", "a" * 300,
    ],
)  # fmt: skip
@pytest.mark.parametrize("part", ["files", "models"])
def test_a_name_that_could_leave_the_folder(bundle_copy, name, part):
    text = manifest_complaint(
        bundle_copy,
        lambda manifest: manifest[part].update({name: ENTRY if part == "files" else manifest[part]["model.onnx"]}),
    )
    assert f"{shown(name)} can't be a file of a bundle" in text


@pytest.mark.parametrize("name", [field.name for field in fields(Manifest) if field.default is MISSING])
def test_a_missing_field_is_named(bundle_copy, name):
    assert f"the field {name!r}" in manifest_complaint(bundle_copy, lambda manifest: manifest.pop(name))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda m: m.update(extra=1), "unknown field 'extra'"),
        (lambda m: m.update(modles={}), "unknown field 'modles' (did you mean 'models'?)"),
        (
            lambda m: m["model"]["output"].update(labels=["a", "a"]),
            ".model.output: labels must be two or more",
        ),
        (lambda m: m["model"]["output"].update(labels=["a"]), ".model.output: labels must be two or more"),
        (
            lambda m: m["model"]["output"].update(labels=["a", ""]),
            ".model.output: labels must be two or more",
        ),
        (lambda m: m["model"]["output"].update(labels=["a", "b\nc"]), ".model.output: labels must be"),
        (lambda m: m["model"]["output"].update(labels=["a", "\x1b[2J"]), ".model.output: labels must be"),
        (lambda m: m["model"]["output"].update(labels=["a", "\ud800"]), ".model.output: labels must be"),
        (lambda m: m["model"]["input"].update(shape=[12, 10]), ".model.input.shape: expected list of 3"),
        (lambda m: m["model"]["input"].update(shape=[10, 12, 3]), "the input takes [10, 12, 3]"),
        (lambda m: m["model"]["input"]["preprocess"][0].update(step="shrink"), "unknown step 'shrink'"),
        (lambda m: m["model"]["input"]["preprocess"][0].update(width=0), "[0]: width and height must be"),
        (lambda m: m["model"].update(name=""), ".model: a model's name is 1 to 200 printable characters"),
        (lambda m: m["model"].update(name="a\nb"), ".model: a model's name is 1 to 200 printable characters"),
        (lambda m: m["models"]["model.onnx"]["spec"].update(batch=0), "batch must be 1 to 65536, got 0"),
        (lambda m: m["models"]["model.onnx"]["spec"].update(batch=2**31), "batch must be 1 to 65536, got 2147483648"),
        (lambda m: m["models"]["model.onnx"]["spec"].update(drift="a\nb"), "drift must be one line of printable text"),
        (lambda m: m["models"]["model.onnx"]["spec"].update(input_dtype="int8"), "unknown value 'int8'"),
        (
            lambda m: m["models"]["model.onnx"].pop("parity"),
            ".models.model.onnx: the field 'parity' is missing",
        ),
        (lambda m: m["models"].clear(), "at least one model file"),
        (lambda m: m["files"].pop("model.onnx"), "'model.onnx' has no entry under 'files'"),
        (lambda m: m["files"].pop("golden.npz"), "'golden.npz' has no entry under 'files'"),
        (lambda m: m.update(golden={"kind": "none"}), "'golden.npz' is listed, but 'golden' says that there is none"),
        (lambda m: m.update(golden={"kind": "mine"}), ".golden.kind: unknown value 'mine'"),
        (lambda m: m["files"]["README.md"].update(sha256="0" * 63), "sha256 must be 64 hexadecimal digits"),
        (lambda m: m["files"]["README.md"].update(sha256="G" * 64), "sha256 must be 64 hexadecimal digits"),
        (lambda m: m["files"]["README.md"].update(sha256="0" * 64 + "\n"), "sha256 must be 64 hexadecimal"),
        (lambda m: m["files"]["README.md"].update(sha256=None), ".sha256: expected text, got None"),
        (lambda m: m["files"]["README.md"].update(size=-1), "size must be 0 to"),
        (lambda m: m["files"]["README.md"].update(size=2**40), "size must be 0 to"),
        (lambda m: m["files"].update({"two\nlines": 3}), "expected table, got 3"),
    ],
)
def test_a_wrong_field_is_named(bundle_copy, change, expected):
    assert expected in manifest_complaint(bundle_copy, change)


@pytest.mark.parametrize("version", [0, -1, "1", 1.0, True, None])
def test_a_version_that_is_none(bundle_copy, version):
    expected = f"the field 'format' must be a version number, got {version!r}"
    assert expected in manifest_complaint(bundle_copy, lambda manifest: manifest.update(format=version))


def test_a_newer_version_is_told_before_its_unknown_fields(bundle_copy):
    text = manifest_complaint(bundle_copy, lambda manifest: manifest.update(format=4, invention=1))
    assert text.endswith("format 4 is newer than this edgezoo reads (3): pip install -U edgezoo")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"format": 1, "format": 1}', "a key appears twice"),
        ('{"format": 2, "model": {"name": "a", "name": "b"}}', "a key appears twice"),
        ("", "not valid JSON"),
        ("[1]", "the field 'format'"),
        ("[" * 10_000, "not valid JSON"),
    ],
    ids=["duplicate", "duplicate below", "empty", "a list", "deep"],
)
def test_a_manifest_that_is_no_manifest(bundle_copy, text, expected):
    (bundle_copy / MANIFEST).write_text(text)
    assert expected in complaint(ManifestError, lambda: Bundle.read(bundle_copy))


@pytest.mark.parametrize("size", [MAX_MANIFEST + 1, 10**9])
def test_a_manifest_larger_than_any(bundle_copy, size):
    os.truncate(bundle_copy / MANIFEST, size)
    tracemalloc.start()
    text = complaint(BundleError, lambda: Bundle.read(bundle_copy))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert text.startswith(f"{bundle_copy / MANIFEST}: can't be read (larger than expected")
    assert peak < 2 * MAX_MANIFEST


@pytest.mark.parametrize("depth", [900, 10_000, 1_000_000])
def test_nesting_without_end(bundle_copy, depth):
    text = (bundle_copy / MANIFEST).read_text()
    nested = f"{'[' * depth}{']' * depth}"
    for field in ('"format": 2', '"name": "tiny"', '"task": "classification"', '"batch": null'):
        assert text.count(field) >= 1
        key = field.partition(":")[0]
        (bundle_copy / MANIFEST).write_text(text.replace(field, f"{key}: {nested}", 1))
        assert len(complaint(ManifestError, lambda: Bundle.read(bundle_copy))) < 1000


@pytest.mark.parametrize("name", FILES)
def test_hard_links_count_by_their_content(bundle_copy, tmp_path, name):
    """A package manager may install a bundle so; what a link leads to is read once, if it is the listed file."""
    (bundle_copy / name).rename(tmp_path / "elsewhere")
    (bundle_copy / name).hardlink_to(tmp_path / "elsewhere")
    bundle = Bundle.read(bundle_copy)
    bundle.check()
    (bundle_copy / name).unlink()
    (tmp_path / "secret").write_text("secret")
    (bundle_copy / name).hardlink_to(tmp_path / "secret")
    assert str(bundle_copy / name) in complaint(IntegrityError, bundle.check)


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    ("kind", "reason"),
    [("link", "can't be read"), ("pipe", "can't be read (is not a regular file)"), ("folder", "can't be read")],
)
def test_a_manifest_that_is_no_regular_file(bundle_copy, tmp_path, kind, reason):
    path = bundle_copy / MANIFEST
    path.rename(tmp_path / "moved.json")
    if kind == "link":
        path.symlink_to(tmp_path / "moved.json")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    assert complaint(IntegrityError, lambda: Bundle.read(bundle_copy)).startswith(f"{path}: {reason}")


@pytest.mark.parametrize("read", [Bundle.read, runtime.load])
def test_a_place_that_is_no_bundle(tmp_path, read):
    assert "has no manifest.json" in complaint(BundleError, lambda: read(tmp_path))
    assert "no such folder" in complaint(BundleError, lambda: read(tmp_path / "absent"))
    (tmp_path / "file.txt").touch()
    assert "file.txt: not a bundle" in complaint(BundleError, lambda: read(tmp_path / "file.txt"))


def test_the_manifest_is_plain_json(tiny_bundle):
    text = (tiny_bundle / MANIFEST).read_text()
    assert json.loads(text)["files"].keys() == set(FILES)
    assert text.endswith("}\n")
