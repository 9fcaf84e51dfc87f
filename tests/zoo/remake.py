"""Makes the bundles that travel with edgezoo again, as `make zoo` does: in a process of its own, on one thread."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def remake(folder: Path) -> None:
    """Make them in a folder."""
    command = [sys.executable, "-m", "zoo.trained", str(folder)]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, timeout=1500
    )
    assert done.returncode == 0, done.stderr
