"""A few rounds of what must hold under load; `tests.stress` runs more."""

from __future__ import annotations

import os

import pytest

from tests.engines import FLOAT_ENGINES
from tests.stress import can_batch, kill, share, swap


@pytest.mark.parametrize("engine", FLOAT_ENGINES)
@pytest.mark.parametrize("batching", [False, True])
def test_thirty_two_threads(tiny_bundle, engine, batching):
    if batching and not can_batch(tiny_bundle, engine):
        return
    assert share(tiny_bundle, engine, batching, 32, 25) == {"right": 800}


def test_loads_of_a_bundle_that_is_replaced(tiny_bundle, tmp_path):
    counts = swap(tiny_bundle, tmp_path, 60)
    assert counts["version a"] + counts["version b"] + counts["IntegrityError"] + counts["ManifestError"] == 60
    assert counts["version a"] + counts["version b"] > 20


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_kills_of_a_process_that_replaces_a_bundle(tiny_bundle, tmp_path):
    counts = kill(tiny_bundle, tmp_path, 5)
    assert counts["whole"] == 5
    assert counts["other leftovers"] == 0
