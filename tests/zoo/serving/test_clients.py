"""Triton's own client, by HTTP and gRPC: it gets what `zoo predict` says, to the bit."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pytest

import zoo
from runtime.tasks.classes import softmax
from tests.zoo.serving.conftest import Server

PROTOCOLS = ("http", "grpc")


@pytest.fixture(scope="module")
def pixels(digit, tmp_path_factory):
    """The digit as the model takes it, `uint8 [28, 28, 1]`."""
    path = tmp_path_factory.mktemp("pixels") / "pixels.npy"
    np.save(path, zoo.load("mnist-cnn").predict(digit).input)
    return path


@pytest.fixture(scope="module", params=PROTOCOLS)
def said(request, server: Server, triton, digit, pixels):
    """What `triton_client.py` was told, and the protocol."""
    script = f"{__file__.rpartition('/')[0]}/triton_client.py"
    address = server.host if request.param == "http" else server.grpc
    words = [triton, script, request.param, address, "mnist-cnn", "wine-mlp", digit, pixels]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return {**json.loads(done.stdout), "protocol": request.param}


@pytest.fixture
def predicted(cli, digit):
    """What `zoo predict --json` says."""
    return json.loads(cli("predict", "mnist-cnn", digit, "--json", "--top", 10).out)["predictions"][0]


def test_health_and_metadata(said):
    assert said["live"] and said["ready"] and said["model_ready"]
    assert not said["no_model_ready"]
    assert said["server"]["name"] == "edgezoo"
    assert "binary_tensor_data" in said["server"]["extensions"]
    model = said["model"]
    assert model["name"] == "mnist-cnn"
    assert model["platform"] == "onnx_onnxv1"
    shapes = {tensor["name"]: (tensor["datatype"], list(map(int, tensor["shape"]))) for tensor in model["inputs"]}
    assert shapes == {"image": ("UINT8", [-1, 28, 28, 1]), "file": ("BYTES", [-1])}
    shapes = {tensor["name"]: (tensor["datatype"], list(map(int, tensor["shape"]))) for tensor in model["outputs"]}
    assert shapes == {
        "logits": ("FP32", [-1, 10]), "label": ("BYTES", [-1]), "score": ("FP32", [-1]), "scores": ("FP32", [-1, 10]),
    }  # fmt: skip


def test_files_get_the_scores_of_zoo_predict_to_the_bit(said, predicted):
    values, labels = said["file"]["values"], zoo.load("mnist-cnn").labels
    assert said["file"]["shapes"] == {"label": [1], "score": [1], "scores": [1, 10]}
    assert values["label"] == [predicted["label"]]
    assert values["score"] == [predicted["score"]]
    assert dict(zip(labels, values["scores"], strict=True)) == {
        each["label"]: each["score"] for each in predicted["top"]
    }
    assert said["file"]["response"]["model_version"] == said["model"]["versions"][0]


def test_several_files_come_in_order(said, predicted):
    assert said["files"]["values"]["label"] == [predicted["label"]] * 3
    assert said["files"]["values"]["score"] == [predicted["score"]] * 3


def test_raw_tensors_get_the_logits_to_the_bit(said, predicted, pixels):
    model = zoo.load("mnist-cnn")
    assert said["raw"]["id"] == "raw-1"
    assert said["raw"]["shapes"] == {"logits": [1, 10]}
    logits = np.array(said["raw"]["values"]["logits"], np.float32)[None]
    assert (logits == model.forward(np.load(pixels)[None])).all()
    assert softmax(logits).max() == np.float32(predicted["score"])


def test_rows_of_tables_are_files_too(said):
    row = [13.2, 1.8, 2.1, 11.2, 100, 2.7, 2.8, 0.3, 1.3, 5.5, 1, 3, 1000]
    wanted = zoo.load("wine-mlp").predict(row)
    assert said["table"]["values"]["label"] == [wanted.label]
    assert said["table"]["values"]["scores"] == wanted.scores.tolist()


def test_json_has_the_same_values(said, predicted):
    if said["protocol"] == "http":
        assert said["json"]["label"] == [predicted["label"]]
        assert max(said["json"]["scores"][0]) == predicted["score"]
        assert said["json_input"] == said["raw"]["values"]["logits"]


@pytest.mark.parametrize(
    ("case", "http", "grpc", "words"),
    [
        ("unknown_model", "404", "NOT_FOUND", "unknown model 'nothing'"),
        ("unknown_output", "400", "INVALID_ARGUMENT", "unknown output of the model 'mnist-cnn': 'nothing'"),
        ("unknown_input", "400", "INVALID_ARGUMENT", "unknown input of the model 'mnist-cnn': 'other'"),
        ("wrong_type", "400", "INVALID_ARGUMENT", "expected uint8 [batch, 28, 28, 1], got float32 [1, 28, 28, 1]"),
        ("wrong_shape", "400", "INVALID_ARGUMENT", "expected uint8 [batch, 28, 28, 1], got uint8 [1, 20, 28, 1]"),
        ("bad_file", "400", "INVALID_ARGUMENT", "file 1: 12 bytes: not an image"),
        ("too_late", "504", "DEADLINE_EXCEEDED", "the answer was not there in time"),
        ("other_version", "404", "NOT_FOUND", "unknown version of the model 'mnist-cnn': '7'"),
    ],
)
def test_mistakes_are_named(said, case, http, grpc, words):
    failure = said[case]
    assert words in failure["message"]
    assert failure["status"] == (http if said["protocol"] == "http" else f"StatusCode.{grpc}")


def test_both_protocols_number_their_messages_as_the_specification_does(triton):
    """Triton's messages are generated from the protocol's own file, with some additions."""
    from zoo.serving.grpc_messages import _MESSAGES, message

    program = """if True:
        import json
        from tritonclient.grpc import service_pb2
        def fields(descriptor, prefix=""):
            name = prefix + descriptor.name
            yield name, {f.name: [f.number, f.type, f.is_repeated] for f in descriptor.fields}
            for inner in descriptor.nested_types:
                yield from fields(inner, name + ".")
        print(json.dumps(dict(p for d in service_pb2.DESCRIPTOR.message_types_by_name.values() for p in fields(d))))
    """
    theirs = json.loads(subprocess.run([triton, "-c", program], capture_output=True, text=True, check=True).stdout)
    for name in _MESSAGES:
        descriptor = message(name.partition(".")[0]).DESCRIPTOR
        if "." in name:
            descriptor = descriptor.nested_types_by_name[name.partition(".")[2]]
        ours = {field.name: [field.number, field.type, field.is_repeated] for field in descriptor.fields}
        assert ours.items() <= theirs[name].items(), name
