"""Mutated files of each kind, by the fixed seed of CI; `python -m tests.fuzz` takes any other.

250 of each; `make nightly` tries 5,000.
"""

from __future__ import annotations

import sys

import pytest

from tests.fuzz.__main__ import run
from tests.fuzz.cases import FIXTURES, KINDS
from tests.nightly import NIGHTLY


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks processes that hold native libraries")
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_escapes_and_nothing_dies(kind):
    count = 5000 if NIGHTLY else 250
    report = run(kind, count, 0, sorted(FIXTURES.glob("format-*")), workers=2 if NIGHTLY else 1)
    assert report.failures == {}
    assert sum(report.counts.values()) == count
    assert report.slowest < 10, "seconds of computing; what computes for longer is stopped in its child"
    assert report.counts["answered"] > count // 20, "mutations that only ever break the first check find nothing"
