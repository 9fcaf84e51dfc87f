"""The code blocks of the documentation's pages, and a reader who runs them from the top as they are printed."""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
README = "README.md"
GUIDES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs" / "guides").glob("*.md"))
PAGES = [README, *GUIDES]

NOT_RUN = re.compile(r"<!-- not run: (.+) -->")
WITH_EXTRA = re.compile(r"<!-- needs the extra (\w+) -->")
CONTINUES = re.compile(r"^This page continues \[[^\]]+\]\(([\w-]+\.md)\)", re.MULTILINE)
LONGEST = 1200
"""Seconds that the commands of one block may take."""


@dataclass(frozen=True)
class Block:
    """A fenced code block.

    Args:
        page: The page's path in the checkout.
        line: The line of its first line of code, from 1.
        language: ``sh``, ``console`` or ``python``; other blocks are no code to run, and have any other or none.
        code: Its lines.
        reason: Why it is not run, as the comment before it says; None if it is run.
        extra: The extra whose environment runs it, as the comment before it says; None for the tests' own.
    """

    page: str
    line: int
    language: str
    code: str
    reason: str | None = None
    extra: str | None = None

    @property
    def script(self) -> str:
        """The commands of a ``sh`` or ``console`` block."""
        if self.language == "sh":
            return self.code
        lines = self.code.splitlines()
        return "\n".join(line.removeprefix("$ ") for line in lines if line.startswith("$ "))


def blocks(page: str) -> list[Block]:
    """Return the blocks of a page in order."""
    lines = (ROOT / page).read_text("utf-8").splitlines()
    code_blocks: list[Block] = []
    at = 0
    while at < len(lines):
        fence = re.fullmatch(r"```(\w*)", lines[at])
        assert fence or not lines[at].lstrip().startswith("```"), f"{page}:{at + 1}: no fence that the tests understand"
        if fence is None:
            at += 1
            continue
        end = lines.index("```", at + 1)
        before = lines[at - 1] if at else ""
        reason, extra = NOT_RUN.fullmatch(before), WITH_EXTRA.fullmatch(before)
        code = "\n".join(lines[at + 1 : end]) + "\n"
        code_blocks.append(Block(page, at + 2, fence[1], code, reason and reason[1], extra and extra[1]))
        at = end + 1
    return code_blocks


def predecessor(page: str) -> str | None:
    """Return the page that a page says it continues, or None if it is complete in itself."""
    match = CONTINUES.search((ROOT / page).read_text("utf-8"))
    return f"docs/guides/{match[1]}" if match else None


def prepare(folder: Path) -> None:
    """Make a folder look like a checkout to the pages: they use its pictures in `docs`."""
    (folder / "docs").symlink_to(ROOT / "docs")


def read_page(page: str, folder: Path, extra: str | None = None) -> None:
    """Run the blocks of a page in a folder, in order; the process's working directory must be that folder.

    Args:
        page: The page's path in the checkout.
        folder: The reader's folder.
        extra: The extra that is installed here besides: its blocks are run too.

    Raises:
        AssertionError: If a block fails; names its page and line.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page):
        if block.reason is not None or block.extra not in (None, extra):
            continue
        if block.language == "python":
            _run_python(block, names)
        elif block.language in ("sh", "console"):
            _run_shell(block, folder)


def _run_shell(block: Block, folder: Path) -> None:
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        ["bash", "-e", "-o", "pipefail", "-c", block.script],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        output, _ = process.communicate(timeout=LONGEST)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, f"{block.page}:{block.line}: {block.script}\n{output[-3000:]}"


def _run_python(block: Block, names: dict[str, Any]) -> None:
    """Run a block like a cell of a notebook, where `await` is allowed."""
    source = "\n" * (block.line - 1) + block.code
    compiled = compile(source, str(ROOT / block.page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    try:
        running = eval(compiled, names)  # noqa: S307 - the pages are ours
        if inspect.iscoroutine(running):
            asyncio.run(running)
    except Exception as problem:
        raise AssertionError(f"{block.page}:{block.line}: {type(problem).__name__}: {problem}") from problem
