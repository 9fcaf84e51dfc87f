"""What callers give to export: modules, samples and targets in any form; it works, or one line says why."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm

import export
import runtime
from export.inference_copy import inference_copy
from export.validation import as_sequence, as_targets
from runtime.errors import ExportError, OptionError
from runtime.verify import verify
from tests.export.small import SAMPLES, SPEC, network


def ran(change):
    """Return the network after a change and a run, as training leaves it."""
    module = network()
    change(module.network[1])
    module(torch.zeros(2, 6, 5, 3))
    return module


class Keeping(nn.Module):
    """Keeps what it answered last, with the way back to its weights."""

    def __init__(self):
        super().__init__()
        self.network, self.answers = network(), []

    def forward(self, *pixels, **options):
        self.answers.append(self.network(*pixels, **options))
        return self.answers[-1]


def kept():
    module = Keeping()
    module(torch.zeros(2, 6, 5, 3))
    return module


def pruned_twice(layer):
    prune.l1_unstructured(layer, "weight", 0.4)
    prune.random_unstructured(layer, "weight", 0.3)


MODULES = {
    "pruned": lambda: ran(lambda layer: prune.l1_unstructured(layer, "weight", 0.4)),
    "pruned twice": lambda: ran(pruned_twice),
    "weight norm": lambda: ran(weight_norm),
    "weight norm, new": lambda: ran(parametrizations.weight_norm),
    "spectral norm": lambda: ran(spectral_norm),
    "spectral norm, new": lambda: ran(parametrizations.spectral_norm),
    "hooks": lambda: ran(lambda layer: layer.register_forward_hook(lambda *arguments: arguments[-1] * 2)),
    "backward hooks": lambda: ran(lambda layer: layer.register_full_backward_hook(lambda *arguments: None)),
    "last answer": kept,
    "data parallel": lambda: nn.DataParallel(network()),
    "compiled": lambda: torch.compile(network()),
    "averaged": lambda: torch.optim.swa_utils.AveragedModel(nn.DataParallel(network())),
}


@pytest.mark.parametrize("kind", MODULES)
def test_modules_as_training_leaves_them(kind):
    module = MODULES[kind]()
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (4, 6, 5, 3), np.uint8))
    with torch.no_grad():
        wanted = getattr(module, "_orig_mod", module).eval()(pixels)
        copied = inference_copy(module)
        assert torch.allclose(copied(pixels), wanted, atol=1e-5)
    assert not copied.training
    assert all(parameter.is_leaf for parameter in copied.parameters())


@pytest.mark.parametrize("kind", ["pruned", "last answer"])
def test_they_are_exported(exported, kind):
    assert exported(MODULES[kind](), formats=["onnx", "tflite"]).manifest.models.keys() == {
        "model.onnx",
        "model.tflite",
    }


def lazy():
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(3))


def locked():
    module = network()
    module.lock = threading.Lock()
    return module


@pytest.mark.parametrize(
    ("candidate", "message"),
    [
        (lambda pixels: pixels, "got the function '<lambda>': wrap it in a torch.nn.Module"),
        (network().state_dict(), "load a state dict into its network first"),
        (nn.Linear, r"got the class Linear: make a module of it, Linear\(…\)"),
        ([network()], "got list: build the network"),
        (None, "got NoneType: build the network"),
        ("net.pt", "got str: build the network"),
        (lazy(), r"module's 1.weight has no shape yet: run one batch"),
        (network().to("meta"), r"has no values \(device 'meta'\)"),
        (locked(), "can't be copied .*keep out of it"),
    ],
)
def test_what_is_no_module_to_export(exported, tmp_path, candidate, message):
    with pytest.raises(ExportError, match=message):
        export.export(candidate, SPEC, SAMPLES, ["onnx"], out=tmp_path / "bundle")
    assert not list(tmp_path.iterdir())


class Pairs(torch.utils.data.Dataset):
    def __len__(self):
        return 12

    def __getitem__(self, index):
        return SAMPLES[index % 12]


@pytest.mark.parametrize(
    "samples",
    [(sample for sample in SAMPLES), Pairs(), [torch.from_numpy(sample) for sample in SAMPLES], iter(SAMPLES)],
    ids=["generator", "data set", "tensors", "iterator"],
)
def test_samples_in_any_form(samples):
    sequence = as_sequence(samples)
    assert len(sequence) == 12
    assert all(np.array_equal(one, sample) for one, sample in zip(sequence, SAMPLES, strict=True))


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (torch.utils.data.DataLoader(SAMPLES), "a DataLoader gives batches"),
        ("photos", "samples must be several inputs, got 'photos': put it into a list"),
        ({"a": 1}, "samples must be several inputs, got {'a': 1}"),
        (None, "samples must be several inputs, got None"),
        (lambda: SAMPLES, "samples must be several inputs"),
    ],
)
def test_what_is_no_list_of_samples(samples, message):
    with pytest.raises(ExportError, match=message):
        as_sequence(samples)


CTC = export.CTC("ctc", "logits", "abc")
SEVERAL = export.MultiLabel("multilabel", "logits", ("cat", "dog"), 0.5)
PRICE = export.Regression("regression", "value", "price", "", 100.0, 20.0)


@pytest.mark.parametrize(
    ("targets", "output", "wanted"),
    [
        (["cat", "fox"], SPEC.output, [0, 2]),
        (np.array(["cat", "fox"], object), SPEC.output, [0, 2]),
        (iter([0.0, 2.0]), SPEC.output, [0, 2]),
        (torch.tensor([[0], [2]]), SPEC.output, [0, 2]),
        ([["dog"], {"cat", "dog"}], SEVERAL, [[0, 1], [1, 1]]),
        (["ab", "c"], CTC, [[0, 1], [2, -1]]),
        ([[1.5], [2]], PRICE, [1.5, 2]),
    ],
)
def test_targets_in_any_form(targets, output, wanted):
    assert as_targets(targets, output, 2).tolist() == wanted


@pytest.mark.parametrize(
    ("targets", "output", "message"),
    [
        ([1, 3], SPEC.output, "numbers from 0 to 2; got 1 to 3: they count from 1, take 1 off each"),
        ([-1, 0], SPEC.output, "got -1 to 0$"),
        ([0.5, 1], SPEC.output, "from 0 to 2; got 0.5 to 1"),
        ([0, None], SPEC.output, "targets must be finite numbers"),
        ([0, float("nan")], SPEC.output, "targets must be finite numbers"),
        (["cat", "dgo"], SPEC.output, r"unknown label 'dgo' \(did you mean 'dog'"),
        ([[1, 0, 0], [0, 1, 0]], SPEC.output, r"targets have the shape \[2, 3\], wanted \[2\]"),
        ([[1], [1, 2]], SPEC.output, "targets"),
        ([1], SPEC.output, "2 samples have 1 targets"),
        (7, SPEC.output, "targets must be a list"),
        ([["cow"], []], SEVERAL, "unknown label 'cow'"),
        ([[2, 0], [1, 1]], SEVERAL, "1 for each of the 2 labels"),
        (["ad", "a"], CTC, "'d' is not in the alphabet 'abc'"),
        ([[3], [0]], CTC, "numbers .samples, characters. from 0 to 2"),
        (["1", "2"], PRICE, "targets must be finite numbers"),
    ],
)
def test_targets_that_fit_no_sample(targets, output, message):
    with pytest.raises(ExportError, match=message):
        as_targets(targets, output, 2)


def test_labels_as_targets_give_the_accuracy(exported):
    with torch.no_grad():
        pixels = np.stack([SPEC.input.read(sample) for sample in SAMPLES])
        labels = [SPEC.output.labels[index] for index in network()(torch.from_numpy(pixels)).argmax(1)]
    assert exported(targets=labels, formats="onnx").manifest.models["model.onnx"].parity.reference == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spec": SPEC.input}, "spec must be export.ModelSpec, got ImageInput"),
        ({"calibration": SAMPLES}, "calibration must be export.Calibration, got list"),
        ({"card": {"summary": "x"}}, "card must be export.Card, got dict"),
    ],
)
def test_arguments_of_other_types(exported, options, message):
    with pytest.raises(OptionError, match=message):
        exported(**options)


class Logarithm(nn.Module):
    """Energies: positive, so that their logarithm is sound."""

    def forward(self, inputs):
        return (inputs.log() + inputs.sqrt()).mean(1)[:, [0, 1, 0]]


class Standardised(nn.Module):
    """Each image by its own mean and deviation, which one of a single color has none of."""

    def __init__(self, least):
        super().__init__()
        self.network, self.least = network().network, least

    def forward(self, pixels):
        values = pixels.to(self.network[1].weight.dtype) / 255 - 0.3
        mean, deviation = values.mean((1, 2, 3), keepdim=True), values.std((1, 2, 3), keepdim=True)
        return self.network((values - mean) / (deviation + self.least))


def test_made_up_sequences_keep_to_the_range_of_real_ones(tmp_path):
    energies = [np.random.default_rng(i).gamma(2, 1, (8, 2)).astype(np.float32) for i in range(20)]
    input_spec = export.SequenceInput("sequence", "energies", 8, ("low", "high"), (2.0, 2.0), (1.4, 1.4))
    spec = export.ModelSpec("energies", input_spec, SPEC.output)
    bundle = export.export(Logarithm(), spec, energies, ["onnx"], out=tmp_path / "bundle", golden="made-up")
    assert bundle.manifest.models["model.onnx"].parity.hard_samples == 3
    assert bundle.manifest.golden.samples < 8  # what is made up without samples may be negative


@pytest.mark.parametrize("least", [0.0, 1e-9])
def test_made_up_images_that_have_no_answer_decide_nothing(exported, least):
    with pytest.warns(runtime.ExportNote, match=r"no finite, steady answer to [12] of 3 made-up inputs"):
        bundle = exported(Standardised(least), formats=["onnx", "tflite"])
    for model in bundle.manifest.models.values():
        assert 0 < model.parity.hard_samples < 3
    assert all(each.passed for each in verify(bundle.path, threads=1))


def test_keywords_are_checked_as_a_functions_own(tmp_path):
    with pytest.raises(TypeError, match=r"export\(\) got an unexpected keyword argument 'overwrit'"):
        export.export(network(), SPEC, SAMPLES, ["onnx"], out=tmp_path / "bundle", overwrit=True)
    with pytest.raises(TypeError, match=r"export\(\) missing a required keyword argument: 'out'"):
        export.export(network(), SPEC, SAMPLES, ["onnx"])
    assert not (tmp_path / "bundle").exists()
