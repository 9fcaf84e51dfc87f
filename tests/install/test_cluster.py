"""Predictions on a Ray cluster, in an environment that has Ray and no PyTorch; `in_cluster.py` has the tests."""

from __future__ import annotations

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
