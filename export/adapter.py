"""Modules of several inputs or outputs in one form: tensors by position in, tensors by position out."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._pytree import tree_leaves

from runtime.errors import ExportError
from runtime.inputs import TensorsInput
from runtime.tasks import Detection, Raw

if TYPE_CHECKING:
    from runtime.spec import ModelSpec


ADAPTED = "module"
"""The path of the adapted module in an `Adapter`."""


class Adapter(torch.nn.Module):
    """A module that takes the inputs of a specification in their order and gives its outputs in theirs.

    Args:
        module: It gets an input as the keyword of its name where `forward` has parameters of all their names, else by
            position. It gives a tensor, a tuple, a list or a dict, which may hold others.
        inputs: The names of the inputs.
        outputs: The names of the outputs. A dict gives those of these names, anything else all its tensors in order.
    """

    def __init__(self, module: torch.nn.Module, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        super().__init__()
        self.module, self.inputs, self.outputs = module, tuple(inputs), tuple(outputs)
        parameters = inspect.signature(module.forward).parameters
        self.by_name = all(
            name in parameters and parameters[name].kind is not inspect.Parameter.POSITIONAL_ONLY for name in inputs
        )
        self.train(module.training)

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """Run the module.

        Raises:
            ExportError: If it gives other outputs than those that were named.
        """
        result = self.module(**dict(zip(self.inputs, tensors, strict=True))) if self.by_name else self.module(*tensors)
        outputs = self._by_position(result)
        return outputs if len(outputs) > 1 else outputs[0]

    def _by_position(self, result: Any) -> tuple[torch.Tensor, ...]:
        if isinstance(result, Mapping):
            missing = [name for name in self.outputs if not isinstance(result.get(name), torch.Tensor)]
            if missing:
                names = ", ".join(f"{name!r}" for name, value in result.items() if isinstance(value, torch.Tensor))
                raise ExportError(f"the module gives no tensor {missing[0]!r}; it gives {names or 'none'}")
            return tuple(result[name] for name in self.outputs)
        leaves = [leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        if len(leaves) != len(self.outputs):
            raise ExportError(
                f"the module gives {len(leaves)} tensors, the specification names {len(self.outputs)}: "
                f"{', '.join(self.outputs)}"
            )
        return tuple(leaves)


def adapted(module: torch.nn.Module, spec: ModelSpec) -> torch.nn.Module:
    """Return a module as its specification describes it: adapted where inputs are plain tensors or outputs several."""
    if not isinstance(spec.input, TensorsInput) and not isinstance(spec.output, Raw | Detection):
        return module
    names = ([tensor.name for tensor in part.tensors] for part in (spec.input, spec.output))
    return Adapter(module, *names)
