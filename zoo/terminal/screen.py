"""How output reaches people: tables that fit the terminal, lines broken at words, progress that moves."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich import box
from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskProgressColumn, TextColumn
from rich.table import Column, Table
from rich.text import Text

from runtime.characters import escape_controls
from zoo.terminal import say_json
from zoo.terminal.console import Console

if TYPE_CHECKING:
    from runtime.progress import Progress as OnProgress

IS_SIZED = sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit()
"""Whether there is a width to keep to; what goes to a file or a pipe is not squeezed into the 80 columns that rich
assumes there, and lines are left whole for other programs."""

GAPS, EDGES = (3, 2), 2
"""Blanks between the columns of a table, where there is room and where there is little; and at its edges."""

console = Console(width=None if IS_SIZED else 120)
stderr = Console(stderr=True)


def as_json(value: Any) -> None:
    """Print a value as JSON on stdout."""
    say_json(value)


def say(text: str, style: str = "") -> None:
    """Print a sentence, broken at words where there is a width to keep to."""
    console.print(text, style=style, markup=False, soft_wrap=not IS_SIZED)


def table(title: str, *columns: str, rows: Iterable[Iterable[str]], right: Iterable[int] = ()) -> RenderableType:
    """Return a table in which no word and no number is broken; `right` lists the columns of numbers.

    Where it doesn't fit the console even with its texts on several lines, a row becomes a paragraph of ``name: value``.
    """
    columns = tuple(map(escape_controls, columns))
    cells, numeric = [tuple(map(escape_controls, row)) for row in rows], set(right)
    used = [i for i in range(len(columns)) if not cells or any(row[i] for row in cells)]
    columns, numeric = tuple(columns[i] for i in used), {used.index(i) for i in numeric if i in used}
    cells = [tuple(row[i] for i in used) for row in cells]
    for gap in GAPS:
        if widths := _widths(console.width, gap, columns, cells, numeric):
            break
    else:
        return Group(Text(escape_controls(title), "bold"), Text(), *(_record(columns, row) for row in cells), Text())
    made = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False,
        collapse_padding=gap < max(GAPS), min_width=min(len(title), console.width),
    )  # fmt: skip
    for i, (column, width) in enumerate(zip(columns, widths, strict=True)):
        made.add_column(column, justify="right" if i in numeric else "left", overflow="fold", width=width)
    for row in cells:
        made.add_row(*map(escape, row))
    return made


def _widths(
    most: int, gap: int, columns: Sequence[str], rows: Sequence[Sequence[str]], numeric: set[int]
) -> tuple[int, ...] | None:
    """Return the width of each column, or None if words or numbers would have to be broken."""
    texts = [[name, *(row[i] for row in rows)] for i, name in enumerate(columns)]
    wanted = [max(map(cell_len, each)) for each in texts]
    widths = [  # of texts and headings a word stays whole, of numbers all
        max(_longest_word(each[: 1 if i in numeric else None]), *map(cell_len, each[1:] if i in numeric else ()), 0)
        for i, each in enumerate(texts)
    ]
    spare = most - sum(widths) - gap * (len(columns) - 1) - EDGES
    if spare < 0:
        return None
    lacking = [natural - least for natural, least in zip(wanted, widths, strict=True)]
    order = sorted(range(len(columns)), key=lambda i: lacking[i])
    for place, i in enumerate(order):  # what needs little gets it first
        given = min(lacking[i], spare // (len(order) - place))
        widths[i] += given
        spare -= given
    return tuple(widths)


def _longest_word(texts: Iterable[str]) -> int:
    return max((cell_len(word) for text in texts for word in text.split()), default=0)


def _record(columns: Sequence[str], row: Sequence[str]) -> RenderableType:
    named = "; ".join(f"{name}: {value}" for name, value in zip(columns[1:], row[1:], strict=True) if value)
    return Group(Text(row[0], "bold"), Padding(Text(named), (0, 0, 0, 2), expand=False))


ALONE: dict[str, Any] = {"redirect_stdout": False, "redirect_stderr": False}
"""What a bar does with what others print: nothing, for results are printed when it is gone."""


class Clock(ProgressColumn):
    """How long it may still take, or as long as nobody knows, how long it has taken."""

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

    The bar swings to and fro until the first part of a step is done. It is seen while `runtime.quiet.quiet` keeps
    others off the terminal.
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
