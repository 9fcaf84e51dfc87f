"""What killed processes of ours left behind goes at the next write; nothing else does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from runtime import stale_files
from runtime.atomic import staged_folder, write_file
from runtime.scratch import scratch_folder
from runtime.stale_files import MARK, OLD


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """A process that has looked nowhere yet."""
    monkeypatch.setattr(stale_files, "_swept", set())


def age(path, seconds=OLD + 60):
    for each in (*path.rglob("*"), path):
        os.utime(each, (time.time() - seconds,) * 2, follow_symlinks=False)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


KILLED = """
import os, signal, sys
from pathlib import Path
from runtime.atomic import staged_file, staged_folder
from runtime.scratch import scratch_folder

with staged_file(Path("table.csv")) as file, staged_folder(Path("bundle")) as folder, scratch_folder() as scratch:
    for path in (file, folder / "model.onnx", scratch / "model.tflite"):
        path.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_killed_process_is_cleaned_up_after(tmp_path, monkeypatch):
    here, temporary = tmp_path / "here", tmp_path / "temporary"
    here.mkdir()
    temporary.mkdir()
    killed = subprocess.run(
        [sys.executable, "-c", KILLED], cwd=here, env={**os.environ, "TMPDIR": str(temporary)}, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    left = [*here.iterdir(), *temporary.iterdir()]
    assert len(left) == 3
    assert all(MARK in path.name for path in left)
    monkeypatch.setattr("tempfile.tempdir", str(temporary))

    write_file(here / "other", b"")
    with scratch_folder():
        pass
    assert sorted([*here.iterdir(), *temporary.iterdir()]) == sorted([*left, here / "other"]), "it may run still"

    for path in left:
        age(path)
    stale_files._swept.clear()
    with staged_folder(here / "another"), scratch_folder():
        pass
    assert names(here) == ["another", "other"]
    assert names(temporary) == []


def test_a_folder_in_which_something_changes_stays(tmp_path):
    folder = tmp_path / f".bundle.{MARK}abcdefgh"
    (folder / "run" / "checkpoints").mkdir(parents=True)
    (folder / "run" / "checkpoints" / "last").touch()
    age(folder)
    (folder / "run" / "checkpoints" / "last").touch()
    write_file(tmp_path / "file", b"")
    assert folder.exists()


@pytest.mark.parametrize(
    "name",
    ["edgezoo-projects", f"{MARK}holiday", f"{MARK}abcdefghi", f"{MARK}ABCDEFGH", f"x.{MARK}abcdefgh", ".a.abcdefgh"],
)
def test_folders_of_others_stay(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "thesis.txt").touch()
    age(tmp_path / name)
    write_file(tmp_path / "file", b"")
    assert names(tmp_path) == sorted([name, "file"])


def test_links_are_not_followed(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").touch()
    link, inner = tmp_path / f".a.{MARK}abcdefgh", tmp_path / f".b.{MARK}abcdefgh"
    link.symlink_to(tmp_path / "precious")
    inner.mkdir()
    (inner / "link").symlink_to(tmp_path / "precious")
    age(inner)
    os.utime(link, (0, 0), follow_symlinks=False)
    age(tmp_path / "precious")
    write_file(tmp_path / "file", b"")
    assert names(tmp_path) == sorted([link.name, "precious", "file"])
    assert names(tmp_path / "precious") == ["thesis.txt"]


def test_a_folder_is_looked_through_once(tmp_path):
    write_file(tmp_path / "file", b"")
    old = tmp_path / f"{MARK}abcdefgh"
    old.touch()
    age(old)
    write_file(tmp_path / "file", b"")
    assert old.exists()
