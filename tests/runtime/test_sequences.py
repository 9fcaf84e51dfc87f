"""Sequences: whole and step by step, of any length where the file allows it, on each engine."""

from __future__ import annotations

import io
import itertools
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

import runtime
from runtime import EngineError, InputError, ManifestError
from runtime.engines import engine_module
from runtime.tasks import ValuePrediction
from runtime.verify import verify
from tests.engines import FLOAT_ENGINES
from tests.runtime.edits import edit_manifest, remove_model

ROUNDING = {"rel": 1e-6, "abs": 1e-4}


@pytest.fixture(scope="module", params=FLOAT_ENGINES)
def model(request, sequence_bundle):
    return runtime.load(sequence_bundle, engine=request.param, threads=1)


@pytest.fixture(scope="module")
def any_length(sequence_bundle):
    return runtime.load(sequence_bundle, engine="onnxruntime", threads=1)


@pytest.fixture
def sequence_copy(sequence_bundle, tmp_path):
    return Path(shutil.copytree(sequence_bundle, tmp_path / "bundle"))


def values(predictions):
    return np.stack([prediction.value for prediction in predictions])


def test_every_form_of_a_sequence_gives_the_same(model, sequences, tmp_path):
    sequence = sequences[0]
    np.save(tmp_path / "one.npy", sequence)
    np.savetxt(tmp_path / "one.csv", sequence[:, ::-1], delimiter=",", header="wind,heat", comments="", fmt="%.9g")
    wanted = model.predict(sequence)
    assert isinstance(wanted, ValuePrediction)
    assert wanted.value.shape == (2,)
    for form in (
        sequence.astype(np.float64),
        tmp_path / "one.npy",
        str(tmp_path / "one.npy"),
        (tmp_path / "one.npy").read_bytes(),
        tmp_path / "one.csv",
    ):
        assert np.array_equal(model.predict(form).value, wanted.value), type(form)
        assert np.array_equal(model.predict(form).input, sequence)


def test_several_sequences_give_a_list(model, sequences):
    one_by_one = values([model.predict(sequence) for sequence in sequences])
    for several in (sequences, tuple(sequences), np.stack(sequences)):
        predictions = model.predict(several)
        assert type(predictions) is list
        assert values(predictions) == pytest.approx(one_by_one, **ROUNDING)


def test_sequences_of_different_lengths_keep_their_order(any_length, sequences):
    cuts = [sequence[:length] for sequence, length in zip(sequences, [12, 12, 5, 1, 1, 9, 12, 3, 3, 3], strict=True)]
    cuts.append(np.concatenate(sequences))
    together = any_length.predict(cuts)
    assert [len(answer.input) for answer in together] == [12, 12, 5, 1, 1, 9, 12, 3, 3, 3, 120]
    assert values(together) == pytest.approx(values([any_length.predict(cut) for cut in cuts]), **ROUNDING)


@pytest.mark.parametrize("length", [1, 11, 13])
def test_a_file_of_a_fixed_length_refuses_others(sequence_bundle, sequences, length):
    model = runtime.load(sequence_bundle, engine="litert", threads=1)
    sequence = np.concatenate(sequences[:2])[:length]
    with pytest.raises(InputError) as caught:
        model.predict(sequence)
    assert str(caught.value).startswith(
        f"model.tflite runs exactly 12 steps, got {length}: cut or fill up the sequence"
    )
    assert ".onnx file, which takes any length" in str(caught.value)


def test_a_stream_gives_after_each_step_what_the_sequence_so_far_gives(model, any_length, sequences):
    for sequence in (sequences[0], np.concatenate(sequences[:3])):
        streamed = list(model.stream(iter(sequence), top=1))
        assert len(streamed) == len(sequence)
        whole = [any_length.predict(sequence[: length + 1]) for length in range(len(sequence))]
        assert values(streamed) == pytest.approx(values(whole), **ROUNDING)
        assert np.array_equal(np.concatenate([answer.input for answer in streamed]), sequence)


def test_a_stream_answers_each_step_before_it_takes_the_next(model, sequences):
    steps = []

    def endless():
        for step in itertools.cycle(sequences[0]):
            steps.append(step)
            yield step

    stream = model.stream(endless())
    assert steps == []
    for count in range(1, 40):
        next(stream)
        assert len(steps) == count


def test_streams_do_not_disturb_each_other(model, sequences):
    alone = [values(list(model.stream(sequence))) for sequence in sequences[:2]]
    first, second = (model.stream(sequence) for sequence in sequences[:2])
    both = [(next(first).value, next(second).value) for _ in range(12)]
    for i in range(2):
        assert np.array_equal(np.stack([pair[i] for pair in both]), alone[i])


def test_threads_share_the_step_graph(model, sequences):
    wanted = [values(list(model.stream(sequence))) for sequence in sequences]
    streamed = [None] * len(sequences)

    def work(i):
        streamed[i] = values(list(model.stream(sequences[i])))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(sequences))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(one, other) for one, other in zip(streamed, wanted, strict=True))


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ([1, 2, 3], "the step: expected numbers [time, 2], got int64 [1, 3]"),
        ([1, np.nan], "the step: holds values that are not finite"),
        ([1, 1e39], "the step: holds values that are not finite"),
        (["a", "b"], "the step: expected numbers"),
        ([[1], [1, 2]], "the step: expected 2 numbers"),
        ([], "the step: expected numbers"),
        (None, "the step: expected numbers"),
    ],
)
def test_steps_that_are_none(any_length, sequences, step, message):
    stream = any_length.stream([sequences[0][0], step])
    next(stream)
    with pytest.raises(InputError) as caught:
        next(stream)
    assert message in str(caught.value)


def test_the_step_file_alone_streams_and_takes_whole_sequences(model, sequence_bundle, sequences):
    alone = runtime.load(sequence_bundle / f"model.step.{model.file_spec.format}", engine=model.engine_name)
    assert alone.file_spec.state
    assert values(alone.predict(sequences)) == pytest.approx(values(model.predict(sequences)), **ROUNDING)
    assert values(list(alone.stream(sequences[1]))) == pytest.approx(
        values(list(model.stream(sequences[1]))), **ROUNDING
    )
    assert alone.predict(sequences[0][:3]).value == pytest.approx(list(alone.stream(sequences[0][:3]))[-1].value)


def test_the_whole_graph_is_what_a_bundle_opens(model, sequence_bundle):
    assert model.file.name == f"model.{model.file_spec.format}"
    assert not model.file_spec.state
    assert runtime.load(sequence_bundle).file.name == "model.onnx"


def test_a_whole_file_alone_has_no_steps(sequence_bundle, sequences):
    model = runtime.load(sequence_bundle / "model.onnx")
    with pytest.raises(EngineError, match=r"model\.onnx has no step graph beside it, so it can't stream.*not causal"):
        model.stream(sequences[0])
    assert model.predict(sequences[0]).value.shape == (2,)


def test_a_stream_needs_the_step_graph_of_its_own_format(sequence_copy, sequences):
    remove_model(sequence_copy, "model.step.onnx")
    with pytest.raises(EngineError, match="no step graph"):
        runtime.load(sequence_copy, engine="onnxruntime").stream(sequences[0])
    assert len(list(runtime.load(sequence_copy, engine="litert").stream(sequences[0]))) == 12


def test_the_bundle_verifies_step_graphs_too(sequence_bundle):
    inputs, *files = verify(sequence_bundle, threads=1)
    assert (inputs.passed, inputs.max_difference, inputs.tolerance) == (True, 0, 0)
    assert {file.file for file in files} == {"model.onnx", "model.step.onnx", "model.tflite", "model.step.tflite"}
    assert all(file.passed and file.samples == 11 for file in files)


def test_a_model_without_labels_has_none(model):
    assert model.labels == ()
    assert repr(model).endswith(f" on {model.engine.version}, cpu, forecasting)")


def test_raw_outputs_of_no_sequence(model):
    assert model.forward(np.zeros((0, 12, 2), np.float32)).shape == (0, 2)
    with pytest.raises(InputError, match=r"expected float32 \[batch, any, 2\], got float64 \[1, 12, 2\]"):
        model.forward(np.zeros((1, 12, 2)))
    with pytest.raises(InputError, match=r"expected float32 \[batch, any, 2\]"):
        model.forward(np.zeros((1, 0, 2), np.float32))


def npy(array):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def header(**changes):
    file = io.BytesIO()
    fields = {"descr": "<f4", "fortran_order": False, "shape": (12, 2)} | changes
    np.lib.format.write_array_header_1_0(file, fields)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x93NUMPY", "not a .npy file, or damaged"),
        (b"\x93NUMPY\x09\x00" + bytes(100), "not a .npy file, or damaged"),
        (header(), "not a .npy file, or damaged"),
        (header(shape=(10**12, 2)), "expected at most 67108864 numbers"),
        (header(shape=(-12, 2)), "not a .npy file, or damaged"),
        (header(descr="|O"), "expected at most 67108864 numbers"),
        (b"\x93NUMPY\x01\x00\x10\x00" + b"{" * 16, "not a .npy file, or damaged"),
        (b"\x93NUMPY\x01\x00\x20\x00" + b"__import__('os').system('true')\n", "not a .npy file, or damaged"),
        (npy(np.array([{"a": 1}])), "expected at most 67108864 numbers"),
        (npy(np.array(["a", "b"])), "expected at most 67108864 numbers"),
        (npy(np.zeros((12, 3), np.float32)), "expected numbers [time, 2], got float32 [12, 3]"),
        (npy(np.zeros(12, np.float32)), "expected numbers [time, 2], got float32 [12]"),
        (npy(np.zeros((0, 2), np.float32)), "has no steps"),
        (npy(np.full((12, 2), np.nan)), "holds values that are not finite"),
        (npy(np.zeros((12, 2), np.complex64)), "expected at most 67108864 numbers, got complex64"),
        (b"PK\x03\x04", "expected an array [time, 2], a .npy or a .csv file, got bytes"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_npy_files_that_are_none(any_length, content, message):
    with pytest.raises(InputError) as caught:
        any_length.predict(content)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("one.npy", b"no array", "one.npy: not a .npy file"),
        ("one.csv", b"heat,wind\n1,x\n", "one.csv: line 2: could not convert"),
        ("one.csv", b"heat,rain\n1,2\n", "one.csv: lacks the column 'wind'; it has: heat, rain"),
        ("one.csv", b"heat,wind\n1,nan\n", "one.csv: holds values that are not finite"),
        ("one.csv", b"heat,wind\n", "at least one row"),
        ("one.png", b"\x89PNG", "expected an array [time, 2], a .npy or a .csv file, got "),
    ],
)
def test_files_that_are_no_sequences(any_length, tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        any_length.predict(path)
    assert message in str(caught.value)


def test_files_that_are_not_there(any_length, tmp_path):
    for name in ("one.npy", "one.csv"):
        with pytest.raises(InputError, match=r"can't be read"):
            any_length.predict(tmp_path / name)


def test_other_byte_orders_and_types_are_read_right(any_length, sequences):
    wanted = any_length.predict(sequences[0]).value
    for kind in (">f4", ">f8", "<f8"):
        assert np.array_equal(any_length.predict(npy(sequences[0].astype(kind))).value, wanted)
        assert np.array_equal(any_length.predict(sequences[0].astype(kind)).value, wanted)
    whole = np.round(sequences[0])
    assert np.array_equal(any_length.predict(whole.astype(np.int16)).value, any_length.predict(whole).value)
    assert np.array_equal(any_length.predict(np.asfortranarray(sequences[0])).value, wanted)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ([{"name": "hidden", "shape": [2**20, 2**20]}], "a state needs a name and 1 to 16777216 values"),
        ([{"name": "hidden", "shape": []}], "a state needs a name"),
        ([{"name": "hidden", "shape": [0]}], "a state needs a name"),
        ([{"name": "", "shape": [2, 6]}], "a state needs a name"),
        ([{"name": "hidden", "shape": [2, 6]}] * 2, "two states have the same name"),
    ],
)
def test_states_that_make_no_sense_are_refused(sequence_copy, state, message):
    edit_manifest(sequence_copy, lambda m: m["models"]["model.step.onnx"]["spec"].update(state=state))
    with pytest.raises(ManifestError, match=message):
        runtime.load(sequence_copy)


@pytest.mark.parametrize("engine", FLOAT_ENGINES)
@pytest.mark.parametrize(
    "state",
    [
        [{"name": "hidden", "shape": [2, 6]}],
        [{"name": "hidden", "shape": [2, 6]}, {"name": "cell", "shape": [2, 7]}],
        [{"name": "a", "shape": [1]}, {"name": "b", "shape": [1]}, {"name": "c", "shape": [1]}],
    ],
)
def test_states_that_the_graph_does_not_have_are_the_engines_fault(sequence_copy, sequences, engine, state):
    suffix = engine_module(engine).FORMAT
    edit_manifest(sequence_copy, lambda m: m["models"][f"model.step.{suffix}"]["spec"].update(state=state))
    with pytest.raises(EngineError):
        list(runtime.load(sequence_copy, engine=engine).stream(sequences[0]))


@pytest.mark.parametrize("steps", [5, None, 13])
def test_steps_that_the_graph_does_not_run_are_the_engines_fault(sequence_copy, sequences, steps):
    edit_manifest(sequence_copy, lambda m: m["models"]["model.tflite"]["spec"].update(steps=steps))
    with pytest.raises(EngineError):
        runtime.load(sequence_copy, engine="litert").predict(np.concatenate(sequences)[: steps or 7])


@pytest.mark.parametrize("name", FLOAT_ENGINES)
def test_states_of_one_shape_are_never_swapped(name):
    """Eleven inputs and outputs of one shape, each told apart by its value, in whatever order the file lists them."""
    import torch

    from export.formats import Graph, format_module
    from runtime.formats import flatbuffer

    class Shift(torch.nn.Module):
        def forward(self, sample, *states):
            total = sample + sum((i + 1) * state for i, state in enumerate(states))
            return total, *(state * (i + 2) for i, state in enumerate(states))

    inputs = ("x", *(f"s{i}" for i in range(11)))
    outputs = ("y", *(f"next_s{i}" for i in range(11)))
    examples = {key: np.full((2, 3), i, np.float32) for i, key in enumerate(inputs)}
    axes = {key: {0: "batch"} for key in (*inputs, *outputs)}
    module = engine_module(name)
    data = format_module(module.FORMAT).convert(Graph(Shift(), examples, outputs, axes))
    files = [data]
    if module.FORMAT == "tflite":  # the same graph, but its lists of inputs and outputs are in another order
        (graph,) = flatbuffer.tables(data, flatbuffer.field(data, flatbuffer.root(data), 2))
        shuffled = bytearray(data)
        for field in (1, 2):
            at = flatbuffer.target(data, flatbuffer.field(data, graph, field))
            count = flatbuffer.uint32(data, at)
            assert count == 12
            numbers = np.frombuffer(data, np.int32, count, at + 4)
            shuffled[at + 4 : at + 4 + 4 * count] = np.random.default_rng(field).permutation(numbers).tobytes()
        files.append(bytes(shuffled))
    for file in files:
        engine = module.open(file, inputs=inputs, outputs=outputs)
        arrays = {key: np.full((1, 3), 10.0**-i, np.float32) for i, key in enumerate(inputs)}
        results = engine.run(arrays)
        assert results["y"][0, 0] == pytest.approx(1 + sum((i + 1) * 10.0 ** -(i + 1) for i in range(11)))
        for i in range(11):
            assert results[f"next_s{i}"] == pytest.approx((i + 2) * arrays[f"s{i}"])
