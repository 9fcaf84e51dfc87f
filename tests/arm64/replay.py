"""Replay the golden packs of bundles and print each outcome as a line of JSON; runs in the emulator, without zoo."""

from __future__ import annotations

import json
import platform
import sys
import time
from dataclasses import asdict

from runtime.errors import ZooError
from runtime.verify import verify

for folder in sys.argv[1:]:
    start = time.perf_counter()
    try:
        replays = [asdict(each) | {"kind": type(each).__name__} for each in verify(folder)]
        answer = {"replays": replays}
    except ZooError as problem:
        answer = {"error": str(problem)}
    line = {"bundle": folder, "machine": platform.machine(), "seconds": time.perf_counter() - start, **answer}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
