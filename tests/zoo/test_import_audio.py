"""Third-party files of audio: streams with a state, and whole clips, give what their engine gives when fed by hand."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import onnx.helper as oh
import onnxruntime
import pytest

import runtime
from runtime.bundle import Bundle
from runtime.errors import OptionError
from runtime.verify import verify_model
from tests.zoo.speech_detector import CONTEXT, HOP, RATE, STREAM, WIDTH, bursts, detector
from tests.zoo.test_cli_errors import one_line
from tests.zoo.test_import_tensors import FLOAT, graph
from zoo.imports.facts import ModelFacts
from zoo.imports.run import import_file

RANDOM = np.random.default_rng(5)


def by_hand(path, clips, audio="sound"):
    """Return the probability after each hop of clips ``float32 [batch, samples]``, as a wrapper of the file does."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [tensor.name for tensor in session.get_inputs()]
    sizes = session.get_inputs()[names.index("state")].shape
    state = np.zeros((2, len(clips), sizes[2]), np.float32)
    context = np.zeros((len(clips), CONTEXT), np.float32)
    rate = {"sr": np.array(RATE, np.int64)} if "sr" in names else {}
    answers = []
    for start in range(0, clips.shape[1], HOP):
        window = np.concatenate([context, clips[:, start : start + HOP]], axis=1)
        answer, state = session.run(None, {audio: window, "state": state, **rate})
        context = window[:, -CONTEXT:]
        answers.append(answer)
    return np.stack(answers)


def made(path, tmp_path, **facts):
    """Import a file, replay its golden pack, and return the opened model."""
    bundle = import_file(path, ModelFacts(**{**STREAM, **facts}), out=tmp_path / "bundle", overwrite=True).bundle
    model = runtime.load(bundle.path)
    assert verify_model(bundle, model).passed
    return model


@pytest.fixture(scope="module")
def vad(tmp_path_factory):
    return detector(tmp_path_factory.mktemp("vad") / "vad.onnx")


def test_a_stream_gives_at_every_hop_what_its_file_gives_by_hand(vad, tmp_path):
    model = made(vad, tmp_path)
    assert model.file_spec.batch is None
    assert (model.spec.input.rate, model.spec.input.hop, model.spec.input.samples) == (RATE, HOP, 4 * HOP)
    clips = np.stack([bursts(), bursts()[::-1], np.zeros_like(bursts())])
    expected = by_hand(vad, clips)
    assert expected.max() > 0.9
    assert expected.min() < 0.1
    np.testing.assert_allclose(list(model.rollout(clips)), expected, rtol=0, atol=1e-5)
    clip = clips[:, 16 * HOP : 20 * HOP]
    np.testing.assert_allclose(model.forward(clip), by_hand(vad, clip)[-1], rtol=0, atol=1e-5)


def test_a_stream_hears_its_second_label(vad, tmp_path):
    model = made(vad, tmp_path)
    audio = bursts()
    (heard,) = model.listen(audio[start : start + 700] for start in range(0, len(audio), 700))
    assert heard.label == "speech"
    assert heard.time == pytest.approx(len(audio) / 2 / RATE, abs=0.1)
    assert heard.score == pytest.approx(np.convolve(by_hand(vad, audio[None])[:, 0, 0], np.ones(3) / 3).max(), abs=1e-5)
    assert model.predict(bursts()).label == "speech"  # the middle of it


def test_a_batch_of_one_and_a_fixed_length_are_kept(tmp_path):
    path = detector(tmp_path / "one.onnx", 1, HOP + CONTEXT, (2, 1, WIDTH))
    model = made(path, tmp_path, hop=None)
    assert (model.file_spec.batch, model.spec.input.hop) == (1, HOP)
    clips = np.stack([bursts(0.5), bursts(0.5)])
    expected = [by_hand(path, clip[None])[-1, 0] for clip in clips]
    *_, last = model.rollout(clips)
    np.testing.assert_allclose(last, expected, rtol=0, atol=1e-5)


def test_states_are_told_by_their_names(tmp_path):
    """Two states of one shape whose next values come in the other order."""
    nodes = [
        oh.make_node("ReduceMax", ["sound", "axis"], ["level"], keepdims=1),
        oh.make_node("Add", ["a", "level"], ["a_next"]),
        oh.make_node("Sub", ["b", "level"], ["b_next"]),
        oh.make_node("Sub", ["a_next", "b"], ["answer"]),
    ]
    states = [(name, FLOAT, ["n", 1]) for name in ("a", "b", "b_next", "a_next")]
    inputs, outputs = [("sound", FLOAT, ["n", 4]), *states[:2]], [("answer", FLOAT, ["n", 1]), *states[2:]]
    path = graph(tmp_path / "two.onnx", nodes, inputs, outputs, axis=np.array([1], np.int64))
    model = made(path, tmp_path, hop=None, context=None, constants=None, task="regression", labels=("level",))
    clip = np.linspace(0, 0.7, 8, dtype=np.float32)[None]
    assert [float(each[0, 0]) for each in model.rollout(clip)] == pytest.approx([0.3, 0.3 + 0.7 + 0.3], abs=1e-6)


def test_a_file_of_whole_clips_stays_as_it_is(tmp_path):
    nodes = [oh.make_node("MatMul", ["sound", "weights"], ["sum"]), oh.make_node("Softmax", ["sum"], ["shares"])]
    weights = RANDOM.normal(0, 1, (800, 3)).astype(np.float32)
    path = graph(
        tmp_path / "clip.onnx", nodes, [("sound", FLOAT, ["n", 800])], [("shares", FLOAT, ["n", 3])], weights=weights
    )
    facts = {"hop": None, "context": None, "constants": None, "task": None, "labels": ("a", "b", "c"), "rate": 8000}
    model = made(path, tmp_path, **facts)
    assert Bundle.read(tmp_path / "bundle").bytes("model.onnx") == path.read_bytes()
    clip = bursts(0.1)[:800]
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(model.predict(clip).scores, session.run(None, {"sound": clip[None]})[0][0], atol=1e-6)


def test_constants_are_part_of_the_file_of_any_kind(tmp_path):
    path = detector(tmp_path / "one.onnx", 1, HOP + CONTEXT, (2, 1, WIDTH))
    facts = dict.fromkeys(("task", "labels", "rate", "hop", "context"))
    model = made(path, tmp_path, **facts, input="tensors")
    assert [tensor.name for tensor in model.spec.input.tensors] == ["sound", "state"]
    inputs = {"sound": bursts(1)[None, :576], "state": np.zeros((1, 2, 1, WIDTH), np.float32)}
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    expected = session.run(None, {"sound": inputs["sound"], "state": inputs["state"][0], "sr": np.array(RATE)})[0]
    np.testing.assert_allclose(model.forward(inputs)["output"], expected, atol=1e-6)


BAD = {
    "unknown input": ({"constants": {"rs": "16000"}}, "--constant: unknown input 'rs'"),
    "no number": ({"constants": {"sr": "fast"}}, "--constant sr must be a number of type int64, got 'fast'"),
    "a real number": ({"constants": {"sr": "16000.5"}}, "--constant sr must be a number of type int64, got '16000.5'"),
    "too large": ({"constants": {"sr": "1" * 30}}, "--constant sr must be a number of type int64"),
    "several values": ({"constants": {"state": "1"}}, "does not hold one number"),
    "no constant": ({"constants": None}, "with --constant NAME=VALUE"),
    "no rate": ({"rate": None}, "give --rate"),
    "a rate of 0": ({"rate": 0}, "rate of"),
    "no hop": ({"hop": None}, "give --hop"),
    "a hop of 0": ({"hop": 0}, "--hop and --context"),
    "a large hop": ({"hop": 2**30}, "samples, got"),
    "a negative context": ({"context": -1}, "--hop and --context"),
    "an unknown output": ({"output": "answer"}, "unknown output 'answer'"),
    "a state as output": ({"output": "stateN"}, "a stream needs float32"),
    "an option of images": ({"order": "BGR"}, "--order is not for --input audio"),
    "a task of images": ({"task": "detection"}, "not detection"),
    "another kind": ({"input": "tensors"}, "--rate is for --input audio"),
    "one label": ({"labels": ("speech",)}, "the command line has 1"),
}


@pytest.mark.parametrize(("facts", "message"), BAD.values(), ids=BAD)
def test_facts_that_do_not_fit(vad, tmp_path, facts, message):
    with pytest.raises(OptionError) as problem:
        import_file(vad, ModelFacts(**{**STREAM, **facts}), out=tmp_path / "bundle")
    assert message in str(problem.value)
    assert "\n" not in str(problem.value)
    assert not (tmp_path / "bundle").exists()


def test_states_without_a_batch_axis_are_refused(tmp_path):
    path = detector(tmp_path / "vad.onnx", state=(2, 3, WIDTH))
    with pytest.raises(OptionError, match="needs one batch axis"):
        import_file(path, ModelFacts(**STREAM), out=tmp_path / "bundle")


def test_names_that_the_step_graph_needs_are_refused(tmp_path):
    nodes = [oh.make_node("Identity", ["sound"], ["next"]), oh.make_node("Identity", ["context"], ["answer"])]
    inputs, outputs = (
        [(name, FLOAT, ["n", 4]) for name in pair] for pair in (("sound", "context"), ("answer", "next"))
    )
    path = graph(tmp_path / "named.onnx", nodes, inputs, outputs)
    facts = {**STREAM, "constants": None, "hop": 2, "context": 2}
    with pytest.raises(OptionError, match="two tensors of one name, of sound, answer, context, next_context, context"):
        import_file(path, ModelFacts(**facts), out=tmp_path / "bundle")


def test_the_command_line(cli, vad, tmp_path):
    (tmp_path / "labels.txt").write_text("silence\nspeech\n")
    words = [
        "import",
        vad,
        "--input",
        "audio",
        "--rate",
        "16000",
        "--hop",
        "512",
        "--context",
        "64",
        "--task",
        "binary",
    ]
    words += ["--labels", tmp_path / "labels.txt", "--out", tmp_path / "bundle", "--constant"]
    for constant in ("sr", "sr=", "=16000", "sr=x", "rate=16000"):
        assert "--constant" in one_line(cli(*words, constant))
    assert "once a name" in one_line(cli(*words, "sr=1", "--constant", "sr=2"))
    result = cli(*words, "sr=16000", "--json")
    assert json.loads(result.out)["facts"]["constants"]["value"] == {"sr": "16000"}
    audio = bursts()
    path = tmp_path / "bursts.wav"
    path.write_bytes(runtime.load(tmp_path / "bundle").spec.input.encode(audio[HOP * 18 : HOP * 22]))
    assert "speech" in cli("predict", tmp_path / "bundle", path).out


SILERO = importlib.util.find_spec("silero_vad")


@pytest.mark.skipif(SILERO is None, reason="silero-vad is not installed")
@pytest.mark.parametrize("name", ["silero_vad", "silero_vad_16k_op15", "silero_vad_op18_ifless"])
def test_silero_vad(tmp_path, name):
    assert SILERO is not None
    assert SILERO.origin is not None
    path = Path(SILERO.origin).parent / "data" / f"{name}.onnx"
    model = made(path, tmp_path)
    clips = np.stack([bursts(), bursts()])
    np.testing.assert_allclose(list(model.rollout(clips)), by_hand(path, clips, "input"), rtol=0, atol=1e-5)
