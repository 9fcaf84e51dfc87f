"""A script: pulls in child processes, each killed at a random moment; prints what is left after each as JSON.

Called with a name, a folder, how many children, and the most seconds that a child may live. The children are forked, so
that the hub's client is imported once. In the end nobody is killed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from runtime import Bundle
from runtime.errors import BundleError
from zoo.catalogue import hub_client
from zoo.catalogue.pull import pull


def left(folder: Path) -> str | None:
    """Return the name of the model that is in a folder, all of it, or None."""
    try:
        bundle = Bundle.read(folder)
    except BundleError:
        assert not folder.exists(), "what is there must be a bundle"
        return None
    bundle.check()
    return bundle.manifest.model.name


def main(name: str, folder: Path, count: int, seconds: float) -> None:
    hub_client.client()
    moments = np.random.default_rng(7)
    outcomes = []
    for i in range(count + 1):
        child = os.fork()
        if not child:
            pull(name, out=folder, overwrite=True)
            os._exit(0)
        if i < count:
            time.sleep(moments.uniform(0, seconds))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        outcomes.append((os.waitstatus_to_exitcode(status), left(folder)))
    sys.stdout.write(json.dumps(outcomes))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
