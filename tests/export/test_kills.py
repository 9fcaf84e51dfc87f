"""An export that is killed at any moment leaves the old bundle or the new one, whole."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

KEEPS_OLD = [
    "the file is converted",
    "nothing is synced",
    "one file is synced",
    "the stage is complete",
    "the exchange comes",
]
HAS_NEW = ["the exchange is done", "the old one is half removed"]


@pytest.fixture(scope="module")
def killed(tiny_bundle, tmp_path_factory):
    """What exports over a bundle leave when they are killed: the signal, and the name of the bundle that is there."""
    bundle = shutil.copytree(tiny_bundle, tmp_path_factory.mktemp("killed") / "bundle")
    script = Path(__file__).with_name("killed_export.py")
    result = subprocess.run([sys.executable, script, bundle], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("moment", [*KEEPS_OLD, *HAS_NEW])
def test_a_kill_leaves_one_whole_bundle(killed, moment):
    assert killed[moment] == [9, "tiny" if moment in KEEPS_OLD else "new"]
