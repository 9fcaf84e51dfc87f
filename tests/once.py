"""Files and folders that the test processes share: bundles take from ten seconds to minutes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.processor import SHARED, Measured


@dataclass(frozen=True)
class Once:
    """Shared files and folders.

    Args:
        base: A folder that all test processes have.
        drafts: Gives folders that only this process has.
    """

    base: Path
    drafts: pytest.TempPathFactory

    def __call__(self, name: str, make: Callable[[Path], object]) -> Path:
        """Return the path of the file or folder `name`; the first process that asks for it makes it.

        Args:
            name: Its path inside the base; no test may change it.
            make: Writes it to the path that it is called with, whose last part is that of `name`.
        """
        from filelock import FileLock

        path = self.base / "once" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not path.exists():
                draft = self.drafts.mktemp("draft") / path.name
                with Measured(SHARED):
                    make(draft)
                draft.rename(path)
        return path
