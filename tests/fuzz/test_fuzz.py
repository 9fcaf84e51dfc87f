"""Mutated files of each kind, by the fixed seed of CI; `python -m tests.fuzz` takes any other.

5,000 golden packs, run folders and checkpoints, and 1,000 of each other kind, of which `make nightly` tries 5,000 too.
"""

from __future__ import annotations

import sys

import pytest

from tests.fuzz.__main__ import run
from tests.fuzz.cases import FIXTURES, KINDS
from tests.nightly import NIGHTLY

OTHERS = ("images", "manifests", "onnx", "tflite")


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks processes that hold native libraries")
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_escapes_and_nothing_dies(kind):
    count = 1000 if kind in OTHERS and not NIGHTLY else 5000
    report = run(kind, count, 0, sorted(FIXTURES.glob("format-*")))
    assert report.failures == {}
    assert sum(report.counts.values()) == count
    assert report.slowest < 10, "seconds of computing; what computes for longer is stopped in its child"
    assert report.counts["answered"] > count // 20, "mutations that only ever break the first check find nothing"
