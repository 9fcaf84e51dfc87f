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

from runtime.isolation import probe
from tests.environments import new_environment
from tests.once import Once
from tests.zoo.idx import write_mnist
from zoo.__main__ import main
from zoo.exporting.run import export_run
from zoo.train.pipeline import train

SMALL = {"hidden": [8], "epochs": 2}
TRITON = "tritonclient[http,grpc]==2.73.*"


@pytest.fixture(scope="session")
def triton(once: Once) -> Path:
    """The Python of an environment with Triton's client, which pins an older protobuf than the tests have."""
    return once("triton", lambda folder: new_environment(folder, TRITON)) / "bin" / "python"


@pytest.fixture(scope="session")
def trained(once: Once) -> Path:
    """A finished run of a small perceptron on the digits."""
    from zoo.train.config import Hardware

    return once("trained/run", lambda out: train("mlp", out=out, settings=SMALL, hardware=Hardware("cpu")))


@pytest.fixture(scope="session")
def trained_bundle(trained: Path, once: Once) -> Path:
    return once("exported/bundle", lambda out: export_run(trained, out=out))


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Sixty images of 8x8 pixels as a data set's name; each digit is a bright row or column of its own."""
    random = np.random.default_rng(0)
    targets = np.arange(60) % 10
    images = random.integers(0, 60, (60, 8, 8))
    for image, target in zip(images, targets, strict=True):
        (image if target < 5 else image.T)[target % 5 + 1] += 180
    return f"mnist:{write_mnist(tmp_path_factory.mktemp('few'), images, targets)}"


@pytest.fixture(scope="session")
def parcels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV file of ninety parcels: their kind and their price follow from length, weight and colour."""
    random = np.random.default_rng(0)
    lines = ["length,weight,colour,fragile,urgent,kind,price"]
    for i in range(90):
        length, weight = random.uniform(1, 9, 2).round(3)
        color = ("red", "green", "blue")[i % 3]
        kind = "letter" if length < 4 else "box" if weight > 5 else "roll"
        price = 2 * length + 3 * weight + 4 * (color == "red")
        lines.append(f"{length},{weight},{color},{int(weight < 5)},{int(color == 'red')},{kind},{price:.2f}")
    path = tmp_path_factory.mktemp("parcels") / "parcels.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="session")
def kinds_bundle(parcels: Path, once: Once) -> Path:
    """A bundle, as ONNX, that tells the kind of a parcel from the other columns."""

    def make(out: Path) -> None:
        settings = {"hidden": [8], "epochs": 30, "lr": 0.02}
        run = train("mlp", data=f"csv:{parcels}", target="kind", out=out.parent / "kinds-run", settings=settings)
        export_run(run, ["onnx"], out=out)

    return once("parcels/kinds", make)


@pytest.fixture(scope="session")
def price_bundle(parcels: Path, once: Once) -> Path:
    """A bundle, as ONNX, that tells the price of a parcel from the other columns."""

    def make(out: Path) -> None:
        settings = {"hidden": [], "epochs": 30, "lr": 0.05}
        run = train("mlp", data=f"csv:{parcels}", target="price", out=out.parent / "price-run", settings=settings)
        export_run(run, ["onnx"], out=out)

    return once("parcels/price", make)


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
    """Run the command line in this process, which it must not end."""
    monkeypatch.setattr(probe, "OPTION", probe.OPTION)  # which the command line sets
    monkeypatch.setattr("zoo.terminal.interrupts.end_when_stuck", lambda: None)
    monkeypatch.setattr("runtime.concurrency.forks.in_native_code", lambda: False)

    def run(*words: object) -> SimpleNamespace:
        monkeypatch.setattr(sys, "argv", ["zoo", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capsys.readouterr()
        return SimpleNamespace(status=caught.value.code or 0, out=out, err=err)

    return run
