"""The notebooks of `docs/notebooks`: run by a kernel of their own, and turned into pages that show their outputs.

Their outputs are committed, so that the site's build runs nothing. `python -m docs.site.notebooks` makes them anew.
"""

from __future__ import annotations

import base64
import html
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "notebooks"
FAILS = "raises-exception"
"""The tag of a cell whose command fails, by the name that Jupyter has for it."""
LONGEST = 600
"""Seconds that a cell may take."""
STATUS = "globals().pop('_exit_code', 0)"
"""The exit status of a cell's last command: Jupyter goes on after one that failed."""
TEXT = "{ .text .output }"
"""The language of outputs, and their class in the site's style sheet."""
WIDE = "---\nhide: [toc]\n---"
"""Without the table of contents there is room for tables of 110 columns."""


@dataclass(frozen=True)
class Page:
    """A notebook as a page of the site.

    Args:
        markdown: Its text, code and outputs.
        pictures: PNG files that the page shows, by name.
    """

    markdown: str
    pictures: Mapping[str, bytes]


def notebooks() -> list[Path]:
    """Return the files of all notebooks."""
    return sorted(FOLDER.glob("*.ipynb"))


def page(path: Path) -> Page:
    """Return a notebook's cells and their committed outputs as Markdown."""
    pictures: dict[str, bytes] = {}
    title, *cells = json.loads(path.read_text("utf-8"))["cells"]
    parts = [WIDE, "".join(title["source"]), f'<a href="{path.name}" download>Download this notebook</a>']
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(_fence("sh" if source.startswith("!") else "python", source))
        parts += [_output(each, pictures, f"{path.stem}-{len(pictures)}.png") for each in cell["outputs"]]
    return Page("\n\n".join(parts) + "\n", pictures)


def _output(output: Mapping[str, Any], pictures: dict[str, bytes], picture: str) -> str:
    """Return one output; a picture's content is added to ``pictures`` under the name ``picture``."""
    if output["output_type"] == "stream":
        return _fence(TEXT, "".join(output["text"]))
    data = output["data"]
    if "text/html" in data:
        return "".join(data["text/html"])
    if "image/png" in data:
        pictures[picture] = base64.b64decode("".join(data["image/png"]))
        shown = output["metadata"]["image/png"]
        return f'<img src="{picture}" alt="{html.escape(shown["alt"])}" width="{shown["width"]}">'
    return _fence(TEXT, "".join(data["text/plain"]))


def _fence(language: str, text: str) -> str:
    return f"```{language}\n{text.rstrip()}\n```"


def run(path: Path, folder: Path) -> Any:
    """Return a notebook with new outputs, after all its cells have run in order in a folder.

    Raises:
        nbclient.exceptions.CellExecutionError: If a cell raises that is not tagged `raises-exception`.
        RuntimeError: If the last command of such a cell fails, or the one of a tagged cell does not.
    """
    import nbclient
    import nbformat

    notebook = nbformat.read(path, 4)
    cells = notebook.cells
    asks_status = nbformat.v4.new_code_cell(STATUS)
    notebook.cells = [*cells, asks_status]
    settings = {"timeout": LONGEST, "record_timing": False, "coalesce_streams": True}
    client = nbclient.NotebookClient(notebook, resources={"metadata": {"path": str(folder)}}, **settings)
    with client.setup_kernel(env=_environment()):
        for index, cell in enumerate(cells):
            client.execute_cell(cell, index)
            status = client.execute_cell(asks_status, len(cells)).outputs[0].data["text/plain"]
            if (status != "0") is not (FAILS in cell.metadata.get("tags", ())):
                raise RuntimeError(f"{path.name}: {cell.source}: exit status {status}\n{cell.outputs}")
    notebook.cells = cells
    for number, cell in enumerate((each for each in cells if each.cell_type == "code"), 1):
        cell.execution_count = number
        cell.outputs = list(_tidy(cell.outputs, number))
    return notebook


def _environment() -> dict[str, str]:
    """Return variables with which `zoo` is found, and prints tables in full, and lines instead of bars that move."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    return os.environ | {"PATH": path, "PYTHONPATH": _python_path(), "TTY_COMPATIBLE": "0", "COLUMNS": "110"}


def _python_path() -> str:
    return os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))


def _tidy(outputs: list[Any], number: int) -> Iterator[Any]:
    """Yield outputs without what a terminal alone needs: spaces at the ends of lines, and carriage returns."""
    for output in outputs:
        if output.output_type == "stream":
            output.text = re.sub(r"[ \r]+$", "", output.text, flags=re.MULTILINE)
        if output.output_type == "execute_result":
            output.execution_count = number
        yield output


def main() -> None:
    """Run all notebooks and write their outputs into them."""
    import nbformat

    for path in notebooks():
        with tempfile.TemporaryDirectory() as folder:
            notebook = run(path, Path(folder))
        nbformat.write(notebook, path)


if __name__ == "__main__":
    main()
