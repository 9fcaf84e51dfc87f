"""Pipes and devices under the names of files are refused at once, by everything that reads what users give."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest

from runtime import DataError, InputError, OptionError
from runtime.csv_file import CSVCells, read_csv
from runtime.images.decoding import open_stream
from runtime.inputs import SequenceInput
from runtime.inputs.image import encode_image
from runtime.regular_files import open_regular, read_regular
from zoo.data import hash_item
from zoo.data._tables import read_table
from zoo.options import read_toml

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without pipes that have names")

SEQUENCE = SequenceInput("sequence", "sequence", 4, ("a",), (0.0,), (1.0,))


def clip(path):
    pytest.importorskip("av")
    from zoo.predicting.clips import frames

    return list(frames(str(path)))


def idx(path):
    from zoo.data._idx import read_splits

    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte"):
        (path.parent / name).symlink_to(path)
    return read_splits(path.parent, 0)


READERS = {
    "an image": (open_stream, ".png", InputError),
    "a sample": (encode_image, ".png", InputError),
    "a table": (read_csv, ".csv", InputError),
    "a table of training": (read_table, ".csv", DataError),
    "a sequence": (SEQUENCE.read, ".npy", InputError),
    "a sequence as a table": (SEQUENCE.read, ".csv", InputError),
    "a clip": (clip, ".avi", InputError),
    "settings": (read_toml, ".toml", OptionError),
    "IDX files": (idx, ".idx", DataError),
}


@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "device"])
@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_file_is_refused(reader, kind, tmp_path):
    read, suffix, error = READERS[reader]
    path = tmp_path / f"x{suffix}"
    if kind == "device":
        path.symlink_to("/dev/zero")
    else:
        pipe = tmp_path / "pipe" if kind.startswith("link") else path
        os.mkfifo(pipe)
        if pipe != path:
            path.symlink_to(pipe)
    with pytest.raises(error, match=r"regular file|no train-images"):
        read(path)


def test_what_is_no_file_has_the_hash_of_nothing(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").touch()
    assert hash_item(tmp_path / "pipe") == hash_item(tmp_path / "empty")


def test_a_link_is_followed_unless_it_may_not_be(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link", 3) == b"abc"
    with pytest.raises(OSError, match="larger than expected: over 2 bytes"):
        read_regular(tmp_path / "file", 2)
    with pytest.raises(OSError):
        open_regular(tmp_path / "link", follow_links=False)
    with pytest.raises(IsADirectoryError):
        open_regular(tmp_path)


def test_rows_of_a_table_take_little_memory():
    """Each cell as a text of its own would take some sixty bytes."""
    rows = CSVCells()
    for i in range(1_000):
        rows.append([f"{i}.{j}" for j in range(20)])
    assert rows[7] == [f"7.{j}" for j in range(20)]
    assert rows[-2:] == [[f"{i}.{j}" for j in range(20)] for i in (998, 999)]
    assert sum(map(sys.getsizeof, rows._rows)) < 1_000 * 20 * 10


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n1,\0\n", "characters of code 0"),
        (b"a,b\n1,\xff\n", "UTF-8"),
        (b"a,b\n" + b"1" * (17 * 2**20), "a line is too large"),
    ],
)
def test_what_is_no_table_is_refused(content, message, tmp_path):
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_csv(tmp_path / "x.csv")


def test_arrays_from_files_are_read(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(4.0))
    assert SEQUENCE.read(tmp_path / "x.npy").shape == (4, 1)
