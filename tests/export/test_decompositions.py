"""What the converters alone get wrong: small modules that hold it, in every format, float and integer."""

from __future__ import annotations

import copy
from functools import partial

import numpy as np
import pytest
import torch
from timm.layers import RelPosBias
from timm.layers.halo_attn import HaloAttn
from timm.models.maxxvit import AttentionCl, window_partition, window_reverse
from torch import nn
from torch.nn import functional

import export
import runtime
from export.formats._litert import decompositions
from runtime.compare import difference

SIDE, CHANNELS = 14, 8


class Part(nn.Module):
    """A convolution, a function of its output, and a classifier."""

    def __init__(self, function, channels=CHANNELS):
        super().__init__()
        torch.manual_seed(0)
        self.before = nn.Conv2d(3, CHANNELS, 3, padding=1)
        self.function = function
        self.after = nn.Conv2d(channels, 4, 1)

    def forward(self, image):
        values = torch.relu(self.before(image))
        return self.after(self.function(values)).mean((2, 3))


class Scaled(nn.Module):
    """A perceptron over channels in the last place, and a factor for each, as in ConvNeXt and EdgeNeXt."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(CHANNELS)
        self.layers = nn.Sequential(nn.Linear(CHANNELS, 2 * CHANNELS), nn.GELU(), nn.Linear(2 * CHANNELS, CHANNELS))
        self.scale = nn.Parameter(torch.linspace(0.5, 2, CHANNELS))

    def forward(self, values):
        outputs = self.layers(self.norm(values.permute(0, 2, 3, 1)))
        return values + (self.scale * outputs).permute(0, 3, 1, 2)


def expanded(values):
    """Linear attention of MobileViT 2: one vector for all places."""
    context = (values * functional.softmax(values[:, :1], -1)).sum(-1, keepdim=True)
    return torch.relu(values) * context.expand_as(values)


def nearest(values):
    """The gate of GhostNet 3, from 3x3 to 7x7 pixels."""
    return functional.interpolate(functional.avg_pool2d(values, 4), size=(7, 7), mode="nearest")


def nearest_by_a_factor(values):
    """From 5x5 to 7x7 pixels by 1.5, which isn't 7/5."""
    return functional.interpolate(values[:, :, :5, :5], scale_factor=1.5, mode="nearest")


def turned(values):
    """The batch in the last axis, as in CSATv2."""
    return values.flatten(2).permute(1, 2, 0).sigmoid().permute(2, 0, 1).reshape(values.shape)


def attention_of_five_axes(values):
    """Attention inside blocks, as in NesT."""
    blocks = values.reshape(-1, 2, CHANNELS // 2, 7, 2 * SIDE).permute(0, 1, 3, 4, 2)
    outputs = functional.scaled_dot_product_attention(blocks, blocks, blocks)
    return outputs.permute(0, 1, 4, 2, 3).reshape(values.shape)


class Windowed(nn.Module):
    """Attention in windows of any number of images, as in MaxViT: traced and decomposed, its output has one layout, or
    ONNX's exporter refuses the view of it."""

    def __init__(self):
        super().__init__()
        self.attention = AttentionCl(CHANNELS, dim_head=4, rel_pos_cls=partial(RelPosBias, window_size=(7, 7)))

    def forward(self, values):
        windows = self.attention(window_partition(values.permute(0, 2, 3, 1), [7, 7]))
        return window_reverse(windows, [7, 7], [SIDE, SIDE]).permute(0, 3, 1, 2)


def folded(values):
    """Windows that overlap, added up again, as in VOLO."""
    columns = functional.unfold(values, 3, padding=1, stride=2)
    return functional.fold(columns, (SIDE, SIDE), 3, padding=1, stride=2)


def padded(values):
    """A column more, of parts of the rows."""
    parts = values.reshape(-1, 2, 4, 2, 7, SIDE)
    return functional.pad(parts, [0, 1])[..., 1:].reshape(values.shape)


def divided(values):
    """Linear attention of EfficientViT: a sum of weights that may be all but 0."""
    return values / (values.sum(1, keepdim=True) * 0.01 + 1e-6)


class Joined(nn.Module):
    """A convolution over one step, as in CoaT, or over more."""

    def __init__(self, size=1):
        super().__init__()
        self.layer = nn.Conv1d(CHANNELS, CHANNELS, size, padding=size // 2)

    def forward(self, values):
        return self.layer(values.flatten(2)).reshape(values.shape)


class Mixed(nn.Module):
    """Convolutions over steps behind products of matrices, as in EfficientViM."""

    def __init__(self):
        super().__init__()
        self.mix, self.gate = nn.Conv1d(CHANNELS, 12, 1), nn.Conv1d(CHANNELS, 2 * CHANNELS, 1)
        self.after = nn.Conv1d(CHANNELS, CHANNELS, 1)

    def forward(self, values):
        steps = values.flatten(2)
        first, second, weights = torch.split(self.mix(steps), [4, 4, 4], dim=1)
        hidden = steps @ (weights.softmax(-1) * first).transpose(-2, -1)
        hidden, gate = torch.split(self.gate(hidden), [CHANNELS, CHANNELS], dim=1)
        return (self.after(hidden * torch.relu(gate)) @ second).reshape(values.shape)


class Remembering(nn.Module):
    """Makes a table when it first sees an image, as ConViT does."""

    table = None

    def forward(self, values):
        if self.table is None:
            self.table = torch.linspace(0, 1, values.shape[-1])
        return values * self.table


class Bordered(nn.Module):
    """Borders by name, a transposed convolution with a border, and bins of even and uneven size over steps."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv1d(CHANNELS, CHANNELS, 4, padding="same", dilation=3)
        self.grown = nn.ConvTranspose1d(CHANNELS, CHANNELS, 3, 2, 1)

    def forward(self, values):
        steps = torch.relu(self.layer(values.flatten(2)))
        steps = functional.adaptive_avg_pool1d(steps, steps.shape[-1] // 2)
        steps = torch.relu(self.grown(steps))
        return (functional.adaptive_max_pool1d(steps, 5) + functional.adaptive_avg_pool1d(steps, 5))[..., None]


def bins_and_borders():
    """The output padding of decoders, borders of even kernels, and bins of uneven size."""
    return nn.Sequential(
        nn.ConvTranspose2d(CHANNELS, CHANNELS, 3, 2, 1, output_padding=1), nn.AdaptiveMaxPool2d(9),
        nn.ConvTranspose2d(CHANNELS, CHANNELS, 3, 2, 1), nn.ReLU(),
        nn.Conv2d(CHANNELS, CHANNELS, (2, 4), padding="same", groups=2), nn.ReLU(), nn.AdaptiveAvgPool2d((4, 2)),
        nn.AdaptiveMaxPool2d(1),
    )  # fmt: skip


DECOMPOSED = {
    "repeat": lambda: Part(lambda values: values.repeat(1, 2, 1, 1), 2 * CHANNELS),
    "expand": lambda: Part(expanded),
    "nearest": lambda: Part(nearest),
    "nearest by a factor": lambda: Part(nearest_by_a_factor),
    "batch in the last axis": lambda: Part(turned),
    "attention of five axes": lambda: Part(attention_of_five_axes),
    "attention in windows": lambda: Part(Windowed()),
    "fold": lambda: Part(folded),
    "division": lambda: Part(divided),
    "table made by a run": lambda: Part(Remembering()),
    "convolution over one step": lambda: Part(Joined()),
    "convolution over steps": lambda: Part(Joined(3)),
    "convolution over products": lambda: Part(Mixed()),
    "average inside the border": lambda: Part(nn.AvgPool2d(3, 2, 1, count_include_pad=False)),
    "windows with a border": lambda: Part(HaloAttn(CHANNELS, num_heads=2, block_size=7, halo_size=1)),
    "padding of six axes": lambda: Part(padded),
    "bias of four axes": lambda: Part(Scaled()),
    "grouped convolution": lambda: Part(nn.Conv2d(CHANNELS, CHANNELS, 3, groups=2)),
    "grouped transposed convolution": lambda: Part(nn.ConvTranspose2d(CHANNELS, CHANNELS, 2, 2, groups=2)),
    "bins and borders": lambda: Part(bins_and_borders()),
    "borders over steps": lambda: Part(Bordered()),
}


UNEVEN = ("bins and borders", "borders over steps")
"""What holds bins of different sizes: ONNX has none."""
IMAGE = torch.linspace(-1, 1, 2 * CHANNELS * 9 * 7).sin().reshape(2, CHANNELS, 9, 7)


@pytest.mark.parametrize("counts", [(1, 1), (2, 2), (3, 5), (9, 7), (10, 3)])
def test_bins_are_those_of_pytorch(counts):
    assert torch.equal(decompositions._maximum_of_bins(IMAGE, counts)[0], functional.adaptive_max_pool2d(IMAGE, counts))
    means = decompositions._binned(IMAGE, counts, torch.mean)
    assert torch.allclose(means, functional.adaptive_avg_pool2d(IMAGE, counts), atol=1e-6)


@pytest.mark.parametrize(("size", "step", "border", "more", "gap", "groups"), [
    (3, 2, 1, 1, 1, 1), (3, 2, 0, 1, 1, 2), (4, 3, 1, 2, 1, 8), (3, 2, 2, 1, 2, 1), (2, 3, 0, 2, 1, 1),
    (3, 2, 1, 0, 1, 1), (5, 2, 2, 0, 1, 2), (7, 3, 1, 0, 1, 1),
])  # fmt: skip
def test_transposed_convolutions_are_those_of_pytorch(size, step, border, more, gap, groups):
    torch.manual_seed(0)
    layer = nn.ConvTranspose2d(CHANNELS, CHANNELS, size, step, border, more, groups, dilation=gap)
    steps, borders, gaps, ends = ([each] * 2 for each in (step, border, gap, more))
    outputs = decompositions._transposed(IMAGE, layer.weight, layer.bias, steps, borders, gaps, True, ends, groups)
    assert torch.allclose(outputs, layer(IMAGE), atol=1e-6)


@pytest.fixture(scope="module")
def photos():
    random = np.random.default_rng(0)
    return list(random.integers(0, 256, (26, SIDE, SIDE, 3), np.uint8))


class Joint(nn.Module):
    """Several parts side by side, which give four values each: one export of all takes half the time of one of each."""

    def __init__(self, parts, images):
        super().__init__()
        self.parts = nn.ModuleList(parts)
        for part in parts:
            with (
                torch.no_grad()
            ):  # of a copy, for some keep what their first run made; in int8 all values share a scale
                scale = copy.deepcopy(part)(images).std()
                part.after.weight /= scale
                part.after.bias /= scale

    def forward(self, image):
        return torch.cat([part(image) for part in self.parts], 1)


GROUPS = [(format_name, start) for format_name in ("onnx", "tflite") for start in range(4)]
CLASSES = export.Classification("classification", "logits", ("a", "b", "c", "d"))


@pytest.mark.parametrize(("format_name", "start"), GROUPS)
def test_they_are_exported_and_keep_the_answer(format_name, start, photos, tmp_path):
    names = [name for name in [*DECOMPOSED][start::4] if format_name == "tflite" or name not in UNEVEN]
    pixels = np.stack(photos).astype(np.float32)
    network = Joint(
        [DECOMPOSED[name]() for name in names], torch.from_numpy((pixels / 255 - 0.5) / 0.25).movedim(-1, 1)
    )
    module = export.NormalizePixels(network, (0.5,) * 3, (0.25,) * 3)
    labels = tuple(f"{name} {label}" for name in names for label in CLASSES.labels)
    spec = export.ModelSpec(
        "decompositions", export.ImageInput("image", "image", (SIDE, SIDE, 3), export.image_steps((SIDE, SIDE), "RGB")),
        export.Classification("classification", "logits", labels),
    )  # fmt: skip
    bundle = export.export(
        module, spec, photos[:8], [format_name], precisions=["fp32", "int8"], out=tmp_path / "bundle",
        calibration=export.Calibration(photos[8:]), allow_drift=True,
    )  # fmt: skip
    inputs = np.stack(photos[:8])
    with torch.inference_mode():
        wanted = module(torch.from_numpy(inputs)).numpy()
    for file, entry in bundle.manifest.models.items():
        outputs = runtime.load(bundle.path / file).forward(inputs)
        for at, name in enumerate(names):
            own = slice(4 * at, 4 * at + 4)
            deviation = difference(wanted[:, own], outputs[:, own], CLASSES)
            if entry.spec.precision == "fp32":
                assert deviation.maximum <= 1e-5, name
            else:
                assert deviation.snr > 15, name
