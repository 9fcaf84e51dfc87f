"""The check before the first epoch: every offender at once, and pixels that are those of the runtime."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

from runtime.errors import DataError
from runtime.images.preprocess import image_steps, preprocess
from runtime.inputs import ImageInput, NumericColumn, SequenceInput, TableInput
from zoo.data import Classes, Dataset, Rows, Sequences, Split, Values, load_dataset
from zoo.tasks._classes import class_problems
from zoo.train.prepare import prepare

STEPS = image_steps((10, 12), "RGB")
INPUT_SPEC = ImageInput("image", "image", (10, 12, 3), STEPS)


@pytest.fixture
def good(tmp_path):
    """Two classes in train and val; each image has one colour, which tells its file."""
    for part in ("train", "val"):
        for label in ("cat", "dog"):
            folder = tmp_path / part / label
            folder.mkdir(parents=True)
            for i in range(3):
                color = (40 * i, 100 * (part == "val"), 100 * (label == "dog"))
                Image.new("RGB", (20 + i, 30), color).save(folder / f"{i}.png")
    return tmp_path


@pytest.fixture
def bad(good):
    """The good ones and, sorting before, between and after them, one of each offender."""
    (good / "train/cat/text.png").write_text("this was never an image")
    photo = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(photo).save(good / "train/dog/0truncated.jpg")
    whole = (good / "train/dog/0truncated.jpg").read_bytes()
    (good / "train/dog/0truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (good / "val/cat/1empty.png").touch()
    shutil.copy(good / "val/dog/1.png", good / "train/dog/1copy.png")
    return good


def loaded(root):
    return load_dataset(f"folder:{root}", 0)


def read(dataset, **options):
    return prepare(dataset, INPUT_SPEC, problems=class_problems, **options)


def test_pixels_are_those_of_the_runtime(good):
    dataset = loaded(good)
    prepared = read(dataset)
    assert prepared.skipped == ()
    for name, split in dataset.splits.items():
        assert prepared.inputs[name].dtype == np.uint8
        assert np.array_equal(prepared.inputs[name], np.stack([preprocess(item, STEPS) for item in split.items]))
        assert np.array_equal(prepared.targets(name), split.targets)


def test_arrays_are_prepared_too():
    digits = load_dataset("digits", 0)
    prepared = prepare(digits, ImageInput("image", "image", (8, 8, 1), image_steps((8, 8), "L")))
    assert np.array_equal(prepared.inputs["validation"][:, :, :, 0], np.stack(digits.splits["validation"].items))


def test_every_offender_is_listed_at_once(bad):
    (bad / "train/fox").mkdir()
    with pytest.raises(DataError) as caught:
        read(loaded(bad))
    message = str(caught.value)
    assert "\n" not in message
    for name, why in [
        (str(bad / "train/cat/text.png"), "not an image"),
        (str(bad / "train/dog/0truncated.jpg"), "the image is damaged"),
        (str(bad / "val/cat/1empty.png"), "the file is empty"),
        (str(bad / "train/dog/1copy.png"), f"the same image is in validation ({bad / 'val/dog/1.png'})"),
    ]:
        assert f"{name}: {why}" in message
    for split in ("train", "validation"):
        assert f"no readable samples in {split} of: fox" in message
    assert "6 problems" in message


def test_what_can_be_skipped_is_said(bad):
    with pytest.raises(DataError, match=r"4 problems: .*repair or remove them, or leave them out with --skip-bad"):
        read(loaded(bad))


def test_skipping_leaves_the_good_ones_in_line(bad):
    dataset = loaded(bad)
    prepared = read(dataset, skip_bad=True)
    offenders = ("text.png", "0truncated.jpg", "1empty.png", "1copy.png")
    assert len(prepared.skipped) == 4
    for offender in offenders:
        assert sum(offender in reason for reason in prepared.skipped) == 1
    for name, split in prepared.dataset.splits.items():
        assert [item.name for item in split.items] == ["0.png", "1.png", "2.png"] * 2
        assert split.targets.tolist() == prepared.targets(name).tolist() == [0, 0, 0, 1, 1, 1]
        assert np.array_equal(prepared.inputs[name], np.stack([preprocess(item, STEPS) for item in split.items]))


def test_skipped_files_are_not_in_the_fingerprint(bad, tmp_path_factory):
    prepared = read(loaded(bad), skip_bad=True)
    assert prepared.dataset.origin().samples == {"train": 6, "validation": 6}
    for name in ("train/cat/text.png", "train/dog/0truncated.jpg", "val/cat/1empty.png", "train/dog/1copy.png"):
        (bad / name).unlink()
    assert prepared.dataset.origin() == read(loaded(bad)).dataset.origin()


@pytest.mark.parametrize("skip_bad", [False, True])
def test_a_single_class_is_refused(good, skip_bad):
    for part in ("train", "val"):
        shutil.rmtree(good / part / "dog")
    with pytest.raises(DataError, match=r"a single class \('cat'\): a classifier needs two or more"):
        read(loaded(good), skip_bad=skip_bad)


@pytest.mark.parametrize("skip_bad", [False, True])
def test_a_class_of_a_single_image_is_refused(photos, tmp_path, skip_bad):
    root = shutil.copytree(photos, tmp_path / "photos")
    (root / "rare").mkdir()
    Image.new("RGB", (20, 20)).save(root / "rare" / "one.png")
    with pytest.raises(DataError, match=r"no readable samples in validation of: rare \(add some, two or more a class"):
        read(loaded(root), skip_bad=skip_bad)


@pytest.mark.parametrize("skip_bad", [False, True])
def test_a_class_without_readable_images_is_refused(good, skip_bad):
    for i in range(3):
        (good / f"val/dog/{i}.png").write_text("no image")
    with pytest.raises(DataError, match="no readable samples in validation of: dog"):
        read(loaded(good), skip_bad=skip_bad)


def test_a_set_without_any_readable_image_is_refused(good):
    for file in good.rglob("*.png"):
        file.write_bytes(b"")
    with pytest.raises(DataError, match="14 problems: no readable samples in train of: cat, dog"):
        read(loaded(good), skip_bad=True)


def test_progress_reaches_the_end(good):
    calls = []
    read(loaded(good), on_progress=lambda *call: calls.append(call))
    assert calls[-1] == ("read", 12, 12)


def test_what_a_set_lacks_is_not_asked_for_by_default(good):
    for i in range(3):
        (good / f"val/dog/{i}.png").unlink()
    assert len(prepare(loaded(good), INPUT_SPEC).targets("validation")) == 3


def table(train, validation, missing=None):
    column = NumericColumn("numeric", "x", 0.0, 1.0, -5.0, 5.0, missing)
    splits = {
        name: Split(rows, np.arange(len(rows), dtype=np.float32))
        for name, rows in (("train", train), ("validation", validation))
    }
    return Dataset("t", Rows({"x": None}), Values("y"), splits, "a test", "none"), TableInput("table", "x", (column,))


def test_rows_that_cannot_be_encoded_are_named_by_place():
    dataset, input_spec = table([(None,), (1.0,), (2.0,), (None,)], [(3.0,), (4.0,)])
    with pytest.raises(DataError, match=r"t: 2 problems: train item 1: column 'x' is empty.*; train item 4: column"):
        prepare(dataset, input_spec)
    prepared = prepare(dataset, input_spec, skip_bad=True)
    assert prepared.inputs["train"].tolist() == [[1], [2]]
    assert prepared.targets("train").tolist() == [1, 2]
    assert len(prepared.skipped) == 2


def test_equal_rows_in_training_and_validation_are_no_leak():
    dataset, input_spec = table([(1.0,), (2.0,)], [(1.0,), (None,)], missing=7.0)
    prepared = prepare(dataset, input_spec)
    assert prepared.inputs["validation"].tolist() == [[1], [7]]
    assert prepared.inputs["validation"].dtype == np.float32


def test_sequences_of_another_length_than_the_first_are_named():
    steps = [np.zeros((4, 2)), np.zeros((3, 2)), np.full((4, 2), np.nan), np.ones((4, 2))]
    splits = {name: Split(steps, np.array([0, 1, 0, 1])) for name in ("train", "validation")}
    dataset = Dataset("s", Sequences(("a", "b"), 4), Classes(("x", "y")), splits, "a test", "none")
    input_spec = SequenceInput("sequence", "s", 4, ("a", "b"), (0.0, 0.0), (1.0, 1.0))
    with pytest.raises(DataError, match=r"train item 2: has shape \[3, 2\], the first \[4, 2\]; .*item 3: .*finite"):
        prepare(dataset, input_spec)
    prepared = prepare(dataset, input_spec, skip_bad=True, problems=class_problems)
    assert prepared.inputs["train"].shape == (2, 4, 2)
    assert prepared.targets("train").tolist() == [0, 1]
