"""Runs trained once, a bundle of one of them, and a data set so small that an epoch takes no time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.zoo.idx import write_mnist
from zoo.__main__ import main
from zoo.pipeline import export_run, train

SMALL = {"hidden": [8], "epochs": 2}


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a small perceptron on the digits."""
    from zoo.training import Hardware

    return train("mlp", out=tmp_path_factory.mktemp("trained") / "run", settings=SMALL, hardware=Hardware("cpu"))


@pytest.fixture(scope="session")
def trained_bundle(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_run(trained, out=tmp_path_factory.mktemp("exported") / "bundle").path


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Sixty images of 8x8 pixels as a data set's name; each digit is a bright row or column of its own."""
    random = np.random.default_rng(0)
    targets = np.arange(60) % 10
    images = random.integers(0, 60, (60, 8, 8))
    for image, target in zip(images, targets, strict=True):
        (image if target < 5 else image.T)[target % 5 + 1] += 180
    return f"mnist:{write_mnist(tmp_path_factory.mktemp('few'), images, targets)}"


@pytest.fixture
def zoo_process() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line in a process of its own."""

    def run(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "zoo", *map(str, words)]
        return subprocess.run(
            command, capture_output=True, text=True, env=os.environ | environment, timeout=300, check=False
        )

    return run


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., SimpleNamespace]:
    """Run the command line in this process."""

    def run(*words: object) -> SimpleNamespace:
        monkeypatch.setattr(sys, "argv", ["zoo", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capsys.readouterr()
        return SimpleNamespace(status=caught.value.code or 0, out=out, err=err)

    return run
