"""Makes the bundles that travel with edgezoo again, as `make zoo` does: in a process of its own, on one thread."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def remake(folder: Path, *names: str) -> None:
    """Make the named bundles in a folder."""
    command = [sys.executable, "-m", "zoo.catalogue.build", str(folder), *names]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, timeout=3600
    )
    assert done.returncode == 0, done.stderr
