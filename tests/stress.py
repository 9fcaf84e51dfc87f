"""What must hold under load, with figures: ``python -m tests.stress`` (the suite runs a few rounds of each).

Threads share models, a bundle is replaced while others load it, and processes that replace it are killed.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np

import runtime
from runtime.atomic import staged_folder
from runtime.bundle import Bundle
from runtime.stale_files import MARK
from tests.engines import FLOAT_ENGINES
from tests.runtime.edits import edit_manifest

BATCHED = 1e-6
"""How much the scores of a batch may differ from those of one input, for engines sum in another order."""
REPLACE = """
import shutil, sys
from pathlib import Path
from runtime.atomic import staged_folder

print("ready", flush=True)
while True:
    for source in sys.argv[2:]:
        with staged_folder(Path(sys.argv[1])) as stage:
            shutil.copytree(source, stage, dirs_exist_ok=True)
"""


def share(bundle: Path, engine: str, batching: bool, callers: int, calls: int) -> Counter[str]:
    """Call one model from many threads; count right and wrong predictions."""
    model = runtime.load(bundle, engine=engine, batching=batching, trusted=True)
    height, width, channels = model.spec.input.shape
    images = np.random.default_rng(0).integers(0, 256, (16, height, width, channels), np.uint8)
    expected = [model.predict(image).scores for image in images]
    counts: Counter[str] = Counter()
    lock = threading.Lock()

    def call(caller: int) -> None:
        mine: Counter[str] = Counter()
        for turn in range(calls):
            number = (caller + turn) % len(images)
            scores = model.predict(images[number]).scores
            same = np.allclose(scores, expected[number], rtol=0, atol=BATCHED if batching else 0)
            mine["right" if same else "wrong"] += 1
        with lock:
            counts.update(mine)

    threads = [threading.Thread(target=call, args=(caller,)) for caller in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return counts


def two_versions(bundle: Path, folder: Path) -> tuple[Path, Path]:
    """Return two copies of a bundle whose labels tell which one it is."""
    copies = []
    for name in "ab":
        copy = Path(shutil.copytree(bundle, folder / name))
        labels = [f"{name}{number}" for number in range(len(Bundle.read(copy).manifest.model.output.labels))]
        edit_manifest(copy, lambda manifest, labels=labels: manifest["model"]["output"].update(labels=labels))
        copies.append(copy)
    return copies[0], copies[1]


def swap(bundle: Path, folder: Path, loads: int) -> Counter[str]:
    """Load a bundle while it is replaced; count whole ones by version, and refusals."""
    versions, target = two_versions(bundle, folder), folder / "there"
    shutil.copytree(versions[0], target)
    stop = threading.Event()

    def replace() -> None:
        while not stop.is_set():
            for version in versions:
                with staged_folder(target) as stage:
                    shutil.copytree(version, stage, dirs_exist_ok=True)

    thread = threading.Thread(target=replace)
    thread.start()
    counts: Counter[str] = Counter()
    try:
        for _ in range(loads):
            try:
                labels = runtime.load(target, engine="litert", trusted=True).labels
            except runtime.BundleError as problem:
                counts[type(problem).__name__] += 1
            else:
                (version,) = {label[0] for label in labels}
                counts[f"version {version}"] += 1
    finally:
        stop.set()
        thread.join()
    return counts


def kill(bundle: Path, folder: Path, kills: int) -> Counter[str]:
    """Kill processes that replace a bundle; count whole bundles, and what is left beside them."""
    versions, target = two_versions(bundle, folder), folder / "there"
    shutil.copytree(versions[0], target)
    random, counts = np.random.default_rng(0), Counter[str]()
    for _ in range(kills):
        command = [sys.executable, "-c", REPLACE, str(target), *map(str, versions)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            time.sleep(random.uniform(0, 0.05))
            process.send_signal(signal.SIGKILL)
        Bundle.read(target).check()
        counts["whole"] += 1
    others = {each.name for each in folder.iterdir()} - {"a", "b", "there"}
    counts["marked leftovers"] = sum(MARK in name for name in others)
    counts["other leftovers"] = len(others) - counts["marked leftovers"]
    return counts


def main() -> None:
    """Print the counts of each."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress", description=__doc__)
    parser.add_argument("--bundle", type=Path, default=Path(__file__).parents[1] / "zoo" / "models" / "mnist-cnn")
    parser.add_argument("--callers", type=int, default=32, help="threads (default 32)")
    parser.add_argument("--calls", type=int, default=2000, help="calls of each thread (default 2000)")
    parser.add_argument("--loads", type=int, default=2000, help="loads while the bundle is replaced (default 2000)")
    parser.add_argument("--kills", type=int, default=200, help="killed processes (default 200)")
    options = parser.parse_args()
    for engine in FLOAT_ENGINES:
        for batching in (False, True)[: 1 + can_batch(options.bundle, engine)]:
            counts = share(options.bundle, engine, batching, options.callers, options.calls)
            show(f"{options.callers} threads, {engine}{', batching' * batching}", counts)
    for name, function, number in (("loads during swaps", swap, options.loads), ("kills", kill, options.kills)):
        with tempfile.TemporaryDirectory() as folder:
            show(name, function(options.bundle, Path(folder), number))


def can_batch(bundle: Path, engine: str) -> bool:
    """Tell whether a bundle's file for an engine takes batches of any size."""
    return runtime.load(bundle, engine=engine, trusted=True).file_spec.batch is None


def show(name: str, counts: Counter[str]) -> None:
    """Print what was counted."""
    sys.stdout.write(f"{name}: {', '.join(f'{what} {number:,}' for what, number in sorted(counts.items()))}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
