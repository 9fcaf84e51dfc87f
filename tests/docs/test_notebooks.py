"""The notebooks run as they are committed, and their committed outputs are those of such a run."""

from __future__ import annotations

import json
import re

import pytest

from docs.site.notebooks import FAILS, notebooks, page, run

NOTEBOOKS = notebooks()
MACHINE = re.compile(r"(?<![\w.:/])/(?:home|root|tmp|usr|var|opt|mnt|work|private|Users)\b|[A-Z]:\\")
"""A path of the machine on which the outputs were made."""
LARGEST = 400_000
"""Bytes of a notebook with its pictures."""

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def kinds(cell):
    """Return what a cell shows: text, or the media types of a value."""
    shown = [sorted(output.get("data", {output["output_type"]: None})) for output in cell["outputs"]]
    return [kind for index, kind in enumerate(shown) if index == 0 or kind != shown[index - 1]]


def test_there_are_three():
    assert [path.stem for path in NOTEBOOKS] == ["import-and-verify", "quantize-within-a-budget", "train-and-export"]


@pytest.mark.nightly
@pytest.mark.timeout(1800)
@each_notebook
def test_a_notebook_runs_as_committed_and_shows_what_its_page_shows(path, tmp_path):
    committed = code_cells(json.loads(path.read_text("utf-8")))
    fresh = code_cells(run(path, tmp_path))
    for old, new in zip(committed, fresh, strict=True):
        assert kinds(new) == kinds(old), "".join(old["source"])


@each_notebook
def test_the_committed_outputs_are_a_whole_run_without_paths_or_failures(path):
    text = path.read_text("utf-8")
    assert len(text) <= LARGEST
    cells = code_cells(json.loads(text))
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        assert len("".join(cell["source"]).splitlines()) <= 20, "small cells"
        shown = json.dumps(cell["outputs"])
        assert not MACHINE.search(shown)
        assert "\\u001b" not in shown
        if FAILS not in cell["metadata"].get("tags", ()):
            assert not re.search(r"zoo: |Traceback", shown), shown
    shown = page(path)
    for cell in cells:
        assert "".join(cell["source"]) in shown.markdown
    assert all(content.startswith(b"\x89PNG") for content in shown.pictures.values())


def test_a_run_ends_where_a_command_fails_or_should_have(tmp_path):
    nbformat = pytest.importorskip("nbformat")

    def run_cell(source, *tags):
        cell = nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)})
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "one.ipynb")
        run(tmp_path / "one.ipynb", tmp_path)

    run_cell("!exit 3", FAILS)
    with pytest.raises(RuntimeError, match=r"one.ipynb: !exit 3: exit status 3"):
        run_cell("!exit 3")
    with pytest.raises(RuntimeError, match="exit status 0"):
        run_cell("!exit 0", FAILS)
