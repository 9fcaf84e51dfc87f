"""Bodies that are damaged at random: the answer is a refusal that names the mistake, never an error of the server's."""

from __future__ import annotations

import json
import random
from contextlib import suppress

import numpy as np
import pytest
from google.protobuf.message import DecodeError

import zoo
from runtime.errors import InputError
from zoo.serving import grpc_v2, http_v2
from zoo.serving.errors import ServingError, classify
from zoo.serving.grpc_messages import message
from zoo.serving.http_v2 import encode_response
from zoo.serving.inference import infer
from zoo.serving.messages import InferResponse, byte_strings
from zoo.serving.metrics import Metrics
from zoo.serving.models import Runs, ServedModel
from zoo.serving.plain import predict
from zoo.serving.queue import Deadline

COUNT = 400


@pytest.fixture(scope="module")
def served():
    model = zoo.load("wine-mlp")
    return ServedModel("wine-mlp", "1", model, None, Runs(32, 1), Metrics().of("wine-mlp"))


def damaged(body: bytes, count: int):
    """Give damaged copies: bytes changed, cut out, put in, or repeated."""
    chance = random.Random(0)  # noqa: S311
    for _ in range(count):
        copy = bytearray(body)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(copy) + 1)
            what = chance.randrange(4)
            if what == 0 and at < len(copy):
                copy[at] = chance.randrange(256)
            elif what == 1:
                del copy[at : at + chance.randint(1, 8)]
            elif what == 2:
                copy[at:at] = chance.choice([b"[", b'"', b"-1", b"9" * 30, b"\xff", b"null", b"{}", b"\0\0\0\x80"])
            else:
                copy[at:at] = copy[max(0, at - 20) : at]
        yield bytes(copy)


def refused(call) -> bool:
    """Call it; tell whether it was refused as the client's mistake. Any other error fails the test."""
    try:
        call()
    except (ServingError, InputError) as problem:
        assert classify(problem).STATUS < 500, problem
        assert str(problem)
        return True
    return False


ROW = np.array([[13.2, 1.8, 2.1, 11.2, 100, 2.7, 2.8, 0.3, 1.3, 5.5, 1, 3, 1000]], np.float32)


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("of_files", [False, True])
def test_http(served, binary, of_files):
    array = byte_strings([json.dumps(ROW[0].tolist()).encode()]) if of_files else ROW
    made = InferResponse("m", "", {"file" if of_files else "features": array}, "x")
    body, headers = encode_response(made, {"*"} if binary else set())
    length = int(headers.get("Inference-Header-Content-Length", len(body)))
    document = json.loads(body[:length])
    document["inputs"] = document.pop("outputs")
    text = json.dumps(document).encode()
    body = text + body[length:]
    count = 0
    for copy in damaged(body, COUNT):
        header = str(len(text) + len(copy) - len(body)) if binary else None

        def ask(copy=copy, header=header):
            request, wanted = http_v2.decode_request("m", "", header, copy)
            encode_response(infer(served, request, Deadline.after(10)), wanted)

        count += refused(ask)
    assert COUNT / 2 < count < COUNT


def test_grpc(served):
    sent = message("ModelInferRequest")(model_name="m", id="x")
    sent.inputs.add(name="features", datatype="FP32", shape=ROW.shape)
    sent.raw_input_contents.append(ROW.tobytes())
    count, requests = 0, []
    for copy in damaged(sent.SerializeToString(), COUNT):
        with suppress(DecodeError):  # which gRPC refuses by itself
            requests.append(message("ModelInferRequest").FromString(copy))
    for request in requests:
        count += refused(
            lambda request=request: grpc_v2.encode_response(
                infer(served, grpc_v2.decode_request(request), Deadline.after(10))
            )
        )
    assert 0 < count < len(requests)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", json.dumps([ROW[0].tolist()]).encode()),
        (
            "multipart/form-data; boundary=abc",
            b'--abc\r\nContent-Disposition: form-data; name="file"; filename="a.json"\r\n\r\n'
            + json.dumps(ROW[0].tolist()).encode()
            + b"\r\n--abc--\r\n",
        ),
        ("image/png", json.dumps(ROW[0].tolist()).encode()),
    ],
)
def test_the_plain_endpoint(served, kind, body):
    statuses = set()
    for copy in damaged(body, COUNT):

        def ask(copy=copy):
            document, status = predict(served, kind, {}, copy, Deadline.after(10))
            json.dumps(document)
            statuses.add(status)

        refused(ask)
    assert statuses <= {200, 400}
