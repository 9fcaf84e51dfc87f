"""The graphs that a module becomes: one that takes whole inputs, and for causal networks one that takes steps.

Both have the same members: ``suffix`` of the file's name, ``graph`` for the format, ``probe`` with a few inputs to try
batch sizes with, ``file_spec`` and ``check``, which proves an opened file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, cast

import numpy as np
import torch

from export.formats import Graph
from export.parity import Verdict, check, check_steps
from export.reference import Reference, answers, lengths_of, other_lengths, usual_lengths
from export.streaming import Streamable, state_of
from runtime.errors import ExportError, one_line
from runtime.inputs import TensorsInput
from runtime.progress import Progress
from runtime.spec import FileSpec, Precision, State
from runtime.tensor_spec import GraphDType
from runtime.tensors import by_name, map_tensors, select, shapes, single, size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from export.formats import Format
    from export.tracing import Branch
    from runtime.model import Model
    from runtime.spec import ModelSpec
    from runtime.tensors import Tensors

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
    """Samples of other lengths; empty if files take one length."""

    suffix = ""

    @property
    def probe(self) -> Tensors:
        """A few real inputs."""
        return _few(self.real.inputs, 3)

    def file_spec(self, format_name: str, writer: Format, precision: Precision) -> FileSpec:
        """Describe the file."""
        fixed = {} if writer.DYNAMIC and self.others else lengths_of(self.spec.input)
        if isinstance(self.spec.input, TensorsInput):
            types = {tensor.name: tensor.dtype for tensor in self.spec.input.tensors}
            narrowed: dict[str, GraphDType] = {
                name: writer.NARROWED[dtype] for name, dtype in types.items() if dtype in writer.NARROWED
            }
            return FileSpec(format_name, precision, None, None, lengths=fixed, dtypes=narrowed)
        dtype = writer.PIXELS if self.spec.input.dtype is np.uint8 else "float32"
        return FileSpec(format_name, precision, dtype, None, fixed.get("time"))

    def check(self, model: Model, on_progress: Progress) -> Verdict:
        """Prove an opened file; see `export.parity.check`."""
        others = () if model.file_spec.steps or model.file_spec.lengths else self.others
        return check(model, self.real, self.hard, others, on_progress=on_progress)

    def with_branches(self, branches: Iterable[Branch]) -> Whole:
        """Return the graph with samples of lengths at which the module's code goes another way than it was traced."""
        lengths: dict[str, set[int]] = {}
        for branch in branches:
            if branch.axis in lengths_of(self.spec.input):
                lengths.setdefault(branch.axis, set()).update((branch.sizes[0], branch.sizes[-1]))
        for other in self.others:
            for axis, length in other.lengths.items():
                lengths.get(axis, set()).discard(length)
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
    def probe(self) -> Tensors:
        """A few real inputs, of a few steps where they may have any number of them."""
        few = _few(self.real.inputs, 3)
        return select(few, np.s_[:, :4]) if self.spec.input.tensors[0].dynamic else few

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
    axes = {axis for tensor in part.spec.input.tensors for axis in part.graph.axes[tensor.name].values()}
    sizes = lengths_of(part.spec.input) if isinstance(part, Whole) else {}
    closed = [
        f"exactly {length} steps" if axis == "time" else f"{axis} of exactly {length}"
        for axis, length in sizes.items()
        if axis not in axes
    ]
    return " and ".join([*closed, *([] if "batch" in axes else ["one sample at a time"])])


def graphs(
    module: torch.nn.Module, spec: ModelSpec, real: Reference, hard: Reference, on_progress: Progress
) -> tuple[Whole | Steps, ...]:
    """Return the graphs that a module becomes.

    Raises:
        ExportError: If it declares a state that its steps don't keep, or one name stands for two tensors.
    """
    names = [tensor.name for tensor in (*spec.input.tensors, *spec.output.tensors)]
    if len(set(names)) < len(names) or not all(name.strip() and name.isprintable() for name in names):
        raise ExportError(
            f"inputs and outputs need different names of printable characters, got {', '.join(map(repr, names))}"
        )
    whole_graph = (whole(module, spec, real, hard),)
    # an output that grows with the sequence can't be given anew after each step
    if not state_of(module) or not spec.input.step_length or any(tensor.dynamic for tensor in spec.output.tensors):
        return whole_graph
    return *whole_graph, _steps(module, spec, real.first(STEP_SAMPLES), hard, on_progress)


def whole(module: torch.nn.Module, spec: ModelSpec, real: Reference, hard: Reference) -> Whole:
    """Return the graph that takes whole inputs, with those axes open that the module lets have any size."""
    lengths = {axis: usual_lengths(length) for axis, length in lengths_of(spec.input).items()}
    others = other_lengths(module, spec, real, lengths)
    open_axes = {axis for other in others for axis in other.lengths}
    axes = {
        tensor.name: {0: "batch"}
        | {
            number: axis
            for number, axis in enumerate(tensor.shape, 1)
            # an output's own axis has whatever length the graph makes of the input's
            if isinstance(axis, str) and (axis in open_axes or (open_axes and axis not in lengths))
        }
        for tensor in (*spec.input.tensors, *spec.output.tensors)
    }
    inputs = by_name(_examples(real.inputs), [tensor.name for tensor in spec.input.tensors])
    outputs = tuple(tensor.name for tensor in spec.output.tensors)
    return Whole(spec, Graph(module, inputs, outputs, axes), real, hard, others)


def _steps(module: torch.nn.Module, spec: ModelSpec, real: Reference, hard: Reference, on_progress: Progress) -> Steps:
    try:
        state = tuple(State(name, tuple(shape)) for name, shape in state_of(module).items())
    except ValueError as problem:
        raise ExportError(f"the module's state: {problem}") from None
    sequences = single(real.inputs)
    examples = single(_examples(sequences))
    input_name, output_name = spec.input.tensors[0].name, spec.output.tensors[0].name
    length = spec.input.step_length
    first, last = (examples[:, part].reshape(len(examples), -1).copy() for part in np.s_[:length, -length:])
    inputs = {input_name: last, **_after_a_step(module, state, first)}
    outputs = (output_name, *(part.following for part in state))
    if len({*inputs, *outputs}) != 1 + len(state) + len(outputs):
        raise ExportError(f"the module's state has a name of the input or output: {', '.join((*inputs, *outputs))}")
    graph = Graph(_Stepping(module), inputs, outputs, {name: {0: "batch"} for name in (*inputs, *outputs)})
    prefixes = []
    for end in range(length, sequences.shape[1] + 1, length):
        on_progress("PyTorch, step by step", end - length, sequences.shape[1])
        prefixes.append(single(answers(module, spec, sequences[:, :end])))
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


def _examples(inputs: Tensors) -> Tensors:
    """Return so many real inputs that no other axis has their number: tracing tells axes apart by their sizes."""
    sizes = {axis for shape in shapes(inputs) for axis in shape[1:]}
    return _few(inputs, next(count for count in (2, 3, 5, 7, 11, 13) if count not in sizes))


def _few(inputs: Tensors, count: int) -> Tensors:
    return map_tensors(np.array, select(inputs, np.arange(count) % size(inputs)))
