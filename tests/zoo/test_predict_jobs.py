"""`zoo predict` on folders and patterns, and `--out`: whatever kills the job, no line is lost or repeated."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
from PIL import Image

import zoo.predicting.job
import zoo.predicting.writers
from runtime import load
from tests.nightly import nightly_but
from zoo.predicting import progress
from zoo.predicting.job import JOURNAL, MAGIC

COUNT = 400


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images of many sizes in nested folders, one of which is broken, beside files that are none."""
    root = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for i in range(COUNT):
        subfolder = root / f"part {i % 3}"
        subfolder.mkdir(exist_ok=True)
        image = rng.integers(0, 256, (10 + i % 40, 12 + i % 30, 3), np.uint8)
        Image.fromarray(image).save(subfolder / f"{i:03}.{('png', 'jpg')[i % 2]}")
    (root / "part 1" / "broken.png").write_bytes(b"\x89PNG and no more")
    (root / "part 1" / "notes.txt").write_text("not an image")
    (root / "part 1" / ".hidden.png").write_bytes(b"")
    return root


def read(path):
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            return list(csv.DictReader(file))
    return pytest.importorskip("pyarrow.parquet").read_table(path).to_pylist()


def images(folder):
    return sorted(str(path) for path in folder.rglob("*") if path.suffix in (".png", ".jpg") and path.name[0] != ".")


def test_a_folder_is_the_images_in_it(cli, tiny_bundle, folder):
    result = cli("predict", tiny_bundle, folder / "part 0")
    wanted = sorted(map(str, (folder / "part 0").iterdir()))
    assert [line.partition("   ")[0] for line in result.out.splitlines()] == wanted
    assert result.status == 0


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [("**", ""), ("part ?/*7.jpg", "7.jpg"), ("**/*0.png", "0.png")],
)
def test_patterns_that_the_shell_left_alone(cli, tiny_bundle, folder, pattern, wanted):
    result = cli("predict", tiny_bundle, f"{folder}/{pattern}")
    names = [line.partition("   ")[0] for line in result.out.splitlines()]
    assert names == [name for name in images(folder) if name.endswith(wanted) and "broken" not in name]
    assert result.status == (1 if pattern == "**" else 0)


def test_a_name_that_exists_is_no_pattern(cli, tiny_bundle, save_image, photo):
    path = save_image(photo, "a[1]*.png")
    assert cli("predict", tiny_bundle, path).out.startswith(f"{path}   ")


EMPTY = "is a folder without files of the kinds that are taken (.jpg, .jpeg, .jpe, .jfif, .png …)"
NOTHING = {"nothing*.png": "no such file", "empty": EMPTY, "empty/**": EMPTY}


@pytest.mark.parametrize("name", NOTHING)
def test_what_stands_for_no_file_is_one_line_and_the_others_are_answered(cli, tiny_bundle, save_image, photo, name):
    good = save_image(photo, "good.jpg")
    (good.parent / "empty").mkdir()
    for more, status in ([], 2), ([good], 1):
        result = cli("predict", tiny_bundle, good.parent / name, *more)
        assert (result.status, len(result.out.splitlines())) == (status, len(more))
        assert result.err.splitlines()[0] == f"zoo: {good.parent / name}: {NOTHING[name]}"


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_the_answers_of_a_folder_as_a_file(cli, tiny_bundle, folder, tmp_path, suffix):
    out = tmp_path / f"results.{suffix}"
    result = cli("predict", tiny_bundle, f"{folder}/**", "--out", out, "--top", 2)
    assert (result.status, result.out) == (1, ""), result.err
    assert f"{COUNT + 1} images in " in result.err
    rows = read(out)
    assert [row["input"] for row in rows] == images(folder)
    model = load(tiny_bundle)
    for row in rows:
        if "broken" in row["input"]:
            assert row["error"].startswith(f"{row['input']}: ")
            assert not row.get("label")
        else:
            answer = model.predict(row["input"], top=2)
            assert row["label"] == answer.label
            assert float(row["score"]) == pytest.approx(answer.score, abs=1e-6)
            second = row["top"][1]["label"] if suffix == "jsonl" else row["top_2_label"]
            assert second == answer.top[1][0]
            assert not row.get("error")
    assert list(tmp_path.iterdir()) == [out]


def test_nothing_usable_exits_with_two(cli, tiny_bundle, folder, tmp_path):
    result = cli("predict", tiny_bundle, folder / "part 1/broken.png", "--out", tmp_path / "a.jsonl")
    assert result.status == 2
    assert [set(row) for row in read(tmp_path / "a.jsonl")] == [{"input", "error"}]


def test_results_that_are_there_are_kept(cli, tiny_bundle, folder, tmp_path):
    out = tmp_path / "a.csv"
    out.write_text("precious")
    command = ["predict", tiny_bundle, folder / "part 0", "--out", out]
    result = cli(*command)
    assert (result.status, result.err) == (2, f"zoo: {out} is there already: --overwrite replaces it\n")
    assert out.read_text() == "precious"
    assert cli(*command, "--overwrite").status == 0
    assert len(read(out)) == len(list((folder / "part 0").iterdir()))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "a.txt"], "--out must end in .csv, .jsonl, .parquet, got 'a.txt'"),
        (["--out", "a.csv", "--json"], "--json prints, --out and --annotate write files: choose one"),
        (["--out", "/proc/a/b.csv"], "/proc/a/b.csv.journal: can't be written"),
    ],
)
def test_out_that_makes_no_sense(cli, tiny_bundle, folder, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    result = cli("predict", tiny_bundle, folder / "part 0", *words)
    assert result.status == 2
    assert message in result.err
    assert result.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_without_pyarrow_parquet_names_the_extra(cli, tiny_bundle, folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    result = cli("predict", tiny_bundle, folder / "part 0", "--out", tmp_path / "a.parquet")
    assert (result.status, list(tmp_path.iterdir())) == (2, [])
    assert "pip install 'edgezoo[parquet]'" in result.err


def start(*words):
    return subprocess.Popen(
        [sys.executable, "-m", "zoo", "predict", *map(str, words)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def lines(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("suffix", "number"),
    nightly_but(
        lambda case: case != ("csv", signal.SIGKILL),
        [("jsonl", signal.SIGKILL), ("csv", signal.SIGKILL), ("csv", signal.SIGINT)],
    ),
)
def test_a_job_that_is_killed_again_and_again_loses_and_repeats_nothing(tiny_bundle, folder, tmp_path, suffix, number):
    out = tmp_path / f"results.{suffix}"
    journal = tmp_path / f"{out.name}{JOURNAL}"
    command = [tiny_bundle, f"{folder}/**", "--out", out, "--threads", 2]
    chance, kills = random.Random(0), 0  # noqa: S311
    statuses = [-1]
    while statuses[-1] not in (0, 1):
        process, enough = start(*command), lines(journal) + chance.randrange(1, COUNT // 8)
        while process.poll() is None and lines(journal) < enough:
            time.sleep(0.001)
        if process.poll() is None:
            process.send_signal(number)
            kills += 1
        statuses.append(process.wait())
    assert kills >= 3, statuses
    assert statuses[-1] == 1
    rows = read(out)
    assert sorted(row["input"] for row in rows) == images(folder)
    assert os.listdir(tmp_path) == [out.name]  # noqa: PTH208


def break_off(monkeypatch, cli, command, count):
    """Run a command that Ctrl-C ends after some answers."""

    def some(*arguments, **options):
        for i, answer in enumerate(answers(*arguments, **options)):
            if i == count:
                raise KeyboardInterrupt
            yield answer

    answers = zoo.predicting.job.LOCAL.answers
    with monkeypatch.context() as patched:
        patched.setattr(zoo.predicting.job, "LOCAL", replace(zoo.predicting.job.LOCAL, answers=some))
        assert cli(*command).status == 130


@pytest.fixture
def interrupted(cli, tiny_bundle, tmp_path, monkeypatch, folder):
    """A job that was interrupted by Ctrl-C after a few answers: its command and its journal."""
    command = ["predict", tiny_bundle, folder / "part 0", "--out", tmp_path / "a.jsonl"]
    break_off(monkeypatch, cli, command, 20)
    journal = tmp_path / f"a.jsonl{JOURNAL}"
    assert lines(journal) == 1 + 20
    return command, journal


@pytest.mark.parametrize("tail", [b"", b'{"input": "x', b"\0\0\0\0\n", b"[]\n", b'"'], ids=repr)
def test_a_torn_last_line_is_answered_anew(cli, interrupted, folder, tmp_path, tail):
    command, journal = interrupted
    with journal.open("ab") as file:
        file.write(tail)
    result = cli(*command)
    assert result.status == 0, result.err
    assert f"20 answers are in {journal}" in result.err
    assert [row["input"] for row in read(tmp_path / "a.jsonl")] == sorted(map(str, (folder / "part 0").iterdir()))
    assert not journal.exists()


def test_a_torn_first_line_begins_anew(cli, interrupted, tmp_path):
    command, journal = interrupted
    journal.write_bytes(journal.read_bytes()[:30])
    assert cli(*command).status == 0
    assert len(read(tmp_path / "a.jsonl")) == len({row["input"] for row in read(tmp_path / "a.jsonl")}) > 100


@pytest.mark.parametrize(
    "content", [b"\nprecious\n", b"\0\0\0\nprecious\n", bytes(4096), b"{", b'{"edge', b"hard link"]
)
def test_a_file_that_is_no_journal_of_ours_is_kept(cli, tiny_bundle, folder, tmp_path, content):
    journal = tmp_path / f"a.csv{JOURNAL}"
    if content == b"hard link":
        content = MAGIC + b"2}\n"
        (tmp_path / "victim").write_bytes(content)
        journal.hardlink_to(tmp_path / "victim")
    else:
        journal.write_bytes(content)
    result = cli("predict", tiny_bundle, folder / "part 0", "--out", tmp_path / "a.csv", "--overwrite")
    assert result.status == 2
    assert f"{journal} is no journal of zoo predict: remove it" in result.err
    assert journal.read_bytes() == content


def test_a_job_killed_after_its_results_were_written_writes_them_again(cli, interrupted, tmp_path):
    command, journal = interrupted
    copy = tmp_path / "copy"
    shutil.copy(journal, copy)
    assert cli(*command).status == 0
    wanted = read(tmp_path / "a.jsonl")
    with copy.open("ab") as file:
        file.writelines(json.dumps(row).encode() + b"\n" for row in wanted[20:])
    shutil.move(copy, journal)
    assert cli(*command).status == 0
    assert read(tmp_path / "a.jsonl") == wanted


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--top", "1"], "is of a job with top 3, this one has 1: --overwrite drops it"),
        (["--engine", "litert"], "is of a job with file model.onnx, this one has model.tflite: --overwrite drops it"),
        (["--engine", "onnxruntime", "../x.png"], "is of a job with other inputs: --overwrite drops it, another --out"),
        (["--option", "arena_extend_strategy=x"], "is of a job with options {}, this one has {'arena_ex"),
    ],
)
def test_another_job_does_not_go_on(cli, interrupted, words, message, tmp_path, monkeypatch):
    command, journal = interrupted
    monkeypatch.chdir(tmp_path)
    before = journal.read_bytes()
    result = cli(*command, *words)
    assert (result.status, result.out) == (2, "")
    assert message in result.err
    assert journal.read_bytes() == before
    assert cli(*command, *words, "--overwrite").status in (0, 1)
    assert not journal.exists()


def test_another_model_does_not_go_on(cli, interrupted, table_bundle, tiny_bundle, tmp_path):
    command, _ = interrupted
    other = shutil.copytree(tiny_bundle, tmp_path / "other")
    from tests.runtime.edits import edit_manifest

    edit_manifest(other, lambda manifest: manifest["model"].update(name="other"))
    command[1] = other
    assert "is of a job with model tiny, this one has other: " in cli(*command).err


def test_another_limit_of_pixels_does_not_go_on(cli, interrupted, monkeypatch):
    monkeypatch.setenv("EDGEZOO_MAX_MEGAPIXELS", "50")
    assert "is of a job with max_pixels 25000000, this one has 50000000: --overwrite" in cli(*interrupted[0]).err


def renewed(bundle, out, change):
    """Return a copy of a bundle, made again with another manifest."""
    from tests.runtime.edits import edit_manifest

    edit_manifest(shutil.copytree(bundle, out), lambda manifest: change(manifest["model"]))
    return out


def flipped(model):
    model["output"]["labels"].reverse()


def padded(model):
    model["input"]["preprocess"][-1]["fit"] = "pad"


@pytest.mark.parametrize("change", [flipped, padded])
def test_a_bundle_that_was_made_again_does_not_go_on(cli, interrupted, tiny_bundle, tmp_path, change):
    command, journal = interrupted
    command[1] = renewed(tiny_bundle, tmp_path / "again", change)
    before = journal.read_bytes()
    result = cli(*command)
    assert result.status == 2
    assert "is of a job with another manifest (preprocessing, labels or output): --overwrite drops it" in result.err
    assert journal.read_bytes() == before


def shortened(path):
    os.truncate(path, path.stat().st_size - 1)


def touched(path):
    os.utime(path, (1, 1))


def replaced(path):
    other = path.with_suffix(".new")
    shutil.copy(path, other)
    other.replace(path)


def removed(path):
    path.unlink()


@pytest.mark.parametrize("change", [shortened, touched, replaced, removed])
@pytest.mark.parametrize("name", ["000.png", "006.png"])
def test_inputs_that_were_replaced_do_not_go_on(cli, tiny_bundle, folder, tmp_path, monkeypatch, change, name):
    images = shutil.copytree(folder / "part 0", tmp_path / "images")
    command = ["predict", tiny_bundle, *sorted(images.glob("*.png"))[:9], "--out", tmp_path / "a.jsonl"]
    break_off(monkeypatch, cli, command, 3)
    change(images / name)
    result = cli(*command)
    assert result.status == 2
    assert "is of a job with inputs that have changed since: --overwrite drops it" in result.err
    assert cli(*command, "--overwrite").status in (0, 1)
    assert len(read(tmp_path / "a.jsonl")) == 9


def test_the_same_command_in_another_folder_is_another_job(cli, tiny_bundle, tmp_path, monkeypatch, photo):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        for i in range(3):
            Image.fromarray(photo).save(tmp_path / name / f"{i}.png")
    command = ["predict", tiny_bundle, "0.png", "1.png", "2.png", "--out", tmp_path / "a.jsonl"]
    monkeypatch.chdir(tmp_path / "one")
    break_off(monkeypatch, cli, command, 2)
    monkeypatch.chdir(tmp_path / "other")
    result = cli(*command)
    assert result.status == 2
    assert "is of a job with other inputs: " in result.err


def test_a_link_as_out_stays_and_its_target_is_written(cli, interrupted, folder, tmp_path):
    (tmp_path / "results").mkdir()
    target, link = tmp_path / "results" / "a.csv", tmp_path / "latest.csv"
    link.symlink_to(target)
    command = ["predict", *interrupted[0][1:3], "--out", link]
    assert cli(*command).status == 0
    assert link.is_symlink()
    assert len(read(target)) == len(list((folder / "part 0").iterdir()))
    assert "is there already" in cli(*command).err
    assert cli(*command, "--overwrite").status == 0
    assert link.is_symlink()
    assert os.listdir(target.parent) == ["a.csv"]  # noqa: PTH208


def test_what_can_not_be_replaced_is_refused_before_the_work(cli, table_bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("age,city,year\n40,Bern,2000\n")
    os.mkdir("folder.csv")  # noqa: PTH102
    os.mkfifo("pipe.csv")
    os.symlink("circle.csv", "circle.csv")  # noqa: PTH211
    os.symlink("rows.csv", "link.csv")  # noqa: PTH211
    os.link("rows.csv", "hard.csv")
    os.symlink("precious", "linked.csv.journal")  # noqa: PTH211
    for name in ("precious", "a.csv.journal"):
        (tmp_path / name).write_text('{"precious": 1}\n')
    for out, message in {
        "folder.csv": "is a folder; name a file",
        "pipe.csv": "is not a regular file",
        "circle.csv": "the link leads in a circle",
        "rows.csv": "is one of the inputs; name another file",
        "link.csv": "is one of the inputs; name another file",
        "hard.csv": "is one of the inputs; name another file",
        "linked.csv": "linked.csv.journal is where the answers are kept until all are there, and no regular file",
        "a.csv": "a.csv.journal is no journal of zoo predict: remove it, or name another --out",
    }.items():
        for more in ([], ["--overwrite"]):
            result = cli("predict", table_bundle, "rows.csv", "--out", out, *more)
            assert (result.status, result.err.count("\n")) == (2, 1), result.err
            assert message in result.err
    assert (tmp_path / "precious").read_text() == (tmp_path / "a.csv.journal").read_text() == '{"precious": 1}\n'
    assert (tmp_path / "rows.csv").read_text().startswith("age,city,year\n")


def test_results_that_came_after_the_job_broke_off_are_kept(cli, interrupted, tmp_path):
    command, journal = interrupted
    (tmp_path / "a.jsonl").write_text("precious")
    assert "is there already: --overwrite replaces it" in cli(*command).err
    assert (tmp_path / "a.jsonl").read_text() == "precious"
    assert lines(journal) == 1 + 20
    assert cli(*command, "--overwrite").status == 0


def test_two_processes_do_not_write_one_journal(cli, interrupted):
    import fcntl

    command, journal = interrupted
    with journal.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        result = cli(*command)
        assert (result.status, result.err) == (2, f"zoo: {journal}: another zoo predict is writing it\n")
    assert cli(*command).status == 0


def test_an_input_given_twice_has_two_lines(cli, tiny_bundle, folder, tmp_path):
    name = folder / "part 0" / "000.png"
    assert cli("predict", tiny_bundle, name, name, "--out", tmp_path / "a.csv").status == 0
    assert [row["input"] for row in read(tmp_path / "a.csv")] == [str(name)] * 2


def test_rows_of_tables_go_on_too(cli, table_bundle, tmp_path):
    table = tmp_path / "people.csv"
    table.write_text("age,city,year\n" + "40,Bern,2000\n" * 9 + "old,Bern,2000\n" + "40,Oslo,2000\n" * 10)
    out = tmp_path / "out.jsonl"
    assert cli("predict", table_bundle, table, "--out", out).status == 1
    rows = read(out)
    assert [row["input"] for row in rows] == [f"{table}:{i}" for i in range(2, 22)]
    assert [i for i, row in enumerate(rows) if "error" in row] == [9]


def test_no_cell_is_a_formula(cli, tiny_bundle, photo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("=1+1.png", "@sum.png", '+a, "b".png'):
        Image.fromarray(photo).save(name)
    result = cli("predict", tiny_bundle, "=1+1.png", "@sum.png", '+a, "b".png', "=none.png", "--out", "out.csv")
    assert result.status == 1
    rows = read(tmp_path / "out.csv")
    assert [row["input"] for row in rows] == ["./=1+1.png", "./@sum.png", './+a, "b".png', "./=none.png"]
    assert all((tmp_path / row["input"]).exists() for row in rows[:3])
    assert rows[3]["error"] == "'=none.png: no such file"
    assert all(row["label"] for row in rows[:3])


def test_numbers_below_zero_stay_numbers():
    from zoo.predicting.writers import harmless

    assert harmless("value", -1.5) == -1.5
    assert harmless("label", "-1") == "-1"
    assert harmless("label", "-1+cmd") == "'-1+cmd"


def test_without_ray_the_extra_is_named(cli, tiny_bundle, folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    result = cli("predict", tiny_bundle, folder, "--on", "ray", "--out", tmp_path / "answers.csv")
    assert result.status == 2
    assert "pip install 'edgezoo[cluster]'" in result.err
    assert result.err.count("\n") == 1
    assert os.listdir(tmp_path) == []  # noqa: PTH208


def test_names_that_are_no_text(cli, tiny_bundle, photo, tmp_path):
    raw_path = os.fsencode(tmp_path) + b"/caf\xe9.png"
    try:
        Image.fromarray(photo).save(os.fsdecode(raw_path))
    except OSError:
        pytest.skip("this file system takes text only")
    for suffix in ("csv", "jsonl", "parquet"):
        assert cli("predict", tiny_bundle, os.fsdecode(raw_path), "--out", tmp_path / f"a.{suffix}").status == 0
        (row,) = read(tmp_path / f"a.{suffix}")
        assert row["label"]
        assert "caf" in row["input"]


def test_a_full_disk_is_one_line_and_the_job_goes_on(cli, interrupted, monkeypatch, tmp_path):
    command, journal = interrupted

    def full(path, records):
        path.write_text("half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(zoo.predicting.writers, "write_jsonl", full)
        result = cli(*command)
    assert result.status == 2
    assert "No space left on device" in result.err.splitlines()[-1]
    assert sorted(path.name for path in tmp_path.iterdir()) == [journal.name]
    assert cli(*command).status == 0
    assert len(read(tmp_path / "a.jsonl")) > 100


def test_a_bar_with_a_rate_where_somebody_watches(monkeypatch, capsys):
    import_module("zoo.terminal.console")  # which keeps the colors of the moment when it is imported
    monkeypatch.setattr(progress, "AFTER", 0.0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")

    def slow():
        for i in range(5):
            time.sleep(0.15)
            yield i

    assert list(progress.with_progress(slow(), 5, "images")) == list(range(5))
    shown = capsys.readouterr().err
    assert "/5" in shown
    assert "images/s" in shown


def test_no_bar_for_what_takes_a_moment(capsys):
    assert list(progress.with_progress(range(5), 5, "images")) == list(range(5))
    assert capsys.readouterr().err == ""
