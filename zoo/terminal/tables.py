"""Tables that fit the terminal, in which no word and no number is broken."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from runtime.printable import escape_controls
from zoo.terminal.console import console

GAPS, EDGES = (3, 2), 2
"""Blanks between the columns of a table, where there is room and where there is little; and at its edges."""


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
    for turn, i in enumerate(order):  # what needs little gets it first
        more = min(lacking[i], spare // (len(order) - turn))
        widths[i] += more
        spare -= more
    return tuple(widths)


def _longest_word(texts: Iterable[str]) -> int:
    return max((cell_len(word) for text in texts for word in text.split()), default=0)


def _record(columns: Sequence[str], row: Sequence[str]) -> RenderableType:
    named = "; ".join(f"{name}: {value}" for name, value in zip(columns[1:], row[1:], strict=True) if value)
    return Group(Text(row[0], "bold"), Padding(Text(named), (0, 0, 0, 2), expand=False))
