"""Lines of digits: what they say, how they look, and that no digit is in two splits."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from runtime.errors import DataError
from tests.zoo.idx import write_mnist
from zoo.data import Images, Texts, load_dataset
from zoo.recipes._inputs import lines


@pytest.fixture
def mnist(tmp_path):
    """Digits that are bars of one grey each: the grey tells the digit, the bar's width what it is."""
    random = np.random.default_rng(0)
    for split, count, first in (("train", 100, 40), ("t10k", 20, 180)):
        targets = np.arange(count) % 10
        images = np.zeros((count, 28, 28), np.uint8)
        for i, target in enumerate(targets):
            images[i, 4:24, 1 : 9 + 2 * target] = first + i
        order = random.permutation(count)
        write_mnist(tmp_path, images[order], targets[order], split)
    return tmp_path


def bars(line):
    """Return width and grey of each bar on a line; the resampling leaves their middles alone."""
    ink = 255 - line
    inked = np.concatenate([[0], (ink.max(0) > 0).astype(int), [0]])
    starts, ends = np.flatnonzero(np.diff(inked) == 1), np.flatnonzero(np.diff(inked) == -1)
    middles = [ink[:, (start + end) // 2] for start, end in zip(starts, ends, strict=True)]
    grays = [int(middle[int(np.flatnonzero(middle).mean())]) for middle in middles]
    return list(zip(ends - starts, grays, strict=True))


def test_lines_from_mnist(mnist):
    dataset = load_dataset(f"lines:{mnist}", 0)
    assert (dataset.content, dataset.target) == (Images("L", None), Texts("0123456789"))
    assert dataset.licence == "CC BY-SA 3.0"
    assert dataset.origin().samples == {"train": 180, "validation": 20, "test": 40}
    grays = {}
    for name, split in dataset.splits.items():
        assert split.targets.shape == (len(split.items), 8)
        for line, text in zip(split.items, split.targets, strict=True):
            digits = text[text >= 0]
            found_bars = bars(line)
            assert 3 <= len(digits) <= 8
            assert (text[len(digits) :] == -1).all()
            assert (line.dtype, line.shape[0], line[0].min(), line[-1].min()) == (np.uint8, 32, 255, 255)
            assert len(found_bars) == len(digits)
            for (width, gray), digit in zip(found_bars, digits, strict=True):
                assert width == pytest.approx(8 + 2 * digit, rel=0.2, abs=3)
                grays.setdefault(name, {}).setdefault(gray, set()).add(int(digit))
    seen = [gray for values in grays.values() for gray in values]
    assert len(seen) == len(set(seen))
    assert all(len(digits) == 1 for values in grays.values() for digits in values.values())
    assert len(grays["validation"]) == 10


def test_lines_from_scikit_learn():
    dataset = load_dataset("lines", 0)
    assert dataset.origin().samples == {"train": 2876, "validation": 718}
    assert dataset.licence == "CC BY 4.0"
    train = dataset.splits["train"]
    counts = np.bincount(train.targets[train.targets >= 0], minlength=10)
    assert counts.max() < 1.3 * counts.min()
    assert set((train.targets >= 0).sum(1).tolist()) == {3, 4, 5, 6, 7, 8}
    widths = [line.shape[1] for line in train.items]
    assert (min(widths) > 30, max(widths) <= 256) == (True, True)


def test_lines_fit_the_width_that_networks_take():
    dataset = load_dataset("lines", 0)
    image_input = lines(SimpleNamespace(height=28, width=256), dataset)
    for line in dataset.splits["validation"].items[:100]:
        image = image_input.read(line)
        inked = np.flatnonzero((image[:, :, 0] < 200).any(0))
        assert inked[-1] - inked[0] == pytest.approx(line.shape[1] * 28 / 32, abs=14)
        assert (image[:, 0] == 255).all()


def test_the_seed_decides_all_but_the_test_lines(mnist):
    one, same, other = (load_dataset(f"lines:{mnist}", seed) for seed in (0, 0, 1))
    assert one.origin() == same.origin()
    assert one.origin().fingerprint != other.origin().fingerprint
    for line, again in zip(one.splits["test"].items, other.splits["test"].items, strict=True):
        assert np.array_equal(line, again)


def test_large_sets_make_so_many_lines_and_no_more(mnist, monkeypatch):
    monkeypatch.setattr("zoo.data.lines.LINES", {"train": 50, "validation": 7, "test": 3})
    assert load_dataset(f"lines:{mnist}", 0).origin().samples == {"train": 50, "validation": 7, "test": 3}


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=f"{tmp_path / 'none'}: no such folder"):
        load_dataset(f"lines:{tmp_path / 'none'}", 0)
