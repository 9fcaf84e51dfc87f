"""Small networks of many kinds, exported in fp32 and checked on fresh inputs: ``python -m benchmarks.networks``.

Each number is a network: its family follows from the number, its sizes, layers and weights from a random generator that
starts with it. Files are compared with PyTorch on inputs that the export has not seen, sequences at lengths that it has
not seen, in batches of several sizes. A wrong answer is a failure, a refusal is none: both are counted and named.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import export
import runtime
from runtime.errors import InputError, ZooError
from runtime.native_output import suppress_output

COUNT = 240
TOLERANCE = 1e-4
"""Of the output's scale: fresh inputs may lie where rounding is worse than on the gate's."""
CLASSES = export.Classification("classification", "logits", ("a", "b", "c", "d"))
BATCHES, LENGTHS = (1, 3, 8), (1, 4, 9, 13, 23, 40)
SAMPLES, STEPS, FEATURES, SIDE = 8, 12, 5, 12

Random = np.random.Generator
ACTIVATIONS: list[Callable[[], nn.Module]] = [
    nn.ReLU,
    nn.GELU,
    nn.SiLU,
    nn.Hardswish,
    nn.ELU,
    nn.LeakyReLU,
    nn.Tanh,
    nn.ReLU6,
]


def pick(random: Random, choices: Any) -> Any:
    """Return one of several."""
    return choices[random.integers(len(choices))]


class Head(nn.Module):
    """A mean over all but the channels, and a linear layer."""

    def __init__(self, body: nn.Module, channels: int, axes: tuple[int, ...]) -> None:
        super().__init__()
        self.body, self.axes, self.layer = body, axes, nn.Linear(channels, len(CLASSES.labels))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return what the class says."""
        features = self.body(values)
        return self.layer(features.mean(self.axes) if self.axes else features)


class Sum(nn.Module):
    """What a part gives, added to or multiplied with what it takes."""

    def __init__(self, part: nn.Module, times: bool = False) -> None:
        super().__init__()
        self.part, self.times = part, times

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return what the class says."""
        return values * self.part(values) if self.times else values + self.part(values)


class Axes(nn.Module):
    """A part with its input's last two axes the other way round."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return what the class says."""
        return self.part(values.transpose(1, 2)).transpose(1, 2)


class Steps(nn.Module):
    """A recurrent layer's outputs."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return what the class says."""
        return self.layer(values)[0]


class Cells(nn.Module):
    """A cell in a loop over the steps."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.cell = nn.GRUCell(FEATURES, size)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return what the class says."""
        state = values.new_zeros(values.shape[0], self.cell.hidden_size)
        states = []
        for step in range(values.shape[1]):
            state = self.cell(values[:, step], state)
            states.append(state)
        return torch.stack(states, 1)


class Patches(nn.Module):
    """Patches of an image as a sequence."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, size, 4, 4)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return what the class says."""
        return self.layer(image).flatten(2).transpose(1, 2)


def _norm(random: Random, size: int) -> nn.Module:
    return pick(
        random, [nn.BatchNorm2d(size), nn.GroupNorm(2, size), nn.InstanceNorm2d(size, affine=True), nn.Identity()]
    )


def convolutions(random: Random) -> nn.Module:
    """Two convolutions with a normalisation, an activation and a pooling."""
    size, kernel, activation = pick(random, [6, 8, 12]), pick(random, [1, 3, 5]), pick(random, ACTIVATIONS)
    pool = pick(random, [nn.MaxPool2d(2), nn.AvgPool2d(2), nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(3, 2, 1), nn.Identity()])
    bias = bool(random.integers(2))
    body = nn.Sequential(
        nn.Conv2d(3, size, kernel, padding=kernel // 2, bias=bias), _norm(random, size), activation(), pool,
        nn.Conv2d(size, size, 3, pick(random, [1, 2]), dilation=pick(random, [1, 2]), padding=2), activation(),
    )  # fmt: skip
    return Head(body, size, (2, 3))


def residual(random: Random) -> nn.Module:
    """Blocks that add to what they take."""
    size, activation = pick(random, [8, 12]), pick(random, ACTIVATIONS)
    blocks = [
        nn.Sequential(
            Sum(nn.Sequential(nn.Conv2d(size, size, 3, padding=1), _norm(random, size), activation())), activation()
        )
        for _ in range(random.integers(1, 4))
    ]
    return Head(nn.Sequential(nn.Conv2d(3, size, 3, padding=1), *blocks), size, (2, 3))


def depthwise(random: Random) -> nn.Module:
    """An inverted bottleneck with squeeze and excitation."""
    size, wide = pick(random, [6, 8]), pick(random, [2, 3])
    gate = nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Conv2d(size * wide, size * wide, 1), pick(random, [nn.Sigmoid, nn.Hardsigmoid])()
    )
    block = nn.Sequential(
        nn.Conv2d(size, size * wide, 1), nn.BatchNorm2d(size * wide), nn.ReLU6(),
        nn.Conv2d(size * wide, size * wide, pick(random, [3, 5]), padding="same", groups=size * wide), nn.Hardswish(),
        Sum(gate, times=True), nn.Conv2d(size * wide, size, 1),
    )  # fmt: skip
    return Head(nn.Sequential(nn.Conv2d(3, size, 3, 2, 1), Sum(block)), size, (2, 3))


def decoder(random: Random) -> nn.Module:
    """Smaller, then larger again."""
    size = pick(random, [4, 8])
    grown = pick(random, [
        nn.ConvTranspose2d(size, size, 2, 2), nn.ConvTranspose2d(size, size, 3, 2, 1),
        nn.Upsample(scale_factor=2), nn.Upsample(scale_factor=2, mode="bilinear"), nn.PixelShuffle(2),
    ])  # fmt: skip
    channels = size // 4 if isinstance(grown, nn.PixelShuffle) else size
    body = nn.Sequential(
        nn.Conv2d(3, size, 3, 2, 1), nn.ReLU(), grown, nn.Conv2d(channels, 6, 3, padding=1), nn.PReLU()
    )
    return Head(body, 6, (2, 3))


def patches(random: Random) -> nn.Module:
    """A small vision transformer."""
    size = pick(random, [8, 16])
    layers = [_attention(random, size) for _ in range(random.integers(1, 3))]
    return Head(nn.Sequential(Patches(size), *layers, nn.LayerNorm(size)), size, (1,))


def mixer(random: Random) -> nn.Module:
    """Perceptrons over places and channels in turn."""
    size, count = pick(random, [8, 12]), (SIDE // 4) ** 2
    blocks = [
        nn.Sequential(
            Sum(Axes(nn.Sequential(nn.Linear(count, 16), nn.GELU(), nn.Linear(16, count)))),
            Sum(
                nn.Sequential(nn.LayerNorm(size), nn.Linear(size, 16), pick(random, ACTIVATIONS)(), nn.Linear(16, size))
            ),
        )
        for _ in range(random.integers(1, 3))
    ]
    return Head(nn.Sequential(Patches(size), *blocks), size, (1,))


def perceptron(random: Random) -> nn.Module:
    """A perceptron for a table."""
    size, activation = pick(random, [8, 16, 33]), pick(random, ACTIVATIONS)
    norm = pick(random, [nn.BatchNorm1d(size), nn.LayerNorm(size), nn.Identity()])
    middle = pick(random, [nn.Linear(size, size), Sum(nn.Linear(size, size)), Sum(nn.Linear(size, size), times=True)])
    return Head(
        nn.Sequential(nn.Linear(FEATURES, size), norm, activation(), nn.Dropout(0.2), middle, activation()), size, ()
    )


def recurrent(random: Random) -> nn.Module:
    """Layers of any kind of cell, in one or both ways."""
    kind, size, both = pick(random, [nn.RNN, nn.LSTM, nn.GRU]), pick(random, [6, 9]), bool(random.integers(2))
    layers, bias = int(random.integers(1, 4)), bool(random.integers(2))
    layer = Steps(kind(FEATURES, size, layers, bias=bias, bidirectional=both, batch_first=True))
    return Head(layer, size * (1 + both), (1,))


def recurrent_after_convolution(random: Random) -> nn.Module:
    """A convolution over time, a pooling, and a recurrent layer."""
    size = pick(random, [6, 8])
    pool = pick(random, [nn.MaxPool1d(2), nn.AvgPool1d(2), nn.Identity()])
    before = Axes(nn.Sequential(nn.Conv1d(FEATURES, size, 3, padding=1), nn.BatchNorm1d(size), nn.ReLU(), pool))
    return Head(nn.Sequential(before, Steps(pick(random, [nn.LSTM, nn.GRU])(size, size, batch_first=True))), size, (1,))


def recurrent_with_attention(random: Random) -> nn.Module:
    """A recurrent layer, then attention over its steps."""
    size = pick(random, [8, 12])
    return Head(nn.Sequential(Steps(nn.GRU(FEATURES, size, batch_first=True)), _attention(random, size)), size, (1,))


def convolutions_over_time(random: Random) -> nn.Module:
    """Convolutions over time, dilated and grouped."""
    size, activation = pick(random, [6, 8]), pick(random, ACTIVATIONS)
    far = pick(random, [1, 2, 3])
    body = nn.Sequential(
        nn.Conv1d(FEATURES, size, 3, padding=far, dilation=far), activation(),
        Sum(nn.Conv1d(size, size, 3, padding="same", groups=pick(random, [1, 2, size]))), activation(),
    )  # fmt: skip
    return Head(Axes(body), size, (1,))


def transformer(random: Random) -> nn.Module:
    """Attention over time."""
    size = pick(random, [8, 12])
    return Head(nn.Sequential(nn.Linear(FEATURES, size), _attention(random, size)), size, (1,))


def cells(random: Random) -> nn.Module:
    """A cell in a loop."""
    size = pick(random, [5, 8])
    return Head(Cells(size), size, (1,))


def pooled_over_time(random: Random) -> nn.Module:
    """A pooling to so many steps."""
    size, count = pick(random, [4, 6]), pick(random, [2, 3, 4])
    pool = pick(random, [nn.AdaptiveAvgPool1d, nn.AdaptiveMaxPool1d])(count)
    body = nn.Sequential(nn.Conv1d(FEATURES, size, 3, padding=1), nn.ReLU(), pool)
    return nn.Sequential(Axes(body), nn.Flatten(), nn.Linear(size * count, len(CLASSES.labels)))


def _attention(random: Random, size: int) -> nn.Module:
    return nn.TransformerEncoderLayer(
        size, pick(random, [1, 2, 4]), 2 * size, 0.1, pick(random, ["relu", "gelu"]), batch_first=True,
        norm_first=bool(random.integers(2)),
    )  # fmt: skip


def _image() -> export.ImageInput:
    return export.ImageInput("image", "image", (SIDE, SIDE, 3), export.image_steps((SIDE, SIDE), "RGB"))


def _table() -> export.TableInput:
    columns = [export.NumericColumn("numeric", f"x{i}", 0.0, 1.0, -3.0, 3.0) for i in range(FEATURES)]
    return export.TableInput("table", "features", tuple(columns))


def _sequence() -> export.SequenceInput:
    names = tuple(f"x{i}" for i in range(FEATURES))
    return export.SequenceInput("sequence", "sequence", STEPS, names, (0.0,) * FEATURES, (1.0,) * FEATURES)


FAMILIES: dict[Callable[[Random], nn.Module], Callable[[], Any]] = {
    **dict.fromkeys((convolutions, residual, depthwise, decoder, patches, mixer), _image),
    perceptron: _table,
    **dict.fromkeys((recurrent, recurrent_after_convolution, recurrent_with_attention), _sequence),
    **dict.fromkeys((convolutions_over_time, transformer, cells, pooled_over_time), _sequence),
}


def inputs(random: Random, input_spec: Any, count: int, length: int = STEPS) -> Any:
    """Return random inputs."""
    if isinstance(input_spec, export.ImageInput):
        return random.integers(0, 256, (count, *input_spec.shape), np.uint8)
    shape = (count, length, FEATURES) if isinstance(input_spec, export.SequenceInput) else (count, FEATURES)
    return random.normal(size=shape).astype(np.float32)


def differences(module: nn.Module, model: runtime.Model, random: Random) -> Iterator[float]:
    """Yield how far a file is from PyTorch on fresh inputs, relative to the output's scale."""
    input_spec = model.spec.input
    lengths = LENGTHS if isinstance(input_spec, export.SequenceInput) and not model.file_spec.steps else (STEPS,)
    for batch in BATCHES:
        for length in lengths:
            fresh = inputs(random, input_spec, batch, length)
            with torch.no_grad():
                try:
                    wanted = module(torch.from_numpy(fresh)).numpy()
                except (RuntimeError, ValueError):  # so few steps
                    continue
            yield float(np.abs(model.forward(fresh) - wanted).max() / max(np.abs(wanted).max(), 1e-30))


def run(number: int, formats: list[str], folder: Path) -> Iterator[tuple[str, str]]:
    """Export a network; yield for each format its outcome and what to say of it."""
    random = np.random.default_rng(number)
    torch.manual_seed(number)
    family = list(FAMILIES)[number % len(FAMILIES)]
    input_spec, module = FAMILIES[family](), family(random).eval()
    for part in module.modules():  # as training leaves them
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.running_mean.normal_(), part.running_var.uniform_(0.5, 2)
    if isinstance(input_spec, export.ImageInput):
        module = export.NormalizePixels(module, (0.5, 0.4, 0.6), (0.2, 0.25, 0.3)).eval()
    spec = export.ModelSpec(family.__name__, input_spec, CLASSES)
    samples = list(inputs(random, input_spec, SAMPLES))
    for name in formats:
        try:
            bundle = export.export(module, spec, samples, [name], out=folder / f"{number}-{name}")
            with suppress_output():
                model = runtime.load(bundle.path, trusted=True)
                worst = max(differences(module, model, random))
        except (ZooError, InputError) as problem:
            yield "refused", f"{number} {family.__name__} {name}: {problem}"
            continue
        fixed = " of one length" if model.file_spec.steps and name == "onnx" else ""
        outcome = "right" if worst <= TOLERANCE else "WRONG"
        yield outcome, f"{number} {family.__name__} {name}{fixed}: {worst:.1e}"


def main() -> None:
    """Export all, and print what became of each; exit with 1 if an answer was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=COUNT, help=f"how many networks ({COUNT})")
    parser.add_argument("--start", type=int, default=0, help="the number of the first (0)")
    parser.add_argument("--format", action="append", choices=("onnx", "tflite"), help="only this format")
    chosen = parser.parse_args()
    outcomes: Counter[str] = Counter()
    warnings.simplefilter("ignore", runtime.ExportNote)  # the line of a file says that it has one length
    for number in range(chosen.start, chosen.start + chosen.count):
        with tempfile.TemporaryDirectory() as folder:
            for outcome, line in run(number, chosen.format or ["onnx", "tflite"], Path(folder)):
                outcomes[outcome] += 1
                print(f"{outcome:8} {line}", flush=True)
    print(", ".join(f"{count} {outcome}" for outcome, count in outcomes.items()))
    raise SystemExit(outcomes["WRONG"] > 0)


if __name__ == "__main__":
    main()
