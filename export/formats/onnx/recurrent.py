"""Recurrent layers as ONNX's own operators: torch's exporter would write out every step, or freeze their number."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch.nn.utils.rnn import PackedSequence

GATES = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2), "RNN": (0,)}
"""ONNX's order of the gates, as their places in PyTorch's."""


def as_operators(module: torch.nn.Module) -> torch.nn.Module:
    """Return a copy of a module whose recurrent layers run as ONNX's operators; the module itself where it has none."""
    if not any(map(_known, module.modules())):
        return module
    module = copy.deepcopy(module)
    for layer in filter(_known, list(module.modules())):
        layer.operator = Recurrent(cast(torch.nn.RNNBase, layer))
        layer.forward = layer.operator.forward  # all else that it may be asked stays
    return module


def _known(module: torch.nn.Module) -> bool:
    forwards = (torch.nn.LSTM.forward, torch.nn.GRU.forward, torch.nn.RNN.forward)
    return type(module).forward in forwards and not module.proj_size  # ONNX knows no projections


class Recurrent(torch.nn.Module):
    """A recurrent layer, of the same inputs and outputs, that is one ONNX operator for each of its layers."""

    def __init__(self, layer: torch.nn.RNNBase) -> None:
        super().__init__()
        self.kind = layer.mode.partition("_")[0]
        self.batch_first, self.hidden, self.layers = layer.batch_first, layer.hidden_size, layer.num_layers
        self.directions = 1 + layer.bidirectional
        self.attributes: dict[str, Any] = {
            "hidden_size": layer.hidden_size,
            "direction": "bidirectional" if layer.bidirectional else "forward",
        }
        if self.kind == "GRU":
            self.attributes["linear_before_reset"] = 1
        elif self.kind == "RNN":
            self.attributes["activations"] = ["Relu" if layer.mode == "RNN_RELU" else "Tanh"] * self.directions
        for number in range(layer.num_layers):
            ends = [f"l{number}{end}" for end in ("", "_reverse")[: self.directions]]
            for name in ("weight_ih", "weight_hh"):
                stacked = torch.stack([self._ordered(getattr(layer, f"{name}_{end}")) for end in ends])
                self.register_buffer(f"{name}_l{number}", stacked)
            if layer.bias:
                rows = [[self._ordered(getattr(layer, f"bias_{side}_{end}")) for side in ("ih", "hh")] for end in ends]
                self.register_buffer(f"bias_l{number}", torch.stack([torch.cat(row) for row in rows]))

    def _ordered(self, weights: torch.Tensor) -> torch.Tensor:
        gates = weights.detach().chunk(len(GATES[self.kind]))
        return torch.cat([gates[index] for index in GATES[self.kind]])

    def forward(self, inputs: Any, before: Any = None) -> tuple[Any, Any]:
        """Return what the layer returns: the hidden state of every step, and the states after the last."""
        packed = inputs if isinstance(inputs, PackedSequence) else None
        steps = inputs if packed is None else packed.data  # see `export.formats.onnx.decompositions`
        alone = steps.dim() == 2  # a single sequence
        if alone:
            steps = steps.unsqueeze(1)
        elif self.batch_first and packed is None:
            steps = steps.transpose(0, 1)
        states = [] if before is None else [before] if isinstance(before, torch.Tensor) else list(before)
        if alone:
            states = [state.unsqueeze(1) for state in states]
        if packed is not None and packed.sorted_indices is not None:
            states = [state.index_select(1, packed.sorted_indices) for state in states]
        lengths = None if packed is None else packed.batch_sizes.to(torch.int32)
        after: list[Sequence[torch.Tensor]] = []
        for number in range(self.layers):
            rows = slice(number * self.directions, (number + 1) * self.directions)
            hidden, *ends = self._run(steps, number, lengths, [state[rows] for state in states])
            after.append(ends)
            steps = hidden.permute(0, 2, 1, 3).flatten(2)  # [steps, directions, batch, hidden]
        last = [torch.cat(parts) for parts in zip(*after, strict=True)]
        if packed is not None:
            if packed.unsorted_indices is not None:
                last = [state.index_select(1, packed.unsorted_indices) for state in last]
            outputs: Any = PackedSequence(steps, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
        elif alone:
            outputs, last = steps.squeeze(1), [state.squeeze(1) for state in last]
        else:
            outputs = steps.transpose(0, 1) if self.batch_first else steps
        return outputs, tuple(last) if self.kind == "LSTM" else last[0]

    def _run(
        self, steps: torch.Tensor, number: int, lengths: torch.Tensor | None, states: list[torch.Tensor]
    ) -> Sequence[torch.Tensor]:
        count, batch, _ = steps.shape
        one = (self.directions, batch, self.hidden)
        shapes = [(count, *one), *[one] * (2 if self.kind == "LSTM" else 1)]
        weights = [getattr(self, f"{name}_l{number}", None) for name in ("weight_ih", "weight_hh", "bias")]
        operands = [steps, *weights, lengths, *states]
        while operands[-1] is None:
            operands.pop()
        return torch.onnx.ops.symbolic_multi_out(
            self.kind, operands, self.attributes, dtypes=[steps.dtype] * len(shapes), shapes=shapes
        )
