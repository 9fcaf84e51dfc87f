"""How images are read for a third-party file, and how its graph is fed with them."""

from __future__ import annotations

from typing import Any, cast

from runtime.feed import Feed
from runtime.images.preprocess import image_steps
from runtime.inputs import ImageInput
from zoo.imports.graphs import Tensor
from zoo.imports.infer import Subject


def input_of(subject: Subject) -> ImageInput:
    """Return how images are read for a file."""
    facts = cast(Any, subject.known.facts)
    steps = image_steps(
        facts.size, "L" if subject.channels == 1 else "RGB", fit=facts.fit, share=facts.share, ground=facts.ground,
        interpolation=facts.interpolation, whole_pixels=facts.whole_pixels, rounding=facts.rounding,
    )  # fmt: skip
    return ImageInput("image", "image", (*facts.size, subject.channels), steps)


def feed_of(subject: Subject, answer: Tensor | None = None) -> Feed:
    """Return how a file is fed with such images; `answer` is its output of values, None where a task reads them all."""
    source, facts = subject.input_tensor, cast(Any, subject.known.facts)
    name, scale = (answer.name, answer.scale) if answer else ("", None)
    return Feed(
        source.name, name, facts.layout, cast(Any, source.dtype), facts.mean, facts.std, facts.order, source.scale,
        scale,
    )  # fmt: skip
