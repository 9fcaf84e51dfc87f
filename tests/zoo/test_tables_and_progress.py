"""Output on terminals of any width: no word and no number is broken, and what takes long moves."""

from __future__ import annotations

import io
import os
import pty
import select
import subprocess
import sys
import time

import pytest
from rich.console import Console

from runtime.humanize import difference, figure, kilobytes, measured, milliseconds, number, percent
from zoo.terminal import tables

ROWS = [
    (
        "model.onnx",
        "classification",
        "330",
        "133",
        "a note about what happened to this file, with a long_identifier_in_it",
    ),
    ("model.int8-dynamic.tflite", "classification", "1,234,567", "26.4 dB", ""),
    ("모델.onnx", "regression", "3", "exact", "short"),
]
COLUMNS = ("file", "task", "largest kB", "SNR", "note")


@pytest.mark.parametrize("width", range(40, 160, 7))
def test_no_word_and_no_number_is_broken(monkeypatch, width):
    console = Console(width=width, file=io.StringIO(), highlight=False)
    monkeypatch.setattr(tables, "console", console)
    console.print(tables.table("Files of a bundle", *COLUMNS, rows=ROWS, right=(2, 3)))
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    text = " ".join(lines)
    for row in ROWS:
        for word in " ".join(row).split():
            assert word in text
        assert all(cell in text for cell in row[2:4])


def test_a_wide_terminal_has_a_table_and_a_narrow_one_has_lines(monkeypatch):
    for width, wanted in ((120, "26.4 dB"), (50, "SNR: 26.4 dB")):
        console = Console(width=width, file=io.StringIO(), highlight=False)
        monkeypatch.setattr(tables, "console", console)
        console.print(tables.table("Files", *COLUMNS, rows=ROWS, right=(2, 3)))
        assert wanted in console.file.getvalue()
        assert ("SNR: " in console.file.getvalue()) == (width == 50)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (576780.0, "576,780"), (26000.269, "26,000"), (1.0, "1"), (0.0, "0"), (-0.5, "-0.5"), (0.0001234, "0.0001234"),
        (52.404, "52.4"), (9999.6, "10,000"), (1e-9, "1.000e-09"), (float("nan"), "nan"), (float("inf"), "inf"),
        (123456789.0, "123,456,789"), (0.00001, "0.00001"),
    ],
)  # fmt: skip
def test_numbers_are_plain(value, text):
    assert number(value) == text


def test_figures_have_their_units():
    assert figure("accuracy", 1.0) == "100.00%"
    assert figure("rmse", 26000.269, "€") == "26,000 €"
    assert measured("validation accuracy", 1.0, "€") == "100.00%"
    assert measured("ImageNet accuracy, by the authors", 0.751) == "75.10%"
    assert measured("validation false alarms", 0.25) == "25.00%"
    assert measured("test rmse", 5.7678e5, "USD") == "576,780 USD"
    assert measured("test r2", 0.91234, "USD") == "0.9123"
    assert (percent(0.99999), percent(0.00001), percent(0.0)) == (">99.99%", "<0.01%", "0.00%")
    assert (difference(0.0), difference(4.84e-7)) == ("0", "4.8e-07")
    assert (kilobytes(5230), kilobytes(330_400), kilobytes(2_500_000)) == ("5.2", "330", "2,500")
    assert (milliseconds(0.0000123), milliseconds(12.3)) == ("0.0123", "12,300")


SLOW = """
import time
from runtime.native_output import suppress_output
from zoo.terminal.progress import progress
with progress() as step, suppress_output():
    step("convert", 0, 100)
    time.sleep({seconds})
    step("convert", 50, 100)
    time.sleep(0.3)
"""


def test_a_bar_moves_before_anything_is_done_even_while_others_are_kept_quiet():
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "80"}
    child = subprocess.Popen(
        [sys.executable, "-c", SLOW.format(seconds=1.2)], stdout=theirs, stderr=theirs, stdin=theirs, env=environment
    )
    os.close(theirs)
    frames, start = [], time.monotonic()
    while time.monotonic() - start < 60:
        if select.select([ours], [], [], 0.2)[0]:
            try:
                frames.append(os.read(ours, 65536).decode(errors="replace"))
            except OSError:  # the other side is gone
                break
        elif child.poll() is not None:
            break
    assert child.wait() == 0
    text = "".join(frames)
    assert len({frame for frame in frames if "convert" in frame}) > 4
    assert "50%" in text
    assert "-:--" not in text


def test_elsewhere_each_step_is_a_line():
    done = subprocess.run([sys.executable, "-c", SLOW.format(seconds=0)], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "convert …\n")
