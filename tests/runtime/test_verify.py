"""The golden pack replayed: what passes, what fails, and with which figures."""

from __future__ import annotations

import os
import sys
from dataclasses import replace

import numpy as np
import pytest

from runtime import BundleError
from runtime.bundle import GOLDEN
from runtime.bundle.golden import Golden
from runtime.compare import PIXEL_TOLERANCE
from runtime.verify import InputReplay, verify
from tests.engines import FLOAT_ENGINES
from tests.runtime.edits import edit_manifest, remove_model, replace_file


def read_golden(bundle):
    return Golden.decode((bundle / GOLDEN).read_bytes(), GOLDEN)


def replay(bundle):
    """Return the outcome of the pixels, and those of the files."""
    pixels, *files = verify(bundle, threads=1)
    assert isinstance(pixels, InputReplay)
    return pixels, files


def replay_changed(bundle, change):
    pack = read_golden(bundle)
    replace_file(bundle, GOLDEN, replace(pack, **change(pack)).encode())
    return replay(bundle)


def test_a_sound_bundle_passes_on_every_engine(tiny_bundle):
    pixels, files = replay(tiny_bundle)
    assert (pixels.passed, pixels.max_difference, pixels.note) == (True, 0, "")
    assert {file.engine.split()[0] for file in files} == {"onnxruntime", "ai_edge_litert", "openvino"}
    assert len(files) == len(FLOAT_ENGINES)
    for file in files:
        assert (file.passed, file.agreement, file.note) == (True, 1, "")
        assert file.max_difference <= 1e-5
        assert (file.samples, pixels.samples) == (11, 8)


def test_altered_logits_are_reported_with_the_difference(bundle_copy):
    def alter(pack):
        logits = pack.outputs.copy()
        logits[0, logits[0].argmax()] += 0.01 * np.abs(logits).max()
        return {"outputs": logits}

    pixels, files = replay_changed(bundle_copy, alter)
    assert pixels.passed
    for file in files:
        assert file.passed is False
        assert file.max_difference == pytest.approx(0.01, rel=0.02)
        assert file.agreement == 1
        assert file.note.startswith(f"difference {file.max_difference:.2g} is over the tolerance 1e-05")


def test_other_decisions_are_reported(bundle_copy):
    pixels, files = replay_changed(bundle_copy, lambda pack: {"outputs": -pack.outputs})
    assert pixels.passed
    for file in files:
        assert file.passed is False
        assert file.agreement == 0
        assert file.note.endswith("only 0.0% of decisions agree")


def test_a_bundle_never_gets_more_than_the_verifier_allows(bundle_copy):
    def loosen(manifest):
        for model in manifest["models"].values():
            model["parity"]["tolerance"] = 1e300

    edit_manifest(bundle_copy, loosen)
    loose = {"tolerance": 1e300, "input_tolerance": 1e300}
    pixels, files = replay_changed(bundle_copy, lambda pack: {"outputs": -pack.outputs, **loose})
    assert (pixels.passed, pixels.tolerance) == (True, PIXEL_TOLERANCE)
    assert {(file.passed, file.agreement) for file in files} == {(False, 0)}
    pixels, _ = replay_changed(bundle_copy, lambda pack: {"inputs": 255 - pack.inputs, **loose})
    assert not pixels.passed


def test_labels_in_another_order_than_in_the_files_are_refused(bundle_copy):
    edit_manifest(bundle_copy, lambda manifest: manifest["model"]["output"]["labels"].reverse())
    with pytest.raises(BundleError, match=r"model\.onnx carries other labels"):
        list(verify(bundle_copy))


def test_logits_of_nan_never_pass(bundle_copy):
    _, files = replay_changed(bundle_copy, lambda pack: {"outputs": np.full_like(pack.outputs, np.nan)})
    assert {file.passed for file in files} == {False}


def test_a_made_up_samples_nan_never_passes(bundle_copy):
    def alter(pack):
        logits = pack.outputs.copy()
        logits[-1, 0] = np.nan
        return {"outputs": logits}

    _, files = replay_changed(bundle_copy, alter)
    assert {file.passed for file in files} == {False}


@pytest.mark.parametrize(("levels", "passed"), [(3, True), (4, False)])
def test_pixels_that_differ_are_reported(bundle_copy, levels, passed):
    def alter(pack):
        changed = pack.inputs.copy()
        changed[0, 5, 5, 0] += levels if changed[0, 5, 5, 0] < 128 else -levels
        return {"inputs": changed}

    pixels, _ = replay_changed(bundle_copy, alter)
    assert (pixels.passed, pixels.max_difference, pixels.tolerance) == (passed, levels, 3)
    assert pixels.note == ("" if passed else "this machine reads the golden files differently")


def test_a_raw_image_that_cannot_be_read_is_reported(bundle_copy):
    pixels, files = replay_changed(bundle_copy, lambda pack: {"raw": (b"junk", *pack.raw[1:])})
    assert pixels.passed is False
    assert pixels.note.startswith("4 bytes: not an image")
    assert {file.passed for file in files} == {True}


def test_an_engine_that_is_not_installed_is_neither_passed_nor_failed(bundle_copy, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    _, (absent, other, present) = replay(bundle_copy)
    assert (absent.file, absent.engine, absent.passed, absent.samples) == (
        "model.onnx",
        "onnxruntime",
        None,
        0,
    )
    assert "pip install 'edgezoo[onnx]'" in absent.note
    assert other.passed is True
    assert present.passed is True


def test_only_the_files_of_the_bundle_are_replayed(bundle_copy):
    remove_model(bundle_copy, "model.onnx")
    _, files = replay(bundle_copy)
    assert [file.file for file in files] == ["model.tflite"]


def test_a_file_that_its_engine_refuses_is_reported(bundle_copy):
    replace_file(bundle_copy, "model.onnx", b"junk")
    _, (*broken, sound) = replay(bundle_copy)
    assert {file.passed for file in broken} == {False}
    assert all("can't open the model" in file.note for file in broken)
    assert sound.passed is True


def test_a_damaged_bundle_is_not_replayed(bundle_copy):
    os.truncate(bundle_copy / "README.md", 3)
    with pytest.raises(BundleError, match=r"README\.md"):
        next(verify(bundle_copy))
