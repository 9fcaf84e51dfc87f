"""Optimised graphs in the cache: the same answers, and no harm from a folder that is damaged, foreign or shared."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import runtime
from runtime.engines._onnx_cache import prune


@pytest.fixture
def cache_folder(tmp_path, monkeypatch):
    """An empty cache folder."""
    monkeypatch.setenv("EDGEZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "onnx"


def answer(bundle, photo):
    return runtime.load(bundle, engine="onnxruntime").predict(photo).scores


def test_a_second_start_takes_the_kept_graph_and_answers_the_same(tiny_bundle, photo, cache_folder):
    first = answer(tiny_bundle, photo)
    (kept,) = cache_folder.iterdir()
    assert runtime.Bundle.read(tiny_bundle).manifest.files["model.onnx"].sha256 in kept.name
    written = kept.stat().st_mtime_ns
    assert np.array_equal(answer(tiny_bundle, photo), first)
    assert np.array_equal(answer(tiny_bundle / "model.onnx", photo), first)
    assert [path.stat().st_mtime_ns for path in cache_folder.iterdir()] == [written]


def test_the_kept_graph_is_what_runs(tiny_bundle, photo, cache_folder):
    first = answer(tiny_bundle, photo)
    (kept,) = cache_folder.iterdir()
    other = runtime.load(tiny_bundle, engine="onnxruntime")
    assert other.opening is not None
    data = bytearray(kept.read_bytes())
    data[len(data) // 2] ^= 1  # a bit that a disk lost: the checksum tells, and the file itself is opened
    kept.write_bytes(data)
    assert np.array_equal(answer(tiny_bundle, photo), first)
    assert bytes(data) != kept.read_bytes(), "it is written anew"


@pytest.mark.parametrize("junk", [b"", b"abc", b"\0" * 100])
def test_junk_in_the_cache_is_passed_over(tiny_bundle, photo, cache_folder, junk):
    first = answer(tiny_bundle, photo)
    (kept,) = cache_folder.iterdir()
    kept.write_bytes(junk)
    assert np.array_equal(answer(tiny_bundle, photo), first)


def test_a_cache_that_cannot_be_written_is_no_trouble(tiny_bundle, photo, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EDGEZOO_CACHE", str(tmp_path / "file"))
    assert answer(tiny_bundle, photo).shape == (3,)


def test_nothing_is_kept_of_files_that_are_verified_or_run_elsewhere(tiny_bundle, cache_folder):
    from runtime.verify import verify

    assert all(each.passed for each in verify(tiny_bundle))
    assert not cache_folder.exists()


def test_processes_that_start_together_answer_the_same(tiny_bundle, photo, cache_folder):
    photo_file = cache_folder.parent.parent / "photo.npy"
    np.save(photo_file, photo)
    script = (
        "import runtime, sys, numpy as np\n"
        "scores = runtime.load(sys.argv[1], engine='onnxruntime', trusted=True).predict(np.load(sys.argv[2])).scores\n"
        "print(scores.tobytes().hex())"
    )
    command = [sys.executable, "-c", script, str(tiny_bundle), str(photo_file)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    answers = {process.communicate()[0] for process in running}
    assert all(process.returncode == 0 for process in running)
    assert len(answers) == 1
    assert [path.name.startswith(".") for path in cache_folder.iterdir()] == [False]


def test_the_oldest_go_first(tmp_path):
    for age, name in enumerate(("new", "middle", "old")):
        (tmp_path / name).write_bytes(bytes(100))
        os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
    prune(tmp_path, 250)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["middle", "new"]
