"""Another build of ONNX Runtime, with an execution provider that takes whole graphs: what is chosen, what is strict."""

import json
import sys

import pytest

from tests.environments import new_environment
from tests.install.test_clean_environments import image, run, wheel  # noqa: F401  # fixtures

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "darwin", reason="has no build for macOS")]

CODE = """
import json, runtime, sys
bundle, device, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
try:
    model = runtime.load(bundle, engine="onnxruntime", device=device, options=options)
except runtime.ZooError as problem:
    print(json.dumps({"error": type(problem).__name__, "text": str(problem)}))
else:
    print(json.dumps(model.report().to_dict()))
"""


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):  # noqa: F811
    return new_environment(tmp_path_factory.mktemp("venv"), f"{wheel}[onnx-openvino]")


@pytest.fixture
def opened(environment, tiny_bundle, tmp_path):
    def opened(device, options=None):
        done = run(environment / "python", "-c", CODE, tiny_bundle, device, json.dumps(options or {}), cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return opened


def test_a_provider_by_name_runs_the_graph(opened):
    report = opened("openvino")
    assert report["device"] == "openvino"
    assert [part["provider"] for part in report["parts"]] == ["OpenVINOExecutionProvider"]
    assert report["off_cpu"] == 0, "its device is the CPU unless its options say otherwise"


def test_auto_keeps_to_what_was_proved(opened):
    report = opened("auto")
    assert report["device"] == "cpu"
    assert "device 'openvino' was not needed: 'cpu' comes first" in report["skipped"]


def test_options_reach_the_provider_which_is_strict(opened):
    report = opened("openvino", {"device_type": "GPU"})
    if "error" not in report:
        pytest.skip("this machine has an Intel GPU")
    assert report["error"] in ("DeviceError", "EngineError")
    assert "OpenVINO" in report["text"]


def test_the_golden_pack_agrees_and_doctor_tries_it(environment, tiny_bundle, image, tmp_path):  # noqa: F811
    verified = run(environment / "zoo", "verify", tiny_bundle, "--json", cwd=tmp_path)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    done = run(environment / "zoo", "predict", tiny_bundle, image, "--device", "openvino", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["device"] == "openvino", done.stderr
    checks = json.loads(run(environment / "zoo", "doctor", "--json", cwd=tmp_path).stdout)["checks"]
    check = next(c for c in checks if (c["engine"], c["device"]) == ("onnxruntime", "openvino"))
    assert check["runs"], check["note"]
