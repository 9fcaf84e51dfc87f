"""A softmax or sigmoid that a graph contains is not applied again, and nothing else is taken for one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import export
import runtime
from export.activation import Operator, Tape, with_activation
from export.dispatch import last_operator
from runtime.errors import ExportError
from runtime.verify import verify
from tests.export.small import SAMPLES, SPEC

CLASSES = export.Classification("classification", "logits", ("cat", "dog", "fox"))
PAIR = export.Classification("classification", "logits", ("no", "yes"))
BINARY = export.Binary("binary", "logit", ("no", "yes"))
LABELS = export.MultiLabel("multilabel", "logits", ("cat", "dog", "fox"))
INPUTS = np.random.default_rng(0).integers(0, 256, (12, 6, 5, 3), np.uint8)


class Ending(nn.Module):
    """Two layers, and what a function makes of them."""

    def __init__(self, end, outputs=3):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(90, 16), nn.ReLU(), nn.Linear(16, outputs))
        self.end = end

    def forward(self, x):
        return self.end(self.layers(x))


class Unwatched(Ending):
    @torch.no_grad()
    def forward(self, x):
        return super().forward(x).detach()


class Last(nn.LSTM):
    def forward(self, x):
        return super().forward(x.flatten(1)[:, None])[0][:, -1]


def attention_pooling(y):
    steps = y.view(-1, 4, 3)
    return (torch.softmax(steps.mean(2, keepdim=True), 1) * steps).sum(1)


def between_0_and_1(y):
    return functional.linear(torch.tanh(y), 0.1 * torch.eye(y.shape[1]), torch.full((y.shape[1],), 0.5))


def filled(y):
    probabilities = torch.zeros(len(y), 2)
    probabilities[:, 1] = torch.sigmoid(y[:, 0])
    probabilities[:, 0] = 1 - probabilities[:, 1]
    return probabilities


CASES = {
    "softmax": (nn.Sequential(Ending(nn.Softmax(1))), CLASSES, "softmax"),
    "softmax, a function": (Ending(lambda y: functional.softmax(y, -1)), CLASSES, "softmax"),
    "softmax, a method": (Ending(lambda y: y.softmax(1)), CLASSES, "softmax"),
    "softmin": (Ending(nn.Softmin(1)), CLASSES, "softmax"),
    "softmax by hand": (Ending(lambda y: y.exp() / y.exp().sum(1, keepdim=True)), CLASSES, "softmax"),
    "softmax between transposes": (Ending(lambda y: y.t().softmax(0).t()), CLASSES, "softmax"),
    "softmax of an image": (Ending(lambda y: nn.Softmax2d()(y[:, :, None, None]).flatten(1)), CLASSES, "softmax"),
    "softmax, clamped": (Ending(lambda y: y.softmax(1).clamp(1e-6, 1)), CLASSES, "softmax"),
    "two networks' mean": (Ending(lambda y: (y.softmax(1) + (2 * y).softmax(1)) / 2), CLASSES, "softmax"),
    "softmax without gradients": (Unwatched(nn.Softmax(1)), CLASSES, "softmax"),
    "softmax of several labels": (Ending(nn.Softmax(1)), LABELS, "softmax"),
    "one of two, of softmax": (Ending(lambda y: y.softmax(1)[:, 1:], 2), BINARY, "softmax"),
    "pairs of softmax": (Ending(lambda y: y.view(-1, 3, 2).softmax(2)[:, :, 1], 6), LABELS, "softmax"),
    "shares of softplus": (Ending(lambda y: functional.normalize(functional.softplus(y), p=1)), CLASSES, "softmax"),
    "both of a sigmoid": (Ending(filled, 1), PAIR, "softmax"),
    "log-softmax": (Ending(nn.LogSoftmax(1)), CLASSES, "none"),
    "logarithm of softmax": (Ending(lambda y: y.softmax(1).log()), CLASSES, "none"),
    "exponential of log-softmax": (Ending(lambda y: y.log_softmax(1).exp()), CLASSES, "softmax"),
    "sigmoid": (Ending(nn.Sigmoid(), 1), BINARY, "sigmoid"),
    "sigmoid, squeezed": (Ending(lambda y: torch.sigmoid(y.squeeze(1)).unsqueeze(1), 1), BINARY, "sigmoid"),
    "sigmoid of labels": (Ending(nn.Sigmoid()), LABELS, "sigmoid"),
    "sigmoid in place": (Ending(lambda y: y.sigmoid_()), LABELS, "sigmoid"),
    "sigmoid by hand": (Ending(lambda y: 1 / (1 + torch.exp(-y))), LABELS, "sigmoid"),
    "hard sigmoid": (Ending(nn.Hardsigmoid()), LABELS, "sigmoid"),
    "sigmoid of classes": (Ending(nn.Sigmoid()), CLASSES, "sigmoid"),
    "logits": (Ending(nn.Identity()), CLASSES, "none"),
    "logits from 0 to 1": (Ending(between_0_and_1), CLASSES, "none"),
    "labels' logits from 0 to 1": (Ending(between_0_and_1), LABELS, "none"),
    "one logit from 0 to 1": (Ending(between_0_and_1, 1), BINARY, "none"),
    "ReLU": (Ending(nn.ReLU()), LABELS, "none"),
    "softsign": (Ending(lambda y: y.abs() / (1 + y.abs())), LABELS, "none"),
    "unit length": (Ending(lambda y: functional.normalize(y.abs())), CLASSES, "none"),
    "SiLU": (Ending(lambda y: y * torch.sigmoid(y)), LABELS, "none"),
    "tanh": (Ending(nn.Tanh()), CLASSES, "none"),
    "LSTM": (Last(90, 3, batch_first=True), LABELS, "none"),
    "attention": (Ending(attention_pooling, 12), LABELS, "none"),
    "softmax over another axis": (Ending(lambda y: y.view(-1, 3, 2).softmax(2)[:, :, 0], 6), CLASSES, "none"),
    "sigmoid inside": (Ending(lambda y: functional.linear(y.sigmoid(), torch.eye(3) / 2)), LABELS, "none"),
    "a regression": (Ending(nn.Sigmoid(), 1), export.Regression("regression", "y", "share", "", 0.0, 1.0), None),
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_module_ends_in(case):
    network, output, wanted = CASES[case]
    module = export.NormalizePixels(network, (0.5,) * 3, (0.25,) * 3).eval()
    with torch.no_grad():
        raw = module(torch.from_numpy(INPUTS)).numpy()
    output_spec = with_activation(output, last_operator(module, INPUTS[:2]), raw)
    assert getattr(output_spec, "activation", None) == wanted


@pytest.mark.parametrize("output", [LABELS, BINARY], ids=lambda output: output.task)
def test_the_logarithm_of_a_probability_is_refused(output, exported):
    module = export.NormalizePixels(Ending(nn.LogSigmoid(), output.shape[0]), (0.5,) * 3, (0.25,) * 3)
    with pytest.raises(ExportError, match="leave out the logarithm"):
        exported(module, spec=export.ModelSpec("small", SPEC.input, output))


def test_what_the_specification_says_is_checked(exported):
    spec = export.ModelSpec("small", SPEC.input, export.Classification("classification", "y", tuple("abc"), "softmax"))
    module = export.NormalizePixels(Ending(nn.Identity()), (0.5,) * 3, (0.25,) * 3)
    with pytest.raises(ExportError, match="says that the graph contains a softmax, but its values"):
        exported(module, spec=spec)


def test_the_time_steps_of_text():
    steps = np.random.default_rng(0).normal(0, 3, (4, 5, 3)).astype(np.float32)
    powers = np.exp(steps) / np.exp(steps).sum(2, keepdims=True)
    tape = Tape(["x"])
    tape.add("Softmax", ["x"], ["y"])
    end = tape.makers(["y"])["y"]
    text = export.CTC("ctc", "y", "ab")
    assert with_activation(text, end, powers).activation == "softmax"
    assert with_activation(text, Operator("logsoftmax"), np.log(powers)).activation == "none"


@pytest.mark.parametrize(
    ("end", "output"), [(nn.Softmax(1), CLASSES), (nn.Sigmoid(), BINARY)], ids=["softmax", "sigmoid"]
)
def test_files_of_every_format_and_precision_answer_with_the_modules_probabilities(end, output, tmp_path):
    module = export.NormalizePixels(Ending(end, output.shape[0]), (0.5,) * 3, (0.25,) * 3).eval()
    bundle = export.export(
        module, export.ModelSpec("small", SPEC.input, output), SAMPLES, out=tmp_path / "bundle",
        precisions=["fp32", "int8"], calibration=export.Calibration(list(INPUTS), None, 12),
        allow_drift=True,  # what noise decides, a rounded network decides otherwise
    )  # fmt: skip
    assert all(outcome.passed for outcome in verify(bundle.path))
    pixels = np.stack([SPEC.input.read(sample) for sample in SAMPLES])
    with torch.no_grad():
        wanted = module(torch.from_numpy(pixels)).numpy()
    if output is BINARY:
        wanted = np.concatenate([1 - wanted, wanted], 1)
    for name, entry in bundle.manifest.models.items():
        model = runtime.load(bundle.path / name)
        assert model.spec.output.activation == ("sigmoid" if output is BINARY else "softmax")
        scores = np.stack([answer.scores for answer in model.predict(SAMPLES)])
        np.testing.assert_allclose(scores, wanted, atol=1e-5 if entry.spec.precision == "fp32" else 0.1)
