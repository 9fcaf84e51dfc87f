"""Files that take an image and give one list of values: classifiers, multi-label networks and regressions."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from export.activation import Operator, with_activation
from runtime.errors import EngineError
from runtime.feed import Feed, Gives
from runtime.inputs import ImageInput
from runtime.native_output import suppress_output
from runtime.spec import FileSpec, ModelSpec
from runtime.tasks import Binary, Classification, MultiLabel, Output, Regression
from runtime.tensors import single
from zoo.imports.draft import Start
from zoo.imports.facts import MergedFacts, ModelFacts
from zoo.imports.graphs import Tensor
from zoo.imports.images import feed_of, input_of
from zoo.imports.infer import Subject

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.model import Model
    from runtime.tensors import Tensors


@dataclass(frozen=True)
class ValuesDraft:
    """See `zoo.imports.draft.Draft`."""

    subject: Subject
    format: str

    @property
    def input(self) -> ImageInput:
        """How images are read."""
        return input_of(self.subject)

    @property
    def feed(self) -> Feed:
        """How the graph is fed with them."""
        return feed_of(self.subject, self.subject.output_tensor)

    def finish(self, start: Start, samples: Tensors) -> tuple[ModelSpec, FileSpec, MergedFacts]:
        """Let the file answer the samples: that tells how many values it gives, and what they are."""
        subject, shape = self.subject, self.subject.input_tensor.shape
        size = shape[0] if shape else None
        file = FileSpec(self.format, subject.graph.precision, "uint8", size or 1, feed=self.feed)
        stand_in = stand_in_of(subject.output_tensor, subject.known.facts)
        raw = _ask(start(ModelSpec("unknown", self.input, stand_in), file), single(samples))
        output, known = output_of(subject.known, subject.output_tensor, subject.end, raw)
        file = replace(file, batch=None if size in (None, 1) else size)
        return ModelSpec(known.facts.name or "", self.input, output), file, known


def stand_in_of(tensor: Tensor, facts: ModelFacts) -> Output:
    """Return an output of the right width, until the file's answers tell what they are.

    Raises:
        ValueError: If nothing tells the width: then a file's trial could not see whether it keeps to it.
    """
    width = math.prod(size or 0 for size in tensor.shape[1:]) if tensor.shape else 0
    width = width or (1 if facts.task in ("binary", "regression") else len(facts.labels or ()))
    if not width:
        raise ValueError("the graph doesn't say how many values it gives: name them with --labels")
    if width == 1:
        return Regression("regression", "logits", "value", "", 0.0, 1.0)
    return Classification("classification", "logits", tuple(map(str, range(width))))


def _ask(model: Model, seen: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return what the graph gives for each image, ``float32 [samples, values]``, however many those are."""
    file = model.file_spec
    feed, count = cast(Feed, file.feed), file.batch or 1
    with suppress_output():
        raw = [
            feed.give(model.engine.run({feed.input: feed.take(np.repeat(image[None], count, 0))})[feed.output], count)
            for image in seen
        ]
    values = np.stack([rows[0] for rows in raw])
    if not np.isfinite(values).all():
        raise EngineError("it gives values that are not finite for the samples: check --mean, --std and --layout")
    return values


def output_of(
    known: MergedFacts, tensor: Tensor, end: Operator | None, raw: NDArray[np.float32]
) -> tuple[Output, MergedFacts]:
    """Return the task of a list of values, and the facts with what the values tell.

    Args:
        known: What is known of the file.
        tensor: The output that holds the values.
        end: The operator that makes it; None where the graph doesn't tell.
        raw: What the file gives for the samples, ``float32 [samples, values]``.

    Raises:
        ValueError: If the facts don't fit the values.
    """
    known = _understood(known, raw)
    output = _activated(_output(known.facts, raw), known.facts.gives, tensor, end, raw)
    activation = getattr(output, "activation", "none")
    source = "its graph and its answers to the samples"
    return output, known.filled(source, gives="values" if activation == "none" else activation)


def _understood(known: MergedFacts, raw: NDArray[np.float32]) -> MergedFacts:
    """Add task and labels.

    Raises:
        ValueError: If the facts don't fit the values.
    """
    count = raw.shape[1]
    if known.facts.task is None and count == 1 and len(known.facts.labels or ()) != 2:
        raise ValueError("it gives one value: say what it is, with --task regression, or --task binary and two labels")
    known = known.filled(f"its output, {count} values", task="binary" if count == 1 else "classification")
    if known.facts.task != "regression":
        labels = 2 if known.facts.task == "binary" else count
        known = known.filled("nothing: numbers stand in", labels=tuple(map(str, range(labels))))
        known.check_labels(labels)
    return known


def _activated(
    output: Output, activation: Gives | None, tensor: Tensor, end: Operator | None, raw: NDArray[np.float32]
) -> Output:
    """Return the output with what the graph ends in: as it was reported, checked, or as graph and answers show it.

    Raises:
        ValueError: If it was reported otherwise than the answers show, or the task takes no such answers.
    """
    if activation == "values":
        return output
    if activation is not None:
        if isinstance(output, Regression):
            raise ValueError(f"a regression gives values: leave out --gives {activation}")
        output = replace(cast(Any, output), activation=activation)
    step = tensor.scale.scale if tensor.scale else 0.0
    return with_activation(output, end, raw, step)


def _output(facts: ModelFacts, raw: NDArray[np.float32]) -> Output:
    labels = facts.labels or ()
    if facts.task == "regression":
        if raw.shape[1] != 1:
            raise ValueError(f"it gives {raw.shape[1]} values; a regression has one")
        if len(labels) > 1:
            raise ValueError(f"a regression has one label, the name of its value; got {len(labels)}")
        spread = float(raw.std()) or 1.0  # the training targets' is not known
        return Regression("regression", "logits", labels[0] if labels else "value", "", float(raw.mean()), spread)
    if facts.task == "binary":
        if raw.shape[1] != 1:
            raise ValueError(f"it gives {raw.shape[1]} values; --task binary has one: take classification")
        return Binary("binary", "logits", cast(Any, labels))
    if facts.task == "multilabel":
        return MultiLabel("multilabel", "logits", labels)
    return Classification("classification", "logits", labels)
