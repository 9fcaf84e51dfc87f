"""Text in pictures: as long as there is room for, and in fonts that have its characters."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text
from rich.cells import cell_len, chop_cells

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OWN = "DejaVu Sans"
"""Matplotlib's own font: it has the letters of European languages and signs."""
PER_INCH = 9.0
"""Cells of text in an inch, at `SIZE` points."""
SIZE = 12.0
BOX = "□"
"""Replaces a character that no font here has."""


def fit(text: str, cells: int) -> str:
    """Return a text of at most so many cells, of which wide characters take two; what is too long loses its middle."""
    if cell_len(text) <= cells:
        return plain(text)
    half = (cells - 1) // 2
    backwards = chop_cells(text[::-1], half)[0][::-1]
    return plain(f"{chop_cells(text, cells - 1 - half)[0]}…{backwards}")


def wrap(text: str, inches: float, size: float = SIZE, lines: int = 4) -> str:
    """Return a text in lines that are no wider than so many inches, broken at spaces where there are any."""
    cells = max(4, int(inches * PER_INCH * SIZE / size))
    wrapped = [""]
    for word in text.split(" "):
        for part in chop_cells(word, cells) or [""]:
            joined = f"{wrapped[-1]} {part}" if wrapped[-1] else part
            if cell_len(joined) <= cells:
                wrapped[-1] = joined
            else:
                wrapped.append(part)
    if len(wrapped) > lines:
        wrapped[lines - 1 :] = [f"{chop_cells(wrapped[lines - 1], cells - 1)[0]}…"]
    return plain("\n".join(wrapped))


def plain(text: str) -> str:
    """Return a text in which signs of currency don't start a formula, and a box stands for what no font here has."""
    lacking = _fonts(frozenset(text))[1]
    return "".join(BOX if character in lacking else character for character in text).replace("$", r"\$")


def letter(sheet: Figure) -> None:
    """Give every text of a figure fonts that have its characters; say so where none has them."""
    drawn = [axes for axes in sheet.axes if axes.axison]
    ticks = [label for axes in drawn for label in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    hidden = [part for axes in sheet.axes if not axes.axison for part in (axes.title, *axes.texts)]  # without ticks
    parts = [*sheet.texts, *sheet.legends, *drawn, *hidden]
    texts = [*(text for part in parts for text in part.findobj(Text)), *ticks]
    said = "".join(text.get_text() for text in texts)
    if said.isascii():
        return
    if BOX in said:
        note = f"{BOX}: no font here has this character; install one that does, such as Noto Sans CJK"
        texts.append(sheet.supxlabel(wrap(note, sheet.get_figwidth(), 9), fontsize=9))
    fonts = list(_fonts(frozenset(said))[0])
    for axes in sheet.axes:
        axes.tick_params(labelfontfamily=fonts)
    for text in texts:
        text.set_fontfamily(fonts)


@lru_cache(maxsize=64)
def _fonts(wanted: frozenset[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the fonts that have characters between them, matplotlib's own first, and the characters that none has."""
    chosen = [OWN]
    lacking = wanted - _characters(font_manager.findfont(OWN)) - {"\n"}
    entries = font_manager.fontManager.ttflist if lacking else []
    regular = {
        entry.fname: entry.name
        for entry in entries
        if entry.style == "normal" and entry.weight in (400, "normal") and not entry.name.startswith("Last Resort")
    }  # matplotlib's last resort has a box for every character
    while lacking and regular:
        best = max(regular, key=lambda file: len(lacking & _characters(file)))
        if not lacking & _characters(best):
            break
        lacking -= _characters(best)
        chosen.append(regular.pop(best))
    return tuple(chosen), lacking


@cache
def _characters(file: str) -> frozenset[str]:
    try:
        return frozenset(map(chr, FT2Font(file).get_charmap()))
    except (OSError, RuntimeError):  # removed since, or broken
        return frozenset()
