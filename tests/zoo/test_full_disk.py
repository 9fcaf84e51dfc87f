"""Commands on a disk that takes no more: one line, nothing half-written, what was there is kept.

No file may grow beyond a limit of the system, which fails where a full disk would (RLIMIT_FSIZE).
"""

from __future__ import annotations

import hashlib
import os
import resource
import subprocess
import sys

import numpy as np
import pytest

from runtime import OutputError
from runtime.scratch import array_on_disk
from zoo.terminal import LONGEST, complain

LIMIT = 1024
BYTECODE = {"PYTHONDONTWRITEBYTECODE": "1"}
"""Python 3.11 keeps bytecode that was written in part, and later processes fail on it."""


def run(*words, limit=LIMIT, **environment):
    """Run `zoo` where no file may be larger than `limit` bytes."""
    return subprocess.run(
        [sys.executable, "-m", "zoo", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | BYTECODE | {key: str(value) for key, value in environment.items()},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )


def content(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


COMMANDS = {
    "card": lambda bundle, out: ("card", bundle, "--no-speed", "--trusted"),
    "import": lambda bundle, out: ("import", bundle / "model.onnx", "--out", out, "--trusted"),
    "training": lambda bundle, out: ("train", "mlp", "--epochs", 1, "--out", out),
}


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_disk_is_one_line_and_nothing_is_lost(command, bundle_copy, tmp_path):
    before = content(tmp_path)
    result = run(*COMMANDS[command](bundle_copy, tmp_path / "out"))
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    last = result.stderr.splitlines()[-1]
    assert last.startswith("zoo: ")
    assert "can't be written" in last or "no room" in last
    assert content(tmp_path) == before


def test_without_room_for_the_cache_onnxruntime_runs_all_the_same(bundle_copy, tmp_path):
    picture = tmp_path / "x.ppm"
    picture.write_bytes(b"P6 10 12 255\n" + bytes(360))
    (tmp_path / "cache").mkdir()
    words = ("predict", bundle_copy, picture, "--engine", "onnxruntime", "--trusted")
    result = run(*words, limit=0, EDGEZOO_CACHE=tmp_path / "cache")
    assert (result.returncode, "onnxruntime" in result.stderr) == (0, True), result.stderr
    assert not any(path.is_file() for path in (tmp_path / "cache").rglob("*"))


def test_an_array_has_its_room_before_it_is_written():
    array = array_on_disk((3, 5), np.float32)
    array[:] = 7
    assert array.sum() == 105
    assert array_on_disk((0, 5), np.uint8).shape == (0, 5)
    with pytest.raises(OutputError, match="no room for"):
        array_on_disk((2**50, 5), np.uint8)


def test_a_complaint_has_an_end(capsys):
    complain("a" * 10**6 + " name another")
    line = capsys.readouterr().err
    assert len(line) <= 500
    assert line.endswith("a name another\n")
    complain("b" * LONGEST)
    assert capsys.readouterr().err == f"zoo: {'b' * LONGEST}\n"


def test_a_name_that_no_disk_takes_is_one_line(cli, tmp_path):
    result = cli("info", tmp_path / ("a" * 3_000))
    assert result.status == 2
    assert len(result.err.splitlines()) == 1
