"""The command line: what each command shows, for people and as JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

from export.formats import format_names
from runtime.bundle import GOLDEN
from runtime.bundle.golden import Golden
from runtime.engines import engine_module, engine_names
from tests.engines import FLOAT_ENGINES
from tests.runtime.edits import remove_model, replace_file
from tests.zoo.conftest import SMALL
from zoo.options import options_of
from zoo.recipes import Training, descriptions, recipe
from zoo.train.run import METRICS, RUN

COMMANDS = (
    "list",
    "train",
    "export",
    "info",
    "verify",
    "data",
    "summary",
    "evaluate",
    "compare",
    "diagnose",
    "predict",
)
SAME = [word for key, value in SMALL.items() for word in ("--set", f"{key}={value}")]


def test_help_lists_every_command(zoo_process):
    result = zoo_process("--help", COLUMNS="200")
    assert (result.returncode, result.stderr) == (0, "")
    for command in COMMANDS:
        assert f" {command} " in result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(cli, command):
    result = cli(command, "--help")
    assert (result.status, result.err) == (0, "")
    assert "--json" in result.out


def test_help_of_a_recipe_shows_every_option(zoo_process):
    result = zoo_process("train", "cnn", "--help", COLUMNS="250")
    assert (result.returncode, result.stderr) == (0, "")
    shown, column, name = {}, 0, ""
    for line in result.stdout.splitlines():  # long helps go over several lines
        if "what it does" in line:
            column = line.index("what it does")
        elif column and line[column - 1 :].strip("─ "):
            name = line[:column].split()[0] if line[1:2].strip() else name
            shown[name] = f"{shown.get(name, '')} {line[column:].strip()}".strip()
    for option in (*options_of(recipe("cnn").options), *options_of(Training)):
        assert shown[option.name] == option.help
    assert str(recipe("cnn").training.lr) in next(line for line in result.stdout.splitlines() if line[:4] == " lr ")


def test_list(cli):
    shown, listing = cli("list"), json.loads(cli("list", "--json").out)
    assert listing["recipes"] == descriptions("zoo.recipes")
    assert listing["data"] == descriptions("zoo.data")
    assert set(listing["tasks"]) == set(descriptions("zoo.tasks"))
    assert set(listing["formats"]) == set(format_names())
    for name in engine_names():
        module = engine_module(name)
        install = f"pip install 'edgezoo[{module.EXTRA}]'"
        assert listing["engines"][name] == {"format": module.FORMAT, "installed": True, "install": install}
    for name in (*listing["recipes"], *listing["data"], *listing["tasks"], *listing["formats"], *listing["engines"]):
        assert f"\n {name} " in shown.out


def test_list_says_how_to_install_an_engine(cli, monkeypatch):
    monkeypatch.setattr(engine_module("litert"), "missing", lambda: True)
    assert "no: pip install 'edgezoo[litert]'" in cli("list").out
    assert json.loads(cli("list", "--json").out)["engines"]["litert"]["installed"] is False


def test_info(cli, trained_bundle):
    result = cli("info", trained_bundle)
    assert result.status == 0
    for word in (
        "mlp-digits",
        "8×8 gray",
        "classification: 10 labels: 0, 1, 2",
        "model.onnx",
        "model.tflite",
        "CC BY 4.0",
        "validation accuracy",
    ):
        assert word in result.out
    manifest = json.loads((trained_bundle / "manifest.json").read_text())
    assert json.loads(cli("info", trained_bundle, "--json").out) == manifest


def test_verify(cli, tiny_bundle):
    result = cli("verify", tiny_bundle)
    assert result.status == 0
    assert "verified: this machine gives PyTorch's answers" in result.out
    report = json.loads(cli("verify", tiny_bundle, "--json").out)
    assert report["passed"] is True
    preprocessing, *replays = report["replays"]
    assert (preprocessing["passed"], preprocessing["max_difference"]) == (True, 0)
    assert {replay["file"] for replay in replays} == {"model.onnx", "model.tflite"}
    for replay in replays:
        assert (replay["passed"], replay["samples"], replay["agreement"]) == (True, 11, 1)
        assert replay["max_difference"] < 1e-5


def test_verify_of_other_answers_exits_1(cli, bundle_copy):
    golden = Golden.decode((bundle_copy / GOLDEN).read_bytes(), GOLDEN)
    golden.outputs[0, 0] += 1
    replace_file(bundle_copy, GOLDEN, golden.encode())
    result = cli("verify", bundle_copy)
    assert (result.status, result.err) == (1, "")
    assert "NOT verified" in result.out
    assert "FAILED" in result.out
    result = cli("verify", bundle_copy, "--json")
    assert (result.status, json.loads(result.out)["passed"]) == (1, False)


def test_train(cli, few, tmp_path):
    config = tmp_path / "config.toml"
    config.write_text("epochs = 9\nhidden = [7]\nlr = 0.01\n")
    words = (
        "--data",
        few,
        "--config",
        config,
        "--set",
        "lr=0.02",
        "--epochs",
        1,
        "--seed",
        3,
        "--out",
        tmp_path / "run",
    )
    result = cli("train", "mlp", *words)
    assert result.status == 0, result.err
    assert "epoch 1/1" in result.err
    for word in (
        "precision",
        "recall",
        "mlp-mnist on validation",
        "of a guess that ignores the input",
        f"zoo export {tmp_path / 'run'}",
    ):
        assert word in result.out
    kept = json.loads((tmp_path / "run" / RUN).read_text())
    shown = dict(line.rsplit(maxsplit=1) for line in result.out.splitlines() if len(line.split()) > 1)
    assert (shown[" samples"], shown[" accuracy"][-1]) == ("10", "%")
    assert (kept["options"]["hidden"], kept["seed"], kept["data"]) == ([7], 3, few)
    assert (kept["training"]["epochs"], kept["training"]["lr"]) == (1, 0.02)


def test_train_as_json(cli, trained):
    result = cli("train", "mlp", *SAME, "--out", trained, "--resume", "--json")
    report = json.loads(result.out)
    assert (report["run"], report["skipped"]) == (str(trained), [])
    assert report["validation"]["samples"] == 359
    assert set(report["validation"]) == {"samples", "baseline", "metrics", "classes", "confusion"}
    assert report["validation"] == json.loads((trained / METRICS).read_text())["validation"]
    assert set(report) == {"run", "validation", "skipped", "pictures", "over_fitting"}


def test_skipped_files_are_reported(cli, few, photos, tmp_path):
    bad = tmp_path / "photos"
    for label in ("leaf", "sky"):
        (bad / label).mkdir(parents=True)
        for image in sorted((photos / label).iterdir())[:4]:
            (bad / label / image.name).write_bytes(image.read_bytes())
    (bad / "sky" / "broken.png").write_text("no image")
    words = (
        "--data",
        f"folder:{bad}",
        "--set",
        "size=32",
        "--set",
        "backbone=test_resnet",
        "--set",
        "pretrained=false",
    )
    result = cli("train", "transfer", *words, "--epochs", 1, "--out", tmp_path / "run")
    assert (result.status, "--skip-bad" in result.err) == (2, True)
    result = cli("train", "transfer", *words, "--epochs", 1, "--out", tmp_path / "run", "--skip-bad")
    assert result.status == 0, result.err
    assert "skipped: " in result.out
    assert "broken.png" in result.out


def test_export(cli, trained, tmp_path):
    result = cli("export", trained, "--format", "onnx", "--out", tmp_path / "bundle")
    assert result.status == 0, result.err
    assert "model.onnx" in result.out
    assert f"bundle  {tmp_path / 'bundle'}" in result.out
    assert [path.name for path in (tmp_path / "bundle").glob("model.*")] == ["model.onnx"]


def test_a_bundle_is_named_as_the_next_command_takes_it(cli, tiny_bundle, monkeypatch):
    monkeypatch.chdir(tiny_bundle.parent)
    assert f"bundle  {tiny_bundle.name}\n" in cli("info", tiny_bundle.name).out


def test_export_for_browsers_prints_what_it_leaves_out(cli, trained, tmp_path):
    result = cli("export", trained, "--format", "onnx", "--for", "web", "--out", tmp_path / "bundle")
    assert result.status == 0, result.err
    assert "zoo: left out: " in result.err
    assert "confusion.png" in result.err
    assert not list((tmp_path / "bundle").glob("*.png"))


def test_export_as_json(cli, trained, tmp_path):
    result = cli("export", trained, "--format", "onnx", "--out", tmp_path / "bundle", "--json")
    assert json.loads(result.out) == json.loads((tmp_path / "bundle" / "manifest.json").read_text())


def test_export_that_fails_parity_exits_1(cli, trained, tmp_path, monkeypatch):
    from export.formats import onnx

    real = onnx.convert

    def wrong(graph):
        graph.module.shift += 0.01
        return real(graph)

    monkeypatch.setattr(onnx, "convert", wrong)
    result = cli("export", trained, "--format", "onnx", "--out", tmp_path / "bundle")
    assert (result.status, result.out) == (1, "")
    assert "zoo: mlp-digits as onnx fp32 on onnxruntime" in result.err
    assert "359 real and 3 hard samples" in result.err.splitlines()[-1]
    assert not (tmp_path / "bundle").exists()


@pytest.fixture
def images(save_image):
    random = np.random.default_rng(5)
    return [save_image(random.integers(0, 256, (30, 20, 3), np.uint8), f"{i}.png") for i in range(3)]


def test_predict(cli, tiny_bundle, images):
    result = cli("predict", tiny_bundle, *images, "--engine", "onnxruntime")
    assert result.status == 0
    lines = result.out.splitlines()
    assert [line.split()[0] for line in lines] == [str(image) for image in images]
    assert all(line.count("%") == 3 for line in lines)
    assert "model.onnx on onnxruntime" in result.err


def test_predict_as_json(cli, tiny_bundle, images):
    result = cli("predict", tiny_bundle, *images, "--json", "--top", 2, "--threads", 1)
    report = json.loads(result.out)
    assert (report["model"], report["file"], report["device"], report["threads"]) == ("tiny", "model.onnx", "cpu", 1)
    assert report["engine"].startswith("onnxruntime ")
    assert report["errors"] == []
    for image, answer in zip(images, report["predictions"], strict=True):
        assert answer["input"] == str(image)
        assert len(answer["top"]) == 2
        assert answer["top"][0] == {"label": answer["label"], "score": answer["score"]}
    assert result.err == ""


def test_all_engines_give_the_same_answers(cli, tiny_bundle, images):
    predictions = [
        json.loads(cli("predict", tiny_bundle, *images, "--engine", name, "--json").out)["predictions"]
        for name in FLOAT_ENGINES
    ]
    for one, *others in zip(*predictions, strict=True):
        for other in others:
            assert one["label"] == other["label"]
            assert one["score"] == pytest.approx(other["score"], abs=1e-5)


def test_predict_with_one_file_alone(cli, tiny_bundle, images):
    whole = json.loads(cli("predict", tiny_bundle, *images, "--json").out)["predictions"]
    alone = json.loads(cli("predict", tiny_bundle / "model.onnx", *images, "--json").out)["predictions"]
    assert alone == whole


def test_predict_says_why_it_was_not_another_engine(cli, bundle_copy, images):
    assert "'litert' was not needed" in cli("predict", bundle_copy, images[0]).err
    remove_model(bundle_copy, "model.onnx")
    result = cli("predict", bundle_copy, images[0])
    assert "model.tflite on " in result.err
    assert "engine 'onnxruntime' runs .onnx files" in result.err
    report = json.loads(cli("predict", bundle_copy, images[0], "--json").out)
    assert any("engine 'onnxruntime' runs .onnx files" in reason for reason in report["skipped"])


def test_options_of_predict_may_stand_anywhere(cli, tiny_bundle, images):
    wanted = cli("predict", "--json", "--top", 1, tiny_bundle, *images).out
    assert cli("predict", tiny_bundle, "--top", 1, *images, "--json").out == wanted
    assert cli("predict", tiny_bundle, images[0], "--json", images[1], "--top=1", images[2]).out == wanted


def test_predict_in_a_process_prints_answers_only(zoo_process, tiny_bundle, images):
    result = zoo_process("predict", tiny_bundle, *images, "--engine", "litert", "--json")
    assert result.returncode == 0
    assert len(json.loads(result.stdout)["predictions"]) == 3
    assert result.stderr == ""
