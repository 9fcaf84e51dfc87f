"""The layers of a recipe's network: output shape, parameters, multiply-accumulate operations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from runtime.errors import MissingExtraError, OptionError, one_line
from runtime.shapes import format_shape
from zoo.options import apply, divide
from zoo.recipes import Recipe, Training, no_streams, recipe
from zoo.train.config import TrainConfig, resolve

if TYPE_CHECKING:
    from torchinfo.layer_info import LayerInfo

MAX_SIDE = 4096


@dataclass(frozen=True)
class Layer:
    """A layer, or a block of them that is not looked into.

    Args:
        name: Its place in the network.
        kind: Its class.
        output: The shape of its output for one sample.
        parameters: How many weights it has.
        macs: Multiply-accumulate operations for one sample.
    """

    name: str
    kind: str
    output: tuple[int, ...]
    parameters: int
    macs: int


@dataclass(frozen=True)
class Summary:
    """A network: what it takes and gives, its layers, and their sums."""

    recipe: str
    input: tuple[int, ...]
    outputs: int
    layers: tuple[Layer, ...]
    parameters: int
    macs: int


def summarize(
    recipe_name: str, shape: str | None, outputs: int, settings: Mapping[str, Any] | None = None, depth: int = 3
) -> Summary:
    """Build a recipe's network and list its layers.

    Args:
        recipe_name: A recipe.
        shape: Of one sample: ``HEIGHTxWIDTHxCHANNELS`` of images, ``TIMExFEATURES`` of sequences, ``FEATURES`` of
            tables; None takes that of the recipe's own data.
        outputs: How many values the last layer gives; 0 takes what the recipe's own data needs.
        settings: Options of the recipe.
        depth: How far to look into blocks.

    Raises:
        OptionError: If the shape makes no sense to the recipe, or an option is unknown.
        MissingExtraError: If torchinfo is not installed.
    """
    declared = recipe(recipe_name)
    own, _ = divide(settings or {}, declared.options, Training)
    options = apply(declared.options(), own, f"options of {recipe_name}")
    stated = _parsed(shape) if shape else None
    if stated and declared.listening is not no_streams:
        raise OptionError(f"{recipe_name} takes recordings: leave --shape out, and set rate and seconds with --set")
    try:
        from torchinfo import summary
    except ImportError:
        raise MissingExtraError("torchinfo", "train") from None
    sizes, outputs = (stated, outputs) if stated else _from_data(recipe_name, declared, settings or {}, outputs)
    input_shape = (sizes[2], sizes[0], sizes[1]) if len(sizes) == 3 else sizes
    if declared.listening is not no_streams:  # built for a rate and a number of samples, of which one sample is a clip
        sizes = sizes[1:]
    try:
        network = declared.build(options, input_shape, outputs or 10).eval()
        sample_shape = input_shape[-1:] if len(sizes) == 1 else input_shape
        layer_table = summary(network, input_size=(1, *sample_shape), verbose=0, depth=99, device="cpu")
    except (RuntimeError, ValueError, TypeError, IndexError) as problem:
        raise OptionError(
            f"{recipe_name} can't be built for an input of {format_shape(sizes)}: {one_line(problem)}"
        ) from None
    paths: list[str] = []
    layers = []
    for info in layer_table.summary_list[1:]:
        paths[info.depth - 1 :] = [info.var_name]
        if info.depth == depth or (info.depth < depth and not info.children):
            macs = sum(map(_macs, (info, *info.children)))
            layers.append(Layer(".".join(paths), info.class_name, tuple(info.output_size[1:]), info.num_params, macs))
    parameters = sum(weight.numel() for weight in network.parameters())
    return Summary(recipe_name, sizes, outputs or 10, tuple(layers), parameters, sum(layer.macs for layer in layers))


def _macs(info: LayerInfo) -> int:
    """Return how often a layer multiplies and adds: its matrices, times the places where it applies them."""
    weights = sum(weight.numel() for weight in info.module.parameters(recurse=False) if weight.ndim > 1)
    return weights * prod(info.output_size[2:] if "Conv" in info.class_name else info.output_size[1:-1])


def _parsed(text: str) -> tuple[int, ...]:
    if not re.fullmatch(r"\d{1,5}(x\d{1,5}){0,2}", text) or not all(0 < int(n) <= MAX_SIDE for n in text.split("x")):
        raise OptionError(f"a shape is HEIGHTxWIDTHxCHANNELS, TIMExFEATURES or FEATURES up to {MAX_SIDE}, got {text!r}")
    return tuple(int(number) for number in text.split("x"))


def _from_data(
    recipe_name: str, declared: Recipe, settings: Mapping[str, Any], outputs: int
) -> tuple[tuple[int, ...], int]:
    from zoo.train.network import network_shape
    from zoo.train.network import outputs as needed
    from zoo.train.plan import plan

    if declared.data is None:
        raise OptionError(f"{recipe_name} has no data of its own: give --shape, such as --shape 224x224x3")
    spec = plan(resolve(TrainConfig(recipe_name, settings=settings))).run.model
    shape = network_shape(spec.input)
    return (*shape[1:], shape[0]) if len(shape) == 3 else shape, outputs or needed(spec)
