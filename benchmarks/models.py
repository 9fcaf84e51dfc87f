"""The bundles that benchmarks run: EfficientNet-Lite0 and a perceptron, exported once a call into a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import nn

LABELS = tuple(f"class {i}" for i in range(10))


def efficientnet(folder: Path, precisions: Sequence[str] = ("fp32", "int8")) -> Path:
    """Export timm's tf_efficientnet_lite0 for 224x224 RGB, by default in fp32 and int8.

    The weights are random: their values don't change the time, but may lose the answer in int8.
    """
    from zoo.recipes import transfer

    options = transfer.Options(pretrained=False)
    return _export(
        transfer.build(options, (3, 224, 224), len(LABELS)),
        (224, 224),
        "RGB",
        folder / "efficientnet-lite0",
        precisions,
    )


def perceptron(folder: Path) -> Path:
    """Export the default perceptron for 28x28 gray."""
    from zoo.recipes import mlp

    return _export(mlp.build(mlp.Options(), (1, 28, 28), len(LABELS)), (28, 28), "L", folder / "perceptron")


def small_cnn(folder: Path) -> Path:
    """Export the default convolutional network for 28x28 gray."""
    from zoo.recipes import cnn

    return _export(cnn.build(cnn.Options(), (1, 28, 28), len(LABELS)), (28, 28), "L", folder / "cnn")


def _export(network: nn.Module, size: tuple[int, int], mode: str, out: Path, precisions: Sequence[str] = ()) -> Path:
    import export

    channels = 1 if mode == "L" else 3
    steps = export.image_steps(size, mode)
    spec = export.ModelSpec(
        out.name,
        export.ImageInput("image", "image", (*size, channels), steps),
        export.Classification("classification", "logits", LABELS),
    )
    rng = np.random.default_rng(0)
    samples = [rng.integers(0, 256, (*size, channels), np.uint8) for _ in range(4)]
    module = export.NormalizePixels(network, [0.5] * channels, [0.5] * channels)
    return export.export(
        module, spec, samples, out=out, precisions=precisions, calibration=export.Calibration(samples * 8, number=32),
        allow_drift=True,
    ).path  # fmt: skip
