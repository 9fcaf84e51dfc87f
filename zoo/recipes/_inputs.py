"""Kinds of input: each function makes the input of a data set, as a recipe's `input` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.errors import DataError, OptionError
from runtime.images.preprocess import image_steps
from runtime.inputs import AudioInput, CategoricalColumn, ImageInput, NumericColumn, SequenceInput, TableInput
from zoo.data import Audio, Images, Rows, Sequences

if TYPE_CHECKING:
    from runtime.inputs import Input
    from zoo.data import Dataset

NAMES = {Images: "images", Rows: "tables", Sequences: "sequences", Audio: "recordings"}


def images(options: Any, dataset: Dataset) -> ImageInput:
    """Take images at the option `size`, or, where that is 0, at the data's own size, in the data's own mode.

    Raises:
        OptionError: If neither gives a size, the size is out of range, or the data has no images.
    """
    content = dataset.content
    if not isinstance(content, Images):
        raise _wrong(dataset, "images")
    size = (options.size, options.size) if options.size else content.size
    if size is None:
        raise OptionError(f"the images of {dataset.name!r} have no common size: add --set size=64, or another size")
    try:
        steps = image_steps(size, content.mode, ground=content.ground)
    except ValueError as problem:
        raise OptionError(f"size: {problem}") from None
    return ImageInput("image", "image", (*size, 1 if content.mode == "L" else 3), steps)


def tables(options: Any, dataset: Dataset) -> TableInput:
    """Take the rows of a table, scaled by its training rows.

    Raises:
        OptionError: If the data has no rows.
        DataError: If a column of the training rows is empty.
    """
    if not isinstance(dataset.content, Rows):
        raise _wrong(dataset, "tables")
    rows = dataset.splits["train"].items
    gaps = {i for split in dataset.splits.values() for row in split.items for i, cell in enumerate(row) if cell is None}
    columns: list[NumericColumn | CategoricalColumn] = []
    for i, (name, categories) in enumerate(dataset.content.columns.items()):
        if categories is not None:
            columns.append(CategoricalColumn("categorical", name, categories))
            continue
        values = np.array([row[i] for row in rows if row[i] is not None], np.float64)
        if not len(values):
            raise DataError(f"{dataset.name}: the column {name!r} is empty in every training row; remove it")
        columns.append(
            NumericColumn(
                "numeric", name, float(values.mean()), float(values.std()) or 1.0, float(values.min()),
                float(values.max()), float(np.median(values)) if i in gaps else None,
            )
        )  # fmt: skip
    return TableInput("table", "features", tuple(columns))


def images_or_tables(options: Any, dataset: Dataset) -> Input:
    """Take either."""
    return tables(options, dataset) if isinstance(dataset.content, Rows) else images(options, dataset)


def sequences(options: Any, dataset: Dataset) -> SequenceInput:
    """Take sequences; the rows of gray images are sequences too, from top to bottom.

    Raises:
        OptionError: If the data has neither.
    """
    content = dataset.content
    if isinstance(content, Sequences):
        values = np.concatenate([np.asarray(item, np.float64) for item in dataset.splits["train"].items])
        mean, std = values.mean(0), values.std(0)
        return SequenceInput(
            "sequence", "sequence", content.length, content.features, tuple(mean.tolist()),
            tuple(np.where(std > 0, std, 1).tolist()),
        )  # fmt: skip
    if isinstance(content, Images):
        size = (options.size, options.size) if options.size else content.size
        if size is None:
            raise OptionError(f"the images of {dataset.name!r} have no common size: add --set size=28, or another")
        names = tuple(f"column {i}" for i in range(size[1]))
        try:
            steps = image_steps(size, "L", ground=content.ground)
        except ValueError as problem:
            raise OptionError(f"size: {problem}") from None
        middle = (127.5,) * size[1]
        return SequenceInput("sequence", "sequence", size[0], names, middle, middle, steps)
    raise _wrong(dataset, "sequences, or images as sequences of rows")


def lines(options: Any, dataset: Dataset) -> ImageInput:
    """Take lines of text in gray, scaled to the option `height` and filled up with ground to the option `width`.

    Raises:
        OptionError: If the data has no images, or the size is out of range.
    """
    if not isinstance(dataset.content, Images):
        raise _wrong(dataset, "images of lines")
    try:
        steps = image_steps((options.height, options.width), "L", fit="pad", ground=dataset.content.ground)
    except ValueError as problem:
        raise OptionError(f"height and width: {problem}") from None
    return ImageInput("image", "image", (options.height, options.width, 1), steps)


def audio(options: Any, dataset: Dataset) -> AudioInput:
    """Take recordings at the options `rate` and `seconds`, or, where those are 0, at the data's own.

    Raises:
        OptionError: If the data has no recordings, or the clip is out of range.
    """
    content = dataset.content
    if not isinstance(content, Audio):
        raise _wrong(dataset, "recordings")
    rate = options.rate or content.rate
    try:
        return AudioInput("audio", "audio", rate, round((options.seconds or content.seconds) * rate))
    except ValueError as problem:
        raise OptionError(f"rate and seconds: {problem}") from None


def _wrong(dataset: Dataset, wanted: str) -> OptionError:
    return OptionError(f"the recipe takes {wanted}; {dataset.name!r} holds {NAMES[type(dataset.content)]}")
