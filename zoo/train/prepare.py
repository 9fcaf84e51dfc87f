"""Read, check and preprocess a whole data set before the first epoch, with the values that devices will see."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.box_targets import to_input
from runtime.concurrency.threads import usable_cpus
from runtime.errors import InputError
from runtime.images.placement import Placement
from runtime.inputs import AudioInput, ImageInput
from runtime.progress import Progress, silent
from runtime.scratch import array_on_disk
from runtime.tensors import single
from zoo.data import Audio, Boxes, Dataset, Images, Split, hash_item, refusal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.inputs import Input


@dataclass(frozen=True)
class Prepared:
    """A checked data set.

    Args:
        dataset: The data set, without the files that were skipped.
        inputs: Of each split, what the network takes: ``[items, *input.shape]`` of ``input.dtype``.
        skipped: What was left out, and why.
        boxes: Of each split, the targets in pixels of the network's input, of data with boxes.
        rate: Samples per second of the inputs in Hz, of recordings; 0 of other data.
    """

    dataset: Dataset
    inputs: dict[str, NDArray[Any]]
    skipped: tuple[str, ...]
    boxes: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    rate: int = 0

    def targets(self, split: str) -> NDArray[Any]:
        """Return a split's targets, ``[items, ...]``; boxes are in pixels of the network's input."""
        return self.boxes[split] if self.boxes else self.dataset.splits[split].targets

    def __deepcopy__(self, memo: dict[int, Any]) -> Prepared:
        """Return itself: nothing changes it, and Lightning copies what holds it to average weights."""
        return self


def prepare(
    dataset: Dataset,
    input_spec: Input,
    skip_bad: bool = False,
    on_progress: Progress = silent,
    problems: Callable[[Dataset], list[str]] = lambda dataset: [],
) -> Prepared:
    """Read every item and check the set as a whole.

    Args:
        dataset: What to read.
        input_spec: How the network takes an item.
        skip_bad: Leave out unreadable files and copies across splits instead of refusing the set.
        on_progress: Called with what is being done, how much is done, and how much there is.
        problems: Returns why the readable set can't be learned from, which nothing can skip.

    Raises:
        DataError: Lists every offender: unreadable items, the same image or recording in training and validation, and
            the problems of the readable set.
    """
    bad = list(dataset.bad)
    kept: dict[str, Split] = {}
    inputs: dict[str, NDArray[Any]] = {}
    boxes: dict[str, NDArray[np.float32]] = {}
    total = sum(len(split.items) for split in dataset.splits.values())
    done = 0
    with ThreadPoolExecutor(usable_cpus()) as pool:
        for name, split in dataset.splits.items():
            readable: list[int] = []
            store: NDArray[Any] | None = None
            targets = split.targets.copy() if isinstance(dataset.target, Boxes) else None
            for i, sample in enumerate(pool.map(lambda item: _read(item, input_spec), split.items)):
                result, placement = sample if isinstance(sample, tuple) else (sample, None)
                if store is None and not isinstance(result, str):
                    store = array_on_disk((len(split.items), *result.shape), result.dtype)
                called = split.name(i) if split.names else f"{name} item {i + 1}"
                if isinstance(result, str):
                    bad.append(f"{called}: {result}" if not isinstance(split.items[i], Path) else result)
                elif store is not None and result.shape != store.shape[1:]:
                    bad.append(f"{called}: has shape {list(result.shape)}, the first {list(store.shape[1:])}")
                elif store is not None:
                    store[len(readable)] = result
                    if targets is not None and placement is not None:
                        targets[len(readable)] = to_input(targets[i], placement)
                    readable.append(i)
                done += 1
                if done % 16 == 0 or done == total:
                    on_progress("read", done, total)
            kept[name] = split.keep(readable)
            inputs[name] = (
                np.empty((0,), input_spec.tensors[0].numpy_dtype) if store is None else store[: len(readable)]
            )
            if targets is not None:
                boxes[name] = targets[: len(readable)]
    noun = {Images: "image", Audio: "recording"}.get(type(dataset.content))
    leaks = _leaks(kept) if noun else []
    bad += [f"{_name(kept['train'], i)}: the same {noun} is in validation ({other})" for i, other in leaks]
    if leaks:
        left = sorted(set(range(len(kept["train"].items))) - {i for i, _ in leaks})
        kept["train"], inputs["train"] = kept["train"].keep(left), inputs["train"][left]
        if boxes:
            boxes["train"] = boxes["train"][left]
    readable_set = replace(dataset, splits=kept, bad=())
    fatal = problems(readable_set)
    if fatal or (bad and not skip_bad):
        raise refusal(dataset.name, fatal, bad)
    rate = input_spec.rate if isinstance(input_spec, AudioInput) else 0
    return Prepared(readable_set, inputs, tuple(bad), boxes, rate)


def _read(item: Any, input_spec: Input) -> tuple[NDArray[Any], Placement | None] | str:
    """Return an item as the network takes it, with its place in the picture; or what is wrong with it."""
    try:
        if isinstance(input_spec, ImageInput):
            return Placement.split(input_spec.read_placed(item))
        return single(input_spec.read(item)), None
    except InputError as problem:
        return str(problem)


def _leaks(splits: dict[str, Split]) -> list[tuple[int, str]]:
    """Return the training items that validation holds too, with their name there."""
    train, validation = splits["train"], splits["validation"]
    held = {hash_item(item): _name(validation, i) for i, item in enumerate(validation.items)}
    copies = ((i, held.get(hash_item(item))) for i, item in enumerate(train.items))
    return [(i, name) for i, name in copies if name is not None]


def _name(split: Split, i: int) -> str:
    item = split.items[i]
    picture = isinstance(item, np.ndarray) and item.ndim > 1
    return f"an image of {item.shape[1]}x{item.shape[0]} pixels" if picture else split.name(i)
