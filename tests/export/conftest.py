"""Exporters of the small network."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import nn

import export
from export.formats import formats_in
from runtime import Bundle
from tests.export import digits
from tests.export.digits import Case
from tests.export.small import SAMPLES, SPEC, network


@pytest.fixture
def exported(tmp_path: Path) -> Callable[..., Bundle]:
    """Export the network to ``bundle``, to ONNX alone unless told otherwise."""

    def run(module: nn.Module | None = None, **options: Any) -> Bundle:
        defaults = {
            "spec": SPEC,
            "samples": SAMPLES,
            "formats": ["onnx"],
            "out": tmp_path / "bundle",
            "overwrite": True,
        }
        return export.export(module or network(), **(defaults | options))

    return run


@pytest.fixture(scope="session")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The network in every format."""
    out = tmp_path_factory.mktemp("complete") / "bundle"
    return export.export(network(), SPEC, SAMPLES, formats_in("fp32"), out=out)


@pytest.fixture
def old(complete: Bundle, tmp_path: Path) -> Path:
    """A bundle of every format that is in the way."""
    return Path(shutil.copytree(complete.path, tmp_path / "bundle"))


@pytest.fixture(scope="session")
def cases() -> dict[str, Case]:
    """Trained networks by the kind of their input."""
    return {"image": digits.convolutional(), "table": digits.perceptron(), "sequence": digits.recurrent()}


@pytest.fixture(scope="session")
def exports(cases: dict[str, Case], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    """Bundles of them in every format and precision; of the recurrent one in some."""
    folder = tmp_path_factory.mktemp("digits")
    return {
        kind: case.export(folder / kind, list(formats_in("fp32")), digits.precisions(kind))
        for kind, case in cases.items()
    }
