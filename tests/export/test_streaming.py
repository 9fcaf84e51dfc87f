"""Sequences: open axes, and step graphs that are proved after every step."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import export
import runtime
from export.formats import format_module, formats_in
from export.graphs import STEP_SAMPLES
from runtime import Bundle
from runtime.errors import EngineError, ExportError, ParityError
from runtime.spec import State
from runtime.verify import verify
from tests.networks import Convolution, Recurrent

MEAN, STD = (1.0, 2.0), (1.0, 0.5)
SPEC = export.ModelSpec(
    "gestures",
    export.SequenceInput("sequence", "sequence", 8, ("x", "y"), MEAN, STD),
    export.Classification("classification", "logits", ("left", "right", "up")),
)
_random = np.random.default_rng(0)
SAMPLES = [_random.normal(MEAN, STD, (8, 2)).astype(np.float32) for _ in range(40)]


def write(tmp_path, network, formats=("onnx",), **options):
    torch.manual_seed(0)
    arguments = {"spec": SPEC, "samples": SAMPLES, "formats": formats, "out": tmp_path / "bundle"} | options
    return export.export(export.NormalizeFeatures(network, MEAN, STD), **arguments)


def seeded(network, *arguments, **options):
    torch.manual_seed(0)
    return network(*arguments, **options)


def test_a_causal_convolution_streams_in_every_format(tmp_path):
    network = seeded(Convolution, 2, 3)
    bundle = write(tmp_path, network, formats_in("fp32"), targets=[i % 3 for i in range(40)])
    bundle.check()
    models = bundle.manifest.models
    assert list(models) == [f"model{step}.{name}" for name in formats_in("fp32") for step in ("", ".step")]
    for name, model in models.items():
        assert model.parity.max_difference <= 1e-5
        assert model.parity.metric == "accuracy"
        if ".step." in name:
            assert model.spec.state == (State("before", (2, 2)),)
            assert model.parity.samples == STEP_SAMPLES
        else:
            assert model.spec.state == ()
            assert model.spec.steps == (8 if name.endswith("tflite") else None)
            assert model.parity.samples == 40
        assert f"`{name}`" in bundle.bytes("README.md").decode()
    assert all(result.passed for result in verify(bundle.path, threads=1))
    long = np.concatenate(SAMPLES[:3])
    with torch.inference_mode():
        module = export.NormalizeFeatures(network, MEAN, STD).eval()
        wanted = [module(torch.from_numpy(long[None, : i + 1])).argmax().item() for i in range(len(long))]
    for engine in ("onnxruntime", "litert"):
        model = runtime.load(bundle.path, engine=engine)
        assert [model.labels.index(answer.label) for answer in model.stream(long)] == wanted


def test_a_network_that_reads_both_ways_has_no_step_graph(tmp_path):
    bundle = write(tmp_path, seeded(Recurrent, 2, 3, both_ways=True), formats_in("fp32"))
    assert set(bundle.manifest.models) == {f"model.{name}" for name in formats_in("fp32")}
    for engine in ("onnxruntime", "litert"):
        with pytest.raises(EngineError, match="not causal"):
            runtime.load(bundle.path, engine=engine).stream(SAMPLES[0])
    cut = runtime.load(bundle.path, engine="onnxruntime").predict([SAMPLES[0][:3], np.concatenate(SAMPLES[:4])])
    assert [len(answer.input) for answer in cut] == [3, 32]
    assert "stream" not in bundle.bytes("README.md").decode()


def test_a_network_of_one_length_says_so(tmp_path):
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    bundle = write(tmp_path, network)
    assert bundle.manifest.models["model.onnx"].spec.steps == 8
    model = runtime.load(bundle.path)
    assert model.predict(SAMPLES[0]).label in model.labels
    with pytest.raises(runtime.InputError, match=r"model\.onnx runs exactly 8 steps, got 5"):
        model.predict(SAMPLES[0][:5])


class Forgetful(Recurrent):
    """Its steps lose one of the states."""

    def step(self, sample, *states):
        output, hidden, cell = super().step(sample, *states)
        return output, hidden, cell * 0.999


class Late(Convolution):
    """Its steps are right once the sequence is long enough to have left the zeros at the start behind."""

    def step(self, sample, *states):
        output, before = super().step(sample, *states)
        empty = (states[0] == 0).all().float()
        return output + empty, before


@pytest.mark.parametrize("network", [Forgetful, Late])
def test_steps_that_differ_from_the_whole_are_refused(tmp_path, network):
    with pytest.raises(
        ParityError, match=r"^gestures as onnx fp32 step graph on onnxruntime .*on real samples"
    ) as caught:
        write(tmp_path, seeded(network, 2, 3))
    assert "model.onnx only" in str(caught.value)
    assert list(Bundle.read(tmp_path / "bundle").manifest.models) == ["model.onnx"]


class Wide(Recurrent):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.state = self.state | {"cell": (2, 7)}


class Short(Recurrent):
    def step(self, sample, *states):
        return super().step(sample, *states)[:2]


class Named(Convolution):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.state = {"sequence": self.state["before"]}


class Empty(Convolution):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.state = {"before": ()}


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Wide, r"the module's step fails"),
        (Short, r"the module's step gives states of \[\(2, 6\)\], its state says \[\(2, 6\), \(2, 6\)\]"),
        (Named, r"the module's state has a name of the input or output: sequence"),
        (Empty, r"the module's state: a state needs a name"),
    ],
)
def test_a_state_that_is_not_what_it_says(tmp_path, network, message):
    with pytest.raises(ExportError, match=message) as caught:
        write(tmp_path, seeded(network, 2, 3))
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("branch", ["rest", "long", "loop"])
def test_what_decides_by_the_length_is_written_for_one_length(tmp_path, branch):
    class Deciding(Recurrent):
        def forward(self, inputs):
            rest = inputs.shape[1] % 4
            if branch == "rest" and rest:
                inputs = nn.functional.pad(inputs, (0, 0, 0, 4 - rest))
            if branch == "long" and inputs.shape[1] > 40:
                inputs = inputs[:, -40:] * 2
            for step in range(inputs.shape[1]) if branch == "loop" else ():
                inputs = inputs + 0.01 * inputs[:, step : step + 1]
            return super().forward(inputs)

    line = {"rest": "if branch == .rest. and rest:", "long": "inputs.shape.1. > 40:", "loop": "for step in range"}[
        branch
    ]
    with pytest.warns(
        runtime.ExportNote, match=rf"model\.onnx takes exactly 8 steps: .*test_streaming.py:\d+ \(.*{line}"
    ):
        bundle = write(tmp_path, seeded(Deciding, 2, 3, both_ways=True))
    assert bundle.manifest.models["model.onnx"].spec.steps == 8
    with pytest.raises(
        runtime.InputError, match=r"model\.onnx runs exactly 8 steps, got 6: cut or fill up the sequence$"
    ):
        runtime.load(bundle.path).predict(SAMPLES[0][:6])


def test_a_length_that_changes_the_answer_is_not_taken(tmp_path, monkeypatch):
    """The file is right for the sequences it was traced with, and wrong for longer ones."""

    class First(nn.Module):
        def forward(self, inputs):
            return inputs[:, :8].sum(1)[:, [0, 1, 0]]

    class Whole(nn.Module):
        def forward(self, inputs):
            return inputs.sum(1)[:, [0, 1, 0]]

    real = format_module("onnx").convert
    faulty = export.NormalizeFeatures(First(), MEAN, STD).eval()
    monkeypatch.setattr(format_module("onnx"), "convert", lambda graph: real(replace(graph, module=faulty)))
    with pytest.warns(runtime.ExportNote, match=r"takes exactly 8 steps: .*of 9 steps the difference is max"):
        bundle = write(tmp_path, Whole())
    assert bundle.manifest.models["model.onnx"].spec.steps == 8


def test_cells_in_a_loop_are_written_for_one_length(tmp_path):
    class Cells(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell, self.head = nn.LSTMCell(2, 6), nn.Linear(6, 3)

        def forward(self, inputs):
            state = (torch.zeros(len(inputs), 6), torch.zeros(inputs.size(0), 6))
            for step in inputs.unbind(1):
                state = self.cell(step, state)
            return self.head(state[0])

    with pytest.warns(runtime.ExportNote, match=r"takes exactly 8 steps and one sample at a time: .*len\(inputs\)"):
        bundle = write(tmp_path, seeded(Cells))
    assert (bundle.manifest.models["model.onnx"].spec.steps, bundle.manifest.models["model.onnx"].spec.batch) == (8, 1)
    assert len(runtime.load(bundle.path).predict(SAMPLES)) == 40


@pytest.mark.parametrize("network", [Recurrent, Convolution])
def test_what_decides_by_values_names_the_line(tmp_path, network):
    class Deciding(network):
        def forward(self, inputs):
            if inputs.abs().max() > 50:
                inputs = inputs / 1000
            return super().forward(inputs)

    for format_name in formats_in("fp32"):
        with pytest.raises(
            ExportError, match=rf"format '{format_name}': .*test_streaming.py:\d+ \(if inputs.abs.*values"
        ):
            write(tmp_path, seeded(Deciding, 2, 3), [format_name])
    assert not list(tmp_path.iterdir())


def test_a_decision_by_values_that_the_code_passes_over_is_refused_too(tmp_path):
    class Deciding(Convolution):
        def forward(self, inputs):
            try:
                loud = bool(inputs.abs().max() > 50)
            except Exception:
                loud = False
            return super().forward(inputs / 1000 if loud else inputs)

    for format_name in formats_in("fp32"):
        with pytest.raises(ExportError, match=r"test_streaming.py:\d+ \(loud = bool\(inputs.abs.*values"):
            write(tmp_path, seeded(Deciding, 2, 3), [format_name])


LAYERS = {
    "attention": lambda: (nn.GRU(2, 8, batch_first=True), nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)),
    "both ways": lambda: (nn.LSTM(2, 4, 2, bidirectional=True, batch_first=True), nn.Identity()),
    "relu": lambda: (nn.RNN(2, 8, nonlinearity="relu", bias=False, batch_first=True), nn.Identity()),
}


class Pooled(nn.Module):
    """Features by convolution and pooling, then steps, then their mean."""

    def __init__(self, layers, after):
        super().__init__()
        self.before = nn.Sequential(nn.Conv1d(2, 2, 3, padding=1), nn.BatchNorm1d(2), nn.MaxPool1d(2))
        self.layers, self.after, self.head = layers, after, nn.Linear(8, 3)

    def forward(self, inputs):
        assert inputs.shape[-1] == 2
        steps = self.before(inputs.transpose(1, 2)).transpose(1, 2)
        return self.head(self.after(self.layers(steps)[0]).mean(1))


class Packed(nn.Module):
    """A layer that skips the zeros at the end of sequences, with a state of its own at the start."""

    def __init__(self):
        super().__init__()
        self.layers, self.head = nn.GRU(2, 8, batch_first=True), nn.Linear(8, 3)

    def forward(self, inputs):
        lengths = (inputs != 0).any(2).sum(1).clamp(min=1)
        packed = nn.utils.rnn.pack_padded_sequence(inputs, lengths.cpu(), batch_first=True, enforce_sorted=False)
        before = torch.ones(self.layers.num_layers, inputs.size(0), self.layers.hidden_size)
        return self.head(self.layers(packed, before)[1][-1])


@pytest.mark.parametrize("kind", [*LAYERS, "packed"])
def test_recurrent_layers_take_any_length_and_any_batch(tmp_path, kind):
    torch.manual_seed(0)
    network = (Packed() if kind == "packed" else Pooled(*LAYERS[kind]())).eval()
    samples = [
        np.concatenate([sample[: 8 - i % 4], np.zeros((i % 4, 2), np.float32)]) for i, sample in enumerate(SAMPLES)
    ]
    bundle = export.export(network, SPEC, samples, ["onnx"], out=tmp_path / "bundle")
    assert bundle.manifest.models["model.onnx"].spec.steps is None
    model = runtime.load(bundle.path)
    for batch, length in ((1, 2), (3, 3), (4, 13), (7, 31), (33, 8)):
        inputs = np.random.default_rng(1).normal(size=(batch, length, 2)).astype(np.float32)
        inputs[::2, length // 2 + 1 :] = 0
        with torch.no_grad():
            assert np.allclose(model.forward(inputs), network(torch.from_numpy(inputs)).numpy(), atol=1e-5)


def test_samples_of_another_length_are_named(tmp_path):
    with pytest.raises(ExportError, match=re.escape("sample 2 has 5 steps, the input's length is 8")):
        write(tmp_path, seeded(Recurrent, 2, 3), samples=[*SAMPLES[:2], SAMPLES[2][:5]])
    assert not list(tmp_path.iterdir())


def test_progress_of_steps_is_reported(tmp_path):
    calls = []
    write(tmp_path, seeded(Convolution, 2, 3), on_progress=lambda *call: calls.append(call))
    assert {"PyTorch, step by step", "convert to step.onnx", "parity of onnx, step by step"} <= {c[0] for c in calls}
    assert all(0 <= done <= total for _, done, total in calls)


def test_rows_of_images_are_sequences_that_stream(tmp_path):
    steps = export.image_steps((6, 5), "L")
    middle = (127.5,) * 5
    input_spec = export.SequenceInput("sequence", "rows", 6, tuple("abcde"), middle, middle, steps)
    spec = export.ModelSpec("rows", input_spec, SPEC.output)
    images = [np.random.default_rng(i).integers(0, 256, (12, 10, 3), np.uint8) for i in range(4)]
    torch.manual_seed(0)
    module = export.NormalizeFeatures(Convolution(5, 3), middle, middle)
    bundle = export.export(module, spec, images, ["onnx"], out=tmp_path / "bundle")
    inputs, *files = verify(bundle.path, threads=1)
    assert (inputs.passed, inputs.tolerance) == (True, 3)
    assert all(file.passed for file in files)
    model = runtime.load(bundle.path)
    answer = model.predict(images[0])
    assert answer.input.shape == (6, 5)
    assert list(model.stream(answer.input))[-1].scores == pytest.approx(answer.scores, abs=1e-6)
    assert model.predict(answer.input).scores == pytest.approx(answer.scores, abs=1e-6)
    assert len(model.predict(images)) == 4
