"""The tiny bundle opened on each engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import runtime
from tests.engines import FLOAT_ENGINES


@pytest.fixture(scope="session", params=FLOAT_ENGINES)
def model(request: pytest.FixtureRequest, tiny_bundle: Path) -> runtime.Model:
    return runtime.load(tiny_bundle, engine=request.param, threads=1)


@pytest.fixture(scope="session")
def images() -> list[NDArray[np.uint8]]:
    """Seventy arrays of many sizes: two batches and a rest."""
    random = np.random.default_rng(2)
    return [random.integers(0, 256, (8 + i % 9, 8 + i % 7, 3), np.uint8) for i in range(70)]
