"""What image processors of Transformers and timm's evaluation make of a photo of 2:1.

`python -m tests.zoo.peers` records it in `tests/fixtures/peers.npz`, in the environment of `make bench-peers`.
Tests compare with the record, and with the libraries themselves where they are installed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

RECORD = Path(__file__).parents[1] / "fixtures" / "peers.npz"
EDGE_224, EDGE_288 = {"shortest_edge": 224}, {"shortest_edge": 288}
PROCESSORS: dict[str, tuple[dict[str, Any], ...]] = {
    "Beit": ({}, {"do_center_crop": False}),
    "Bit": ({},),
    "Blip": ({},),
    "CLIP": ({}, {"size": {"shortest_edge": 257}}, {"do_center_crop": False}),
    "ConvNext": ({}, {"size": EDGE_224}, {"size": EDGE_288, "crop_pct": 0.95}),
    "DPT": ({}, {"ensure_multiple_of": 32}),
    "DeiT": ({}, {"size": {"height": 235, "width": 235}}),
    "Donut": ({},),
    "EfficientNet": (
        {}, {"rescale_factor": 1 / 127.5, "rescale_offset": True, "include_top": False}, {"do_center_crop": True},
        {"do_normalize": False},
    ),
    "Flava": ({},),
    "GLPN": ({},),
    "ImageGPT": ({},),
    "Levit": ({},),
    "MobileNetV1": ({},),
    "MobileNetV2": ({},),
    "MobileViT": ({}, {"size": EDGE_288}, {"size": EDGE_288, "do_flip_channel_order": False}),
    "Perceiver": ({}, {"do_center_crop": False}),
    "PoolFormer": ({}, {"size": {"height": 224, "width": 224}, "crop_pct": 0.95}),
    "Pvt": ({},),
    "Segformer": ({},),
    "Siglip": ({},),
    "ViT": (
        {}, {"do_normalize": False}, {"do_rescale": False, "do_normalize": False}, {"resample": 1}, {"resample": 0},
        {"size": {"height": 224, "width": 192}}, {"do_resize": False},
    ),
}  # fmt: skip
TIMM = tuple(
    {"crop_mode": mode, "crop_pct": share, "interpolation": interpolation, "input_size": [3, *size]}
    for mode, shares in (("squash", (1.0, 0.9, 0.95)), ("border", (1.0, 0.9)), ("center", (1.0, 0.875, 0.95, 0.965)))
    for share in shares
    for interpolation in ("bicubic", "bilinear")
    for size in ((224, 224), (160, 192))
)
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


def photo() -> Image.Image:
    """Return soft blots with sharp bars across, 640x320."""
    random = np.random.default_rng(3)
    soft = Image.fromarray(random.integers(0, 256, (5, 9, 3), np.uint8)).resize((640, 320), Image.Resampling.BICUBIC)
    pixels = np.array(soft)
    pixels[:, 100:140], pixels[60:90] = pixels[:, 100:140] // 3, 255 - pixels[60:90]
    return Image.fromarray(pixels)


def some(values: NDArray[Any]) -> NDArray[np.float32]:
    """Return the values at 8x8 places of an image ``[3, height, width]``, which tell one preprocessing from another."""
    rows, columns = (np.linspace(0, size - 1, 8).astype(int) for size in values.shape[1:])
    return np.asarray(values[:, rows][:, :, columns], np.float32)


Case = tuple[str, dict[str, Any], Callable[[], NDArray[np.float32] | None]]
"""A name, a configuration, and a function that gives what the library makes of the photo; None if it refuses it."""


def with_transformers() -> Iterator[Case]:
    """Yield the cases of the installed release of Transformers."""
    import transformers

    for name, variants in PROCESSORS.items():
        kind = getattr(transformers, f"{name}ImageProcessor", None)
        for number, options in enumerate(variants) if kind else ():
            processor = kind(**options)
            yield f"{name} {number}", json.loads(processor.to_json_string()), partial(_processed, processor)


def _processed(processor: Any) -> NDArray[np.float32] | None:
    try:
        return np.asarray(processor(photo(), return_tensors="np")["pixel_values"], np.float32)[0]
    except (TypeError, ValueError):  # such as a palette that is missing
        return None


def with_timm() -> Iterator[Case]:
    """Yield the cases of the installed release of timm."""
    from timm.data import create_transform

    for number, config in enumerate(TIMM):
        transform = create_transform(**config, **IMAGENET, is_training=False)
        yield f"timm {number}", {**config, **IMAGENET}, lambda: transform(photo()).numpy()  # noqa: B023  # called at once


def main() -> None:
    """Record what the installed libraries do."""
    configs, values = {}, {}
    for name, config, process in chain(with_transformers(), with_timm()):
        configs[name] = config
        array = process()
        if array is not None and array.ndim == 3:
            values[name] = some(array)
    text = np.frombuffer(json.dumps(configs).encode(), np.uint8)
    np.savez_compressed(RECORD, configs=text, **values)


if __name__ == "__main__":
    main()
