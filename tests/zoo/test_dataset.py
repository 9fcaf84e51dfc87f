"""Data sources: what they read, how they split it, and that damage is named."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from runtime.errors import DataError, OptionError
from tests.zoo.idx import idx, write_mnist
from zoo.dataset import Dataset, Split, load_dataset, split_apart


@pytest.fixture
def items():
    """Three classes of 20, 5 and 3 images; the first two of each class are the same image."""
    random = np.random.default_rng(0)
    targets = np.repeat([0, 1, 2], [20, 5, 3])
    images = [random.integers(0, 256, (4, 4), np.uint8) for _ in targets]
    for first in (0, 20, 25):
        images[first + 1] = images[first].copy()
    return images, targets


def places(split, images):
    """Return where the items of a split stand in the whole."""
    by_identity = {id(image): i for i, image in enumerate(images)}
    return [by_identity[id(item)] for item in split.items]


def test_each_class_is_split_by_itself(items):
    images, targets = items
    splits = split_apart(images, targets, seed=0)
    assert list(splits) == ["train", "validation"]
    assert sorted(places(splits["train"], images) + places(splits["validation"], images)) == list(range(28))
    for split in splits.values():
        assert np.array_equal(split.targets, targets[places(split, images)])
        assert set(split.targets) == {0, 1, 2}
    distinct = {id(images[i]) for i in places(splits["validation"], images) if targets[i] == 0} - {id(images[1])}
    assert len(distinct) == 4


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.99])
def test_every_class_of_two_images_is_in_both_splits(items, share):
    images, targets = items
    for split in split_apart(images, targets, 0, share).values():
        assert set(split.targets) == {0, 1, 2}


def test_copies_of_an_image_stay_together(items):
    images, targets = items
    for seed in range(10):
        held = set(places(split_apart(images, targets, seed)["validation"], images))
        for first in (0, 20, 25):
            assert (first in held) == (first + 1 in held)


def test_the_seed_alone_decides_the_split(items):
    images, targets = items
    held = [places(split_apart(images, targets, seed)["validation"], images) for seed in (0, 0, 1)]
    assert held[0] == held[1] != held[2]


@pytest.fixture
def dataset():
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (4, 4), np.uint8) for _ in range(6)]
    targets = np.array([0, 1, 0, 1, 0, 1])
    splits = {"train": Split(images[:4], targets[:4]), "validation": Split(images[4:], targets[4:])}
    return Dataset("some", ("a", "b"), splits, "L", (4, 4), "a test", "none")


def changed(dataset, what):
    images = [item.copy() for split in dataset.splits.values() for item in split.items]
    targets = np.concatenate([split.targets for split in dataset.splits.values()])
    labels, border = dataset.labels, 4
    if what == "a pixel":
        images[5][3, 3] ^= 1
    elif what == "a target":
        targets[5] ^= 1
    elif what == "the split":
        border = 5
    elif what == "the order":
        images[0], images[2] = images[2], images[0]
    elif what == "a label":
        labels = ("a", "c")
    splits = {
        "train": Split(images[:border], targets[:border]),
        "validation": Split(images[border:], targets[border:]),
    }
    return Dataset("some", labels, splits, "L", (4, 4), "a test", "none")


@pytest.mark.parametrize("what", ["a pixel", "a target", "the split", "the order", "a label"])
def test_the_fingerprint_changes_with(dataset, what):
    assert changed(dataset, what).origin().fingerprint != dataset.origin().fingerprint


def test_the_fingerprint_is_that_of_the_content(dataset):
    assert changed(dataset, "nothing").origin() == dataset.origin()
    assert dataset.origin().samples == {"train": 4, "validation": 2}


def test_digits():
    digits = load_dataset("digits", 0)
    assert digits.labels == tuple("0123456789")
    assert (digits.mode, digits.size) == ("L", (8, 8))
    assert digits.origin().samples == {"train": 1438, "validation": 359}
    assert {item.shape for item in digits.splits["train"].items} == {(8, 8)}
    values = np.stack(digits.splits["train"].items)
    assert (values.dtype, values.min(), values.max()) == (np.uint8, 0, 255)
    with pytest.raises(DataError, match="digits takes no path"):
        load_dataset("digits:here", 0)


@pytest.fixture
def mnist(tmp_path):
    random = np.random.default_rng(0)
    return random.integers(0, 256, (40, 6, 5), np.uint8), np.arange(40) % 10, tmp_path / "mnist"


@pytest.mark.parametrize("gz", [False, True], ids=["plain", "gzipped"])
def test_mnist_files(mnist, gz):
    images, targets, folder = mnist
    write_mnist(folder, images, targets, gz=gz)
    found = load_dataset(f"mnist:{folder}", 0)
    assert (found.size, found.mode, list(found.splits)) == ((6, 5), "L", ["train", "validation"])
    assert found.origin().samples == {"train": 30, "validation": 10}
    known = {image.tobytes(): target for image, target in zip(images, targets, strict=True)}
    for split in found.splits.values():
        assert [known[item.tobytes()] for item in split.items] == split.targets.tolist()


def test_mnist_held_out_files_are_the_test_split(mnist):
    images, targets, folder = mnist
    write_mnist(folder, images, targets)
    write_mnist(folder, images[:7], targets[:7], split="t10k", gz=True)
    found = load_dataset(f"mnist:{folder}", 0)
    assert list(found.splits) == ["train", "validation", "test"]
    assert np.array_equal(np.stack(found.splits["test"].items), images[:7])
    assert found.splits["test"].targets.tolist() == targets[:7].tolist()


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
        "labels cut short", "labels are images", "no labels", "no images", "gzip cut short", "no gzip", "gzip damaged",
    ],
)  # fmt: skip
def test_damaged_mnist_files_are_named(mnist, name, content):
    _, _, folder = mnist
    write_mnist(folder, TEN, np.arange(10))
    (folder / name.removesuffix(".gz")).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=name) as caught:
        load_dataset(f"mnist:{folder}", 0)
    assert str(folder) in str(caught.value)


def test_mnist_needs_a_label_for_each_image(mnist):
    images, targets, folder = mnist
    write_mnist(folder, images, targets[:-1])
    with pytest.raises(DataError, match="40 train images have 39 labels"):
        load_dataset(f"mnist:{folder}", 0)


def test_mnist_labels_are_digits(mnist):
    images, targets, folder = mnist
    write_mnist(folder, images, targets + 1)
    with pytest.raises(DataError, match="label is 10; MNIST has 0 to 9"):
        load_dataset(f"mnist:{folder}", 0)


def test_a_gzip_bomb_is_read_up_to_the_limit(mnist, monkeypatch):
    _, _, folder = mnist
    write_mnist(folder, TEN, np.arange(10))
    (folder / IMAGES).unlink()
    (folder / f"{IMAGES}.gz").write_bytes(gzip.compress(idx(TEN) + bytes(10**6)))
    monkeypatch.setattr("zoo.data.mnist.MAX_BYTES", 1000)
    with pytest.raises(DataError, match=r"\(1001 bytes\)"):
        load_dataset(f"mnist:{folder}", 0)


@pytest.mark.parametrize("there", [False, True])
def test_a_missing_mnist_folder_is_named(tmp_path, there):
    folder = tmp_path / "mnist"
    if there:
        folder.mkdir()
    with pytest.raises(DataError, match=f"{folder}: {'has no train-images' if there else 'no such folder'}"):
        load_dataset(f"mnist:{folder}", 0)


def names(split: Split, root: Path) -> list[str]:
    return [item.relative_to(root).as_posix() for item in split.items]


def fill(root: Path, *files: str) -> Path:
    """Write a small image of its own for each name."""
    for i, name in enumerate(files):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2, 2), (i, 0, 0)).save(root / name, "PNG")
    return root


def test_a_folder_is_split_here(photos):
    found = load_dataset(f"folder:{photos}", 0)
    assert found.labels == ("leaf", "sky", "stone")
    assert (found.name, found.mode, found.size) == (photos.name, "RGB", None)
    assert found.origin().samples == {"train": 30, "validation": 6}
    for split in found.splits.values():
        assert [item.parent.name for item in split.items] == [found.labels[target] for target in split.targets]


@pytest.mark.parametrize("validation", ["val", "valid", "validation"])
@pytest.mark.parametrize("test", [(), ("test",)])
def test_a_folder_with_splits_keeps_them(tmp_path, validation, test):
    parts = ("train", validation, *test)
    fill(tmp_path, *(f"{part}/{label}/{part}{i}.png" for part in parts for label in ("cat", "dog") for i in range(3)))
    found = load_dataset(f"folder:{tmp_path}", 0)
    assert set(found.splits) == {"train", "validation", *test}
    assert found.labels == ("cat", "dog")
    for part, name in zip(parts, ("train", "validation", *test), strict=True):
        wanted = [f"{part}/{label}/{part}{i}.png" for label in ("cat", "dog") for i in range(3)]
        assert names(found.splits[name], tmp_path) == wanted
        assert found.splits[name].targets.tolist() == [0, 0, 0, 1, 1, 1]


def test_validation_comes_from_train_where_there_is_none(tmp_path):
    fill(tmp_path, *(f"{part}/{label}/{i}.png" for part in ("train", "test") for label in "ab" for i in range(5)))
    found = load_dataset(f"folder:{tmp_path}", 0)
    assert found.origin().samples == {"train": 8, "validation": 2, "test": 10}
    assert {name.split("/")[0] for name in names(found.splits["validation"], tmp_path)} == {"train"}


def test_classes_may_be_named_like_splits(tmp_path):
    fill(tmp_path, *(f"{label}/{i}.png" for label in ("test", "real") for i in range(4)))
    assert load_dataset(f"folder:{tmp_path}", 0).labels == ("real", "test")


def test_hidden_files_and_those_of_desktops_are_no_images(tmp_path):
    fill(tmp_path, *(f"{label}/{i}.png" for label in "ab" for i in range(2)))
    for name in (".DS_Store", "a/.hidden.png", "a/Thumbs.db", "b/desktop.ini", "a/.checkpoints/0.png", ".git/x/0.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"no image")
    found = load_dataset(f"folder:{tmp_path}", 0)
    assert found.labels == ("a", "b")
    every = [name for split in found.splits.values() for name in names(split, tmp_path)]
    assert sorted(every) == ["a/0.png", "a/1.png", "b/0.png", "b/1.png"]


def test_a_hidden_folder_may_hold_the_data(tmp_path):
    root = fill(tmp_path / ".cache" / "photos", *(f"{label}/{i}.png" for label in "ab" for i in range(2)))
    assert load_dataset(f"folder:{root}", 0).origin().samples == {"train": 2, "validation": 2}


def test_images_in_folders_below_belong_to_the_class(tmp_path):
    fill(tmp_path, "a/0.png", "a/monday/0.png", "a/monday/early/0.png", "b/0.png", "b/1.png")
    found = load_dataset(f"folder:{tmp_path}", 0)
    assert found.labels == ("a", "b")
    assert sum(found.origin().samples.values()) == 5
    for split in found.splits.values():
        assert [name[0] for name in names(split, tmp_path)] == [found.labels[target] for target in split.targets]


def test_a_folder_that_was_moved_is_the_same_data(photos, tmp_path):
    moved = shutil.copytree(photos, tmp_path / "elsewhere")
    assert (
        load_dataset(f"folder:{moved}", 0).origin().fingerprint
        == load_dataset(f"folder:{photos}", 0).origin().fingerprint
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no such folder"),
        (lambda path: path.write_text("no folder"), "not a folder"),
        (lambda path: fill(path, "0.png", "1.png"), "has no folders; put the images of each class into a folder"),
        (lambda path: (path / "train").mkdir(parents=True), "has no folders"),
    ],
    ids=["missing", "a file", "no classes", "no classes in train"],
)
def test_a_folder_that_is_no_data_set(tmp_path, make, message):
    path = tmp_path / "data"
    make(path)
    with pytest.raises(DataError, match=f"{path}: {message}"):
        load_dataset(f"folder:{path}", 0)


def test_a_folder_needs_a_path():
    with pytest.raises(DataError, match="folder:PATH"):
        load_dataset("folder", 0)


def test_an_unknown_data_set_is_answered_with_the_nearest_name():
    with pytest.raises(
        OptionError, match=r"unknown data set 'digit' \(did you mean 'digits'\?\); choose from: digits, "
    ):
        load_dataset("digit", 0)


def test_a_bare_path_is_answered_with_how_to_name_it(photos):
    with pytest.raises(OptionError, match=f"write folder:{photos}"):
        load_dataset(str(photos), 0)
