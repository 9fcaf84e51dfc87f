"""The graphs that a module becomes: one that takes whole inputs, and for causal networks one that takes steps.

Both have the same members: ``suffix`` of the file's name, ``graph`` for the format, ``probe`` with a few inputs to try
batch sizes with, ``file_spec`` and ``check``, which proves an opened file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import torch

from export.formats import Graph
from export.parity import Reference, Verdict, answers, check, check_steps, other_lengths, usual_lengths
from export.streaming import Streamable, state_of
from runtime.errors import ExportError, one_line
from runtime.inputs import SequenceInput
from runtime.progress import Progress
from runtime.spec import FileSpec, Precision, State

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from export.formats import Format
    from export.tracing import Branch
    from runtime.model import Model
    from runtime.spec import ModelSpec

STEP_SAMPLES = 32
"""How many samples a step graph is proved with, enough for one to turn by chance (`export.precision.FEW`); PyTorch
answers each of their prefixes anew."""


@dataclass(frozen=True)
class Whole:
    """The graph that takes whole inputs, and what PyTorch answers to them."""

    spec: ModelSpec
    graph: Graph
    real: Reference
    hard: Reference
    others: tuple[Reference, ...]
    """Sequences of other lengths; empty if files take one length."""

    suffix = ""

    @property
    def probe(self) -> NDArray[Any]:
        """A few real inputs."""
        return _few(self.real.inputs, 3)

    def file_spec(self, format_name: str, writer: Format, precision: Precision) -> FileSpec:
        """Describe the file."""
        steps = self.spec.input.length if isinstance(self.spec.input, SequenceInput) else None
        steps = None if writer.DYNAMIC and self.others else steps
        dtype = writer.PIXELS if self.spec.input.dtype is np.uint8 else "float32"
        return FileSpec(format_name, precision, dtype, None, steps)

    def check(self, model: Model, on_progress: Progress) -> Verdict:
        """Prove an opened file; see `export.parity.check`."""
        others = () if model.file_spec.steps else self.others
        return check(model, self.real, self.hard, others, on_progress=on_progress)

    def with_branches(self, branches: Iterable[Branch]) -> Whole:
        """Return the graph with sequences of lengths at which the module's code goes another way than it was traced."""
        lengths = {end for branch in branches if branch.axis == "time" for end in (branch.sizes[0], branch.sizes[-1])}
        lengths -= {other.inputs.shape[1] for other in self.others}
        return replace(self, others=self.others + other_lengths(self.graph.module, self.spec, self.real, lengths))

    def closed(self) -> tuple[Whole, ...]:
        """Return the graph with fewer and fewer axes that may have any size: a file must hold what it says."""
        return (
            self,
            *([self.of_one_length()] if self.others else []),
            replace(self.of_one_length(), graph=self.graph.of_one()),
        )

    def of_one_length(self) -> Whole:
        """Return the graph that takes sequences of the input's length alone."""
        axes = {name: {0: "batch"} for name in self.graph.axes}
        return replace(self, graph=replace(self.graph, axes=axes), others=())


@dataclass(frozen=True)
class Steps:
    """The graph that takes steps, and what PyTorch answers to all the sequences that they make."""

    spec: ModelSpec
    graph: Graph
    state: tuple[State, ...]
    real: Reference
    hard: Reference
    prefixes: NDArray[np.float32]

    suffix = ".step"
    others: ClassVar[tuple[Reference, ...]] = ()

    @property
    def probe(self) -> NDArray[Any]:
        """A few real inputs, of a few steps."""
        return _few(self.real.inputs, 3)[:, :4]

    def file_spec(self, format_name: str, writer: Format, precision: Precision) -> FileSpec:
        """Describe the file."""
        return FileSpec(format_name, precision, "float32", None, None, self.state)

    def check(self, model: Model, on_progress: Progress) -> Verdict:
        """Prove an opened file; see `export.parity.check_steps`."""
        return check_steps(model, self.prefixes, self.real, self.hard, on_progress=on_progress)

    def closed(self) -> tuple[Steps, ...]:
        """Return the graph with fewer axes that may have any size: a file must hold what it says."""
        return self, replace(self, graph=self.graph.of_one())


def limits(part: Whole | Steps) -> str:
    """Say what a graph takes no other size of."""
    axes = part.graph.axes[part.spec.input.name].values()
    alone = [] if "batch" in axes else ["one sample at a time"]
    whole = isinstance(part, Whole) and isinstance(part.spec.input, SequenceInput) and "time" not in axes
    return " and ".join([*([f"exactly {part.real.inputs.shape[1]} steps"] if whole else []), *alone])


def graphs(
    module: torch.nn.Module, spec: ModelSpec, real: Reference, hard: Reference, on_progress: Progress
) -> tuple[Whole | Steps, ...]:
    """Return the graphs that a module becomes.

    Raises:
        ExportError: If it declares a state that its steps don't keep, or one name stands for two tensors.
    """
    names = spec.input.name, spec.output.name
    if len(set(names)) == 1 or not all(name.strip() and name.isprintable() for name in names):
        raise ExportError(
            f"input and output need different names of printable characters, got {names[0]!r}, {names[1]!r}"
        )
    whole_graph = (whole(module, spec, real, hard),)
    # an output that grows with the sequence can't be given anew after each step
    if not state_of(module) or not isinstance(spec.input, SequenceInput) or None in spec.output.shape:
        return whole_graph
    return *whole_graph, _steps(module, spec, real.first(STEP_SAMPLES), hard, on_progress)


def whole(module: torch.nn.Module, spec: ModelSpec, real: Reference, hard: Reference) -> Whole:
    """Return the graph that takes whole inputs, with those axes open that the module lets have any size."""
    others = other_lengths(module, spec, real, usual_lengths(real.inputs.shape[1]))
    input_name, output_name = spec.input.name, spec.output.name
    axes = {input_name: {0: "batch"}, output_name: {0: "batch"}}
    if others:
        axes[input_name] |= {1: "time"}
        axes[output_name] |= {axis + 1: "steps" for axis, size in enumerate(spec.output.shape) if size is None}
    return Whole(spec, Graph(module, {input_name: _examples(real.inputs)}, (output_name,), axes), real, hard, others)


def _steps(module: torch.nn.Module, spec: ModelSpec, real: Reference, hard: Reference, on_progress: Progress) -> Steps:
    try:
        state = tuple(State(name, tuple(shape)) for name, shape in state_of(module).items())
    except ValueError as problem:
        raise ExportError(f"the module's state: {problem}") from None
    examples = _examples(real.inputs)
    inputs = {spec.input.name: examples[:, -1].copy(), **_after_a_step(module, state, examples[:, 0].copy())}
    outputs = (spec.output.name, *(part.following for part in state))
    if len({*inputs, *outputs}) != 1 + len(state) + len(outputs):
        raise ExportError(f"the module's state has a name of the input or output: {', '.join((*inputs, *outputs))}")
    graph = Graph(_Stepping(module), inputs, outputs, {name: {0: "batch"} for name in (*inputs, *outputs)})
    prefixes = []
    for length in range(1, real.inputs.shape[1] + 1):
        on_progress("PyTorch, step by step", length - 1, real.inputs.shape[1])
        prefixes.append(answers(module, spec, real.inputs[:, :length]))
    return Steps(spec, graph, state, real, hard, np.stack(prefixes))


def _after_a_step(
    module: torch.nn.Module, state: tuple[State, ...], sample: NDArray[np.float32]
) -> dict[str, NDArray[np.float32]]:
    """Return the state after one step: a graph is traced with values that aren't all zeros."""
    zeros = [torch.zeros(len(sample), *part.shape) for part in state]
    try:
        with torch.no_grad():
            _, *values = _Stepping(module)(torch.from_numpy(sample), *zeros)
    except Exception as problem:
        raise ExportError(
            f"the module's step fails on float32 {list(sample.shape)} and a state of zeros "
            f"({type(problem).__name__}: {one_line(problem)})"
        ) from problem
    shapes, declared = [tuple(value.shape[1:]) for value in values], [part.shape for part in state]
    if shapes != declared:
        raise ExportError(f"the module's step gives states of {shapes}, its state says {declared}")
    return {part.name: value.numpy() for part, value in zip(state, values, strict=True)}


class _Stepping(torch.nn.Module):
    """Give a module's steps the form of a module."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module
        self.eval()  # exporters put back the mode that they find, in this module and all inside it

    def forward(self, sample: torch.Tensor, *states: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return cast(Streamable, self.module).step(sample, *states)


def _examples(inputs: NDArray[Any]) -> NDArray[Any]:
    """Return so many real inputs that no other axis has their number: tracing tells axes apart by their sizes."""
    return _few(inputs, next(count for count in (2, 3, 5, 7, 11, 13) if count not in inputs.shape[1:]))


def _few(inputs: NDArray[Any], count: int) -> NDArray[Any]:
    return np.array(inputs[np.arange(count) % len(inputs)])
