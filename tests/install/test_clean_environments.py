"""The built wheel, installed by itself into new environments: no torch, one engine at a time, real predictions."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.environments import build_wheel, new_environment
from tests.nightly import NIGHTLY, nightly_but

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = {
    "onnx": ("onnxruntime", "model.onnx", "onnxruntime"),
    "openvino": ("openvino", "model.onnx", "openvino"),
    "litert": ("litert", "model.tflite", "ai_edge_litert"),
    "tflite-runtime": ("litert", "model.tflite", "tflite_runtime"),
}
QUICK = ("onnx", "tflite-runtime", None)
"""OpenVINO and LiteRT are tried in the environment of the other tests too."""
FOREIGN = ["torch", "torchvision", "timm", "lightning", "onnx", "litert_torch", "jax", "sklearn", "matplotlib", "scipy"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build_wheel(ROOT, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module", params=nightly_but(QUICK.__contains__, [*ENVIRONMENTS, None]))
def environment(request, wheel, tmp_path_factory):
    """A new virtual environment with the wheel and one extra, or none."""
    wanted = f"{wheel}[{request.param}]" if request.param else wheel
    by_pip = NIGHTLY and request.param is None
    return new_environment(tmp_path_factory.mktemp("venv"), wanted, pip=by_pip), request.param


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "image.jpg"
    coarse = np.random.default_rng(3).integers(0, 256, (6, 8, 3), np.uint8)
    Image.fromarray(coarse).resize((320, 240)).save(path)
    return path


def run(*command, cwd):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=cwd)


def test_the_wheel_holds_no_web_app(wheel):
    assert wheel.stat().st_size < 3.5e6


def test_predicts_like_here_and_verifies(environment, tiny_bundle, table_bundle, sequence_bundle, image, tmp_path):
    import zoo

    bin_folder, extra = environment
    if extra is None:
        done = run(bin_folder / "zoo", "predict", tiny_bundle, image, cwd=tmp_path)
        assert done.returncode == 2
        assert "pip install 'edgezoo[onnx]'" in done.stderr
        assert "pip install 'edgezoo[litert]'" in done.stderr
        return
    engine, file, library = ENVIRONMENTS[extra]
    done = run(bin_folder / "zoo", "predict", tiny_bundle, image, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["engine"].startswith(library)
    assert report["file"] == file
    assert all("was not needed" not in reason for reason in report["skipped"])
    here = zoo.load(tiny_bundle, engine=engine).predict(image)
    assert report["predictions"][0]["label"] == here.label
    assert report["predictions"][0]["score"] == pytest.approx(here.score, abs=1e-4)
    verified = run(bin_folder / "zoo", "verify", tiny_bundle, "--json", cwd=tmp_path)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    for bundle in (table_bundle, sequence_bundle):
        verified = run(bin_folder / "zoo", "verify", bundle, "--json", cwd=tmp_path)
        assert verified.returncode == 0, verified.stdout + verified.stderr


def test_a_model_of_the_wheel_answers_at_once(environment, wheel, tmp_path):
    bin_folder, extra = environment
    if extra is None:
        return
    assert wheel.stat().st_size < 3_500_000
    done = run(bin_folder / "zoo", "predict", "mnist-cnn", ROOT / "docs" / "seven.png", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["model"], report["predictions"][0]["label"]) == ("mnist-cnn", "7")
    verified = run(bin_folder / "zoo", "verify", "wine-mlp", "--json", cwd=tmp_path)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    listed = run(bin_folder / "zoo", "list", "--models", "--json", cwd=tmp_path)
    assert json.loads(listed.stdout)["mnist-cnn"]["here"] == "comes with edgezoo"
    pulled = run(bin_folder / "zoo", "pull", "efficientnet-lite0", cwd=tmp_path)
    assert pulled.returncode == 2
    assert "pip install 'edgezoo[" in pulled.stderr


def test_a_sequence_streams(environment, sequence_bundle, tmp_path):
    bin_folder, extra = environment
    if extra is None:
        return
    code = (
        "import numpy, runtime, sys; model = runtime.load(sys.argv[1]); steps = numpy.ones((12, 2), numpy.float32)\n"
        "assert numpy.allclose(list(model.stream(steps))[-1].value, model.predict(steps).value, rtol=1e-5)"
    )
    done = run(bin_folder / "python", "-c", code, sequence_bundle, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_nothing_foreign_is_installed_and_training_says_what_to_install(environment, tmp_path):
    bin_folder, extra = environment
    code = f"import importlib.util as u; print([n for n in {FOREIGN} if u.find_spec(n)])"
    assert run(bin_folder / "python", "-c", code, cwd=tmp_path).stdout.strip() == "[]"
    for command, named in ((("train", "cnn"), "edgezoo[train"), (("export", tmp_path), "edgezoo[train")):
        done = run(bin_folder / "zoo", *command, cwd=tmp_path)
        assert done.returncode == 2
        assert done.stderr.strip().splitlines()[-1].startswith("zoo: ")
        assert named in done.stderr
        assert "Traceback" not in done.stderr
    listed = run(bin_folder / "zoo", "list", "--json", cwd=tmp_path)
    assert set(json.loads(listed.stdout)["recipes"]) >= {"mlp", "cnn", "transfer"}
    assert [name for name, e in json.loads(listed.stdout)["engines"].items() if e["installed"]] == (
        [] if extra is None else [ENVIRONMENTS[extra][0]]
    )
