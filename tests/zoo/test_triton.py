"""`zoo triton`: a model repository whose configurations Triton's protobuf parses, with what the files really are."""

from __future__ import annotations

import json
import shutil
import subprocess

import numpy as np
import onnx
import onnxruntime
import pytest

import runtime
from runtime.bundle import Bundle
from tests.runtime.edits import edit_manifest, remove_model, replace_file
from zoo.exporting.triton import write_repository

PARSE = """
import sys
from google.protobuf import json_format, text_format
from tritonclient.grpc import model_config_pb2
config = text_format.Parse(sys.stdin.read(), model_config_pb2.ModelConfig())
print(json_format.MessageToJson(config, preserving_proto_field_name=True))
"""
NUMPY = {"TYPE_UINT8": "tensor(uint8)", "TYPE_FP32": "tensor(float)", "TYPE_INT64": "tensor(int64)"}


@pytest.fixture(scope="module")
def parse(triton):
    """Parse the configuration in a model's folder as Triton does; its fields that are not their types' defaults."""

    def parse(folder):
        text = (folder / "config.pbtxt").read_bytes()
        return json.loads(subprocess.run([triton, "-c", PARSE], input=text, capture_output=True, check=True).stdout)

    return parse


def check(folder, parse, batch):
    """Compare a configuration with what ONNX Runtime says of the file beside it; return it."""
    config = parse(folder)
    session = onnxruntime.InferenceSession(folder / "1" / "model.onnx", providers=["CPUExecutionProvider"])
    assert (config["name"], config["backend"], config.get("max_batch_size", 0)) == (folder.name, "onnxruntime", batch)
    assert ("dynamic_batching" in config) == (batch > 0)
    for ours, real in ((config["input"], session.get_inputs()), (config["output"], session.get_outputs())):
        assert [each["name"] for each in ours] == [each.name for each in real]
        assert [NUMPY[each["data_type"]] for each in ours] == [each.type for each in real]
        for one, other in zip(ours, real, strict=True):
            shape = [size if isinstance(size, int) else -1 for size in other.shape]
            assert list(map(int, one["dims"])) == (shape[1:] if batch else shape)
    return config


def test_an_image_classifier(cli, tiny_bundle, tmp_path, parse):
    result = cli("triton", tiny_bundle, "--out", tmp_path / "repository")
    assert (result.status, result.err) == (0, "")
    assert "model.onnx" in result.out
    folder = tmp_path / "repository" / tiny_bundle.name
    config = check(folder, parse, 32)
    assert config["input"][0]["dims"] == ["12", "10", "3"]
    assert config["output"][0]["label_filename"] == "labels.txt"
    assert (folder / "labels.txt").read_text("utf-8").splitlines() == ["cat", "dog", "fox"]
    assert (folder / "1" / "model.onnx").read_bytes() == (tiny_bundle / "model.onnx").read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == ["1", "config.pbtxt", "labels.txt"]
    assert [path.name for path in folder.parent.iterdir()] == [tiny_bundle.name]


def test_a_detector_and_a_table_side_by_side(squares, table_bundle, tmp_path, parse):
    bundles = [shutil.copytree(each, tmp_path / name) for name, each in (("boxes", squares), ("people", table_bundle))]
    models = write_repository(bundles, tmp_path / "repository")
    assert [(each.name, each.file, each.batch) for each in models] == [
        ("boxes", "model.onnx", 32),
        ("people", "model.onnx", 32),
    ]
    boxes = check(tmp_path / "repository" / "boxes", parse, 32)
    assert len(boxes["output"]) == 2
    assert not any("label_filename" in each for each in boxes["output"])
    check(tmp_path / "repository" / "people", parse, 32)


def test_sequences_leave_out_the_step_graph(sequence_bundle, tmp_path, parse):
    (model,) = write_repository([sequence_bundle], tmp_path)
    assert model.file == "model.onnx"
    config = check(model.folder, parse, 32)
    assert config["input"][0]["dims"] == ["-1", "2"]


def test_a_file_of_one_batch_size_is_not_batched(bundle_copy, tmp_path, parse):
    def fix(manifest):
        manifest["models"]["model.onnx"]["spec"]["batch"] = 4

    edit_manifest(bundle_copy, fix)
    (model,) = write_repository([bundle_copy], tmp_path / "repository")
    check(model.folder, parse, 0)


def test_the_repository_gives_the_answers_of_the_bundle(tiny_bundle, tmp_path):
    (model,) = write_repository([tiny_bundle], tmp_path)
    inputs = Bundle.read(tiny_bundle).inputs()
    session = onnxruntime.InferenceSession(model.folder / "1" / "model.onnx", providers=["CPUExecutionProvider"])
    logits = session.run(None, {"image": inputs})[0]
    np.testing.assert_allclose(logits, runtime.load(tiny_bundle, trusted=True).forward(inputs), rtol=1e-5, atol=1e-5)


def test_names_are_quoted(bundle_copy, tmp_path, parse):
    graph = onnx.load(bundle_copy / "model.onnx")
    name = 'ima"ge\\é'
    for node in graph.graph.node:
        node.input[:] = [name if each == "image" else each for each in node.input]
    graph.graph.input[0].name = name
    replace_file(bundle_copy, "model.onnx", graph.SerializeToString())
    edit_manifest(bundle_copy, lambda manifest: manifest["model"]["input"].update(name=name))
    (model,) = write_repository([bundle_copy], tmp_path / "repository")
    check(model.folder, parse, 32)


def test_a_bundle_without_an_onnx_file_is_refused(cli, bundle_copy, tiny_bundle, tmp_path):
    remove_model(bundle_copy, "model.onnx")
    result = cli("triton", tiny_bundle, bundle_copy, "--out", tmp_path / "repository")
    message = f"zoo: {bundle_copy}: has no .onnx file that takes whole inputs; it has: model.tflite\n"
    assert (result.status, result.err) == (2, message)
    assert not (tmp_path / "repository").exists()


@pytest.mark.parametrize("data", [b"", b"junk", b"\x08\x08"])
def test_a_damaged_file_is_refused(cli, bundle_copy, tmp_path, data):
    replace_file(bundle_copy, "model.onnx", data)
    result = cli("triton", bundle_copy, "--out", tmp_path / "repository")
    assert result.status == 2
    assert len(result.err.splitlines()) == 1
    assert not (tmp_path / "repository").exists()


def test_a_changed_file_is_refused(cli, bundle_copy, tmp_path):
    (bundle_copy / "model.onnx").write_bytes(b"other")
    result = cli("triton", bundle_copy, "--out", tmp_path / "repository")
    assert (result.status, "is not the one that the manifest lists" in result.err) == (2, True)


def test_two_bundles_of_one_name_are_refused(cli, tiny_bundle, tmp_path):
    result = cli("triton", tiny_bundle, tiny_bundle, "--out", tmp_path)
    assert (result.status, result.err.count("\n")) == (2, 1)
    assert "two bundles would be the model 'bundle'" in result.err


def test_what_is_there_is_replaced_with_overwrite_alone(cli, tiny_bundle, table_bundle, tmp_path):
    out = tmp_path / "repository"
    assert cli("triton", "wine-mlp", "--out", out).status == 0
    again = cli("triton", tiny_bundle, "wine-mlp", "--out", out)
    assert (again.status, f"{out / 'wine-mlp'}: exists; replace it with --overwrite" in again.err) == (2, True)
    assert [path.name for path in out.iterdir()] == ["wine-mlp"]
    replaced = cli("triton", tiny_bundle, "wine-mlp", "--out", out, "--overwrite", "--json")
    assert [each["name"] for each in json.loads(replaced.out)["models"]] == ["bundle", "wine-mlp"]
    (out / "wine-mlp" / "mine.txt").touch()
    kept = cli("triton", "wine-mlp", "--out", out, "--overwrite")
    assert (kept.status, "exists and is not a model of zoo triton" in kept.err) == (2, True)
    assert (out / "wine-mlp" / "mine.txt").exists()
