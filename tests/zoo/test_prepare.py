"""The check before the first epoch: every offender at once, and pixels that are those of the runtime."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

from runtime.errors import DataError
from runtime.preprocess import image_steps, preprocess
from zoo.dataset import load_dataset
from zoo.prepare import prepare

STEPS = image_steps((10, 12), "RGB")


@pytest.fixture
def good(tmp_path):
    """Two classes in train and val; each image has one colour, which tells its file."""
    for part in ("train", "val"):
        for label in ("cat", "dog"):
            folder = tmp_path / part / label
            folder.mkdir(parents=True)
            for i in range(3):
                colour = (40 * i, 100 * (part == "val"), 100 * (label == "dog"))
                Image.new("RGB", (20 + i, 30), colour).save(folder / f"{i}.png")
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


def test_pixels_are_those_of_the_runtime(good):
    dataset = loaded(good)
    prepared = prepare(dataset, STEPS)
    assert prepared.skipped == ()
    for name, split in dataset.splits.items():
        assert prepared.pixels[name].dtype == np.uint8
        assert np.array_equal(prepared.pixels[name], np.stack([preprocess(item, STEPS) for item in split.items]))
        assert np.array_equal(prepared.targets(name), split.targets)


def test_arrays_are_prepared_too():
    digits = load_dataset("digits", 0)
    prepared = prepare(digits, image_steps((8, 8), "L"))
    assert np.array_equal(prepared.pixels["validation"][:, :, :, 0], np.stack(digits.splits["validation"].items))


def test_every_offender_is_listed_at_once(bad):
    (bad / "train/fox").mkdir()
    with pytest.raises(DataError) as caught:
        prepare(loaded(bad), STEPS)
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
        assert f"no readable images in {split} of: fox" in message
    assert "6 problems" in message


def test_what_can_be_skipped_is_said(bad):
    with pytest.raises(DataError, match=r"4 problems: .*repair or remove them, or leave them out with --skip-bad"):
        prepare(loaded(bad), STEPS)


def test_skipping_leaves_the_good_ones_in_line(bad):
    dataset = loaded(bad)
    prepared = prepare(dataset, STEPS, skip_bad=True)
    offenders = ("text.png", "0truncated.jpg", "1empty.png", "1copy.png")
    assert len(prepared.skipped) == 4
    for offender in offenders:
        assert sum(offender in reason for reason in prepared.skipped) == 1
    for name, split in prepared.dataset.splits.items():
        assert [item.name for item in split.items] == ["0.png", "1.png", "2.png"] * 2
        assert split.targets.tolist() == prepared.targets(name).tolist() == [0, 0, 0, 1, 1, 1]
        assert np.array_equal(prepared.pixels[name], np.stack([preprocess(item, STEPS) for item in split.items]))


def test_skipped_files_are_not_in_the_fingerprint(bad, tmp_path_factory):
    prepared = prepare(loaded(bad), STEPS, skip_bad=True)
    assert prepared.dataset.origin().samples == {"train": 6, "validation": 6}
    for name in ("train/cat/text.png", "train/dog/0truncated.jpg", "val/cat/1empty.png", "train/dog/1copy.png"):
        (bad / name).unlink()
    assert prepared.dataset.origin() == prepare(loaded(bad), STEPS).dataset.origin()


@pytest.mark.parametrize("skip_bad", [False, True])
def test_a_single_class_is_refused(good, skip_bad):
    for part in ("train", "val"):
        shutil.rmtree(good / part / "dog")
    with pytest.raises(DataError, match=r"a single class \('cat'\): a classifier needs two or more"):
        prepare(loaded(good), STEPS, skip_bad)


@pytest.mark.parametrize("skip_bad", [False, True])
def test_a_class_of_a_single_image_is_refused(photos, tmp_path, skip_bad):
    root = shutil.copytree(photos, tmp_path / "photos")
    (root / "rare").mkdir()
    Image.new("RGB", (20, 20)).save(root / "rare" / "one.png")
    with pytest.raises(DataError, match=r"no readable images in validation of: rare \(add images, two or more a class"):
        prepare(loaded(root), STEPS, skip_bad)


@pytest.mark.parametrize("skip_bad", [False, True])
def test_a_class_without_readable_images_is_refused(good, skip_bad):
    for i in range(3):
        (good / f"val/dog/{i}.png").write_text("no image")
    with pytest.raises(DataError, match="no readable images in validation of: dog"):
        prepare(loaded(good), STEPS, skip_bad)


def test_a_set_without_any_readable_image_is_refused(good):
    for file in good.rglob("*.png"):
        file.write_bytes(b"")
    with pytest.raises(DataError, match="14 problems: no readable images in train of: cat, dog"):
        prepare(loaded(good), STEPS, skip_bad=True)


def test_progress_reaches_the_end(good):
    calls = []
    prepare(loaded(good), STEPS, on_progress=lambda *call: calls.append(call))
    assert calls[-1] == ("read", 12, 12)
