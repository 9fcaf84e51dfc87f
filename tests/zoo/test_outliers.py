"""Outliers among training recordings: noise and scraps of words that bear no label."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from runtime.errors import OptionError
from runtime.tasks import Binary
from zoo.recipes import Training
from zoo.tasks import task
from zoo.tasks._classes import UNSURE, with_unsure
from zoo.train.outliers import WithOutliers, moved, stretches
from zoo.train.pipeline import train

TONES = np.sin(np.arange(800) / 3)[None].repeat(4, 0).astype(np.float32)


def test_a_share_of_the_recordings_bears_no_label():
    torch.manual_seed(0)
    change = WithOutliers(None, 0.3)
    made = [change(TONES, np.arange(4), 2, 0) for _ in range(400)]
    outliers = [clip for clip, target in made if target == UNSURE]
    assert 80 <= len(outliers) <= 160
    assert all(clip.dtype == np.float32 and clip.shape == (800,) and np.isfinite(clip).all() for clip, _ in made)
    assert all(np.array_equal(clip, TONES[2]) for clip, target in made if target == 2)
    assert not any(np.array_equal(clip, TONES[2]) for clip in outliers)
    assert any(not clip.any() for clip in outliers)  # silence
    torch.manual_seed(0)
    again = [change(TONES, np.arange(4), 2, 0) for _ in range(400)]
    assert all(np.array_equal(one, two) for (one, _), (two, _) in zip(made, again, strict=True))


def test_noise_begins_or_ends_abruptly_in_some_outliers():
    random = np.random.default_rng(0)
    clips = [stretches(800, random) for _ in range(400)]
    assert all(clip.dtype == np.float32 and clip.shape == (800,) for clip in clips)
    loud = [np.abs(clip) > 0 for clip in clips]
    assert 15 < sum(not each[0] and each[-1] for each in loud) < 80
    assert 15 < sum(each[0] and not each[-1] for each in loud) < 80


def test_a_scrap_is_moved_out_of_its_clip():
    clip = np.arange(1, 7, dtype=np.float32)
    assert moved(clip, 2).tolist() == [0, 0, 1, 2, 3, 4]
    assert moved(clip, -4).tolist() == [5, 6, 0, 0, 0, 0]
    assert moved(clip, 0).tolist() == clip.tolist()


def test_the_loss_of_an_outlier_is_least_where_every_label_is_as_likely():
    loss = with_unsure(torch.nn.CrossEntropyLoss())
    flat, sharp = torch.zeros(1, 4), torch.tensor([[9.0, 0, 0, 0]])
    unsure, first = torch.tensor([UNSURE]), torch.tensor([0])
    assert loss(flat, unsure) == pytest.approx(np.log(4))
    assert loss(sharp, unsure) > loss(flat, unsure)
    assert loss(sharp, first) < loss(flat, first)
    both = loss(torch.cat([sharp, flat]), torch.cat([first, unsure]))
    assert both == pytest.approx(float(loss(sharp, first) + loss(flat, unsure)) / 2)
    assert torch.isfinite(loss(torch.cat([sharp, flat]), torch.cat([unsure, unsure])))


def test_outliers_are_for_recordings_with_classes(tmp_path):
    with pytest.raises(
        OptionError,
        match="outliers are for recordings and classes, got inputs of kind 'image' and task=classification",
    ):
        train("cnn", out=tmp_path / "run", settings={"outliers": 0.2})
    with pytest.raises(ValueError, match="outliers must be at least 0 and below 1"):
        Training(outliers=1.0)


def test_two_classes_have_outliers_too():
    output = Binary("binary", "logit", ("no", "yes"))
    loss = task("binary").loss(output, Training(), np.array([0, 1]))
    unsure = torch.tensor([UNSURE])
    assert loss(torch.zeros(1, 1), unsure) == pytest.approx(np.log(2))
    assert loss(torch.full((1, 1), 3.0), unsure) > np.log(2)
    assert loss(torch.full((1, 1), 3.0), torch.tensor([1])) < np.log(2)
