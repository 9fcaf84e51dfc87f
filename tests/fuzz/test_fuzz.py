"""5,000 mutated files of each kind, by the fixed seed of CI; `python -m tests.fuzz` takes any other."""

from __future__ import annotations

import sys

import pytest

from tests.fuzz.__main__ import run
from tests.fuzz.cases import FIXTURES, KINDS

COUNT = 5000


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks processes that hold native libraries")
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_escapes_and_nothing_dies(kind):
    report = run(kind, COUNT, 0, sorted(FIXTURES.glob("format-*")))
    assert report.failures == {}
    assert sum(report.counts.values()) == COUNT
    assert report.slowest < 10, "seconds of computing; what computes for longer is stopped in its child"
    assert report.counts["answered"] > COUNT // 20, "mutations that only ever break the first check find nothing"
