"""Replay every recipe's golden pack on emulated 64-bit ARM, and print a table; exits 1 if an answer differs."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console

from tests.arm64 import bundles, machine
from zoo.terminal.tables import table

FOLDER = machine.ROOT / "build" / "arm64"
REPLAY = Path(__file__).with_name("replay.py")


def main() -> None:
    """Build the machine while recipes train, then replay in one emulated process."""
    lacks = machine.missing()
    if lacks:
        raise SystemExit(f"apt-get install {' '.join(lacks)}")
    console, start = Console(width=120), time.perf_counter()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as pool:
        machinery = pool.submit(machine.build, FOLDER)
        made = bundles.make(Path(folder) / "bundles")
        machinery.result()
        console.print(f"{len(made)} bundles and the machine: {time.perf_counter() - start:.0f} s")
        command, environment = machine.command(FOLDER, REPLAY, *made)
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    if len(reports) < len(made):
        console.print(f"the emulator died at {made[len(reports)].name}")
    rows, failed = [], done.returncode != 0 or len(reports) < len(made)
    for each in reports:
        name = Path(each["bundle"]).name
        if "error" in each:
            rows.append((name, "", "FAILED", "", "", each["error"]))
        ran = [replay for replay in each.get("replays", ()) if replay["passed"] is not None]
        failed |= not any(replay["kind"] == "Replay" for replay in ran) or not all(replay["passed"] for replay in ran)
        for replay in ran:
            gap, agreement = replay["max_difference"], replay.get("agreement")
            rows.append((
                name, replay.get("file", "inputs"), "passed" if replay["passed"] else "FAILED",
                "" if gap is None else f"{gap:.1e}", "" if agreement is None else f"{agreement:.0%}",
                replay.get("engine", each["machine"]) + (f": {replay['note']}" if replay["note"] else ""),
            ))  # fmt: skip
    columns = ("recipe", "what", "outcome", "max diff", "agreement", "on")
    console.print(table("Golden packs replayed on 64-bit ARM, emulated", *columns, rows=rows, right=(3, 4)))
    console.print(f"{'FAILED' if failed else 'passed'} after {time.perf_counter() - start:.0f} s, exit status of the "
                  f"emulator {done.returncode}")  # fmt: skip
    raise SystemExit(failed)


if __name__ == "__main__":  # the processes that export import this module again
    main()
