"""config.json (of Transformers, or timm's with ``pretrained_cfg``) and preprocessor_config.json beside the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runtime.errors import OptionError
from runtime.schema import build
from zoo.imports.beside import read_json
from zoo.imports.facts import Facts
from zoo.imports.graphs import Graph
from zoo.imports.labels import distinct, from_numbers

SOURCE = "config.json beside it"
RESAMPLING = ("nearest", "lanczos", "bilinear", "bicubic", "box")
"""Pillow's numbers."""
FITS = {"center": "crop", "squash": "stretch", "border": "pad"}
"""timm's crop modes."""


def read(path: Path, data: bytes, graph: Graph) -> Facts | None:
    """Return the facts; see `zoo.imports.hints`."""
    folders = [path.parent, path.parent.parent] if path.parent.name == "onnx" else [path.parent]
    for folder in folders:  # exports to ONNX lie in a folder of that name
        place = folder / "config.json"
        config = read_json(place)
        if config is None:
            continue
        told = {"labels": _labels(config, str(place)), "licence": _text(config.get("license"))}
        pretrained = config.get("pretrained_cfg")
        if isinstance(pretrained, dict):
            told |= _timm(pretrained)
        elif (processor := read_json(folder / "preprocessor_config.json")) is not None:
            told |= _processor(processor)
        architectures = config.get("architectures")
        if isinstance(architectures, list) and architectures and "ImageClassification" not in str(architectures[0]):
            told["task"] = str(architectures[0])[:80]
        elif config.get("problem_type") == "multi_label_classification":
            told["task"] = "multilabel"
        known = {name: value for name, value in told.items() if value is not None}
        return build(Facts, known, str(place), OptionError) if known else None
    return None


def _labels(config: dict[str, Any], where: str) -> tuple[str, ...] | None:
    numbered, names = config.get("id2label"), config.get("label_names")
    if isinstance(numbered, dict):
        return from_numbers(numbered, where)
    if isinstance(names, list):
        return distinct([str(name) for name in names])
    return None


def _timm(config: dict[str, Any]) -> dict[str, Any]:
    size = config.get("input_size")
    return {
        "size": size[1:] if isinstance(size, list) and len(size) == 3 else None,
        "mean": _pixels(config.get("mean")),
        "std": _pixels(config.get("std")),
        "share": config.get("crop_pct"),
        "fit": FITS.get(str(config.get("crop_mode", "center"))),
        "interpolation": config.get("interpolation"),
        "order": "RGB",
    }


def _processor(config: dict[str, Any]) -> dict[str, Any]:
    crops = config.get("do_center_crop", "crop_size" in config) and config.get("crop_size")
    size, share = _size(config.get("size")), config.get("crop_pct")
    if crops:
        cropped = _size(config.get("crop_size"))
        if size and cropped and size != cropped:
            share = min(1.0, cropped[0] / size[0])
        size = cropped or size
    factor = config.get("rescale_factor", 1 / 255) if config.get("do_rescale", True) else 1
    unit = 1 / factor if isinstance(factor, float | int) and factor > 0 else 255
    mean, std = config.get("image_mean"), config.get("image_std")
    if not config.get("do_normalize", True) or mean is None or std is None:
        mean, std = 0.0, 1.0
    resample = config.get("resample")
    return {
        "size": size,
        "mean": _pixels(mean, unit),
        "std": _pixels(std, unit),
        "share": share,
        "fit": "crop" if crops or share else "stretch",
        "interpolation": RESAMPLING[resample] if isinstance(resample, int) and 0 <= resample < 5 else None,
        "order": "RGB",
    }


def _size(value: Any) -> list[int] | None:
    if isinstance(value, dict):
        side = value.get("shortest_edge")
        value = [value.get("height", side), value.get("width", side)]
    if isinstance(value, int):
        value = [value, value]
    sized = isinstance(value, list) and len(value) == 2 and all(type(side) is int and side > 0 for side in value)
    return value if sized else None


def _pixels(values: Any, unit: float = 255) -> list[float] | None:
    """Return values of the network's own unit in pixel values; rounded, for 0.485 of 255 is no binary fraction."""
    listed = [values] if isinstance(values, int | float) else values
    if not isinstance(listed, list) or not all(isinstance(value, int | float) for value in listed):
        return None
    return [round(value * unit, 9) for value in listed]


def _text(value: Any) -> str | None:
    return value[:200] if isinstance(value, str) else None
