"""The packaged model of digits reads MNIST's test digits as PNG files, and those that were changed as people's are."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

import zoo
from runtime.bundle import Bundle
from tests.zoo.changed_digits import CHANGES
from zoo.data import load_dataset
from zoo.resolve import SHIPPED

FILES = sorted(Bundle.read(SHIPPED / "mnist-cnn").manifest.models)
EACH = 300
"""How many digits of each change are read; 300 keep the test within seconds."""


@pytest.fixture(scope="module")
def digits():
    """Digits that neither trained the model nor chose its epoch, and what they are."""
    return load_dataset("mnist", 0).splits["test"]


@pytest.fixture(scope="module")
def changed(digits):
    """PNG files of changed digits by the name of the change."""
    random = np.random.default_rng(0)
    return {change.__name__: [png(change(item, random)) for item in digits.items[:EACH]] for change in CHANGES}


def png(digit):
    file = io.BytesIO()
    Image.fromarray(digit).save(file, "PNG", compress_level=1)
    return file.getvalue()


def accuracy(model, images, targets):
    return np.mean([int(p.label) == target for p, target in zip(model.predict(images), targets, strict=True)])


@pytest.mark.parametrize("file", FILES)
def test_it_reads_held_out_digits(file, digits):
    model = zoo.load(SHIPPED / "mnist-cnn" / file)
    assert accuracy(model, [png(item) for item in digits.items], digits.targets) >= 0.99


@pytest.mark.parametrize("change", [change.__name__ for change in CHANGES])
@pytest.mark.parametrize("file", FILES)
def test_it_reads_changed_digits(file, change, changed, digits):
    model = zoo.load(SHIPPED / "mnist-cnn" / file)
    assert accuracy(model, changed[change], digits.targets[:EACH]) >= 0.97
