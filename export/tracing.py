"""A module as torch.export's program, and what its code decided by the sizes of the examples, and where."""

from __future__ import annotations

import inspect
import os
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.fx.experimental import _config
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode
from torch.overrides import TorchFunctionMode

from runtime.errors import ExportError, one_line

LARGEST = 4096
"""Sizes of an axis up to which it is looked for one that a branch would take another way."""
_OTHERS = tuple(f"{Path(file).parent}{os.sep}" for file in (torch.__file__, __file__))
_STANDARD = f"{Path(os.__file__).parent}{os.sep}"
"""Folders of code that isn't the user's."""

Axes = Mapping[str, Mapping[int, str]]
"""The names of the axes that may have any size, by the input's name and the axis's number."""


@dataclass(frozen=True)
class Branch:
    """A decision by the size of an axis, which the program keeps as it was taken for the examples.

    Args:
        axis: The axis's name.
        sizes: Sizes at which it would be taken otherwise, up to a little more than twice the example's.
        line: The line of code.
    """

    axis: str
    sizes: tuple[int, ...]
    line: str

    def turns(self, size: int, axis: str) -> bool:
        """Tell whether it would be taken otherwise."""
        return axis == self.axis and size in self.sizes


@dataclass(frozen=True)
class Traced:
    """A program with the branches that were taken."""

    program: torch.export.ExportedProgram
    branches: tuple[Branch, ...]


class _Numbers(TorchFunctionMode):
    """Keep why a value can't become a number or a truth, which the module's code may pass over."""

    problem: GuardOnDataDependentSymNode | None = None

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        try:
            return function(*args, **(kwargs or {}))
        except GuardOnDataDependentSymNode as problem:
            if getattr(function, "__name__", "") in ("__bool__", "__int__", "__float__", "__index__"):
                self.problem = self.problem or problem
            raise


@contextmanager
def nothing_swallowed() -> Iterator[None]:
    """Raise what tracing refused of values even where the traced code goes on without them."""
    with _Numbers() as numbers:
        try:
            yield
        finally:
            if numbers.problem:
                raise numbers.problem


def trace(module: torch.nn.Module, examples: Mapping[str, torch.Tensor], axes: Axes) -> Traced:
    """Trace a module.

    Args:
        module: In evaluation mode; takes the examples in their order.
        examples: By the input's name.
        axes: The axes that stay open.

    Raises:
        ExportError: If the code takes the size of such an axis for a fixed number; names the line.
        Exception: The error that the module raises; see `reason`.
    """
    shapes = [dict.fromkeys(axes.get(name, {}), torch.export.Dim.AUTO) for name in examples]
    arguments = inspect.signature(module.forward).bind(*shapes).arguments
    with nothing_swallowed(), _config.patch(backed_size_oblivious=True):  # type: ignore[attr-defined]  # sizes of 1 and 0 are sizes like others
        program = torch.export.export(module, tuple(examples.values()), dynamic_shapes=dict(arguments), strict=False)
    values = {node.name: node.meta["val"] for node in program.graph.nodes if node.op == "placeholder"}
    shaped = {
        name: values[str(placeholder)].shape
        for name, placeholder in zip(examples, program.graph_signature.user_inputs, strict=True)
    }
    opened = {name: shape for name, shape in shaped.items() if axes.get(name)}
    if not opened:
        return Traced(program, ())
    first = str(program.graph_signature.user_inputs[0])
    environment = values[first].fake_mode.shape_env
    symbols = {}
    for name, shape in opened.items():
        for number, axis in axes[name].items():
            size = shape[number].node.expr if isinstance(shape[number], torch.SymInt) else shape[number]
            if not getattr(size, "free_symbols", ()):
                raise ExportError(
                    f"the {axis} axis can't have any size: {_fixing(environment, int(size))} makes a number of it"
                )
            symbols[size] = axis
    return Traced(program, tuple(_branches(environment, symbols)))


def _fixing(environment: Any, size: int) -> str:
    """Return the line that made a size a number."""
    symbols = {symbol for symbol, value in environment.replacements.items() if value == size}
    lines = [_line(guard.sloc.framework_loc) for guard in environment.guards if symbols & guard.expr.free_symbols]
    return lines[-1] if lines else "the code"


def _branches(environment: Any, symbols: Mapping[Any, str]) -> list[Branch]:
    hints, branches = environment.backed_var_to_val, []
    for guard in environment.guards:
        for symbol in guard.expr.free_symbols & symbols.keys():
            expression = guard.expr.subs({other: hints[other] for other in guard.expr.free_symbols - {symbol}})
            limits = {int(number) + near for number in expression.atoms() if number.is_Integer for near in (-1, 0, 1)}
            tried = sorted({*range(1, 2 * int(hints[symbol]) + 2), *(n for n in limits if 0 < n <= LARGEST)})
            sizes = [size for size in tried if expression.subs({symbol: size}) == False]  # noqa: E712  # sympy's own
            if sizes:
                branches.append(Branch(symbols[symbol], tuple(sizes), _line(guard.sloc.framework_loc)))
    return branches


def reason(problem: BaseException) -> str:
    """Say why a module can't be traced or converted, with the line of the user's code where that is known."""
    root = problem
    while root.__cause__ and not isinstance(root, GuardOnDataDependentSymNode | ExportError):
        root = root.__cause__
    if isinstance(root, ExportError):
        return str(root)
    frames = [frame for frame in traceback.extract_tb(root.__traceback__) if _is_users(frame.filename)]
    where = f" at {_line(frames[-1])}" if frames else ""
    if isinstance(root, GuardOnDataDependentSymNode):
        return (
            f"the converter failed{where}: what the code does there depends on values of the input, and a file holds "
            "one way only: compute both and choose with torch.where"
        )
    return f"the converter failed{where}: {one_line(root)}"


def _is_users(file: str) -> bool:
    """Tell whether code is neither PyTorch's, a converter's, ours nor Python's; other packages' networks count."""
    parts = Path(file).parts
    standard = file.startswith(_STANDARD) and "site-packages" not in parts
    return not standard and not file.startswith(_OTHERS) and "litert_torch" not in parts


def _line(frame: Any) -> str:
    code = " ".join((frame.line or "").split()) if _is_users(frame.filename) else "in PyTorch"
    return f"{Path(frame.filename).name}:{frame.lineno}" + (f" ({code[:80]})" if code else "")
