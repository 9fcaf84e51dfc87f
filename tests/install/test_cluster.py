"""Predictions on a Ray cluster, in an environment that has Ray and no PyTorch; `in_cluster.py` has the tests."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest

from tests.environments import new_environment, run_tests

ROOT = Path(__file__).parents[2]
NEEDED = ("moto", "flask", "flask-cors", "s3fs", "pytest")
"""What its tests need besides: an S3 server and its client."""

pytestmark = pytest.mark.slow


def test_the_answers_are_those_of_one_machine(tmp_path):
    programs = new_environment(tmp_path / "venv", f"{ROOT}[onnx,parquet,cluster]", *NEEDED)
    run_tests(programs, ROOT / "tests/install/in_cluster.py", tmp_path)


@pytest.mark.nightly
def test_a_training_is_that_of_torchrun(tmp_path):
    """PyTorch and the rest of what trains are those of the environment here: they take gigabytes."""
    programs = new_environment(tmp_path / "venv", f"{ROOT}[cluster]", "pytest", "psutil")
    (packages,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    (packages / "trains.pth").write_text(sysconfig.get_path("purelib") + "\n")
    run_tests(programs, ROOT / "tests/install/in_cluster_training.py", tmp_path)
