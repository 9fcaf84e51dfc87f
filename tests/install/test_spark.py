"""Predictions on Spark, in an environment that has Spark and no PyTorch; `in_spark.py` has the tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.environments import need_java, new_environment, run_tests

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


def test_the_answers_are_those_of_one_machine(tmp_path):
    need_java()
    programs = new_environment(tmp_path / "venv", f"{ROOT}[onnx,spark]", "pytest")
    run_tests(programs, ROOT / "tests/install/in_spark.py", tmp_path)
