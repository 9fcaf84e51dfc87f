"""Which files a name stands for: the same for every spelling of a folder, once each, nothing left out in silence."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from runtime import InputNote
from zoo.files import IMAGES, FoundFiles, find, warn_of_skipped

FILES = ("a.png", "b.HEIC", "c.jfif", "d.JPE", "sub/e.jpg", "sub/deep/f.PNG")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder `d` with images at several depths, and some things that are none; it is in the working folder."""
    monkeypatch.chdir(tmp_path)
    for name in (*FILES, "notes.txt", ".hidden.png", ".git/x.png", "sub/.cache/y.png", "sub/Thumbs.db"):
        (tmp_path / "d" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "d" / name).touch()
    return tmp_path / "d"


def paths_of(*names: str) -> list[str]:
    return [os.path.normpath(path) for path in find(names, IMAGES).paths]


@pytest.mark.parametrize("name", ["d", "d/", "./d", "d/.", "d/*", "d/**", "d/**/", "d/**/*", "d/sub/..", "./d/**"])
def test_a_folder_is_the_same_however_it_is_spelled(here, name):
    files = find([name], IMAGES)
    assert [os.path.normpath(path) for path in files.paths] == sorted(f"d/{file}" for file in FILES)
    assert {reason: sorted(map(os.path.normpath, paths)) for reason, paths in files.skipped.items()} == {
        "hidden": ["d/.git", "d/.hidden.png", "d/sub/.cache"],
        "of other kinds": ["d/notes.txt", "d/sub/Thumbs.db"],
    }
    assert not files.problems


def test_the_folder_of_the_user_and_the_working_folder(here, monkeypatch):
    monkeypatch.setenv("HOME", str(here.parent))
    wanted = sorted(f"{here}/{file}" for file in FILES)
    assert find(["~/d"], IMAGES).paths == find(["~/d/**"], IMAGES).paths == find([str(here)], IMAGES).paths == wanted
    monkeypatch.chdir(here)
    for name in (".", "*", "**", "./"):
        assert paths_of(name) == sorted(FILES)


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("d/*.png", ["d/a.png"]),
        ("d/**/*.png", ["d/a.png"]),
        ("d/**/*.[pP][nN][gG]", ["d/a.png", "d/sub/deep/f.PNG"]),
        ("d/*/*.jpg", ["d/sub/e.jpg"]),
        ("d/s*", ["d/sub/deep/f.PNG", "d/sub/e.jpg"]),
        ("d/*/", ["d/sub/deep/f.PNG", "d/sub/e.jpg"]),
        ("d/**/deep", ["d/sub/deep/f.PNG"]),
        ("d/*.txt", ["d/notes.txt"]),
        ("d/.hid*", ["d/.hidden.png"]),
        ("d/.git", ["d/.git/x.png"]),
        ("d/.*/*.png", ["d/.git/x.png"]),
        ("d/notes.txt", ["d/notes.txt"]),
        ("d/.hidden.png", ["d/.hidden.png"]),
        ("d/?.none", ["d/?.none"]),
    ],
)
def test_patterns(here, pattern, wanted):
    assert paths_of(pattern) == wanted


@pytest.mark.parametrize("name", ["d", "d/**", "d/**/*", "d/**/*.png"])
def test_links_in_circles_give_each_file_once(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d" / "x" / "y").mkdir(parents=True)
    (tmp_path / "other.png").touch()
    for file in ("d/a.png", "d/x/b.png"):
        (tmp_path / file).touch()
    for link, target in {"d/x/up": "..", "d/x/y/top": "../../..", "d/self": ".", "d/a2.png": "a.png"}.items():
        (tmp_path / link).symlink_to(target)
    (tmp_path / "d" / "0.png").symlink_to("x/b.png")
    files = find([name], IMAGES)
    assert files.paths == ["d/a.png", "d/x/b.png"], "by their own names, and nothing from above the folder"
    assert sorted(files.skipped["taken already"]) == [
        "d/0.png", "d/a2.png", "d/self", "d/x/up", "d/x/y/top",
    ]  # fmt: skip


def test_folders_elsewhere_that_links_lead_to_are_read(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (tmp_path / "elsewhere" / "deep" / "a.png").touch()
    (tmp_path / "elsewhere" / "back").symlink_to("../d")
    (tmp_path / "d" / "link").symlink_to("../elsewhere")
    (tmp_path / "d" / "again").symlink_to("../elsewhere")
    assert len(find([str(tmp_path / "d")], IMAGES).paths) == 1


def test_a_file_is_taken_as_often_as_it_is_named_but_once_from_folders(here):
    assert paths_of("d/a.png", "d/a.png") == ["d/a.png"] * 2
    assert paths_of("d/*.png", "d", "d/**") == ["d/a.png", *sorted(f"d/{file}" for file in FILES if file != "a.png")]


@pytest.mark.parametrize("name", ["d", "d/*", "d/**", "d/**/*.png"])
def test_what_can_not_be_read_is_a_problem_among_the_files(here, monkeypatch, name):
    (here / "gone.png").symlink_to("nowhere.png")
    (here / "loop.png").symlink_to("loop.png")
    scan = os.scandir

    def refuse(path):
        if Path(path).name == "sub":  # the tests may run as a user who may read everything
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    files = find([name], IMAGES)
    assert files.problems == {
        "d/sub": "can't be read (Permission denied)",
        "d/gone.png": "is a link that leads nowhere",
        "d/loop.png": "is a link that leads nowhere",
    }
    assert set(files.problems) <= set(files.paths)


def test_pipes_and_sockets_are_left_out_and_named(here):
    os.mkfifo(here / "pipe.png")
    with socket.socket(socket.AF_UNIX) as end:
        end.bind("d/socket.png")
        files = find(["d"], IMAGES)
    assert files.skipped["no regular files"] == ["d/pipe.png", "d/socket.png"]
    assert len(files.paths) == len(FILES)


def test_one_line_tells_what_was_skipped():
    with pytest.warns(InputNote) as notes:
        warn_of_skipped({"hidden": ["a", "b", "c", "d", "e"], "of other kinds": ["x\n.txt"]})
        warn_of_skipped(FoundFiles().skipped)
    assert [str(each.message) for each in notes] == [
        "skipped: 5 hidden (a, b, c and 2 more); 1 of other kinds (x\\n.txt)"
    ]


def test_predictions_say_what_was_skipped_and_what_failed(cli, tiny_bundle, tmp_path, photo, monkeypatch):
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    (tmp_path / "d" / "sub").mkdir(parents=True)
    for name in ("a.png", "sub/b.JPE"):
        Image.fromarray(photo).save(tmp_path / "d" / name, "PNG")
    for name in ("notes.txt", "c.HEIC"):
        (tmp_path / "d" / name).write_bytes(b"no image")
    (tmp_path / "d" / "gone.jpg").symlink_to("nowhere")
    for name in ("d", "d/**"):
        result = cli("predict", tiny_bundle, name)
        assert result.status == 1
        assert [line.partition("   ")[0] for line in result.out.splitlines()] == ["d/a.png", "d/sub/b.JPE"]
        skipped, heic, gone, *_ = result.err.splitlines()
        assert skipped == "zoo: skipped: 1 of other kinds (d/notes.txt)"
        assert heic.startswith("zoo: d/c.HEIC: ")
        assert gone == "zoo: d/gone.jpg: is a link that leads nowhere"
