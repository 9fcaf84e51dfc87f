"""Files of detectors: an image to boxes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runtime.inputs import ImageInput
from runtime.spec import FileSpec, ModelSpec
from runtime.tasks import Detection
from zoo.imports.box_families import FAMILIES, read, split
from zoo.imports.draft import Start
from zoo.imports.facts import MergedFacts
from zoo.imports.images import input_of
from zoo.imports.infer import Subject
from zoo.imports.raw import of_image

if TYPE_CHECKING:
    from runtime.tensors import Tensors


BACKGROUND = "???"
"""What TensorFlow's lists of labels for detectors begin with, to which no index refers."""


@dataclass(frozen=True)
class DetectionDraft:
    """See `zoo.imports.draft.Draft`."""

    subject: Subject
    format: str

    @property
    def input(self) -> ImageInput:
        """How images are read."""
        return input_of(self.subject)

    def finish(self, start: Start, samples: Tensors) -> tuple[ModelSpec, FileSpec, MergedFacts]:
        """Run the file on the samples: its answers tell how many candidates it gives, and in which unit."""
        known, raw = self.subject.known, of_image(self.subject, self.format)
        answers = raw.answers(start, samples)
        if self.subject.graph.post_processed and known.facts.labels and known.facts.labels[0] == BACKGROUND:
            known = replace(known, facts=replace(known.facts, labels=known.facts.labels[1:]))
        chosen = (known.facts.output,) if known.facts.output else self.subject.graph.post_processed or tuple(answers)
        reading = read(
            known.facts.boxes, {name: answers[name] for name in chosen}, len(known.facts.labels or ()) or None
        )
        if reading.labels is None and not known.facts.labels:
            raise ValueError("it gives the indices of labels: name them with --labels")
        family = FAMILIES[split(reading.boxes)[0]]
        # the answers say the unit as well
        known = replace(known, facts=replace(known.facts, boxes=None)).filled(
            known.origins.get("boxes", "its outputs"), boxes=reading.boxes
        )
        known = known.filled("nothing: numbers stand in", labels=tuple(map(str, range(reading.labels or 0))))
        known = known.filled("convention", confidence=family.confidence, iou=family.iou)
        labels, confidence, iou = known.facts.labels, known.facts.confidence, known.facts.iou
        assert labels is not None and confidence is not None and iou is not None  # noqa: S101  # just filled in
        if reading.labels is not None:
            known.check_labels(reading.labels)
        specs = {tensor.name: tensor for tensor in raw.output.tensors}
        tensors = tuple(replace(specs[name], shape=answers[name].shape[1:]) for name in reading.names)
        height, width, _ = self.input.shape
        output = Detection("detection", tensors, labels, height, width, reading.layout, confidence, iou)
        file = replace(
            raw.file,
            dtypes={name: each for name, each in raw.file.dtypes.items() if name in reading.names},
            quantization={name: each for name, each in raw.file.quantization.items() if name in reading.names},
            unbatched=tuple(name for name in raw.file.unbatched if name in reading.names),
        )
        return ModelSpec(known.facts.name or "", self.input, output), file, known
