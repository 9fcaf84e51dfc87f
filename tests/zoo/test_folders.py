"""What is there is replaced with --overwrite alone, only where it is ours, and is refused before any work is done."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from export.disclosure import OWN
from export.folder import check_place
from runtime.atomic import check_file
from runtime.bundle import MANIFEST, SIGNATURE
from runtime.errors import DataError, OutputError
from tests.zoo.test_cli_errors import one_line
from zoo.registry import descriptions, load_module
from zoo.train.folders import check_report, check_run, check_search, clear_run, locked_run, run_folder
from zoo.train.run import METRICS, RUN, WEIGHTS


def tree(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def copy(trained_bundle, tmp_path):
    return shutil.copytree(trained_bundle, tmp_path / "bundle")


def refused(cli, *words):
    """Return the line of a command that must not have begun its work."""
    result = cli(*words)
    line = one_line(result)
    assert (result.status, result.out) == (2, "")
    assert "…" not in result.err
    return line


def needs_path(name):
    """Tell whether a source of data has none of its own, neither in the package nor to download."""
    module = load_module("zoo.data", name)
    if hasattr(module, "_download"):
        return False
    try:
        module.load(None, 0)
    except DataError as problem:
        assert f"{name}:PATH" in str(problem)
        return True
    return False


def test_a_run_on_data_of_ones_own_is_called_after_its_folder():
    own = {name for name in descriptions("zoo.data") if needs_path(name)}
    assert own == set(OWN) - {"series"}  # which has a data set without a path
    for name in OWN:
        assert str(run_folder("cnn", f"{name}:/home/ada/cells")) == "runs/cnn-cells"
    assert str(run_folder("cnn", "mnist:/home/ada/digits")) == "runs/cnn-mnist"


def test_a_bundle_is_replaced_when_that_is_said(cli, trained, copy):
    before = tree(copy)
    words = ("export", trained, "--format", "onnx", "--out", copy)
    assert "holds a bundle already; replace it with --overwrite" in refused(cli, *words)
    (copy / SIGNATURE).write_bytes(b"{}")
    assert "holds a bundle already, and a signature;" in refused(cli, *words)
    assert "holds a bundle already" in refused(cli, *words, "--budget", "size<=1MB")
    assert tree(copy) == before | {(copy / SIGNATURE).relative_to(copy): b"{}"}
    assert cli(*words, "--overwrite").status == 0
    assert json.loads((copy / MANIFEST).read_bytes())["models"].keys() == {"model.onnx"}
    assert not (copy / SIGNATURE).exists()


def with_notes(path):
    (path / "notes.txt").write_text("mine")


def web_app(path):
    for file in path.iterdir():
        file.unlink()
    (path / MANIFEST).write_text('{"name": "an app", "icons": []}')
    (path / "index.html").write_text("mine")


@pytest.mark.parametrize("change", [with_notes, web_app], ids=["a file of the user's", "a web app's manifest"])
def test_what_is_not_ours_alone_is_never_replaced(copy, change):
    change(copy)
    before = tree(copy)
    with pytest.raises(OutputError, match=r"is not a bundle alone: it holds (notes\.txt|index\.html)"):
        check_place(copy, overwrite=True)
    assert tree(copy) == before


def test_imports_and_pulls_keep_to_the_rule(cli, copy, tmp_path):
    words = ("import", copy / "model.onnx", "--out", copy)
    assert "holds a bundle already" in refused(cli, *words)
    assert "holds a bundle already" in refused(cli, "pull", "wine-mlp", "--out", copy)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("mine")
    for more in ((), ("--overwrite",)):
        assert "is not a bundle" in refused(cli, "pull", "wine-mlp", "--out", tmp_path / "mine", *more)


def test_a_signature_is_replaced_or_dropped_when_that_is_said(cli, copy, tmp_path):
    (copy / SIGNATURE).write_bytes(b"{}")
    assert "exists; replace it with --overwrite" in refused(cli, "sign", copy, "--key", tmp_path / "key.pem")
    assert "is signed; --overwrite drops the signature" in refused(cli, "card", copy, "--no-speed")
    assert cli("card", copy, "--no-speed", "--overwrite").status == 0
    assert not (copy / SIGNATURE).exists()


@pytest.mark.parametrize("command", ["bench", "compare", "diagnose"])
def test_pictures_are_replaced_when_that_is_said(cli, copy, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    picture = {"bench": "bench.png", "compare": "comparison.png", "diagnose": "diagnosis.png"}[command]
    (tmp_path / picture).write_text("mine")
    assert f"{picture}: exists; replace it with --overwrite" in refused(cli, command, copy)
    (tmp_path / "file").write_text("mine")
    assert "can't be written" in refused(cli, command, copy, "--out", tmp_path / "file" / "a.png")
    assert (tmp_path / picture).read_text() == "mine"


def test_a_search_is_refused_before_its_trials(cli, few, tmp_path):
    out = tmp_path / "run"
    words = ("train", "mlp", "--data", few, "--set", "hidden=[4]", "--epochs", 1, "--out", out)
    out.mkdir()
    (out / "run.json").write_text("{}")
    assert "holds a run already" in refused(cli, *words, "--tune", 2)
    shutil.rmtree(out)
    (tmp_path / "run-tuning").mkdir()
    (tmp_path / "run-tuning" / "trials.json").write_text("{}")
    assert "holds a search already; replace it with --overwrite" in refused(cli, *words, "--tune", 2)
    (tmp_path / "run-tuning" / "thesis.doc").write_text("mine")
    assert "is not a search alone" in refused(cli, *words, "--tune", 2, "--overwrite")
    assert "--resume has nothing to go on with" in refused(cli, *words, "--tune", 2, "--resume")


def test_folds_are_refused_before_the_first(cli, few, tmp_path):
    (tmp_path / "folds" / "fold-3").mkdir(parents=True)
    (tmp_path / "folds" / "fold-3" / "run.json").write_text("{}")
    words = ("train", "mlp", "--data", few, "--folds", 3, "--out", tmp_path / "folds")
    assert "fold-3: holds a run already" in refused(cli, *words)
    assert not (tmp_path / "folds" / "fold-1").exists()


def test_a_run_takes_its_own_files_away_alone(tmp_path):
    for name in ("run.json", "model.safetensors", "curves.png", "holiday.png", "notes.txt"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "metrics.json").write_text('{"pictures": ["curves.png"]}')
    clear_run(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["holiday.png", "notes.txt"]


def test_reports_and_files(tmp_path):
    check_report(tmp_path / "new")
    (tmp_path / "report").mkdir()
    check_report(tmp_path / "report")
    (tmp_path / "report" / "metrics.json").write_text("{}")
    with pytest.raises(OutputError, match="holds an evaluation; replace it with --overwrite"):
        check_report(tmp_path / "report")
    check_report(tmp_path / "report", overwrite=True)
    (tmp_path / "report" / "run.json").write_text("{}")
    with pytest.raises(OutputError, match="is not an evaluation alone"):
        check_report(tmp_path / "report", overwrite=True)
    for check in (check_run, check_search, check_place, check_report, check_file):
        (tmp_path / "file").write_text("mine")
        with pytest.raises(OutputError, match="can't be written"):
            check(tmp_path / "file" / "below")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    for path in (tmp_path, tmp_path / "link"):
        with pytest.raises(OutputError, match="is not a file"):
            check_file(path, overwrite=True)


TYPOS = [
    (["train", "cnnn"], "unknown recipe 'cnnn'"),
    (["train", "cnn", "--set", "lrr=1"], "unknown option 'lrr'"),
    (["train", "cnn", "--epochs", "0"], "epochs must be at least 1"),
    (["train", "cnn", "--set", "task=classify"], "unknown"),
    (["train", "cnn", "--data", "digit"], "unknown data set 'digit'"),
    (["train", "cnn", "--data", "folder:nowhere"], "nowhere"),
    (["train", "cnn", "--target", "x"], "no columns to choose a target from"),
    (["train", "cnn", "--device", "gpu"], "unknown device 'gpu'"),
    (["train", "cnn", "--logger", "tensorbord"], "unknown logger 'tensorbord'"),
    (["export", "RUN", "--format", "onx"], "unknown format 'onx'"),
    (["export", "RUN", "--precision", "int7"], "unknown precision 'int7'"),
    (["export", "RUN", "--calibration-method", "minmax"], "unknown calibration method 'minmax'"),
    (["export", "RUN", "--budget", "sise<=1MB"], "unknown key 'sise'"),
    (["export", "RUN", "--for", "wob"], "unknown platform 'wob'"),
    (["export", "RUN", "--for", "web", "--format", "tflm"], "format tflm: browsers run onnx and tflite only"),
    (["export", "RUN", "--data", "digit"], "unknown data set 'digit'"),
    (["export", "RUN", "--golden", "nowhere"], "nowhere: no such folder of samples"),
    (["export", "nowhere"], "not a training run"),
]
WATCH = """
import sys
from zoo.__main__ import main
for words, message in {cases!r}:
    sys.argv = ["zoo", *words]
    try:
        main()
    except SystemExit as ended:
        assert ended.code == 2, words
    heavy = {{"torch", "timm", "lightning", "matplotlib"}} & set(sys.modules)
    assert not heavy, (words, heavy)
"""


def test_what_is_wrong_is_told_before_pytorch_is_loaded(trained, tmp_path):
    cases = [([str(trained) if word == "RUN" else word for word in words], message) for words, message in TYPOS]
    done = subprocess.run(
        [sys.executable, "-c", WATCH.format(cases=cases)], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == len(TYPOS)
    for line, (_, message) in zip(lines, TYPOS, strict=True):
        assert message in line


@pytest.mark.parametrize("name", [RUN, WEIGHTS, METRICS, "checkpoints", "logs", "checkpoints/last.ckpt", "curves.png"])
@pytest.mark.parametrize("how", [{"resume": True}, {"overwrite": True}], ids=["resume", "overwrite"])
def test_a_training_follows_no_link_of_its_folder(tmp_path, name, how):
    folder, outside = tmp_path / "run", tmp_path / "outside"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / RUN).write_text("{}")
    outside.write_text("precious")
    if (folder / name).is_dir():
        (folder / name).rmdir()
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(outside)
    with pytest.raises(OutputError, match="is a link; a run folder holds none"):
        check_run(folder, **how)
    assert outside.read_text() == "precious"


@pytest.mark.parametrize("names", [[".."], ["../outside.png"], ["notes.txt"], "..", [7], None, [["a"]]])
def test_clearing_a_run_deletes_its_pictures_alone(tmp_path, names):
    folder = tmp_path / "run"
    folder.mkdir()
    for file in (folder / RUN, folder / "notes.txt", tmp_path / "outside.png"):
        file.write_text("{}")
    (folder / METRICS).write_text(json.dumps({"pictures": names}))
    clear_run(folder)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["notes.txt", "outside.png", "run"]


def test_clearing_a_run_waits_for_no_pipe(tmp_path):
    (tmp_path / RUN).write_text("{}")
    os.mkfifo(tmp_path / METRICS)
    clear_run(tmp_path)
    assert not list(tmp_path.iterdir())


def test_one_training_at_a_time_writes_into_a_folder(tmp_path):
    folder = tmp_path / "run"
    lock = (
        "import sys, pathlib\nfrom zoo.train.folders import locked_run\n"
        "with locked_run(pathlib.Path(sys.argv[1])): print('held')"
    )
    with locked_run(folder):
        with pytest.raises(OutputError, match="run: another training writes into it"), locked_run(folder):
            pass
        other = subprocess.run([sys.executable, "-c", lock, folder], capture_output=True, text=True, check=False)
        assert "another training writes into it" in other.stderr
    assert not folder.exists(), "what was made for nothing is removed"
    again = subprocess.run([sys.executable, "-c", lock, folder], capture_output=True, text=True, check=False)
    assert again.stdout == "held\n"


def test_two_trainings_at_once_into_one_folder(few, tmp_path):
    from zoo.train.pipeline import train

    with locked_run(tmp_path / "run"), pytest.raises(OutputError, match="another training writes into it"):
        train("mlp", data=few, out=tmp_path / "run", settings={"hidden": [], "epochs": 1})
    assert not (tmp_path / "run").exists()
