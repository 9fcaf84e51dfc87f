"""Recordings behind an address: short ones are predicted, long ones listened to until the deadline."""

from __future__ import annotations

import numpy as np
import pytest

import runtime
from runtime.audio.wav import encode_wav
from tests.export.test_audio import SAMPLES, SPEC, Leaky
from zoo.serving.errors import DeadlineError, RequestError
from zoo.serving.metrics import Metrics
from zoo.serving.models import Runs, ServedModel
from zoo.serving.plain import predict
from zoo.serving.queue import Deadline

SHORT = encode_wav(SAMPLES[39], SPEC.input.rate)
LONG = encode_wav(np.concatenate([SAMPLES[0], SAMPLES[39], SAMPLES[0]]), SPEC.input.rate)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    from export import export

    out = tmp_path_factory.mktemp("audio") / "ears"
    model = runtime.load(export(Leaky(), SPEC, samples=SAMPLES, out=out, formats=["onnx"]).path)
    return ServedModel("ears", "1", model, None, Runs(32, 1), Metrics().of("ears"))


def test_recordings_are_predicted_or_listened_to(served):
    document, status = predict(served, "audio/wav", {}, SHORT, Deadline.after(60))
    assert status == 200
    assert document["predictions"][0]["label"] == served.model.predict(SHORT).label
    document, status = predict(served, "audio/wav", {}, LONG, Deadline.after(60))
    assert status == 200
    assert [each["label"] for each in document["predictions"][0]["heard"]] == [
        each.label for each in served.model.listen(LONG)
    ]


def test_a_long_recording_ends_with_the_deadline(served):
    with pytest.raises(DeadlineError):
        predict(served, "audio/wav", {}, LONG, Deadline.after(-1))


def test_what_is_no_recording_is_an_error_of_its_own(served):
    document, status = predict(served, "audio/wav", {}, LONG[:-50], Deadline.after(60))
    assert status == 400
    assert "truncated: 50 bytes of its audio are missing" in document["errors"][0]["error"]
    with pytest.raises(RequestError, match="the model takes recordings: send files"):
        predict(served, "application/json", {}, b"[[1, 2]]", Deadline.after(60))
