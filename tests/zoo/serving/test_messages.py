"""Bodies of the protocol that are broken, and the tensors of each task."""

from __future__ import annotations

import json
import typing

import numpy as np
import pytest

from runtime import tasks
from tests.outputs import OUTPUTS, SEEN
from zoo.serving.errors import RequestError
from zoo.serving.http_v2 import decode_request, encode_response
from zoo.serving.messages import DATATYPES, InferResponse, byte_strings, decode_tensor, encode_tensor
from zoo.serving.task_tensors import TASKS, declare, fill

FLOATS = {"name": "x", "datatype": "FP32", "shape": [2], "data": [1, 2.5]}


def decode(document, rest=b"", header=True):
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    return decode_request("m", "", str(len(text)) if header else None, text + rest)[0]


def tensor(**fields):
    return {"inputs": [{**FLOATS, **fields}]}


def binary(size, **fields):
    made = tensor(parameters={"binary_data_size": size}, **fields)
    del made["inputs"][0]["data"]
    return made


@pytest.mark.parametrize("datatype", [*DATATYPES, "BYTES"])
def test_what_is_encoded_is_decoded(datatype):
    if datatype == "BYTES":
        array = byte_strings([b"", b"\0\xff", b"text"]).reshape(3, 1)
    else:
        array = np.array([[0, 1, 1]]).astype(DATATYPES[datatype])
    body, headers = encode_response(InferResponse("m", "1", {"x": array}), {"x"})
    length = int(headers["Inference-Header-Content-Length"])
    (output,) = json.loads(body[:length])["outputs"]
    assert (output["datatype"], output["shape"]) == (datatype, list(array.shape))
    assert body[length:] == encode_tensor(array)
    decoded = decode_tensor("x", datatype, array.shape, body[length:])
    assert decoded.tolist() == array.tolist()
    assert decoded.dtype == array.dtype
    if datatype != "BYTES":
        text = json.loads(encode_response(InferResponse("m", "1", {"x": array}), set())[0])["outputs"][0]
        assert decode({"inputs": [text]}).inputs["x"].tolist() == array.tolist()


def test_floats_keep_their_bits_in_json():
    array = np.random.default_rng(0).standard_normal(100).astype(np.float32)
    body, _ = encode_response(InferResponse("m", "1", {"x": array}), set())
    (output,) = json.loads(body)["outputs"]
    assert (decode({"inputs": [output]}).inputs["x"] == array).all()


def test_bytes_may_be_base64():
    files = {"datatype": "BYTES", "shape": [1], "data": ["/9gA"], "parameters": {"content_type": "base64"}}
    assert decode(tensor(**files)).inputs["x"].tolist() == [b"\xff\xd8\0"]


@pytest.mark.parametrize(
    ("document", "rest", "words"),
    [
        (b"[]", b"", "expected a JSON object"),
        (b"\xff", b"", "not JSON"),
        ({}, b"", "inputs"),
        ({"inputs": [1]}, b"", "expected a JSON object"),
        (tensor(name=1), b"", "'name' must be a text"),
        (tensor(datatype="FP8"), b"", "the datatype must be one of BYTES, BOOL"),
        (tensor(shape="2"), b"", "'shape' must be a list"),
        (tensor(shape=[-1, -2]), b"", "the shape must be a list of sizes"),
        (tensor(shape=[2.0]), b"", "the shape must be a list of sizes"),
        (tensor(shape=[2**62, 2**62]), b"", "the shape must be a list of sizes"),
        (tensor(shape=[3]), b"", "takes 3 such values, got 2"),
        (tensor(data=None), b"", "neither a list"),
        (tensor(data=[[1], [2, 3]]), b"", "input 'x'"),
        (tensor(data=["1", "2"]), b"", "takes 2 such values, got 2 of <U1"),
        (tensor(datatype="UINT8", data=[0, 256]), b"", "don't fit into UINT8"),
        (tensor(datatype="INT64", data=[0, 2**70]), b"", "such values"),
        (tensor(datatype="UINT8"), b"", "of float64"),
        (tensor(datatype="BYTES", data=[1, 2]), b"", "strings"),
        (tensor(datatype="BYTES", data=["a", "b"], parameters={"content_type": "base64"}), b"", "input 'x'"),
        (binary(8), b"1234567", "binary_data_size is 8, 7 bytes are left"),
        (binary(-1), b"", "binary_data_size"),
        (binary(4), b"1234", "takes 8 bytes, got 4"),
        (binary(8), b"123456789", "1 bytes follow"),
        (binary(8, datatype="BYTES"), b"\xff\xff\xff\xffabcd", "are not 2 BYTES elements"),
        (binary(2, datatype="BYTES"), b"ab", "are not 2 BYTES elements"),
        (binary(2, datatype="BOOL"), b"\1\2", "a byte of 0 or 1"),
        ({"inputs": [FLOATS, FLOATS]}, b"", "twice"),
        ({"inputs": [FLOATS], "parameters": {"timeout": "1"}}, b"", "microseconds"),
        ({"inputs": [FLOATS], "id": 7}, b"", "'id' must be a text"),
        ({"inputs": [FLOATS], "outputs": {"name": "y"}}, b"", "outputs"),
    ],
)
def test_a_broken_request_is_named(document, rest, words):
    with pytest.raises(RequestError, match=words.replace("[", r"\[")):
        decode(document, rest)


@pytest.mark.parametrize("header", ["-1", "1e3", "99999999999999999999", "٣"])
def test_a_broken_header_is_named(header):
    with pytest.raises(RequestError, match="must be the length of the JSON"):
        decode_request("m", "", header, b"{}")


def test_every_task_has_its_tensors():
    assert set(TASKS) == {
        typing.get_args(typing.get_type_hints(task)["task"])[0] for task in typing.get_args(tasks.Output)
    }


@pytest.mark.parametrize(("output", "shape"), OUTPUTS, ids=lambda each: getattr(each, "task", ""))
def test_a_tasks_tensors_are_as_declared_and_hold_its_predictions(output, shape):
    raw = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    predictions = output.decode(raw, SEEN, 3)
    tensors = fill(output, predictions)
    assert list(tensors) == [tensor.name for tensor in declare(output)]
    for tensor in declare(output):
        array = tensors[tensor.name]
        wanted = (2, *tensor.shape[1:])
        assert array.shape == wanted, tensor
        assert array.dtype == (object if tensor.datatype == "BYTES" else DATATYPES[tensor.datatype]), tensor
    for index, prediction in enumerate(predictions):
        for name, array in tensors.items():
            said = {"predicted": None}.get(name, getattr(prediction, name, None))
            one = array[index].decode() if array.dtype == object else array[index]
            assert said is None or np.array_equal(said, one), name


def test_the_boxes_of_several_pictures_follow_one_another(squares):
    import zoo

    model = zoo.load(squares)
    golden = zoo.Bundle.read(squares).golden()
    predictions = [model.predict(raw) for raw in golden.raw]
    tensors = fill(model.spec.output, predictions)
    boxes = [box for each in predictions for box in each.boxes]
    assert tensors["count"].tolist() == [len(each.boxes) for each in predictions]
    assert len(boxes) == tensors["count"].sum() > 0
    assert tensors["box"].tolist() == [list(box[2:]) for box in boxes]
    assert tensors["score"].tolist() == [box.score for box in boxes]
    assert [label.decode() for label in tensors["label"]] == [box.label for box in boxes]
