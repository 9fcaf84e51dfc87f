"""Facts about a third-party file: from the user, its own metadata, files beside it, and convention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from runtime.feed import Gives, Layout, Order
from runtime.images.steps import Interpolation

RGB = 3
OF_IMAGES = (
    "size", "fit", "share", "whole_pixels", "rounding", "ground", "interpolation", "mean", "std", "order", "layout",
)  # fmt: skip
"""Facts that only a file which takes images has."""
OF_AUDIO = ("rate", "hop", "context")
"""Facts that only a file which takes audio has."""
GEOMETRY = ("fit", "share", "whole_pixels", "rounding", "ground")
"""Facts that mean something together only: all of them are taken from the first source that reports one."""


@dataclass(frozen=True)
class ModelFacts:
    """Facts about a file; None where the source doesn't report one.

    Args:
        name: What the model is called.
        summary: What it is for, in a sentence.
        licence: The licence of its weights.
        input: ``image``, ``audio``, or ``tensors`` for arrays as the graph takes them.
        task: ``classification``, ``binary``, ``multilabel``, ``regression``, ``detection``, ``raw`` for outputs as
            they are, or another that is refused.
        labels: What each output stands for.
        size: Height and width of its images.
        fit: How an image of another shape is brought to that size; see `runtime.images.steps.Resize`.
        share: The share of the sides that ``crop`` keeps, or another of those with `whole_pixels`.
        whole_pixels: Whether that is done as torchvision and timm do it.
        rounding: Where such a cut starts if the middle lies between two pixels.
        ground: The color that ``pad`` fills with.
        interpolation: How it is resampled.
        mean: What is subtracted from each channel, in pixel values 0-255; one value stands for all channels.
        std: What it is divided by then, in pixel values.
        order: The order of its channels.
        layout: The order of its axes.
        output: The name of the output that is the answer.
        gives: What that holds.
        boxes: How a detector's boxes are read; one of `zoo.imports.box_families.CHOICES`.
        confidence: The score from which on a box is an answer.
        iou: The intersection over union above which a box suppresses a less sure one.
        lengths: The usual length of each axis of any length, by its name.
        constants: The values of inputs that stay the same at every run, as text, by the inputs' names.
        rate: The samples of its audio per second, in Hz.
        hop: How many new samples a step of a network that streams takes.
        context: How many samples before the hop such a network takes with it.
    """

    name: str | None = None
    summary: str | None = None
    licence: str | None = None
    input: Literal["image", "audio", "tensors"] | None = None
    task: str | None = None
    labels: tuple[str, ...] | None = None
    size: tuple[int, int] | None = None
    fit: Literal["crop", "stretch", "pad"] | None = None
    share: float | None = None
    whole_pixels: bool | None = None
    rounding: Literal["even", "down"] | None = None
    ground: tuple[int, int, int] | None = None
    interpolation: Interpolation | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    order: Order | None = None
    layout: Layout | None = None
    output: str | None = None
    gives: Gives | None = None
    boxes: str | None = None
    confidence: float | None = None
    iou: float | None = None
    lengths: dict[str, int] | None = None
    constants: dict[str, str] | None = None
    rate: int | None = None
    hop: int | None = None
    context: int | None = None


@dataclass(frozen=True)
class MergedFacts:
    """Facts from several sources.

    Args:
        facts: All of them; where two sources report one, the first counts.
        origins: Where each comes from.
        notes: Where two contradict each other.
    """

    facts: ModelFacts
    origins: dict[str, str]
    notes: tuple[str, ...]

    def filled(self, source: str, **values: Any) -> MergedFacts:
        """Return the same with facts that no source has reported so far."""
        new = {name: value for name, value in values.items() if getattr(self.facts, name) is None}
        return MergedFacts(replace(self.facts, **new), self.origins | dict.fromkeys(new, source), self.notes)

    def check_labels(self, count: int) -> None:
        """Check that there are as many labels as the file's outputs tell apart.

        Raises:
            ValueError: If there are not.
        """
        labels = len(self.facts.labels or ())
        if labels != count:
            raise ValueError(f"its outputs tell {count} labels apart, and {self.origins['labels']} has {labels}")


def merge(sources: Sequence[tuple[str, ModelFacts]]) -> MergedFacts:
    """Put facts together; earlier sources have the word."""
    facts, notes = ModelFacts(), list[str]()
    origins: dict[str, str] = {}
    for source, reported in sources:
        for field in fields(ModelFacts):
            value, earlier = getattr(reported, field.name), getattr(facts, field.name)
            if value is None:
                continue
            owner = next((origins[name] for name in GEOMETRY if name in origins), source)
            if earlier is None and field.name in GEOMETRY and owner != source:
                notes.append(f"{field.name}: {source} says {shown(value)}; {owner} says otherwise how images are cut")
            elif earlier is None:
                facts, origins[field.name] = replace(facts, **{field.name: value}), source
            elif earlier != value and field.name not in ("name", "summary"):
                notes.append(
                    f"{field.name}: {source} says {shown(value)}; {shown(earlier)} of {origins[field.name]} counts"
                )
    return MergedFacts(facts, origins, tuple(notes))


def shown(value: object) -> str:
    """Return a fact as a person would write it."""
    if isinstance(value, tuple):
        if all(isinstance(each, str) for each in value):
            some = ", ".join(value[:4])
            return some if len(value) <= 4 else f"{len(value)}: {some} …"
        return ", ".join(f"{each:g}" for each in value)
    if isinstance(value, dict):
        return ", ".join(f"{name}={each}" for name, each in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)
