"""How much is tried: `make nightly` tries all of it, `make test` what its minutes allow."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

import pytest

NIGHTLY = os.environ.get("EDGEZOO_NIGHTLY") == "1"


def nightly_but(chosen: Callable[[Any], bool], cases: Iterable[Any]) -> list[Any]:
    """Return the parameters of a test, of which `make test` tries those that are chosen.

    Args:
        chosen: Whether one is tried in every run.
        cases: Each the value of one argument, or a tuple of the values of several.
    """
    return [
        pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=() if chosen(case) else pytest.mark.nightly)
        for case in cases
    ]
