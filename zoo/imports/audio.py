"""Files that take audio and give one list of values for a clip."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from runtime.audio.listening import Listening
from runtime.errors import EngineError
from runtime.inputs import AudioInput
from runtime.native_output import suppress_output
from runtime.spec import FileSpec, ModelSpec
from runtime.tasks import Binary, Classification
from runtime.tensors import single
from zoo.imports.draft import Start
from zoo.imports.facts import OF_IMAGES, MergedFacts, ModelFacts, merge
from zoo.imports.graphs import Graph, Tensor
from zoo.imports.infer import COMMAND_LINE, Sources, answers_of, with_output
from zoo.imports.streams import audio_of, input_of
from zoo.imports.values import output_of, stand_in_of

if TYPE_CHECKING:
    from runtime.tensors import Tensors

TASKS = ("classification", "binary", "multilabel", "regression")
LOOKS = 10
"""How many windows a second a network of whole clips is run on where it listens to a stream."""


@dataclass(frozen=True)
class AudioDraft:
    """See `zoo.imports.draft.Draft`."""

    input: AudioInput
    tensor: Tensor
    known: MergedFacts
    graph: Graph
    format: str

    def finish(self, start: Start, samples: Tensors) -> tuple[ModelSpec, FileSpec, MergedFacts]:
        """Let the file answer the samples: that tells what its values are."""
        file = FileSpec(self.format, self.graph.precision, None, 1)
        stand_in = replace(cast(Any, stand_in_of(self.tensor, self.known.facts)), name=self.tensor.name)
        with suppress_output():
            raw = single(start(ModelSpec("unknown", self.input, stand_in), file).forward(samples))
        if not np.isfinite(raw).all():
            raise EngineError("it gives values that are not finite for the samples")
        output, known = output_of(self.known, self.tensor, self.graph.ends.get(self.tensor.name), raw)
        output = replace(cast(Any, output), name=self.tensor.name)
        listening = None
        if isinstance(output, Classification | Binary):
            step = self.input.hop or max(1, self.input.rate // LOOKS)
            delay = (self.input.hop or self.input.samples) // 2
            ignored = output.labels[:1] if isinstance(output, Binary) else ()
            listening = Listening(step, delay, ignored=ignored)
        free = self.graph.inputs[0].shape == (None, self.input.samples)
        return (
            ModelSpec(known.facts.name or "", self.input, output, listening),
            replace(file, batch=None if free else 1),
            known,
        )


def of_audio(path: Path, graph: Graph, reported: ModelFacts, hints: Sources) -> AudioDraft:
    """Return the draft of a file that takes clips of audio.

    Raises:
        ValueError: If it takes or gives anything else, or facts are missing or don't fit it.
    """
    for name in (*OF_IMAGES, "boxes", "confidence", "iou", "lengths"):
        if getattr(reported, name) is not None:
            option = {"size": "resize", "lengths": "length"}.get(name, name)
            raise ValueError(f"--{option} is not for --input audio")
    if reported.task not in (None, *TASKS):
        raise ValueError(f"--input audio has the tasks {', '.join(TASKS)}, not {reported.task}")
    audio = audio_of(graph)
    if len(graph.inputs) > 1:
        raise ValueError(f"it takes {', '.join(map(str, graph.inputs))}: --input audio needs one input")
    samples = (audio.shape or ())[1]
    if samples is None:
        raise ValueError(f"it takes {audio}, clips of any length: make a file of one length")
    plain = [(source, _apart(facts)) for source, facts in hints]
    known = merge([(COMMAND_LINE, reported), *plain]).filled("convention", name=path.stem)
    known = with_output(known, answers_of(graph))
    tensor = next(tensor for tensor in graph.outputs if tensor.name == known.facts.output)
    input_spec = input_of(audio, reported.rate, samples, reported.hop or 0)
    return AudioDraft(input_spec, tensor, known, graph, path.suffix[1:])


def _apart(facts: ModelFacts) -> ModelFacts:
    """Return the facts that a file of audio has too."""
    return ModelFacts(name=facts.name, summary=facts.summary, licence=facts.licence, labels=facts.labels)
