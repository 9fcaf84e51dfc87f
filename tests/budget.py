"""Budgets of processor time: a test file that takes more than its own fails the run, so that the suite stays short."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.nightly import NIGHTLY
from tests.processor import BROWSERS, SHARED, Measured, spent

DEFAULT = 100.0
"""Seconds of processor time that a file may take."""
BUDGETS = {
    "tests/export/test_decompositions.py": 160.0,
    "tests/export/test_streaming.py": 130.0,
    "tests/fuzz/test_fuzz.py": 130.0,
    "tests/install/test_clean_environments.py": 130.0,
    "tests/install/test_cluster.py": 170.0,
    "tests/zoo/test_import.py": 170.0,
}
"""Files that may take more, in seconds; the figures are four times what was measured, for slower machines."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    with Measured(item.nodeid.partition("::")[0]):
        return (yield)


def pytest_sessionfinish(session: pytest.Session) -> None:
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["processor"] = dict(spent)
    elif excess():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_testnodedown(node: Any) -> None:
    """Add what a test process of xdist has spent."""
    spent.update(getattr(node, "workeroutput", {}).get("processor", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.section("processor time by file")
    for name, seconds in spent.most_common(20):
        terminalreporter.line(f"{seconds:7.1f} s  {name}")
    terminalreporter.line(f"{spent.total():7.1f} s  in all")
    for name, seconds in excess().items():
        terminalreporter.line(f"{name} took {seconds:.0f} s of processor time; its budget is {budget(name):.0f} s")


def budget(name: str) -> float:
    """Return how many seconds of processor time a file may take."""
    return BUDGETS.get(name, DEFAULT)


def excess() -> dict[str, float]:
    """Return the files over their budget with their seconds; `make nightly` has none."""
    if NIGHTLY:
        return {}
    return {
        name: seconds for name, seconds in spent.items() if name not in (SHARED, BROWSERS) and seconds > budget(name)
    }
