"""What a data source gives: raw images with targets in named splits, and where they come from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from runtime.bundle import DataOrigin
from runtime.errors import OptionError, unknown
from zoo.recipe import descriptions

if TYPE_CHECKING:
    from numpy.typing import NDArray

VALIDATION_SHARE = 0.2


@dataclass(frozen=True)
class Split:
    """Raw images and their targets.

    Args:
        items: Paths of image files, or uint8 arrays.
        targets: The number of each item's label, ``int64 [items]``.
    """

    items: Sequence[Path] | Sequence[NDArray[np.uint8]]
    targets: NDArray[np.int64]

    def keep(self, chosen: Sequence[int]) -> Split:
        """Return the items at the chosen places."""
        return Split([self.items[i] for i in chosen], self.targets[list(chosen)])  # type: ignore[misc]


@dataclass(frozen=True)
class Dataset:
    """A data set, not yet read or checked.

    Args:
        name: What users call it, such as ``digits``.
        labels: What each target stands for.
        splits: ``train``, ``validation`` and perhaps ``test``.
        mode: Grey (``L``) or colour (``RGB``).
        size: The height and width that all images have, or None.
        source: Where it comes from.
        licence: Under which licence it stands.
        ground: The colour to lay transparent images on.
    """

    name: str
    labels: tuple[str, ...]
    splits: dict[str, Split]
    mode: Literal["L", "RGB"]
    size: tuple[int, int] | None
    source: str
    licence: str
    ground: tuple[int, int, int] = (255, 255, 255)

    def origin(self) -> DataOrigin:
        """Return the data set's identity: sizes and a hash over every item and target of every split."""
        digest = hashlib.sha256(repr(self.labels).encode())
        for name, split in self.splits.items():
            digest.update(f"{name} {len(split.items)}".encode())
            digest.update(np.ascontiguousarray(split.targets, "<i8"))
            for item in split.items:
                digest.update(hash_item(item))
        sizes = {name: len(split.items) for name, split in self.splits.items()}
        return DataOrigin(self.name, self.source, self.licence, sizes, digest.hexdigest())


def hash_item(item: Path | NDArray[np.uint8]) -> bytes:
    """Return a hash of an item's content; an unreadable file counts as empty, the check reports it."""
    if isinstance(item, np.ndarray):
        return hashlib.sha256(repr(item.shape).encode() + item.tobytes()).digest()
    try:
        return hashlib.sha256(item.read_bytes()).digest()
    except OSError:
        return hashlib.sha256().digest()


def split_apart(
    items: Sequence[Path] | Sequence[NDArray[np.uint8]], targets: NDArray[np.int64], seed: int,
    share: float = VALIDATION_SHARE,
) -> dict[str, Split]:  # fmt: skip
    """Split into ``train`` and ``validation``, each class by itself; copies of one image stay together.

    Args:
        items: All items.
        targets: Their targets.
        seed: Decides which items go where.
        share: Of each class, what goes to validation; at least one item where there are two.
    """
    chosen: list[int] = []
    for target in np.unique(targets):
        groups: dict[bytes, list[int]] = {}
        for i in np.flatnonzero(targets == target):
            groups.setdefault(hash_item(items[i]), []).append(int(i))
        copies = list(groups.values())
        order = np.random.default_rng([seed, int(target)]).permutation(len(copies))
        wanted = min(len(copies) - 1, max(1, round(share * len(copies))))
        chosen += [i for group in order[:wanted] for i in copies[group]]
    whole = Split(items, targets)
    held = set(chosen)
    return {
        "train": whole.keep([i for i in range(len(items)) if i not in held]),
        "validation": whole.keep(sorted(held)),
    }


def load_dataset(spec: str, seed: int) -> Dataset:
    """Load a data set by ``name`` or ``name:path``.

    Raises:
        OptionError: If no data source has the name.
        DataError: If the source can't be read.
    """
    import importlib

    name, _, path = spec.partition(":")
    known = descriptions("zoo.data")
    if name not in known:
        hint = f"; for a folder of images write folder:{spec}" if os.path.isdir(spec) else ""  # noqa: PTH112
        raise OptionError(unknown("data set", name, known) + hint)
    loaded = importlib.import_module(f"zoo.data.{name}").load(Path(path).expanduser() if path else None, seed)
    assert isinstance(loaded, Dataset)  # noqa: S101  # what every module in the folder returns
    return loaded
