"""Photos of cats and dogs, Oxford-IIIT Pet: `oxford-pets:PATH` reads its folder; `oxford-pets` downloads it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runtime.errors import DataError, one_line
from runtime.regular_files import MAX_TEXT, read_regular
from zoo.data import Classes, Dataset, Images, Split, split_apart
from zoo.data._download import downloaded

if TYPE_CHECKING:
    from numpy.typing import NDArray

LABELS = ("cat", "dog")


def load(path: Path | None, seed: int) -> Dataset:
    """Return the photos, listed but not yet read; those that the set itself holds out, where listed, are the test.

    Raises:
        DataError: If the lists are missing or damaged, or can't be downloaded.
    """
    folder = downloaded("oxford-iiit-pet", _download, "oxford-pets") if path is None else path
    species = _species(folder / "annotations" / "list.txt")
    tested = folder / "annotations" / "test.txt"
    held = _species(tested) if tested.exists() else {}
    splits = split_apart(*_listed(folder, {name: target for name, target in species.items() if name not in held}), seed)
    if held:
        splits["test"] = Split(*_listed(folder, held))
    return Dataset(
        name="oxford-pets",
        content=Images("RGB", None),
        target=Classes(LABELS),
        splits=splits,
        source="Parkhi, Vedaldi, Zisserman and Jawahar: The Oxford-IIIT Pet Dataset",
        licence="CC BY-SA 4.0",
    )


def _download(folder: Path) -> None:
    from torchvision.datasets import OxfordIIITPet

    OxfordIIITPet(folder, download=True)


def _listed(folder: Path, species: dict[str, int]) -> tuple[list[Path], NDArray[np.int64]]:
    return [folder / "images" / f"{name}.jpg" for name in species], np.array([*species.values()], np.int64)


def _species(file: Path) -> dict[str, int]:
    """Read lines of an image's name, class, species and breed; the species are 1, a cat, and 2, a dog."""
    try:
        lines = read_regular(file, MAX_TEXT).decode().splitlines()
    except (OSError, ValueError) as problem:
        advice = "give the folder that holds the set's annotations/ and images/"
        raise DataError(f"{file}: can't be read ({one_line(problem)}); {advice}") from None
    species: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if line.startswith("#") or not line.strip():
            continue
        fields = line.split()
        if len(fields) != 4 or fields[2] not in ("1", "2") or Path(fields[0]).name != fields[0]:
            raise DataError(
                f"{file}: line {number} is not 'IMAGE CLASS SPECIES BREED' with species 1 or 2: {line[:60]!r}"
            )
        species[fields[0]] = int(fields[2]) - 1
    if not species:
        raise DataError(f"{file}: lists no images")
    return species
