"""The guide of clusters runs as printed where Ray or Spark is installed, and no PyTorch."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import prepare
from tests.environments import need_java, new_environment

ROOT = Path(__file__).parents[2]
PAGE = "docs/guides/clusters.md"
READ = "import sys; from tests.docs.pages import read_page; read_page(*sys.argv[1:])"

pytestmark = pytest.mark.nightly


@pytest.mark.parametrize("extra", ["cluster", "spark"])
def test_the_blocks_of_an_extra_run_as_printed(extra, tmp_path):
    if extra == "spark":
        need_java()
    programs = new_environment(tmp_path / "venv", f"{ROOT}[onnx,parquet,{extra}]")
    folder = tmp_path / "reader"
    folder.mkdir()
    prepare(folder)
    path = os.pathsep.join((str(programs), os.environ["PATH"]))  # as where the environment is activated
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}
    command = [programs / "python", "-c", READ, PAGE, folder, extra]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
