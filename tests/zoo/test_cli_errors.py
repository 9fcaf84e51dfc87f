"""Every error that a user can cause is one line on stderr and exit status 2; what is good is still answered."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zlib

import pytest
from PIL import Image

import runtime
from runtime.bundle import MANIFEST
from runtime.errors import DataError
from runtime.isolation import probe
from tests.runtime.edits import edit_manifest
from zoo.train.pipeline import train


def one_line(result, status=2):
    """Return the one line of an error; before it only progress may stand."""
    *progress, line = result.err.splitlines()
    assert result.status == status
    assert all(step.endswith(" …") for step in progress), result.err
    assert line.startswith("zoo: ")
    return line


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def huge_png():
    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")


@pytest.fixture
def good(save_image, photo):
    return save_image(photo, "good.png")


@pytest.fixture
def bad(request, tmp_path, save_image, photo):
    """A file, or none, that is no image that can be read."""
    path = tmp_path / "bad.jpg"
    if request.param == "text":
        path.write_text("this was never an image")
    elif request.param == "truncated":
        data = save_image(photo, "whole.jpg").read_bytes()
        path.write_bytes(data[: len(data) // 2])
    elif request.param == "empty":
        path.touch()
    elif request.param == "folder":
        path.mkdir()
    elif request.param == "huge":
        path.write_bytes(huge_png())
    elif request.param == "two lines":
        path = tmp_path / "bad\nname.jpg"
    return path


BAD = {
    "text": "not an image",
    "truncated": "the image is damaged",
    "empty": "the file is empty",
    "folder": "is a folder",
    "huge": "too large",
    "missing": "no such file",
    "two lines": "no such file",
}
each_bad = pytest.mark.parametrize(("bad", "why"), BAD.items(), indirect=["bad"], ids=BAD)


@each_bad
def test_one_bad_file(cli, tiny_bundle, bad, why):
    result = cli("predict", tiny_bundle, bad)
    line = one_line(result)
    assert result.out == ""
    assert why in line
    assert bad.name.partition("\n")[0] in line


@each_bad
def test_one_bad_file_among_good_ones(cli, tiny_bundle, good, bad, why):
    result = cli("predict", tiny_bundle, good, bad, good)
    assert result.status == 1
    assert [line.split()[0] for line in result.out.splitlines()] == [str(good), str(good)]
    (line,) = (line for line in result.err.splitlines() if line.startswith("zoo: "))
    assert why in line


@each_bad
def test_a_bad_file_in_json(cli, tiny_bundle, good, bad, why):
    result = cli("predict", tiny_bundle, bad, good, "--json")
    report = json.loads(result.out)
    assert result.status == 1
    assert [answer["input"] for answer in report["predictions"]] == [str(good)]
    (error,) = report["errors"]
    assert error["input"] == str(bad)
    assert why in error["error"]


def test_several_bad_files_are_all_reported(cli, tiny_bundle, tmp_path):
    result = cli("predict", tiny_bundle, tmp_path / "one.png", tmp_path / "two.png")
    assert (result.status, result.out) == (2, "")
    first, second = result.err.splitlines()
    assert "one.png: no such file" in first
    assert "two.png: no such file" in second


def test_several_frames_are_a_note(cli, tiny_bundle, good, save_image):
    frames = [Image.new("RGB", (20, 30), color) for color in ("red", "green")]
    moving = save_image(frames[0], "moving.gif", save_all=True, append_images=frames[1:])
    note = f"{moving}: holds several frames; the first is the one answered"
    result = cli("predict", tiny_bundle, moving, good)
    assert result.status == 0
    assert len(result.out.splitlines()) == 2
    assert result.err.splitlines()[0] == f"zoo: {note}"
    result = cli("predict", tiny_bundle, moving, good, moving, "--json")
    assert json.loads(result.out)["notes"] == [note, note]
    assert json.loads(cli("predict", tiny_bundle, good, "--json").out)["notes"] == []


def test_a_file_that_fails_its_trial(cli, bundle_copy, good, monkeypatch, tmp_path):
    monkeypatch.setenv("EDGEZOO_CACHE", str(tmp_path / "cold"))
    monkeypatch.setattr(probe, "spawn", lambda *_: probe.Ending(probe.STARTED, -11))
    line = one_line(cli("predict", bundle_copy, good, "--engine", "litert"))
    assert line.startswith("zoo: model.tflite: engine 'litert' died of SIGSEGV when a child process tried the file")
    assert "--trusted" in line
    assert cli("predict", bundle_copy, good, "--engine", "litert", "--trusted").status == 0


@pytest.mark.parametrize("words", [("verify",), ("evaluate", "--data", "digits"), ("compare",), ("card",)])
def test_every_command_that_runs_a_model_can_trust_it(cli, bundle_copy, monkeypatch, tmp_path, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGEZOO_CACHE", str(tmp_path / "cold"))
    tried = []
    monkeypatch.setattr(probe.Probe, "check", lambda self, name: tried.append(name) or "")
    command, *rest = words
    for trusted in (False, True):
        cli(command, bundle_copy, *rest, *["--trusted"] * trusted)
        assert bool(tried) != trusted
        tried.clear()


@pytest.mark.parametrize("command", ["bench", "diagnose", "import", "push"])
def test_and_so_can_every_other(cli, command):
    assert "--trusted" in cli(command, "--help").out


def test_a_name_that_the_terminal_cannot_write(tiny_bundle, good):
    """In a process of its own, whose output is strict."""
    name = os.fsdecode(b"\xff.png")
    good.rename(good.parent / name)
    command = [sys.executable, "-m", "zoo", "predict", str(tiny_bundle), str(good.parent / name)]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    done = subprocess.run(command, capture_output=True, env=environment, text=True)
    assert done.returncode == 0, done.stderr
    assert "\\udcff.png   " in done.stdout


def flip(bundle):
    data = bytearray((bundle / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (bundle / "model.onnx").write_bytes(data)


def leave_folder(bundle):
    edit_manifest(bundle, lambda manifest: manifest["files"].update({"../x": manifest["files"]["README.md"]}))


BROKEN = {
    "a flipped byte": (flip, "model.onnx: the file is not the one that the manifest lists"),
    "a way out": (leave_folder, "'../x' can't be a file of a bundle"),
    "a missing field": (lambda b: edit_manifest(b, lambda m: m.pop("model")), "the field 'model' is missing"),
    "a later format": (lambda b: edit_manifest(b, lambda m: m.update(format=99)), "newer than this edgezoo reads"),
    "no json": (lambda b: (b / MANIFEST).write_text("{"), "not valid JSON"),
    "no manifest": (lambda b: (b / MANIFEST).unlink(), "not a bundle"),
    "a truncated file": (lambda b: os.truncate(b / "model.onnx", 99), "model.onnx: the file is not the one"),
    "a key twice": (lambda b: (b / MANIFEST).write_text('{"format": 2, "format": 2}'), "a key appears twice"),
    "a gigabyte": (lambda b: os.truncate(b / MANIFEST, 10**9), "larger than expected"),
    "nesting": (lambda b: (b / MANIFEST).write_text("[" * 10_000), "not valid JSON"),
    "an absolute path": (
        lambda b: edit_manifest(b, lambda m: m["files"].update({"/etc/passwd": m["files"]["README.md"]})),
        "'/etc/passwd' can't be a file of a bundle",
    ),
    "a path of Windows": (
        lambda b: edit_manifest(b, lambda m: m["files"].update({"C:\\x": m["files"]["README.md"]})),
        "can't be a file of a bundle",
    ),
    "a symbolic link": (
        lambda b: (b / "model.onnx").rename(b.parent / "x") and (b / "model.onnx").symlink_to(b.parent / "x"),
        "model.onnx: can't be read",
    ),
    "a hard link elsewhere": (
        lambda b: ((b / "model.onnx").unlink(), (b / "model.onnx").hardlink_to(b / "README.md")),
        "model.onnx: the file is not the one",
    ),
    "a pipe": (
        lambda b: ((b / "model.onnx").unlink(), os.mkfifo(b / "model.onnx")),
        "model.onnx: can't be read (is not a regular file)",
    ),
    "a missing file": (lambda b: (b / "model.onnx").unlink(), "model.onnx: can't be read"),
}


@pytest.mark.parametrize("damage", BROKEN)
@pytest.mark.parametrize("command", ["verify", "predict"])
def test_a_broken_bundle(cli, bundle_copy, good, command, damage):
    make, message = BROKEN[damage]
    make(bundle_copy)
    assert message in one_line(cli(command, bundle_copy, *([good] if command == "predict" else [])))


@pytest.mark.parametrize("command", ["info", "verify", "predict"])
def test_a_bundle_that_is_not_there(cli, tmp_path, good, command):
    line = one_line(cli(command, tmp_path / "nowhere", *([good] if command == "predict" else [])))
    assert "nowhere: not a bundle (no such folder)" in line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--engine", "onnxrntime"], "unknown engine 'onnxrntime' (did you mean 'onnxruntime'?)"),
        (["--engine", "litert", "--device", "cuda"], "engine 'litert' has no device 'cuda' here; it has: cpu"),
        (["--device", "abacus"], "no device 'abacus' here; it has: "),
        (["--threads", "0"], "threads must be "),
        (["--threads", "two"], "--threads"),
        (["--top", "0"], "--top"),
        (["--tpo", "3"], "--tpo"),
    ],
)  # fmt: skip
def test_options_of_predict_that_make_no_sense(cli, tiny_bundle, good, words, message):
    assert message in one_line(cli("predict", tiny_bundle, good, *words))


@pytest.mark.parametrize("engine", ["onnxruntime", "litert"])
def test_an_engine_that_is_not_installed(cli, tiny_bundle, good, monkeypatch, engine):
    for library in ("onnxruntime", "openvino", "ai_edge_litert", "tflite_runtime"):
        monkeypatch.setitem(sys.modules, library, None)
        monkeypatch.delitem(sys.modules, f"{library}.interpreter", raising=False)
    extra = {"onnxruntime": "onnx", "litert": "litert"}[engine]
    assert f"pip install 'edgezoo[{extra}]'" in one_line(cli("predict", tiny_bundle, good, "--engine", engine))
    line = one_line(cli("predict", tiny_bundle, good))
    assert "pip install 'edgezoo[onnx]'" in line
    assert "pip install 'edgezoo[litert]'" in line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["predct", "x"], "Did you mean 'predict'"),
        (["info"], "BUNDLE"),
        (["predict"], "BUNDLE"),
        (["info", "x", "--jsn"], "--jsn"),
        (["train", "cn"], "unknown recipe 'cn' (did you mean 'cnn'?); choose from: "),
        (["train", "cn", "--help"], "unknown recipe 'cn' (did you mean 'cnn'?)"),
        (["train", "cnn", "--set", "with=3"], "unknown option 'with' (did you mean 'widths'?)"),
        (["train", "cnn", "--set", "widths"], "--set takes key=value, got 'widths'"),
        (["train", "cnn", "--set", "lr=fast"], "lr: expected float, got 'fast'"),
        (["train", "cnn", "--epochs", "0"], "epochs must be at least 1"),
        (["train", "cnn", "--epochs", "ten"], "--epochs"),
        (["train", "cnn", "--config", "nowhere.toml"], "nowhere.toml: can't be read as TOML"),
        (["train", "cnn", "--data", "digit"], "unknown data set 'digit' (did you mean 'digits'?)"),
        (["train", "cnn", "--data", "mnist:nowhere"], "nowhere: no such folder"),
        (["train", "cnn", "--device", "abacus"], "unknown device 'abacus'"),
        (["train", "cnn", "--seed", "-1"], "seed must be 0 to"),
        (["train", "transfer"], "transfer needs data: --data folder:PATH"),
        (["export", "nowhere"], "nowhere: not a training run"),
    ],
    ids=" ".join,
)
def test_a_command_line_that_makes_no_sense(cli, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    result = cli(*words)
    assert message in one_line(result)
    assert not list(tmp_path.iterdir())


def test_an_unknown_format_is_answered_with_the_nearest(cli, trained, tmp_path):
    line = one_line(cli("export", trained, "--format", "onx", "--out", tmp_path / "bundle"))
    assert "unknown format 'onx' (did you mean 'onnx'?)" in line


def test_an_export_to_a_folder_of_other_files(cli, trained, tmp_path):
    (tmp_path / "letter.txt").write_text("dear all")
    assert "exists and is not a bundle" in one_line(cli("export", trained, "--format", "onnx", "--out", tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_bad_data_lists_every_offender_and_the_command_those_that_fit_a_line(cli, tmp_path):
    for label in ("cat", "dog"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for i in range(3):
            (tmp_path / "data" / label / f"{i}.png").write_text(f"no image {label} {i}")
    data = f"folder:{tmp_path / 'data'}"
    with pytest.raises(DataError) as caught:
        train("transfer", data=data, out=tmp_path / "run")
    for label in ("cat", "dog"):
        for i in range(3):
            assert f"{label}/{i}.png: not an image" in str(caught.value)
    line = one_line(cli("train", "transfer", "--data", data, "--out", tmp_path / "run"))
    assert line.startswith("zoo: data: 8 problems: no readable samples in train of: cat, dog")
    assert len(line) <= 500
    assert str(caught.value).endswith(line[-100:].strip())


def test_interrupting(cli, tiny_bundle, good, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(runtime.Model, "attempt", interrupt)
    assert one_line(cli("predict", tiny_bundle, good), status=130) == "zoo: interrupted"


@pytest.mark.parametrize(
    "words", [["info", "nowhere"], ["train", "mlp", "--set", "lr"], ["predict", "nowhere", "x.png"], ["nothing"]]
)
def test_a_process_prints_no_traceback(zoo_process, words):
    result = zoo_process(*words)
    assert result.returncode == 2
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert result.stderr.splitlines()[-1].startswith("zoo: ")


REDIRECTED = {
    ">/dev/full": (2, "zoo: standard output can't be written ([Errno 28] No space left on device)\n"),
    ">&-": (2, "zoo: standard output can't be written ([Errno 9] Bad file descriptor)\n"),
    ">&- 2>&-": (2, ""),
    ">/dev/null 2>&-": (0, ""),
    ">/dev/null 2>/dev/full <&-": (0, ""),
}


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")  # noqa: PTH110
@pytest.mark.parametrize("redirected", REDIRECTED)
@pytest.mark.parametrize("words", ["info BUNDLE", "predict BUNDLE IMAGE"])
def test_what_can_not_be_printed_is_one_line(tiny_bundle, good, words, redirected):
    command = f"{sys.executable} -m zoo {words} {redirected}".replace("BUNDLE", str(tiny_bundle))
    command = command.replace("IMAGE", str(good))
    result = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    status, err = REDIRECTED[redirected]
    assert (result.returncode, result.stdout) == (status, "")
    assert "\n".join(line for line in result.stderr.splitlines(True) if line.startswith("zoo: ")) == err
    assert "Traceback" not in result.stderr
    assert "Exception" not in result.stderr


def test_a_reader_that_has_enough_is_no_error(table_bundle, tmp_path):
    table = tmp_path / "rows.csv"
    table.write_text("age,city,year\n" + "40,Bern,2000\n" * 9000)
    command = f"{sys.executable} -m zoo predict {table_bundle} {table} | head -n 1"
    result = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert result.stdout.startswith(f"{table}:2   ")
    assert result.stdout.count("\n") == 1
    assert result.stderr == ""


def test_results_are_written_with_all_streams_closed(tiny_bundle, good, tmp_path):
    command = f"{sys.executable} -m zoo predict {tiny_bundle} {good} --out {tmp_path}/a.jsonl <&- >&- 2>&-"
    assert subprocess.run(["sh", "-c", command], check=False).returncode == 0
    assert json.loads((tmp_path / "a.jsonl").read_text())["input"] == str(good)
