"""Preprocessing according to configurations of Transformers' image processors and of timm.

Every key is applied, known to be without effect here, or refused by its name: a configuration that is followed in part
gives plausible answers that are wrong. The facts are those of `zoo.imports.facts.ModelFacts`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from runtime.errors import OptionError, shown

RESAMPLING = ("nearest", "lanczos", "bilinear", "bicubic", "box")
"""Pillow's numbers."""
BOTH_SIDES = {
    "", "Beit", "Blip", "DPT", "DeiT", "EfficientFormer", "EfficientNet", "Perceiver", "Pvt", "Segformer", "Siglip",
    "ViT",
}  # fmt: skip
"""Processors of Transformers for which a size that is one number stands for both sides; also those without a name."""
SHORTER_SIDE = {
    "Bit", "CLIP", "ConvNext", "Levit", "MobileNetV1", "MobileNetV2", "MobileViT", "PoolFormer", "ViTHybrid",
}  # fmt: skip
"""Those for which it stands for the shorter side."""
APPLIED = {
    "image_processor_type", "feature_extractor_type", "do_resize", "size", "resample", "do_center_crop", "crop_size",
    "crop_pct", "do_rescale", "rescale_factor", "rescale_offset", "do_normalize", "image_mean", "image_std",
    "include_top", "do_flip_channel_order",
}  # fmt: skip
HARMLESS = {
    "processor_class", "_processor_class", "_valid_processor_keys", "default_to_square", "do_convert_rgb", "pad_size",
    "do_reduce_labels", "reduce_labels", "return_tensors", "data_format", "input_data_format", "device",
    "disable_grouping", "use_fast", "backend", "transformers_version",
}  # fmt: skip
"""Keys that change nothing about one color image: how batches, masks and other layouts are handled."""
HARMLESS_VALUES: Mapping[str, Any] = {"ensure_multiple_of": 1, "size_divisor": 1}
CONVNEXT_PCT, POOLFORMER_PCT = 224 / 256, 0.9
CONVNEXT_WARPS = 384
"""From this size ConvNeXt's processor neither keeps the aspect ratio nor crops."""

TIMM_MODES = {"center": "crop", "squash": "stretch", "border": "pad"}
TIMM_KEYS = {
    "input_size", "test_input_size", "crop_pct", "test_crop_pct", "crop_mode", "interpolation", "mean", "std",
}  # fmt: skip
TIMM_HARMLESS = {
    "url", "file", "hf_hub_id", "hf_hub_filename", "source", "architecture", "tag", "custom_load", "min_input_size",
    "fixed_input_size", "num_classes", "num_features", "global_pool", "label_offset", "label_names",
    "label_descriptions", "pool_size", "test_pool_size", "first_conv", "classifier", "head", "license", "description",
    "origin_url", "paper_name", "paper_ids", "notes", "model_args",
}  # fmt: skip
"""Where weights are from, and how a network is built."""


def timm(config: Mapping[str, Any], where: str = "timm", input_shape: tuple[int | None, ...] = ()) -> dict[str, Any]:
    """Return the facts of a ``pretrained_cfg``, or of what timm resolves from one.

    Args:
        config: The configuration.
        where: How messages name it.
        input_shape: The axes of the images that the file takes: where they are those of the test, its share counts.

    Raises:
        OptionError: If a key can't be applied; names it.
    """
    _refuse_others(config, TIMM_KEYS | TIMM_HARMLESS, where)
    size, share = config.get("input_size") or [3, 224, 224], config.get("crop_pct") or 0.875
    test = config.get("test_input_size")
    if test is not None and _three(test) and list(test[1:]) != list(size[1:]) and set(test[1:]) <= set(input_shape):
        size, share = test, config.get("test_crop_pct") or share
    mode = config.get("crop_mode") or "center"
    for key, value, right in (
        ("crop_mode", mode, mode in TIMM_MODES), ("input_size", size, _three(size)),
        ("crop_pct", share, _number(share)),
    ):  # fmt: skip
        if not right:
            raise _refused(where, key, value)
    mean, std = config.get("mean") or [0.485, 0.456, 0.406], config.get("std") or [0.229, 0.224, 0.225]
    return {
        "size": list(size[1:]),
        "mean": _pixels(mean),
        "std": _pixels(std),
        "fit": TIMM_MODES[mode],
        "share": share,
        "whole_pixels": True,
        "ground": [round(value) for value in _pixels(mean) or ()] if mode == "border" else None,
        "interpolation": config.get("interpolation") or "bicubic",
        "order": "RGB",
    }


def transformers(config: Mapping[str, Any], where: str = "Transformers") -> dict[str, Any]:
    """Return the facts of a ``preprocessor_config.json``.

    Args:
        config: The configuration.
        where: How messages name it.

    Raises:
        OptionError: If a key can't be applied; names it.
    """
    _refuse_others(config, APPLIED | HARMLESS | HARMLESS_VALUES.keys(), where)
    for key, value in HARMLESS_VALUES.items():
        if config.get(key) not in (None, False, value):
            raise _refused(where, key, config[key])
    kind = _kind(config, where)
    flips = config.get("do_flip_channel_order", kind == "MobileViT")
    resample = config.get("resample")
    if resample is not None and (type(resample) is not int or not 0 <= resample < len(RESAMPLING)):
        raise _refused(where, "resample", resample)
    return {
        **_geometry(config, kind, where),
        **_scaling(config, kind, where),
        "rounding": "down",
        "interpolation": None if resample is None else RESAMPLING[resample],
        "order": "BGR" if flips else "RGB",
    }


def _kind(config: Mapping[str, Any], where: str) -> str:
    """Return the name of a processor less its ending, or nothing where it has none."""
    key = "image_processor_type" if config.get("image_processor_type") else "feature_extractor_type"
    name = str(config.get(key) or "")
    kind = re.sub(r"(ImageProcessor(Fast|Pil)?|FeatureExtractor)$", "", name)
    if kind not in BOTH_SIDES | SHORTER_SIDE:
        raise _refused(where, key, name)
    return kind


def _geometry(config: Mapping[str, Any], kind: str, where: str) -> dict[str, Any]:
    """Return how an image is brought to the network's size."""
    if not config.get("do_resize", True):
        raise _refused(where, "do_resize", config["do_resize"])
    edge, sides = _sizes(config, "size", kind, where)
    crop: tuple[int, int] | None = None
    if config.get("do_center_crop", bool(config.get("crop_size"))):
        _, crop = _sizes(config, "crop_size", "", where)
    share = config.get("crop_pct")
    if kind == "ConvNext" or (kind == "" and share is not None):
        share = share or CONVNEXT_PCT
        if not edge:
            raise _refused(where, "size", config.get("size"))
        if crop and crop != (edge, edge):
            raise _refused(where, "crop_size", config["crop_size"])
        sides, crop = ((edge, edge), None) if edge >= CONVNEXT_WARPS else (None, (edge, edge))
        edge = _enlarged(edge, share, where)
    elif kind == "PoolFormer":
        share = config.get("crop_pct", POOLFORMER_PCT)
        edge = edge or (sides[0] if sides and sides[0] == sides[1] else None)
        if not edge:
            raise _refused(where, "size", config.get("size"))
        if share is not None:
            edge, sides = _enlarged(edge, share, where), None
    elif share is not None:
        raise _refused(where, "crop_pct", share)
    elif kind == "Levit" and edge:
        edge = int(256 / 224 * edge)
    elif kind == "Perceiver" and crop and sides:  # it crops first, in the proportion of the two
        edge, sides, crop = crop[0], None, sides
    return _cut(edge, sides, crop, config, where)


def _enlarged(side: int, share: object, where: str) -> int:
    if not isinstance(share, int | float) or not _number(share):
        raise _refused(where, "crop_pct", share)
    return int(side / share)


def _cut(
    edge: int | None, sides: tuple[int, int] | None, crop: tuple[int, int] | None, config: Mapping[str, Any], where: str
) -> dict[str, Any]:
    """Return the facts for resizing to `sides`, or the shorter side to `edge`, and cutting `crop` out of the middle."""
    if crop is None:
        if sides is None:
            raise _refused(where, "size", config.get("size"), "it gives images of many sizes, for nothing is cropped")
        return {"size": list(sides), "fit": "stretch", "share": 1.0, "whole_pixels": True}
    high, wide = sides or (edge or 0, edge or 0)
    if crop[0] > high or crop[1] > wide:
        raise _refused(where, "crop_size", config.get("crop_size"), "it is larger than the size, and filled with black")
    share = config.get("crop_pct") or crop[0] / high
    if math.floor(crop[0] / share) != high:
        share = crop[0] / high
    while math.floor(crop[0] / share) < high:  # the runtime divides again, which may round to a pixel less
        share = math.nextafter(share, 0)
    if math.floor(crop[1] / share) != wide or (sides is None and crop[0] != crop[1]):
        raise _refused(where, "crop_size", config.get("crop_size"), "its proportions are others than the size's")
    return {"size": list(crop), "fit": "stretch" if sides else "crop", "share": share, "whole_pixels": True}


def _sizes(config: Mapping[str, Any], key: str, kind: str, where: str) -> tuple[int | None, tuple[int, int] | None]:
    """Return the length of the shorter side, or height and width; the other of the two is None."""
    value = config.get(key)
    if type(value) is int and key == "size":
        if kind == "" and config.get("crop_size"):
            raise _refused(where, key, value, "without an image_processor_type it may be both sides or the shorter one")
        value = {"shortest_edge": value} if kind in SHORTER_SIDE else [value, value]
    elif type(value) is int:
        value = [value, value]
    if isinstance(value, dict):
        sides = {name: side for name, side in value.items() if side is not None}
        if sides.keys() == {"shortest_edge"} and key == "size" and _side(sides["shortest_edge"]):
            return sides["shortest_edge"], None
        value = [sides["height"], sides["width"]] if sides.keys() == {"height", "width"} else None
    if not isinstance(value, list) or len(value) != 2 or not all(map(_side, value)):
        raise _refused(where, key, config.get(key))
    return None, (value[0], value[1])


def _scaling(config: Mapping[str, Any], kind: str, where: str) -> dict[str, Any]:
    """Return mean and deviation in pixel values, of all that is done to them one after the other."""
    factor = config.get("rescale_factor", 1 / 255) if config.get("do_rescale", True) else 1
    if not _number(factor):
        raise _refused(where, "rescale_factor", factor)
    offset = 1.0 if config.get("rescale_offset") and config.get("do_rescale", True) else 0.0
    mean, std = (_listed(config.get(key)) for key in ("image_mean", "image_std"))
    for key, listed in (("image_mean", mean), ("image_std", std)):
        if listed is None and config.get(key) is not None:
            raise _refused(where, key, config[key])
    normalized = config.get("do_normalize", kind != "MobileViT")
    again = config.get("include_top", kind == "EfficientNet")
    if (normalized and mean is None) or ((normalized or again) and std is None):
        return {}  # what the processor takes then differs between releases: the user has to say
    spread = [value ** (bool(normalized) + bool(again)) for value in std or [1.0]]
    middle = [value + offset for value in (mean or [0.0])] if normalized else [offset]
    return {"mean": _pixels(middle, 1 / factor), "std": _pixels(spread, 1 / factor)}


def _refuse_others(config: Mapping[str, Any], known: set[str], where: str) -> None:
    """Refuse unknown keys, unless they are switched off."""
    for key, value in config.items():
        if key not in known and value is not None and value is not False:
            raise _refused(where, key, value)


def _refused(where: str, key: str, value: object, reason: str = "") -> OptionError:
    because = f" ({reason})" if reason else ""
    return OptionError(
        f"{where}: {key!r} of {shown(value)} can't be done here{because}: move the file away, and give --mean, --std, "
        "--resize, --fit and --share"
    )


def _side(value: object) -> bool:
    return type(value) is int and value > 0


def _three(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) == 3 and all(map(_side, value))


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def _listed(values: Any) -> list[float] | None:
    listed = [values] if isinstance(values, int | float) else values
    numbers = isinstance(listed, list | tuple) and listed and all(isinstance(value, int | float) for value in listed)
    return list(listed) if numbers else None


def _pixels(values: Any, unit: float = 255) -> list[float] | None:
    """Return values of the network's own unit in pixel values; rounded, for 0.485 of 255 is no binary fraction."""
    listed = _listed(values)
    return None if listed is None else [round(value * unit, 9) for value in listed]
