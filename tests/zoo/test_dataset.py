"""Data sets as such: how they are split, folded and told apart, and how they are named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from runtime.errors import OptionError
from zoo.data import (
    Classes,
    Dataset,
    Images,
    LabelSets,
    Rows,
    Sequences,
    Split,
    Texts,
    Values,
    find_source,
    fold,
    load_dataset,
    split_apart,
)


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


def test_numbers_are_split_as_a_whole():
    rows = [(float(i),) for i in range(50)]
    splits = split_apart(rows, np.arange(50, dtype=np.float32), 0)
    assert {name: len(split.items) for name, split in splits.items()} == {"train": 40, "validation": 10}
    for split in splits.values():
        assert [row[0] for row in split.items] == split.targets.tolist()


def test_rare_labels_of_sets_are_in_both_splits():
    targets = np.zeros((100, 3), np.int64)
    targets[:90, 0] = 1
    targets[::10, 1] = 1
    targets[[7, 8], 2] = 1
    rows = [(float(i),) for i in range(100)]
    for seed in range(10):
        splits = split_apart(rows, targets, seed)
        assert all(split.targets.any(0).all() for split in splits.values())
        assert len(splits["validation"].items) in range(18, 23)


def test_rows_that_mostly_repeat_are_observations_not_copies():
    """Of the same row, most say yes and some no; both splits must see that."""
    rows = [("old",), ("young",)] * 200
    targets = np.array([0, 1] * 160 + [1, 0] * 40)
    for split in split_apart(rows, targets, 0).values():
        pairs = set(zip(split.items, split.targets.tolist(), strict=True))
        assert pairs == {(("old",), 0), (("young",), 1), (("old",), 1), (("young",), 0)}


def test_single_copies_among_rows_stay_together():
    rows = [(float(i),) for i in range(20)] + [(0.0,)]
    for seed in range(10):
        held = split_apart(rows, np.zeros(21, np.int64), seed)["validation"].items
        assert held.count((0.0,)) in (0, 2)


@pytest.fixture
def dataset():
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (4, 4), np.uint8) for _ in range(6)]
    targets = np.array([0, 1, 0, 1, 0, 1])
    splits = {"train": Split(images[:4], targets[:4]), "validation": Split(images[4:], targets[4:])}
    return Dataset("some", Images("L", (4, 4)), Classes(("a", "b")), splits, "a test", "none")


def changed(dataset, what):
    images = [item.copy() for split in dataset.splits.values() for item in split.items]
    targets = np.concatenate([split.targets for split in dataset.splits.values()])
    content, target, border = dataset.content, dataset.target, 4
    if what == "a pixel":
        images[5][3, 3] ^= 1
    elif what == "a shape":
        images[5] = images[5].reshape(2, 8)
    elif what == "a target":
        targets[5] ^= 1
    elif what == "the split":
        border = 5
    elif what == "the order":
        images[0], images[2] = images[2], images[0]
    elif what == "a label":
        target = Classes(("a", "c"))
    elif what == "the content":
        content = Images("L", None)
    splits = {
        "train": Split(images[:border], targets[:border]),
        "validation": Split(images[border:], targets[border:]),
    }
    return Dataset("some", content, target, splits, "a test", "none")


@pytest.mark.parametrize("what", ["a pixel", "a shape", "a target", "the split", "the order", "a label", "the content"])
def test_the_fingerprint_changes_with(dataset, what):
    assert changed(dataset, what).origin().fingerprint != dataset.origin().fingerprint


def test_the_fingerprint_is_that_of_the_content(dataset):
    assert changed(dataset, "nothing").origin() == dataset.origin()
    assert dataset.origin().samples == {"train": 4, "validation": 2}


def test_the_fingerprint_is_the_same_on_machines_of_either_byte_order():
    def made(order):
        items = [np.arange(6, dtype=f"{order}f4").reshape(3, 2) + i for i in range(4)]
        split = Split(items, np.arange(4, dtype=f"{order}i8"))
        return Dataset("some", Sequences(("a", "b"), 3), Classes(tuple("abcd")), {"train": split}, "a test", "none")

    assert made("<").origin() == made(">").origin()


def test_balance_counts_labels(dataset):
    assert dataset.balance() == {"train": {"a": 2, "b": 2}, "validation": {"a": 1, "b": 1}}
    sets = {name: Split(s.items, np.stack([s.targets, 1 - s.targets * 0], 1)) for name, s in dataset.splits.items()}
    assert replace(dataset, target=LabelSets(("x", "y")), splits=sets).balance() == {
        "train": {"x": 2, "y": 4},
        "validation": {"x": 1, "y": 2},
    }
    numbers = {name: Split(s.items, s.targets.astype(np.float32)) for name, s in dataset.splits.items()}
    assert replace(dataset, target=Values("size"), splits=numbers).balance() == {}


def table(targets, target, values=None):
    rows = [(float(i),) for i in range(len(targets))] if values is None else values
    return Dataset("t", Rows({"x": None}), target, split_apart(rows, targets, 0), "a test", "none")


def test_each_item_is_validation_in_one_fold():
    targets = np.repeat([0, 1, 2], [23, 11, 5])
    whole = table(targets, Classes(("a", "b", "c")))
    whole = replace(whole, splits=whole.splits | {"test": Split([(99.0,)], np.array([1]))})
    seen, sizes = [], []
    for i in range(5):
        parted = fold(whole, 5, i, seed=3)
        held, kept = parted.splits["validation"], parted.splits["train"]
        assert not {*held.items} & {*kept.items}
        assert len(held.items) + len(kept.items) == 39
        assert parted.splits["test"] is whole.splits["test"]
        for split in (held, kept):
            assert split.targets.tolist() == [targets[int(row[0])] for row in split.items]
        assert set(held.targets.tolist()) == {0, 1, 2}
        assert abs(int((held.targets == 0).sum()) - 23 / 5) < 1
        seen += held.items
        sizes.append(len(held.items))
    assert sorted(seen) == [(float(i),) for i in range(39)]
    assert max(sizes) - min(sizes) <= 1


def test_folds_follow_from_the_seed():
    whole = table(np.zeros(30, np.float32), Values("y"))
    held = [fold(whole, 3, 1, seed).splits["validation"].items for seed in (0, 0, 1)]
    assert held[0] == held[1] != held[2]


def test_copies_stay_in_one_fold():
    values = [(float(i // 2),) if i < 10 else (float(i),) for i in range(40)]
    whole = table(np.zeros(40, np.int64), Classes(("a",)), values)
    for i in range(4):
        held = fold(whole, 4, i, 0).splits["validation"].items
        assert all(held.count((float(j),)) in (0, 2) for j in range(5))


@pytest.mark.parametrize(
    ("k", "i", "message"),
    [
        (1, 0, "folds are 2 or more, numbered from 0; got fold 0 of 1"),
        (5, 5, "got fold 5 of 5"),
        (5, -1, "got fold -1 of 5"),
        (6, 0, "6 folds need 6 different items of 'b'; it has 5"),
    ],
)
def test_folds_that_make_no_sense(k, i, message):
    with pytest.raises(OptionError, match=message):
        fold(table(np.repeat([0, 1], [20, 5]), Classes(("a", "b"))), k, i, 0)


def test_there_are_no_more_folds_than_items():
    with pytest.raises(OptionError, match="31 folds need 31 different items; 't' has 30"):
        fold(table(np.zeros(30, np.float32), Values("y")), 31, 0, 0)


@pytest.mark.parametrize("target", [Values("y", "", 2), Texts("01")], ids=["series", "lines"])
def test_items_that_overlap_have_no_folds(target):
    with pytest.raises(OptionError, match=r"'t' can't be split into folds: its items share (steps|digits)"):
        fold(table(np.zeros((30, 2), np.float32), target), 3, 0, 0)


def test_an_unknown_data_set_is_answered_with_the_nearest_name():
    with pytest.raises(
        OptionError,
        match=r"unknown data set 'digit' \(did you mean 'digits'\?\); choose from: audio, boxes, breast-cancer, ",
    ):
        load_dataset("digit", 0)


def test_a_bare_path_is_answered_with_how_to_name_it(photos):
    with pytest.raises(OptionError, match=f"write folder:{photos}"):
        load_dataset(str(photos), 0)
    with pytest.raises(OptionError, match=r"for a table write csv:my/table\.CSV"):
        load_dataset("my/table.CSV", 0)


@pytest.mark.parametrize("spec", ["digits", "iris", "lines"])
def test_a_source_without_columns_has_no_target_to_choose(spec):
    with pytest.raises(OptionError, match=f"{spec} has no columns to choose a target from; leave out --target"):
        load_dataset(spec, 0, "x")


def test_a_source_is_read_once_and_only_when_it_is_used(monkeypatch):
    import zoo.data.digits

    read = []
    real = zoo.data.digits.load
    monkeypatch.setattr(zoo.data.digits, "load", lambda path, seed: read.append((path, seed)) or real(path, seed))
    source = find_source("digits", 3)
    source.check()
    assert not read
    assert source.dataset is source.dataset
    assert read == [(None, 3)]
