"""Files whose outputs are kept as they are: those of an image, or of plain tensors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.errors import EngineError, unknown
from runtime.inputs import Input, TensorsInput
from runtime.native_output import suppress_output
from runtime.spec import FileSpec, ModelSpec
from runtime.tasks import Raw
from runtime.tasks.foreign_layouts import PostProcessed
from runtime.tensors import by_name
from zoo.imports.draft import Start
from zoo.imports.facts import OF_IMAGES, MergedFacts, ModelFacts, merge
from zoo.imports.graphs import Graph
from zoo.imports.images import feed_of, input_of
from zoo.imports.infer import COMMAND_LINE, Sources, Subject
from zoo.imports.tensors import describe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.tensors import Tensors


@dataclass(frozen=True)
class RawDraft:
    """See `zoo.imports.draft.Draft`."""

    input: Input
    output: Raw
    file: FileSpec
    known: MergedFacts
    post_processed: tuple[str, ...] = ()
    """See `zoo.imports.graphs.Graph`."""

    def finish(self, start: Start, samples: Tensors) -> tuple[ModelSpec, FileSpec, MergedFacts]:
        """Run the file on the samples: it must give finite values."""
        self.answers(start, samples)
        return self._spec(samples), self.file, self.known

    def answers(self, start: Start, samples: Tensors) -> dict[str, NDArray[Any]]:
        """Return the outputs for the samples, which are run one by one.

        Raises:
            EngineError: If the file can't be run, or a value is not finite.
        """
        model = start(self._spec(samples), replace(self.file, batch=self.file.batch or 1))
        with suppress_output():
            answers = by_name(model.forward(samples), self.output.names)
        if self.post_processed:
            answers |= PostProcessed("post_processed").defined({name: answers[name] for name in self.post_processed})
        for name, array in answers.items():
            if not np.isfinite(array).all():
                why = "samples" if isinstance(self.input, TensorsInput) else "samples: check --mean, --std and --layout"
                raise EngineError(f"it gives values of {name!r} that are not finite for the {why}")
        return answers

    def _spec(self, samples: Tensors) -> ModelSpec:
        read = seen_in(self.input, samples) if isinstance(self.input, TensorsInput) else self.input
        return ModelSpec(self.known.facts.name or "", read, self.output)


def of_image(subject: Subject, file_format: str) -> RawDraft:
    """Return the draft of a file that takes an image.

    Raises:
        ValueError: If one of its outputs can't be described.
    """
    described = describe(subject.graph, batched=True)
    source = subject.input_tensor.name
    details = {
        **described.file,
        "unbatched": tuple(name for name in described.file["unbatched"] if name != source),
        **{part: {name: each for name, each in described.file[part].items() if name != source}
           for part in ("dtypes", "quantization")},
    }  # fmt: skip
    file = FileSpec(file_format, subject.graph.precision, None, feed=feed_of(subject), **details)
    return RawDraft(input_of(subject), Raw("raw", described.outputs), file, subject.known, subject.graph.post_processed)


def of_tensors(path: Path, graph: Graph, reported: ModelFacts, hints: Sources) -> RawDraft:
    """Return the draft of a file that takes plain tensors.

    Raises:
        ValueError: If one of them can't be described, or facts are missing or don't fit it.
    """
    for name in (*OF_IMAGES, "labels", "output", "gives"):
        if getattr(reported, name) is not None:
            option = {"size": "resize"}.get(name, name)
            raise ValueError(f"--{option} is not for --input tensors with --task raw, which takes and gives tensors")
    if reported.task not in (None, "raw"):
        raise ValueError(f"the task {reported.task} needs --input image; --input tensors has the task raw")
    known = merge([(COMMAND_LINE, reported), *((source, _apart(facts)) for source, facts in hints)])
    known = known.filled("convention", name=path.stem, task="raw").filled("the graph", input="tensors")
    described = describe(graph, batched=False)
    open_axes = {axis for tensor in described.inputs for axis in tensor.dynamic}
    lengths = known.facts.lengths or {}
    for axis in lengths:
        if axis not in open_axes:
            raise ValueError(f"--length: {unknown('axis', axis, open_axes)}")
    file = FileSpec(path.suffix[1:], graph.precision, None, **described.file)
    return RawDraft(TensorsInput("tensors", described.inputs, lengths), Raw("raw", described.outputs), file, known)


def seen_in(input_spec: TensorsInput, samples: Tensors) -> TensorsInput:
    """Return an input with what samples tell: the usual lengths of its axes, and the ranges of whole numbers."""
    arrays, lengths = by_name(samples, input_spec.names), dict(input_spec.lengths)
    tensors = []
    for tensor in input_spec.tensors:
        array = arrays[tensor.name]
        lengths |= {
            axis: size for axis, size in zip(tensor.shape, array.shape[1:], strict=True) if isinstance(axis, str)
        }
        if tensor.numpy_dtype.kind in "iu":
            tensor = replace(tensor, low=float(array.min()), high=float(array.max()))
        tensors.append(tensor)
    return replace(input_spec, tensors=tuple(tensors), lengths=lengths)


def check_lengths(input_spec: Input) -> None:
    """Check that samples can be made up.

    Raises:
        ValueError: If the usual length of an axis is unknown.
    """
    if not isinstance(input_spec, TensorsInput):
        return
    for tensor in input_spec.tensors:
        for axis in tensor.dynamic:
            if axis not in input_spec.lengths:
                raise ValueError(
                    f"it takes {tensor.name!r} {tensor} and nothing says how long {axis!r} usually is: give it with "
                    f"--length {axis}=100, or samples with --golden FOLDER"
                )


def _apart(facts: ModelFacts) -> ModelFacts:
    """Return the facts that a file of plain tensors has too."""
    return ModelFacts(name=facts.name, summary=facts.summary, licence=facts.licence)
