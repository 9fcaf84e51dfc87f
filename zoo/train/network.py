"""From a recipe to a module that takes what devices give: scaling inside, units outside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from export import DenormalizeTargets, NormalizeFeatures, NormalizePixels
from runtime.errors import OptionError, one_line
from runtime.inputs import AudioInput, ImageInput, SequenceInput
from runtime.shapes import fits, format_shape
from runtime.tasks import Forecasting, Regression
from runtime.tensors import single

if TYPE_CHECKING:
    from torch import nn

    from runtime.inputs import Input
    from runtime.spec import ModelSpec
    from zoo.recipes import Recipe


def build(recipe: Recipe, options: Any, spec: ModelSpec) -> tuple[nn.Module, nn.Module]:
    """Build a recipe's network with random weights.

    Returns:
        The network proper, and the module around it that takes ``[batch, *spec.input.shape]`` as devices give it and
        gives the tensors of `spec.output`.

    Raises:
        OptionError: If the network can't be built for this input, or doesn't give what the task needs.
    """
    import torch

    from zoo.train.allocation import LimitedAllocation

    try:
        with LimitedAllocation():
            network = recipe.build(options, network_shape(spec.input), outputs(spec))
        around = network
        if isinstance(spec.output, Regression | Forecasting):
            around = DenormalizeTargets(network, spec.output.mean, spec.output.std)
        module = _scaled(around, spec.input, *recipe.scaling(options, spec.input))
        with torch.inference_mode():
            answer = module.eval()(torch.from_numpy(single(spec.input.edge_cases())[:2]))
        shapes = [tuple(part.shape[1:]) for part in (answer if isinstance(answer, tuple) else (answer,))]
    except (RuntimeError, ValueError, TypeError, AssertionError) as problem:
        raise OptionError(
            f"the network can't be built for inputs of {format_shape(spec.input.tensors[0].sizes)}: {one_line(problem)}"
        ) from None
    needed = [tensor.sizes for tensor in spec.output.tensors]
    if len(shapes) != len(needed) or not all(map(fits, shapes, needed)):
        raise OptionError(
            f"the recipe gives {' and '.join(str(list(shape)) for shape in shapes)} for a sample; task "
            f"{spec.output.task!r} needs {' and '.join(f'[{format_shape(sizes)}]' for sizes in needed)}: choose "
            "another recipe or task"
        )
    return network, module


def _scaled(network: nn.Module, input_spec: Input, mean: Sequence[float], std: Sequence[float]) -> nn.Module:
    """Return a network with the scaling of its input before it; samples of audio have one scale as they are."""
    if isinstance(input_spec, AudioInput):
        return network
    if isinstance(input_spec, ImageInput):
        return NormalizePixels(network, [value / 255 for value in mean], [value / 255 for value in std])
    return NormalizeFeatures(network, mean, std)


def network_shape(input_spec: Input) -> tuple[int, ...]:
    """Return the shape of one scaled sample as PyTorch's layers want it."""
    if isinstance(input_spec, ImageInput):
        height, width, channels = input_spec.shape
        return channels, height, width
    if isinstance(input_spec, AudioInput):
        return input_spec.rate, input_spec.samples
    if isinstance(input_spec, SequenceInput):
        return input_spec.length, len(input_spec.features)
    return tuple(size or 1 for size in input_spec.tensors[0].sizes)


def outputs(spec: ModelSpec) -> int:
    """Return how many values the network's last layer gives: the last axis of its last tensor."""
    return int(spec.output.tensors[-1].sizes[-1] or 1)
