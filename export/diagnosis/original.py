"""The PyTorch side: what every operation of a module gives for a sample, and which submodule it belongs to."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from export.adapter import ADAPTED, Adapter
from export.converter_warnings import collect_warnings
from runtime.errors import ExportError, one_line
from runtime.tensors import in_order

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.tensors import Tensors


@dataclass(frozen=True)
class Owner:
    """The submodules that some operations belong to.

    Args:
        path: The path, as in ``named_modules()``, of the one whose weights they use, or else that of the last one.
        others: The paths of the others, in execution order.
    """

    path: str
    others: tuple[str, ...]


class Original:
    """A module as a graph of PyTorch's own operations."""

    def __init__(self, module: torch.nn.Module, sample: Tensors) -> None:
        """Trace a module.

        Args:
            module: In evaluation mode.
            sample: A batch of one, inputs in the order that the module takes them.

        Raises:
            ExportError: If PyTorch can't trace it.
        """
        try:
            with collect_warnings():
                traced = torch.export.export(module, _copies(sample), strict=False)
        except Exception as problem:  # tracing raises whatever the module does
            raise ExportError(f"PyTorch can't trace the module: {one_line(problem)}") from problem
        self._dtypes = [array.dtype for array in in_order(sample)]
        self._prefix = f"{ADAPTED}." if isinstance(module, Adapter) else ""
        self._graph = traced.module()
        self._nodes = {node.name: node for node in self._graph.graph.nodes}
        self._order = {name: index for index, name in enumerate(self._nodes)}
        live: set[Any] = set()
        for node in self._nodes.values():
            if node.op == "placeholder" or (node.op != "get_attr" and live.intersection(node.all_input_nodes)):
                live.add(node)
        self._live = {node.name for node in live}

    def run(self, sample: Tensors) -> dict[str, NDArray[np.float32]]:
        """Return what each operation that depends on the input gives for a batch of one, in execution order."""
        values: dict[str, NDArray[np.float32]] = {}
        live = self._live

        class Recorder(torch.fx.Interpreter):
            def run_node(self, n: torch.fx.Node) -> Any:
                output = super().run_node(n)
                if n.name in live and isinstance(output, torch.Tensor) and (n.op != "output"):
                    values[n.name] = output.detach().to(torch.float32, copy=True).numpy()  # in-place operations follow
                return output

        with torch.no_grad():
            Recorder(self._graph).run(*_copies(sample, self._dtypes))
        return values

    def owner(self, end: str, starts: Collection[str]) -> Owner:
        """Return the submodules that lead from some operations' values to another's."""
        inside: dict[str, Any] = {}
        waiting = [end]
        while waiting:
            name = waiting.pop()
            if name in inside or name in starts or name not in self._live:
                continue
            inside[name] = self._nodes[name]
            waiting += [node.name for node in self._nodes[name].all_input_nodes]
        nodes = [inside[name] for name in sorted(inside, key=self._order.__getitem__)] or [self._nodes[end]]
        paths = dict.fromkeys(self._path(node) for node in nodes)
        weights = {node: self._weight(node) for node in nodes}
        main = max(nodes, key=lambda node: (weights[node], weights[node] == 0 and self._order[node.name]))
        own = self._path(main)
        return Owner(own, tuple(path for path in paths if path != own))

    def _weight(self, node: Any) -> int:
        """Return how many axes the largest weight has that an operation uses; 0 if it has none."""
        sources = [source for source in node.all_input_nodes if source.op == "get_attr"]
        return max((self._value(source).ndim for source in sources), default=0)

    def _value(self, node: Any) -> Any:
        value: Any = self._graph
        for part in str(node.target).split("."):
            value = getattr(value, part)
        return value

    def _path(self, node: Any) -> str:
        stack = node.meta.get("nn_module_stack") or {}
        path = str(next(reversed(stack.values()))[0]) if stack else ""
        return path.partition("@")[0].removeprefix(self._prefix)


def _copies(sample: Tensors, dtypes: Sequence[Any] | None = None) -> tuple[torch.Tensor, ...]:
    arrays = in_order(sample)
    kinds = dtypes or [array.dtype for array in arrays]
    return tuple(torch.from_numpy(np.array(array, kind)) for array, kind in zip(arrays, kinds, strict=True))
