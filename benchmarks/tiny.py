"""MLPerf Tiny's networks as our recipes, in int8 for TFLite and TFLM, beside the reference files.

``python -m benchmarks.tiny [--reference FOLDER]`` prints the table. The weights are random: the sizes, operations and
memory are those of trained networks, and no target is claimed, because the data sets can't be had without a network.
FOLDER holds MLCommons' reference files, of which TFLM's arena is measured too. ``--data NETWORK=DATA``, as in
``--data CIFAR-10=cifar10:PATH`` or ``--data "keywords, from samples=speech-commands:PATH"``, trains a network of the
table in its shape and tells what its int8 file reaches in TFLM; ``--set KEY=VALUE`` is an option of these trainings.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import export
from runtime import Bundle
from runtime.engines import tflm
from runtime.humanize import figure
from zoo.exporting.run import export_run
from zoo.measure.evaluate import evaluate
from zoo.options import parse_settings
from zoo.recipes import autoencoder, keyword, keyword_stream, mobilenet, resnet
from zoo.train.pipeline import train
from zoo.train.run import Run

if TYPE_CHECKING:
    from zoo.recipes._causal import CausalSeparable


@dataclass(frozen=True)
class Case:
    """A network of the benchmark.

    Args:
        name: What it does.
        module: Returns our network, which takes what devices give.
        input: What it takes.
        outputs: How many values it gives.
        reference: The name of the reference file.
        reference_bytes: The size of the reference file.
        target: The metric that a trained network must reach.
        recipe: Which trains the network from what devices give; empty where none does.
        settings: The recipe's options for this shape.
    """

    name: str
    module: Callable[[], nn.Module]
    input: Any
    outputs: int
    reference: str
    reference_bytes: int
    target: str
    recipe: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


def _pixels(side: int) -> export.ImageInput:
    return export.ImageInput("image", "image", (side, side, 3), export.image_steps((side, side), "RGB"))


def _network_of_pixels(network: nn.Module) -> nn.Module:
    return export.NormalizePixels(network, [0.5] * 3, [0.5] * 3)


def _keywords() -> Any:
    return keyword.build(keyword.Options(), (16_000, 16_000), 12)


WAKE_WORD = keyword_stream.Options(
    features="log-mel", window=0.064, hop=0.032, widths=(128, 128, 128, 32), kernels=(3, 5, 10, 15),
    dilations=(1, 1, 1, 1),
)  # fmt: skip
"""The reference's shape: 64 ms of samples every 32 ms, 30 frames of 40 bands, no frame before the first."""
WAKE_WORD_FRAMES = 30


class _WakeWord(nn.Module):
    """The layers of `keyword-stream` behind its front-end, on as many frames as they see, each of the past alone."""

    def __init__(self) -> None:
        super().__init__()
        network: Any = keyword_stream.build(WAKE_WORD, (16_000, WAKE_WORD_FRAMES * 512), 3)
        self.layers, self.head = network.layers, network.head

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return ``[batch, 3]`` for ``[batch, frames, bands]``."""
        steps = features.transpose(1, 2)
        for layer in self.layers:
            steps = cast("CausalSeparable", layer).valid(steps)
        answer: torch.Tensor = self.head(steps[:, :, 0])
        return answer


CASES = (
    Case(
        "a person in a picture",
        lambda: _network_of_pixels(mobilenet.build(mobilenet.Options(), (3, 96, 96), 2)),
        _pixels(96), 2, "vww_96_int8.tflite", 333_288, "80 %", "mobilenet", {"size": 96},
    ),
    Case(
        "CIFAR-10",
        lambda: _network_of_pixels(resnet.build(resnet.Options(), (3, 32, 32), 10)),
        _pixels(32), 10, "pretrainedResnet_quant.tflite", 98_496, "85 %", "resnet",
    ),
    Case(
        "anomalies of machines",
        lambda: autoencoder.build(autoencoder.Options(), (640,), 640),
        export.TensorsInput("tensors", (export.TensorSpec("features", (640,)),)),
        640, "ad01_int8.tflite", 276_976, "AUC 0.85",
    ),
    Case(
        "keywords, from features",
        lambda: _keywords()[1:],  # behind the front-end
        export.TensorsInput("tensors", (export.TensorSpec("features", (49, 10)),)),
        12, "kws_ref_model.tflite", 53_936, "90 %",
    ),
    Case(
        "keywords, from samples",
        _keywords,
        export.AudioInput("audio", "audio", 16_000, 16_000),
        12, "kws_ref_model.tflite", 53_936, "90 %", "keyword", {"rate": 16_000, "seconds": 1.0},
    ),
    Case(
        "a wake word in a stream, from features",
        _WakeWord,
        export.TensorsInput("tensors", (export.TensorSpec("features", (WAKE_WORD_FRAMES, 40)),)),
        3, "strm_ww_int8.tflite", 74_520, "8 false alarms, 8 misses",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """An exported network.

    Args:
        bundle: Its files.
        module: The network.
        ours: The metric of its int8 file in TFLM, where it was trained.
    """

    bundle: Bundle
    module: nn.Module
    ours: str = "–"

    @property
    def parameters(self) -> int:
        """The weights of the network, without constants such as those of features."""
        return sum(weights.numel() for weights in self.module.parameters())

    @property
    def operations(self) -> int:
        """Its multiplications with additions."""
        (tensor,) = self.bundle.manifest.model.input.tensors
        sample = torch.from_numpy(np.zeros((1, *(size or 1 for size in tensor.sizes)), tensor.numpy_dtype))
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            self.module.eval()(sample)
        return int(counter.get_total_flops() // 2)


def built(case: Case, folder: Path) -> Measured:
    """Export a case with random weights."""
    torch.manual_seed(0)
    module = case.module().eval()
    samples: list[Any] = [case.input.read(each) for each in _samples(case.input, np.random.default_rng(0))]
    names = tuple(f"class {i}" for i in range(case.outputs))
    output = (
        export.Raw("raw", (export.TensorSpec("outputs", (case.outputs,)),))
        if case.input.kind == "tensors"
        else export.Classification("classification", "logits", names)
    )
    bundle = export.export(
        module, export.ModelSpec(case.name, case.input, output), samples, out=folder / case.name,
        formats=("tflite", "tflm"), precisions=("int8",), calibration=export.Calibration(samples, number=32),
        allow_drift=True,
    )  # fmt: skip
    return Measured(bundle, module)


def trained(case: Case, data: str, settings: Mapping[str, Any], folder: Path) -> Measured:
    """Train a case on data that is here, export it and measure its int8 file in TFLM."""
    run = train(case.recipe, data=data, settings={**case.settings, **settings}, out=folder / "run" / case.name)
    bundle = export_run(run, ("tflite", "tflm"), precisions=("int8",), out=folder / case.name)
    figures = evaluate(folder / case.name, data, engine="tflm").results["metrics"]
    metric = bundle.manifest.model.output.metric
    return Measured(
        bundle, Run.read(run).network()[1], f"{figure(metric, figures[metric])} on {data.partition(':')[0]}"
    )


def _samples(input_spec: Any, random: np.random.Generator) -> Any:
    if input_spec.kind == "image":
        return random.integers(0, 256, (32, *input_spec.shape), np.uint8)
    (tensor,) = input_spec.tensors
    values: Any = random.standard_normal((32, *tensor.sizes)).astype(np.float32)
    return 0.1 * values if input_spec.kind == "audio" else values


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reference", type=Path, help="the folder of MLCommons' files")
    parser.add_argument("--data", action="append", default=[], help="NETWORK=DATA: train this network on this data")
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE: an option of these trainings")
    options = parser.parse_args()
    data = dict(each.split("=", 1) for each in options.data)
    known = [case.name for case in CASES if case.recipe]
    if strange := {*data} - {*known}:
        parser.error(f"{', '.join(strange)}: no network that can be trained; there are: {'; '.join(known)}")
    table = Table(
        "network", "parameters", "MMAC", "TFLite kB", "TFLM kB", "arena kB", "reference kB", "its arena kB", "target",
        "ours", title="MLPerf Tiny in int8; weights are random where nothing stands under ours", box=SIMPLE,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for case in CASES:
            source = data.get(case.name)
            ours = trained(case, source, parse_settings(options.set), folder) if source else built(case, folder)
            manifest = ours.bundle.manifest
            sizes = {file.spec.format: manifest.files[name].size for name, file in manifest.models.items()}
            arena = next(file.footprint["arena"] for file in manifest.models.values() if file.footprint)
            path = options.reference / case.reference if options.reference else None
            theirs = f"{tflm.arena(path.read_bytes()) / 1000:.1f}" if path and path.exists() else "–"
            table.add_row(
                case.name, f"{ours.parameters:,}", f"{ours.operations / 1e6:.2f}", f"{sizes['tflite'] / 1000:.1f}",
                f"{sizes['tflm'] / 1000:.1f}", f"{arena / 1000:.1f}", f"{case.reference_bytes / 1000:.1f}", theirs,
                case.target, ours.ours,
            )  # fmt: skip
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
