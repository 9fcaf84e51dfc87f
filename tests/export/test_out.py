"""Where a bundle goes: a free place or that of an earlier bundle, and nothing else is ever touched."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from runtime import Bundle
from runtime.bundle import MANIFEST
from runtime.errors import OutputError, ParityError


def tree(folder):
    return {path.relative_to(folder): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def test_a_bundle_that_is_there_is_replaced(exported, old, tmp_path):
    new = exported()
    new.check()
    assert set(new.manifest.models) == {"model.onnx"}
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


@pytest.mark.parametrize("damage", [b"", b'{"format": 99}'], ids=["damaged", "of a later release"])
def test_a_bundle_that_cannot_be_read_is_replaced(exported, tmp_path, damage):
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / MANIFEST).write_bytes(damage)
    exported().check()


def test_an_empty_folder_is_filled(exported, tmp_path):
    (tmp_path / "bundle").mkdir()
    exported().check()


def test_folders_on_the_way_are_made(exported, tmp_path):
    exported(out=tmp_path / "not" / "there" / "yet").check()


def folder_of_letters(path):
    path.mkdir()
    (path / "dear.txt").write_text("dear all")


@pytest.mark.parametrize(
    "make",
    [folder_of_letters, lambda path: path.write_text("x"), lambda path: path.symlink_to("nowhere")],
    ids=["other files", "a file", "a broken link"],
)
def test_anything_else_is_refused_and_not_touched(exported, tmp_path, make):
    make(tmp_path / "place")
    before = tree(tmp_path)
    with pytest.raises(OutputError, match="place: exists and is not a bundle; name another folder or remove it"):
        exported(out=tmp_path / "place")
    assert tree(tmp_path) == before


def test_a_parent_that_is_a_file_is_one_line(exported, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match=r"file/bundle: can't be written") as caught:
        exported(out=tmp_path / "file" / "bundle")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("there", ["free", "empty folder", "bundle"])
def test_a_failed_export_changes_nothing(exported, complete, tmp_path, monkeypatch, there):
    if there == "empty folder":
        (tmp_path / "bundle").mkdir()
    elif there == "bundle":
        shutil.copytree(complete.path, tmp_path / "bundle")
    before = tree(tmp_path)
    real = torch.export.export

    def wrong(module, inputs, **options):
        with torch.no_grad():
            module.network[3].bias += 0.1
        return real(module, inputs, **options)

    monkeypatch.setattr(torch.export, "export", wrong)
    with pytest.raises(ParityError, match="nothing was written"):
        exported()
    assert tree(tmp_path) == before


def test_the_current_folder_may_be_the_bundle(exported, old, monkeypatch):
    monkeypatch.chdir(old)
    exported(out=".")
    Bundle.read(old).check()
    assert set(Bundle.read(old).manifest.models) == {"model.onnx"}


def test_a_link_to_a_bundle_stays_one(exported, old, tmp_path):
    (tmp_path / "current").symlink_to("bundle")
    exported(out=tmp_path / "current").check()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "current"]
    assert set(Bundle.read(tmp_path / "current").manifest.models) == {"model.onnx"}
    assert (tmp_path / "current").readlink() == Path("bundle")
