"""Layers as options describe them, the start of their weights, and a check of sizes before training.

Nothing here imports PyTorch before it is called, so that recipes can name `Activation` in their options.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from runtime.errors import OptionError, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch
    from torch import nn

Activation = Literal["relu", "leaky_relu", "elu", "gelu", "silu", "hardswish", "sigmoid", "tanh", "maxout"]
"""A nonlinearity; maxout is the larger of two linear pieces, so the layer before it is twice as wide."""

Padding = Literal["same", "valid"]


def nonlinearity(name: Activation) -> nn.Module:
    """Return the module of a nonlinearity."""
    from torch import nn

    from zoo.recipes._blocks import Maxout

    known: dict[Activation, type[nn.Module]] = {
        "relu": nn.ReLU,
        "leaky_relu": nn.LeakyReLU,
        "elu": nn.ELU,
        "gelu": nn.GELU,
        "silu": nn.SiLU,
        "hardswish": nn.Hardswish,
        "sigmoid": nn.Sigmoid,
        "tanh": nn.Tanh,
        "maxout": Maxout,
    }
    return known[name]()


def dense(
    units: Sequence[int], activation: Activation = "relu", *, batch_norm: bool = False, dropout: float = 0.0
) -> list[nn.Module]:
    """Return hidden layers from the first of some numbers of units to the last, each with what follows it."""
    from torch import nn

    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(units):
        wide = _pieces(activation) * outputs
        layers += [nn.Linear(inputs, wide, bias=not batch_norm)]
        layers += [nn.BatchNorm1d(wide)] if batch_norm else []
        layers += [nonlinearity(activation), *([nn.Dropout(dropout)] if dropout else [])]
    return layers


def convolution(
    inputs: int,
    outputs: int,
    kernel: int = 3,
    activation: Activation | None = "relu",
    *,
    stride: int = 1,
    padding: Padding = "same",
    groups: int = 1,
    batch_norm: bool = True,
) -> list[nn.Module]:
    """Return a convolution ``[batch, inputs, height, width] -> [batch, outputs, ...]`` with what follows it.

    Args:
        inputs: Channels before.
        outputs: Channels after.
        kernel: Height and width; odd where the padding is ``same``.
        activation: The nonlinearity, or None for none.
        stride: Of both axes; with ``same`` padding the size is divided by it and rounded up.
        padding: ``same`` fills the borders with zeros, ``valid`` doesn't.
        groups: Groups of channels that see only each other.
        batch_norm: Normalize before the nonlinearity; the convolution has no bias then.
    """
    from torch import nn

    channels = _pieces(activation) * outputs
    border = kernel // 2 if padding == "same" else 0
    layers: list[nn.Module] = [nn.Conv2d(inputs, channels, kernel, stride, border, groups=groups, bias=not batch_norm)]
    layers += [nn.BatchNorm2d(channels)] if batch_norm else []
    return layers + ([nonlinearity(activation)] if activation else [])


def _pieces(activation: Activation | None) -> int:
    return 2 if activation == "maxout" else 1


def shape_after(layers: nn.Module, shape: tuple[int, ...], options: str) -> tuple[int, ...]:
    """Return the shape of one sample after layers that shrink it.

    Args:
        layers: The layers.
        shape: Of one sample before: ``(channels, height, width)``.
        options: The names of the options that decide how much they shrink it.

    Raises:
        OptionError: If nothing would be left; says so before training starts.
    """
    import torch

    try:
        with torch.inference_mode():
            return tuple(layers.eval()(torch.zeros(1, *shape)).shape[1:])
    except RuntimeError as problem:
        raise OptionError(
            f"{options}: the layers shrink an image of {shape[2]}x{shape[1]} to nothing ({one_line(problem, 120)}); "
            "shrink less, or take larger images (--set size=64)"
        ) from None


def initialize(network: nn.Module, scheme: Literal["default", "xavier", "kaiming", "orthogonal"]) -> None:
    """Give linear, convolutional and recurrent layers new random weights, in place; biases become 0.

    The gates of recurrent layers are matrices of their own. An LSTM's forget gates start open (a bias of 1), or it
    would forget what it is to learn (Jozefowicz et al., 2015).

    Args:
        network: The network.
        scheme: Glorot's uniform, He's normal for rectifiers, or orthogonal matrices; default leaves all as it is.
    """
    import torch
    from torch import nn

    if scheme == "default":
        return
    fill: Callable[[torch.Tensor], object] = {
        "xavier": nn.init.xavier_uniform_,
        "kaiming": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
        "orthogonal": nn.init.orthogonal_,
    }[scheme]
    layers = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.RNNBase)
    for layer in (layer for layer in network.modules() if isinstance(layer, layers)):
        for name, parameter in layer.named_parameters():
            with torch.no_grad():
                if parameter.ndim == 1:
                    parameter.zero_()
                gates = torch.split(parameter, layer.hidden_size) if isinstance(layer, nn.RNNBase) else (parameter,)
                for gate in gates:
                    if gate.ndim > 1:
                        fill(gate)
                if isinstance(layer, nn.LSTM) and name.startswith("bias_ih"):
                    parameter[layer.hidden_size : 2 * layer.hidden_size] = 1
