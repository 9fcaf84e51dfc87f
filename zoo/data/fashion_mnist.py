"""Fashion-MNIST's ten kinds of clothes, 28x28: `fashion-mnist:PATH` reads IDX files; `fashion-mnist` downloads them."""

from __future__ import annotations

from pathlib import Path

from zoo.data import Classes, Dataset, Images
from zoo.data._download import downloaded
from zoo.data._idx import read_splits

LABELS = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


def load(path: Path | None, seed: int) -> Dataset:
    """Return the clothes, bright on black: a tenth of the training files for validation, the ``t10k`` files as test.

    Raises:
        DataError: If the files are missing or damaged, or can't be downloaded.
    """
    folder = downloaded("FashionMNIST", _download, "fashion-mnist") / "raw" if path is None else path
    splits = read_splits(folder, seed)
    return Dataset(
        name="fashion-mnist",
        content=Images("L", splits["train"].items[0].shape, (0, 0, 0)),
        target=Classes(LABELS),
        splits=splits,
        source="Xiao, Rasul and Vollgraf: Fashion-MNIST, Zalando Research",
        licence="MIT",
    )


def _download(folder: Path) -> None:
    from torchvision.datasets import FashionMNIST

    FashionMNIST(folder, download=True)
