"""Writes are whole or not at all: after an exception, or on a system without an atomic exchange."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from runtime import atomic
from runtime.atomic import staged_folder, write_file
from runtime.errors import OutputError


def tree(folder):
    return {str(path.relative_to(folder)): path.read_text() if path.is_file() else None for path in folder.rglob("*")}


@pytest.fixture
def old(tmp_path):
    """A folder and a file that are there."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old.txt").write_text("old")
    (tmp_path / "file").write_text("old")
    return tree(tmp_path)


NEW_FILE = {"folder": None, "folder/old.txt": "old", "file": "new"}
NEW_FOLDER = {"folder": None, "folder/new.txt": "new", "folder/sub": None, "folder/sub/deep.txt": "new", "file": "old"}


def replace_folder(path):
    with staged_folder(path) as stage:
        (stage / "new.txt").write_text("new")
        (stage / "sub").mkdir()
        (stage / "sub" / "deep.txt").write_text("new")


def test_a_file_is_replaced(old, tmp_path):
    write_file(tmp_path / "file", b"new")
    assert tree(tmp_path) == NEW_FILE


def test_a_folder_is_replaced_as_a_whole(old, tmp_path):
    replace_folder(tmp_path / "folder")
    assert tree(tmp_path) == NEW_FOLDER


@pytest.mark.parametrize("write", [lambda path: write_file(path, b"new"), replace_folder], ids=["file", "folder"])
def test_folders_on_the_way_are_made(tmp_path, write):
    write(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").exists()
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["c"]


def test_without_an_atomic_exchange_a_folder_is_replaced_too(old, tmp_path, monkeypatch):
    monkeypatch.setattr(atomic, "_exchange", lambda one, other: False)
    replace_folder(tmp_path / "folder")
    assert tree(tmp_path) == NEW_FOLDER


@pytest.mark.parametrize("step", [1, 2])
def test_without_an_atomic_exchange_a_failed_rename_is_undone(old, tmp_path, monkeypatch, step):
    """The first rename moves the old folder away, the second the new one in."""
    monkeypatch.setattr(atomic, "_exchange", lambda one, other: False)
    real, calls = Path.rename, 0

    def fails(self, target):
        nonlocal calls
        calls += 1
        if calls == step:
            raise OSError(errno.EBUSY, "busy")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(OutputError, match=r"folder: can't be written .*busy"):
        replace_folder(tmp_path / "folder")
    assert tree(tmp_path) == old


class Stop(BaseException):
    """Something that no code expects."""


@pytest.mark.parametrize("problem", [ValueError, KeyboardInterrupt, Stop])
def test_an_exception_while_a_folder_is_filled_leaves_the_old_one(old, tmp_path, problem):
    with pytest.raises(problem), staged_folder(tmp_path / "folder") as stage:
        (stage / "half.txt").write_text("half")
        raise problem
    assert tree(tmp_path) == old


@pytest.mark.parametrize("write", [lambda path: write_file(path / "file", b"new"),
                                   lambda path: replace_folder(path / "folder")], ids=["file", "folder"])  # fmt: skip
@pytest.mark.parametrize("problem", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()], ids=repr)
def test_a_full_disk_or_an_interruption_leaves_the_old_content(old, tmp_path, monkeypatch, write, problem):
    def fails(fd):
        raise problem

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OutputError if isinstance(problem, OSError) else KeyboardInterrupt) as caught:
        write(tmp_path)
    assert tree(tmp_path) == old
    if isinstance(problem, OSError):
        assert "can't be written ([Errno 28] No space left on device)" in str(caught.value)


@pytest.mark.parametrize("write", [lambda path: write_file(path, b"new"), replace_folder], ids=["file", "folder"])
def test_a_place_below_a_file_is_one_line(old, tmp_path, write):
    with pytest.raises(OutputError, match="file/below: can't be written"):
        write(tmp_path / "file" / "below")
    assert tree(tmp_path) == old


def test_a_file_does_not_replace_a_folder(old, tmp_path):
    with pytest.raises(OutputError, match="folder: is a folder"):
        write_file(tmp_path / "folder", b"new")
    assert tree(tmp_path) == old


def test_others_may_read_what_the_umask_lets_them(tmp_path):
    mask = os.umask(0o027)
    try:
        write_file(tmp_path / "file", b"new")
        replace_folder(tmp_path / "folder")
    finally:
        os.umask(mask)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "folder" / "new.txt").stat().st_mode & 0o777 == 0o640
