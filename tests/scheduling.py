"""Distribution of the tests to processes: those that share a module's fixtures, or a bundle, run in one."""

from __future__ import annotations

import re

from xdist.scheduler import LoadScopeScheduling

SPLIT = ("tests/parity/test_every_recipe.py", "tests/mobile_demo/test_golden.py")
"""Files whose tests share a bundle for each case of `tests.quick`, and nothing else."""
CASE = re.compile(r"\[(.+?)(?:-(?:onnx|tflite))?\]$")
"""The case in a test's name, without the format that may follow it."""


class SharedFixtures(LoadScopeScheduling):  # type: ignore[misc]  # it is not typed
    """Schedules one file after the other, and of the files above one case."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        case = CASE.search(nodeid) if file in SPLIT else None
        return f"{file} {case[1]}" if case else file
