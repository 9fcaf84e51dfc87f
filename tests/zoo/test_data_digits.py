"""Digits and clothes in small grey images: what is read, and that damage is named."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from runtime.errors import DataError
from tests.zoo.idx import idx, write_mnist
from tests.zoo.server import md5, served
from zoo.data import Classes, Images, load_dataset
from zoo.data._idx import EMBEDDED

SOURCES = pytest.mark.parametrize("source", ["mnist", "fashion-mnist"])


def test_digits():
    digits = load_dataset("digits", 0)
    assert digits.content == Images("L", (8, 8), (0, 0, 0))
    assert digits.target == Classes(tuple("0123456789"))
    assert digits.origin().samples == {"train": 1438, "validation": 359}
    assert {item.shape for item in digits.splits["train"].items} == {(8, 8)}
    values = np.stack(digits.splits["train"].items)
    assert (values.dtype, values.min(), values.max()) == (np.uint8, 0, 255)
    with pytest.raises(DataError, match="digits takes no path, got 'here'; it comes with scikit-learn"):
        load_dataset("digits:here", 0)


@pytest.fixture
def mnist(tmp_path):
    random = np.random.default_rng(0)
    return random.integers(0, 256, (40, 6, 5), np.uint8), np.arange(40) % 10, tmp_path / "mnist"


@SOURCES
@pytest.mark.parametrize("gz", [False, True], ids=["plain", "gzipped"])
def test_idx_files(mnist, source, gz):
    images, targets, folder = mnist
    write_mnist(folder, images, targets, gz=gz)
    dataset = load_dataset(f"{source}:{folder}", 0)
    assert (dataset.name, dataset.content, list(dataset.splits)) == (
        source,
        Images("L", (6, 5), (0, 0, 0)),
        ["train", "validation"],
    )
    assert dataset.origin().samples == {"train": 30, "validation": 10}
    known = {image.tobytes(): target for image, target in zip(images, targets, strict=True)}
    for split in dataset.splits.values():
        assert [known[item.tobytes()] for item in split.items] == split.targets.tolist()


def test_clothes_have_names(mnist):
    images, targets, folder = mnist
    write_mnist(folder, images, targets)
    labels = load_dataset(f"fashion-mnist:{folder}", 0).target.labels
    assert (len(labels), labels[0], labels[9]) == (10, "T-shirt/top", "Ankle boot")


def test_held_out_files_are_the_test_split(mnist):
    images, targets, folder = mnist
    write_mnist(folder, images, targets)
    write_mnist(folder, images[:7], targets[:7], split="t10k", gz=True)
    dataset = load_dataset(f"mnist:{folder}", 0)
    assert list(dataset.splits) == ["train", "validation", "test"]
    assert np.array_equal(np.stack(dataset.splits["test"].items), images[:7])
    assert dataset.splits["test"].targets.tolist() == targets[:7].tolist()


IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEN = np.zeros((10, 2, 2), np.uint8)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (IMAGES, b""),
        (IMAGES, b"\0\0"),
        (IMAGES, idx(TEN)[:-1]),
        (IMAGES, idx(TEN) + b"\0"),
        (IMAGES, idx(TEN, kind=9)),
        (IMAGES, b"\x89PNG" + idx(TEN)[4:]),
        (IMAGES, idx(TEN, shape=(10, 4))),
        (IMAGES, idx(TEN, shape=(2**32 - 1, 2**32 - 1, 2**32 - 1))),
        (IMAGES, idx(np.zeros((10, 0, 2), np.uint8))),
        (IMAGES, idx(TEN[:0])),
        (LABELS, idx(np.zeros(10, np.uint8))[:7]),
        (LABELS, idx(TEN)),
        (LABELS, None),
        (IMAGES, None),
        (f"{IMAGES}.gz", gzip.compress(idx(TEN))[:-12]),
        (f"{IMAGES}.gz", idx(TEN)),
        (f"{LABELS}.gz", gzip.compress(idx(np.zeros(10, np.uint8)))[:10] + b"\xff" * 40),
    ],
    ids=[
        "empty", "no header", "cut short", "too long", "other type", "no IDX", "other axes", "huge sizes", "no pixels",
        "no images in it", "labels cut short", "labels are images", "no labels", "no images", "gzip cut short",
        "no gzip", "gzip damaged",
    ],
)  # fmt: skip
def test_damaged_idx_files_are_named(mnist, name, content):
    _, _, folder = mnist
    write_mnist(folder, TEN, np.arange(10))
    (folder / name.removesuffix(".gz")).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=name) as caught:
        load_dataset(f"mnist:{folder}", 0)
    assert str(folder) in str(caught.value)


def test_there_is_a_label_for_each_image(mnist):
    images, targets, folder = mnist
    write_mnist(folder, images, targets[:-1])
    with pytest.raises(DataError, match="40 train images have 39 labels"):
        load_dataset(f"mnist:{folder}", 0)


def test_labels_are_digits(mnist):
    images, targets, folder = mnist
    write_mnist(folder, images, targets + 1)
    with pytest.raises(DataError, match="label is 10; they are 0 to 9"):
        load_dataset(f"mnist:{folder}", 0)


def test_a_gzip_bomb_is_read_up_to_the_limit(mnist, monkeypatch):
    _, _, folder = mnist
    write_mnist(folder, TEN, np.arange(10))
    (folder / IMAGES).unlink()
    (folder / f"{IMAGES}.gz").write_bytes(gzip.compress(idx(TEN) + bytes(10**6)))
    monkeypatch.setattr("zoo.data._idx.MAX_BYTES", 1000)
    with pytest.raises(DataError, match=r"\(1001 bytes\)"):
        load_dataset(f"mnist:{folder}", 0)


@SOURCES
@pytest.mark.parametrize("there", [False, True])
def test_a_missing_folder_is_named(tmp_path, source, there):
    folder = tmp_path / "mnist"
    if there:
        folder.mkdir()
    with pytest.raises(DataError, match=f"{folder}: {'has no train-images' if there else 'no such folder'}"):
        load_dataset(f"{source}:{folder}", 0)


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Files of Fashion-MNIST on a server that is a folder; the function changes what they should be."""
    from torchvision.datasets import FashionMNIST

    images = np.random.default_rng(0).integers(0, 256, (20, 28, 28))
    files = write_mnist(tmp_path / "server", images, np.arange(20) % 10, gz=True)
    write_mnist(files, np.full((10, 28, 28), 8), np.arange(10), "t10k", gz=True)

    monkeypatch.setenv("EDGEZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    with served(files) as address:

        def serve(wrong=""):
            resources = [(file.name, wrong or md5(file)) for file in sorted(files.iterdir())]
            monkeypatch.setattr(FashionMNIST, "mirrors", [address])
            monkeypatch.setattr(FashionMNIST, "resources", resources)

        serve()
        yield serve


DOWNLOADED = "fashion-mnist"


def test_mnist_comes_with_the_package():
    data = load_dataset("mnist", 0)
    assert data.origin().samples == {"train": 6299, "validation": 701, "test": 1500}
    assert {item.shape for split in data.splits.values() for item in split.items} == {(28, 28)}
    assert min(np.bincount(data.splits["test"].targets)) > 100
    assert "mnist 1.1.0 packs them (MIT)" in data.source
    assert data.licence == "CC BY-SA 3.0"
    assert sum(file.stat().st_size for file in EMBEDDED.iterdir()) < 1_600_000


def test_what_is_missing_is_downloaded_once(server, tmp_path, source=DOWNLOADED):
    dataset = load_dataset(source, 0)
    assert dataset.origin().samples == {"train": 10, "validation": 10, "test": 10}
    assert dataset.splits["test"].items[0].max() == 8
    (tmp_path / "server" / "train-images-idx3-ubyte.gz").unlink()
    assert load_dataset(source, 0).origin() == dataset.origin()
    (tmp_path / "xdg").mkdir()
    (tmp_path / "cache").rename(tmp_path / "xdg" / "edgezoo")  # where it was kept before
    assert load_dataset(source, 0).origin() == dataset.origin()


def test_without_a_cache_folder_the_advice_is_to_name_one(server, tmp_path):
    (tmp_path / "cache").touch()
    with pytest.raises(
        DataError, match=r"set EDGEZOO_CACHE to one of your own, or give a folder .* fashion-mnist:PATH"
    ):
        load_dataset(DOWNLOADED, 0)


def test_a_download_that_came_wrong_is_refused_and_not_kept(server, tmp_path, source=DOWNLOADED):
    server(wrong="0" * 32)
    with pytest.raises(DataError, match=f"{source} can't be downloaded .* or give a folder .* {source}:PATH"):
        load_dataset(source, 0)
    assert [*(tmp_path / "cache").iterdir()] == []
    server()
    assert load_dataset(source, 0).name == source


def test_without_a_network_the_advice_is_a_path(server, tmp_path):
    for file in (tmp_path / "server").iterdir():
        file.unlink()
    with pytest.raises(
        DataError, match="connect to a network, or give a folder that holds its files: fashion-mnist:PATH"
    ):
        load_dataset(DOWNLOADED, 0)
