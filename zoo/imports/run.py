"""`zoo import`: a bundle of a file that another project made. The file stays as it is, byte for byte."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from export.activation import with_activation
from export.folder import check_place, write
from export.golden import MADE_UP, NONE, Pack, encode, inputs_of, made_up
from runtime.atomic import staged_folder
from runtime.bundle import Bundle, Card, GoldenSource, ModelFile, Origin, read_model_file
from runtime.bundle.golden import Golden
from runtime.compare import FP32_TOLERANCE, REPLAY, input_tolerance
from runtime.engines import engine_for
from runtime.errors import BundleError, EngineError, InputError, OptionError, unknown
from runtime.feed import Feed
from runtime.images.preprocess import image_steps
from runtime.inputs import ImageInput
from runtime.inputs.image import encode_image
from runtime.loading import Candidate, open_candidate
from runtime.native_output import suppress_output
from runtime.progress import Progress, silent
from runtime.spec import FileSpec, ModelSpec
from runtime.tasks import Binary, Classification, MultiLabel, Output, Regression
from runtime.tensors import single
from zoo.exporting.golden import folder_samples
from zoo.imports.facts import MergedFacts, ModelFacts
from zoo.imports.graphs import Graph
from zoo.imports.infer import Subject, infer
from zoo.registry import descriptions, load_module

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.model import Model


@dataclass(frozen=True)
class Imported:
    """A bundle that was made, what was known of the file, and what the golden pack's images are."""

    bundle: Bundle
    known: MergedFacts
    samples: str


def import_file(
    path: str | os.PathLike[str],
    reported: ModelFacts | None = None,
    *,
    samples: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    trusted: bool = False,
    on_progress: Progress = silent,
) -> Imported:
    """Make a bundle of a third-party ``.onnx`` or ``.tflite`` file that takes one image and gives one list of values.

    Args:
        path: The file.
        reported: The facts that the caller knows, which override those of other sources.
        samples: What the golden pack holds: a folder of images, or ``made-up`` ones (by default), or ``none``.
        out: The bundle's folder; ``bundles/`` and the file's name by default.
        overwrite: Replace a bundle that is there.
        trusted: See `runtime.load`.
        on_progress: Called with what is being done, how much is done, and how much there is.

    Raises:
        BundleError: If the file can't be read.
        OptionError: If it is of a kind that can't be imported, or facts are missing or don't fit it.
        EngineError: If no engine here runs it.
        InputError: If a sample is no image.
        OutputError: If `out` holds a bundle already, or something else, or can't be written.
    """
    path = Path(path)
    folder = (Path(out) if out else Path("bundles") / path.stem).resolve()
    check_place(folder, overwrite)
    suffix, formats = path.suffix[1:], descriptions("zoo.imports.graphs")
    if suffix not in formats:
        raise OptionError(f"{path}: {unknown('format', suffix, formats)}")
    data = read_model_file(path.resolve())  # model hubs keep files behind links
    try:
        graph: Graph = load_module("zoo.imports.graphs", suffix).read(data)
        subject = infer(path, data, graph, reported or ModelFacts())
        images, source, described = _samples(samples, subject)
        on_progress(f"run {path.name} on the samples", 0, 1)
        start = partial(_start, data, engine_for(suffix), trusted)
        model, known = _opened(start, suffix, graph, subject, images)
    except BundleError as problem:
        raise BundleError(f"{path}: {problem}") from None
    except ValueError as problem:
        raise OptionError(f"{path}: {problem}") from None
    except EngineError as problem:
        raise EngineError(f"{path} ({graph.version}): {problem}") from None
    name = f"model{'' if graph.precision == 'fp32' else f'.{graph.precision}'}.{suffix}"
    with staged_folder(folder) as stage:
        pack = _pack(model, list(images.values()), source)
        entry = ModelFile(model.file_spec, None)
        write(stage, model.spec, {name: entry}, {name: data}, pack, _card(path, data, known, described), {})
    return Imported(Bundle.read(folder), known, described)


def _samples(wanted: str | os.PathLike[str] | None, subject: Subject) -> tuple[dict[str, bytes], GoldenSource, str]:
    """Return encoded images by their names, whose they are in the golden pack, and what they are in words."""
    read = input_of(subject)
    if wanted is None or wanted in (MADE_UP, NONE):
        made = {f"made-up image {seed}": image for seed, image in enumerate(made_up(read))}
        if wanted == NONE:
            return made, GoldenSource(NONE), NONE
        return made, GoldenSource(MADE_UP, len(made)), f"{len(made)} made-up images"
    images = {name: encode_image(name) for name in folder_samples(wanted, read)}
    return images, GoldenSource("chosen", len(images)), f"{len(images)} images of {Path(wanted).name}"


def _opened(
    start: Callable[[ModelSpec, FileSpec], Model],
    suffix: str,
    graph: Graph,
    subject: Subject,
    images: dict[str, bytes],
) -> tuple[Model, MergedFacts]:
    """Open the file and let it answer the samples: that tells how many values it gives, and what they are."""
    read, shape = input_of(subject), subject.input_tensor.shape
    size = shape[0] if shape else None
    file = FileSpec(suffix, graph.precision, "uint8", size or 1, feed=feed_of(subject))
    seen = np.stack([_seen(read, name, image) for name, image in images.items()])
    raw = _ask(start(ModelSpec("unknown", read, _stand_in(subject)), file), seen)
    known = _understood(subject, raw)
    output = _activated(_output(known.facts, raw), subject, raw)
    activation = getattr(output, "activation", "none")
    known = known.filled(
        "its graph and its answers to the samples", gives="values" if activation == "none" else activation
    )
    spec = ModelSpec(known.facts.name or "", read, output)
    if size in (None, 1):
        file = replace(file, batch=_batch(partial(start, spec), file, seen))
    return start(spec, file), known


def input_of(subject: Subject) -> ImageInput:
    """Return how images are read for a file."""
    facts = cast(Any, subject.known.facts)
    steps = image_steps(
        facts.size, "L" if subject.channels == 1 else "RGB", fit=facts.fit, share=facts.share, ground=facts.ground,
        interpolation=facts.interpolation, whole_pixels=facts.whole_pixels, rounding=facts.rounding,
    )  # fmt: skip
    return ImageInput("image", "image", (*facts.size, subject.channels), steps)


def feed_of(subject: Subject) -> Feed:
    """Return how a file is fed with such images."""
    source, answer, facts = subject.input_tensor, subject.output_tensor, cast(Any, subject.known.facts)
    return Feed(
        source.name, answer.name, facts.layout, cast(Any, source.dtype), facts.mean, facts.std, facts.order,
        source.scale, answer.scale,
    )  # fmt: skip


def _stand_in(subject: Subject) -> Output:
    """Return an output of the right width, until the file's answers tell what they are.

    Raises:
        ValueError: If nothing tells the width: then a file's trial could not see whether it keeps to it.
    """
    width = math.prod(size or 0 for size in subject.output_tensor.shape[1:]) if subject.output_tensor.shape else 0
    width = width or (
        1 if subject.known.facts.task in ("binary", "regression") else len(subject.known.facts.labels or ())
    )
    if not width:
        raise ValueError("the graph doesn't say how many values it gives: name them with --labels")
    if width == 1:
        return Regression("regression", "logits", "value", "", 0.0, 1.0)
    return Classification("classification", "logits", tuple(map(str, range(width))))


def _seen(read: ImageInput, name: str, image: bytes) -> NDArray[np.uint8]:
    try:
        return read.read(image)
    except InputError as problem:
        raise InputError(f"{name}: {problem}") from None


def _start(data: bytes, engine: str, trusted: bool, spec: ModelSpec, file: FileSpec) -> Model:
    choice = Candidate(spec, Path(f"model.{file.format}"), file, lambda: data)
    with suppress_output():
        return open_candidate(choice, engine, device="cpu", trusted=trusted)


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


def _understood(subject: Subject, raw: NDArray[np.float32]) -> MergedFacts:
    """Add task and labels.

    Raises:
        ValueError: If the facts don't fit the values.
    """
    known, count = subject.known, raw.shape[1]
    if known.facts.task is None and count == 1 and len(known.facts.labels or ()) != 2:
        raise ValueError("it gives one value: say what it is, with --task regression, or --task binary and two labels")
    known = known.filled(f"its output, {count} values", task="binary" if count == 1 else "classification")
    if known.facts.task != "regression":
        wanted = 2 if known.facts.task == "binary" else count
        known = known.filled("nothing: numbers stand in", labels=tuple(map(str, range(wanted))))
        labels = len(known.facts.labels or ())
        if labels != wanted:
            raise ValueError(f"{labels} labels ({known.origins['labels']}) for an output that tells {wanted} apart")
    return known


def _activated(output: Output, subject: Subject, raw: NDArray[np.float32]) -> Output:
    """Return the output with what the graph ends in: as it was reported, checked, or as graph and answers show it.

    Raises:
        ValueError: If it was reported otherwise than the answers show, or the task takes no such answers.
    """
    activation = subject.known.facts.gives
    if activation == "values":
        return output
    if activation is not None:
        if isinstance(output, Regression):
            raise ValueError(f"a regression gives values: leave out --gives {activation}")
        output = replace(cast(Any, output), activation=activation)
    step = subject.output_tensor.scale.scale if subject.output_tensor.scale else 0.0
    return with_activation(output, subject.end, raw, step)


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


def _batch(start: Callable[[FileSpec], Model], file: FileSpec, seen: NDArray[np.uint8]) -> int | None:
    """Return None if the graph answers three images at once as it does one by one, else 1."""
    inputs = seen[np.arange(3) % len(seen)]
    singles = start(replace(file, batch=1)).forward(inputs)
    try:
        with suppress_output():
            together = start(replace(file, batch=None)).forward(inputs)
    except EngineError:
        return 1
    gap = np.abs(singles - together).max() / max(float(np.abs(singles).max()), 1e-30)
    return None if gap <= FP32_TOLERANCE else 1


def _pack(model: Model, images: list[bytes], source: GoldenSource) -> Pack:
    read = model.spec.input
    raw = tuple(encode(read, image) for image in images) if source.samples else ()
    inputs = single(inputs_of(read, raw))
    outputs = model.forward(inputs)
    finite = np.isfinite(outputs).all(axis=1)  # the samples are, but a network may divide by an image's deviation
    tolerance = REPLAY[model.file_spec.precision]
    golden = Golden(raw, inputs[finite], outputs[finite], len(raw), tolerance, input_tolerance(read))
    return Pack(golden, source)


def _card(path: Path, data: bytes, known: MergedFacts, samples: str) -> Card:
    facts = {name: value for name, value in asdict(known.facts).items() if value is not None and name != "labels"}
    record = {
        "file": path.name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "facts": facts,
        "told by": known.origins,
        "notes": list(known.notes),
        "golden pack": samples,
    }
    origin = Origin(path.name, "a file of another project, imported as it is", known.facts.licence or "not known")
    return Card(known.facts.summary or "", weights=origin, training={"imported": record})
