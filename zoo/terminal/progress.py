"""Progress that moves: a bar on a terminal, a line for each new step elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskProgressColumn, TextColumn
from rich.table import Column
from rich.text import Text

from runtime.printable import escape_controls
from zoo.terminal.console import Console, stderr

if TYPE_CHECKING:
    from runtime.progress import Progress as OnProgress

ALONE: dict[str, Any] = {"redirect_stdout": False, "redirect_stderr": False}
"""Options of a bar that leaves other output alone, for results are printed when the bar is gone."""


class Clock(ProgressColumn):
    """How long it may still take, or as long as this is unknown, how long it has taken."""

    def render(self, task: Task) -> Text:
        """Return the time in seconds or minutes."""
        left = task.time_remaining
        if left is not None and task.total is not None:
            return Text(f"{_duration(left)} left")
        return Text(_duration(task.elapsed or 0))


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


@contextmanager
def progress() -> Iterator[OnProgress]:
    """Give a function that shows progress: a bar on a terminal, a line for each new step elsewhere.

    The bar swings to and fro until the first part of a step is done. It is seen while
    `runtime.native_output.suppress_output` keeps others off the terminal.
    """
    with _own_stderr() as own:
        if not own.is_terminal:
            yield _lines(own)
            return
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
            BarColumn(20),
            TaskProgressColumn(),
            Clock(),
        )
        with Progress(*columns, console=own, transient=True, expand=True, **ALONE) as bar:
            current = bar.add_task("", total=None)
            shown = ""

            def step(what: str, done: int, total: int) -> None:
                nonlocal shown
                known = total if total > 1 and done > 0 else None
                if what != shown or bar.tasks[0].total != known:
                    bar.reset(current, total=known)
                shown = what
                bar.update(current, description=escape(escape_controls(what)), completed=done)

            yield step


def _lines(on: Console) -> OnProgress:
    last = ""

    def line(what: str, done: int, total: int) -> None:
        nonlocal last
        if what != last:
            on.print(f"{what} …", markup=False, soft_wrap=True)
        last = what

    return line


@contextmanager
def _own_stderr() -> Iterator[Console]:
    """Give a console on a file descriptor of its own, which stays on stderr whatever becomes of descriptor 2."""
    try:
        number = os.dup(sys.stderr.fileno())
    except (AttributeError, OSError, ValueError):  # no file stands behind it
        yield stderr
        return
    with open(number, "w", encoding=sys.stderr.encoding, errors="backslashreplace") as file:  # noqa: PTH123
        yield Console(file=file, width=stderr.width if stderr.is_terminal else None)
