"""Chromium for benchmarks, with the arguments that tests start it with."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@contextmanager
def started(*arguments: str) -> Iterator[Browser]:
    """Start Chromium with `arguments` besides; it is closed at the end."""
    from playwright.sync_api import sync_playwright

    from tests.mobile_demo.conftest import ARGUMENTS, PROGRAMS

    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        raise SystemExit(f"these benchmarks need Chromium; none of these programs is here: {', '.join(PROGRAMS)}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*ARGUMENTS, *arguments])
        yield browser
        browser.close()
