"""Folders of images: what counts as a class, a split or an image."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from runtime.errors import DataError, InputNote
from zoo.data import Classes, Images, Split, load_dataset


def names(split: Split, root: Path) -> list[str]:
    return [item.relative_to(root).as_posix() for item in split.items]


def fill(root: Path, *files: str) -> Path:
    """Write a small image of its own for each name."""
    for i, name in enumerate(files):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2, 2), (i, 0, 0)).save(root / name, "PNG")
    return root


def test_a_folder_is_split_here(photos):
    dataset = load_dataset(f"folder:{photos}", 0)
    assert dataset.target == Classes(("leaf", "sky", "stone"))
    assert (dataset.name, dataset.content) == (photos.name, Images("RGB", None))
    assert dataset.origin().samples == {"train": 30, "validation": 6}
    for split in dataset.splits.values():
        assert [item.parent.name for item in split.items] == [dataset.target.labels[target] for target in split.targets]


@pytest.mark.parametrize("validation", ["val", "valid", "validation"])
@pytest.mark.parametrize("test", [(), ("test",)])
def test_a_folder_with_splits_keeps_them(tmp_path, validation, test):
    parts = ("train", validation, *test)
    fill(tmp_path, *(f"{part}/{label}/{part}{i}.png" for part in parts for label in ("cat", "dog") for i in range(3)))
    dataset = load_dataset(f"folder:{tmp_path}", 0)
    assert set(dataset.splits) == {"train", "validation", *test}
    assert dataset.target.labels == ("cat", "dog")
    for part, name in zip(parts, ("train", "validation", *test), strict=True):
        wanted = [f"{part}/{label}/{part}{i}.png" for label in ("cat", "dog") for i in range(3)]
        assert names(dataset.splits[name], tmp_path) == wanted
        assert dataset.splits[name].targets.tolist() == [0, 0, 0, 1, 1, 1]


def test_validation_comes_from_train_where_there_is_none(tmp_path):
    fill(tmp_path, *(f"{part}/{label}/{i}.png" for part in ("train", "test") for label in "ab" for i in range(5)))
    dataset = load_dataset(f"folder:{tmp_path}", 0)
    assert dataset.origin().samples == {"train": 8, "validation": 2, "test": 10}
    assert {name.split("/")[0] for name in names(dataset.splits["validation"], tmp_path)} == {"train"}


def test_classes_may_be_named_like_splits(tmp_path):
    fill(tmp_path, *(f"{label}/{i}.png" for label in ("test", "real") for i in range(4)))
    assert load_dataset(f"folder:{tmp_path}", 0).target.labels == ("real", "test")


def test_hidden_files_and_those_of_desktops_are_no_images(tmp_path):
    fill(tmp_path, *(f"{label}/{i}.png" for label in "ab" for i in range(2)))
    for name in (".DS_Store", "a/.hidden.png", "a/Thumbs.db", "b/desktop.ini", "a/.checkpoints/0.png", ".git/x/0.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"no image")
    dataset = load_dataset(f"folder:{tmp_path}", 0)
    assert dataset.target.labels == ("a", "b")
    every = [name for split in dataset.splits.values() for name in names(split, tmp_path)]
    assert sorted(every) == ["a/0.png", "a/1.png", "b/0.png", "b/1.png"]


def test_a_hidden_folder_may_hold_the_data(tmp_path):
    root = fill(tmp_path / ".cache" / "photos", *(f"{label}/{i}.png" for label in "ab" for i in range(2)))
    assert load_dataset(f"folder:{root}", 0).origin().samples == {"train": 2, "validation": 2}


def test_images_in_folders_below_belong_to_the_class(tmp_path):
    fill(tmp_path, "a/0.png", "a/monday/0.png", "a/monday/early/0.png", "b/0.png", "b/1.png")
    dataset = load_dataset(f"folder:{tmp_path}", 0)
    assert dataset.target.labels == ("a", "b")
    assert sum(dataset.origin().samples.values()) == 5
    for split in dataset.splits.values():
        assert [name[0] for name in names(split, tmp_path)] == [
            dataset.target.labels[target] for target in split.targets
        ]


def test_a_folder_that_was_moved_is_the_same_data(photos, tmp_path):
    moved = shutil.copytree(photos, tmp_path / "elsewhere")
    assert (
        load_dataset(f"folder:{moved}", 0).origin().fingerprint
        == load_dataset(f"folder:{photos}", 0).origin().fingerprint
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no such folder"),
        (lambda path: path.write_text("no folder"), "not a folder"),
        (lambda path: fill(path, "0.png", "1.png"), "has no folders; put the images of each class into a folder"),
        (lambda path: (path / "train").mkdir(parents=True), "has no folders"),
    ],
    ids=["missing", "a file", "no classes", "no classes in train"],
)
def test_a_folder_that_is_no_data_set(tmp_path, make, message):
    path = tmp_path / "data"
    make(path)
    with pytest.raises(DataError, match=f"{path}: {message}"):
        load_dataset(f"folder:{path}", 0)


def test_a_folder_needs_a_path():
    with pytest.raises(DataError, match="folder:PATH"):
        load_dataset("folder", 0)


def test_what_is_left_out_is_told_and_links_lead_in_no_circle(tmp_path):
    fill(tmp_path, *(f"{label}/{i}.png" for label in "ab" for i in range(2)), "stray.png")
    (tmp_path / "a" / "up").symlink_to("..")
    (tmp_path / "a" / "again.png").symlink_to("0.png")
    (tmp_path / "b" / "notes.txt").touch()
    with pytest.warns(InputNote, match="skipped: ") as notes:
        dataset = load_dataset(f"folder:{tmp_path}", 0)
    assert sum(dataset.origin().samples.values()) == 4
    (line,) = {str(each.message) for each in notes}
    for part in ("1 outside of the classes' folders", "2 taken already", "1 of other kinds"):
        assert part in line


def test_a_folder_below_that_can_not_be_read_is_an_error(tmp_path, monkeypatch):
    import os

    fill(tmp_path, *(f"{label}/{i}.png" for label in "ab" for i in range(2)), "a/monday/0.png")
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("monday"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=r"a/monday: can't be read \(Permission denied\)"):
        load_dataset(f"folder:{tmp_path}", 0)
