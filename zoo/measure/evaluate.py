"""The evaluation of an exported file on a data set: metrics, pictures, and the worst mistakes."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np

from runtime import Bundle, BundleError, DataError, InputError, OptionError, load
from runtime.box_targets import to_input
from runtime.bundle import Card
from runtime.concurrency.threads import usable_cpus
from runtime.humanize import figure
from runtime.images.placement import Placement
from runtime.inputs import TableInput
from runtime.native_output import suppress_output
from runtime.progress import Progress, silent
from runtime.tasks import Raw
from runtime.tensors import concatenate, single
from zoo.data import Boxes, Classes, Dataset, LabelSets, Rows, Split, join, load_dataset, refusal
from zoo.data._groups import split_by_group
from zoo.data._tables import named_columns, read_table
from zoo.measure.answers import Answers, draw_examples
from zoo.measure.mistakes import Mistake, draw_mistakes, find_mistakes
from zoo.measure.reports import write_report
from zoo.measure.scores import BATCH, score
from zoo.recipes import Training
from zoo.report.pictures import attempt
from zoo.resolve import resolve
from zoo.tasks import task

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime import Model
    from runtime.tensors import Tensors

MOST = 20
"""Of items that can't be read, how many a refusal lists: where a column is missing, it is all of them."""


@dataclass(frozen=True)
class Evaluation:
    """A model file's answers on a split of a data set.

    Args:
        model: The opened file.
        data: The data set's name.
        split: The split, or ``all``.
        results: The return value of `zoo.measure.scores.score`.
        mistakes: The worst, worst first.
        pictures: PNG files by name.
        skipped: What was left out, and why.
        note: Why there are none; else empty.
    """

    model: Model
    data: str
    split: str
    results: dict[str, Any]
    mistakes: tuple[Mistake, ...]
    pictures: dict[str, bytes]
    skipped: tuple[str, ...] = ()
    note: str = ""

    def report(self) -> dict[str, Any]:
        """Return all of it but the pictures, for JSON."""
        return {
            "model": self.model.spec.name,
            "file": self.model.file.name,
            "engine": self.model.engine.version,
            "data": self.data,
            "split": self.split,
            **self.results,
            "mistakes": [mistake.to_dict() for mistake in self.mistakes],
            "skipped": list(self.skipped),
        }

    def write(self, folder: Path) -> list[Path]:
        """Write the report and the pictures into a folder; return the files.

        Raises:
            OutputError: If one can't be written.
        """
        return write_report(folder, self.report(), self.pictures)


class EvaluateOptions(TypedDict, total=False):
    """The keyword arguments of `evaluate`: the fields of `EvaluateConfig`."""

    target: str | None
    split: str
    engine: str
    device: str
    trusted: bool
    skip_bad: bool


@dataclass(frozen=True)
class EvaluateConfig:
    """How a model file is evaluated.

    Args:
        target: The column to tell from the others, of data with columns; the one it was trained on by default.
        split: A split of the data set, or ``all``. ``auto`` takes ``test`` where there is one; without one, the
            validation split of the data that it was trained on, and all of any other data.
        engine: An engine's name, or ``auto``.
        device: A device of that engine, or ``auto``.
        trusted: See `runtime.load`.
        skip_bad: Leave out items that can't be read instead of refusing the data.
    """

    target: str | None = None
    split: str = "auto"
    engine: str = "auto"
    device: str = "auto"
    trusted: bool = False
    skip_bad: bool = False


def evaluate(
    path: str | os.PathLike[str],
    data: str,
    *,
    on_loaded: Callable[[str, str], None] = lambda name, data: None,
    on_progress: Progress = silent,
    **options: Unpack[EvaluateOptions],
) -> Evaluation:
    """Run a model file over a data set and measure its answers.

    Args:
        path: A bundle, or one model file.
        data: The data set, ``name`` or ``name:path``.
        on_loaded: Called with the names of model and data set before anything is measured; it may refuse them.
        on_progress: Called with what is being done, how much is done, and how much there is.
        options: See `EvaluateConfig`.

    Raises:
        DataError: If the data has no such split, has labels that the model doesn't know, or items can't be read;
            lists each of those.
        OptionError: If a name is unknown, or the data doesn't fit the model's task.
        BundleError: If the model can't be trusted or read.
        EngineError: If no engine can run it.
    """
    config, path = EvaluateConfig(**options), resolve(path)
    with suppress_output():
        model = load(path, engine=config.engine, device=config.device, trusted=config.trusted)
    card = card_of(path)
    output = model.spec.output
    if isinstance(output, Raw):
        raise OptionError(f"{path}: raw outputs have no metric to evaluate; zoo bench measures the files' speed")
    known = task(output.task)
    settings = card.training.get("training", {})
    target = config.target or _own_target(card, data)
    drop = _unused_columns(model, data, target)
    seed, group = int(card.training.get("seed", 0)), settings.get("group")
    dataset = load_dataset(data, seed, target, drop)
    if group and group == dataset.group:
        dataset = split_by_group(dataset, seed)
    dataset = known.convert(dataset, replace(Training(), anomaly=str(settings.get("anomaly", ""))))
    on_loaded(model.spec.name, dataset.name)
    chosen, name = _choose(dataset, config.split, card)
    if not len(chosen.items):
        raise DataError(f"{dataset.name}: the split {name!r} is empty")
    aligned = replace(chosen, targets=_aligned(dataset, chosen.targets, output))
    raw, seen, chosen, unreadable = _answers(model, dataset, aligned, on_progress)
    bad = [*dataset.bad, *unreadable]
    if bad and (not config.skip_bad or not len(chosen.items)):
        raise refusal(dataset.name, [], bad, most=MOST)
    targets = chosen.targets
    results = score(known, output, raw, targets, None)
    value = figure(output.metric, results["metrics"][output.metric])
    measured = f"{output.metric.replace('_', ' ')} {value} on {len(targets):,} samples"
    title = f"{model.spec.name}, {dataset.name} {name}: {measured}"
    answers = Answers(model.spec, chosen, seen, raw, targets)
    mistakes = find_mistakes(known, answers)
    nothing: dict[str, bytes] = {}
    pictures, note = attempt(
        lambda: (
            known.draw(output, raw, targets, title)
            | draw_examples(answers, f"{model.spec.name}, {dataset.name}")
            | draw_mistakes(mistakes, answers, f"{model.spec.name}, {dataset.name}")
        ),
        instead=nothing,
    )
    return Evaluation(model, dataset.name, name, results, tuple(mistakes), pictures, tuple(bad), note)


def card_of(path: str | os.PathLike[str]) -> Card:
    """Return the card of a bundle, or of the bundle that a model file lies in; an empty one for a file by itself."""
    for folder in (Path(path), Path(path).parent):
        try:
            return Bundle.read(folder).manifest.card
        except BundleError:
            continue
    return Card()


def _own_target(card: Card, data: str) -> str | None:
    target = card.training.get("target")
    return target if isinstance(target, str) and data.startswith(("csv:", "series:")) else None


def _unused_columns(model: Model, data: str, target: str | None) -> list[str]:
    """Return the columns of a table that the model doesn't take: what they hold is of no concern."""
    if not isinstance(model.spec.input, TableInput) or not data.startswith("csv:") or target is None:
        return []
    path = Path(data.partition(":")[2]).expanduser()
    columns = [*read_table(path).columns]
    needed = {column.name for column in model.spec.input.columns} | set(named_columns(path, columns, target, "target"))
    return [name for name in columns if name not in needed]


def _choose(dataset: Dataset, split: str, card: Card) -> tuple[Split, str]:
    if split == "auto":
        same = card.data is not None and dataset.origin().fingerprint == card.data.fingerprint
        split = "test" if "test" in dataset.splits else "validation" if same else "all"
    if split == "all":
        return join(list(dataset.splits.values())), "all"
    if split not in dataset.splits:
        raise DataError(f"{dataset.name}: has no split {split!r}; it has: {', '.join(dataset.splits)}, all")
    return dataset.splits[split], split


def _aligned(dataset: Dataset, targets: NDArray[Any], output: Any) -> NDArray[Any]:
    """Return targets in the model's order of labels.

    Raises:
        DataError: If the data has labels that the model doesn't know, or lacks columns that it has.
    """
    if not isinstance(dataset.target, Classes | LabelSets | Boxes) or not hasattr(output, "labels"):
        return targets
    own, known = dataset.target.labels, tuple(output.labels)
    strange = [label for label in own if label not in known]
    if strange:
        raise DataError(
            f"{dataset.name}: has labels that the model doesn't know: {', '.join(strange[:8])}; it knows: "
            f"{', '.join(known[:8])}{' …' if len(known) > 8 else ''}"
        )
    indices = np.array([known.index(label) for label in own])
    if isinstance(dataset.target, Classes):
        return np.asarray(indices[targets], np.int64)
    if isinstance(dataset.target, Boxes):
        numbers = targets[..., 0].astype(np.int64)
        return np.concatenate([np.where(numbers < 0, numbers, indices[numbers])[..., None], targets[..., 1:]], axis=-1)
    if len(own) != len(known):
        raise DataError(f"{dataset.name}: lacks the label {next(label for label in known if label not in own)!r}")
    return targets[:, np.argsort(indices)]


def _answers(
    model: Model, dataset: Dataset, split: Split, on_progress: Progress
) -> tuple[Tensors, NDArray[Any], Split, list[str]]:
    """Return raw outputs and inputs of the items that can be read, those items, and what is wrong with the others.

    Boxes of targets are brought to pixels of the model's input. Threads read while the engine runs.
    """
    targets = split.targets.copy()
    columns = list(dataset.content.columns) if isinstance(dataset.content, Rows) else None

    def read(i: int) -> NDArray[Any] | str:
        item = split.items[i]
        try:
            sample = model.spec.read(item if columns is None else dict(zip(columns, item, strict=True)))
            if not isinstance(dataset.target, Boxes):
                return single(sample)
            image, placement = Placement.split(sample)
            targets[i] = to_input(targets[i], placement)
            return image
        except InputError as problem:
            return str(problem) if isinstance(item, Path) else f"{split.name(i)}: {problem}"

    raw, seen, kept, bad = [], [], [], []
    with ThreadPoolExecutor(usable_cpus()) as pool:
        for at in range(0, len(split.items), BATCH):
            on_progress("evaluate", at, len(split.items))
            numbers = range(at, min(at + BATCH, len(split.items)))
            batch = []
            for i, result in zip(numbers, pool.map(read, numbers), strict=True):
                if isinstance(result, str):
                    bad.append(result)
                else:
                    batch.append(result)
                    kept.append(i)
            if batch:
                seen.append(np.stack(batch))
                raw.append(model.forward(seen[-1]))
    if not raw:
        return np.empty((0,), np.float32), np.empty((0,)), split.keep([]), bad
    return concatenate(raw), np.concatenate(seen), replace(split, targets=targets).keep(kept), bad
