"""The cache folder: where it is, and whom it believes."""

from __future__ import annotations

import os
import stat
import sys

import pytest

from runtime.atomic import write_file
from runtime.cache import cache_folder
from runtime.errors import OutputError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="owners and modes of POSIX")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("EDGEZOO_CACHE")
    return tmp_path


@pytest.mark.skipif(sys.platform == "darwin", reason="Linux and its kin")
def test_where_it_is(home, monkeypatch):
    assert cache_folder() == home / ".cache" / "edgezoo"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder() == home / ".cache" / "edgezoo"
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "xdg"))
    assert cache_folder() == home / "xdg" / "edgezoo"
    monkeypatch.setenv("EDGEZOO_CACHE", "relative")
    assert cache_folder() == home / "xdg" / "edgezoo"
    monkeypatch.setenv("EDGEZOO_CACHE", str(home / "own"))
    assert cache_folder() == home / "own"
    assert stat.S_IMODE((home / "own").stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o720, 0o1777])
def test_a_folder_that_others_may_write_is_none(home, monkeypatch, mode):
    monkeypatch.setenv("EDGEZOO_CACHE", str(home / "open"))
    (home / "open").mkdir()
    (home / "open").chmod(mode)
    assert cache_folder() is None


def test_a_folder_of_somebody_else_is_none(home, monkeypatch):
    monkeypatch.setenv("EDGEZOO_CACHE", str(home))
    monkeypatch.setattr(os, "geteuid", lambda: home.stat().st_uid + 1)
    assert cache_folder() is None


def test_there_may_be_none(home, monkeypatch):
    (home / "file").touch()
    monkeypatch.setenv("EDGEZOO_CACHE", str(home / "file" / "below"))
    assert cache_folder() is None
    monkeypatch.setenv("EDGEZOO_CACHE", "/proc/edgezoo")
    assert cache_folder() is None


def test_a_file_is_written_whole_and_for_this_user_alone(tmp_path):
    path = tmp_path / "deep" / "file"
    for data in (b"old", b"new"):
        write_file(path, data, private=True)
        assert path.read_bytes() == data
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [*path.parent.iterdir()] == [path]


def test_what_could_not_be_written_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="no space left"):
        write_file(tmp_path / "file", b"data", private=True)
    assert [*tmp_path.iterdir()] == []
