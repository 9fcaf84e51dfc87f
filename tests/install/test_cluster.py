"""Predictions on a Ray cluster, in an environment that has Ray and no PyTorch; `in_cluster.py` has the tests."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.environments import new_environment

ROOT = Path(__file__).parents[2]
NEEDED = ("moto", "flask", "flask-cors", "s3fs", "pytest")
"""What its tests need besides: an S3 server and its client."""

pytestmark = pytest.mark.slow


def test_the_answers_are_those_of_one_machine(tmp_path):
    bin_folder = new_environment(tmp_path / "venv", f"{ROOT}[onnx,parquet,cluster]", *NEEDED)
    done = subprocess.run(
        [bin_folder / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--noconftest", "-c", "/dev/null",
         "--rootdir", ROOT, ROOT / "tests/install/in_cluster.py"],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
