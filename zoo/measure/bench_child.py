"""The process that `zoo.measure.bench` starts: it opens files, times them, and writes lines of JSON to stdout."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from runtime.bundle import Bundle
from runtime.candidates import Candidate, candidates, open_candidate
from runtime.engines import engine_module
from runtime.errors import ZooError
from runtime.isolation import probe
from runtime.model import Model
from runtime.native_output import suppress_output
from runtime.tensors import select, size
from runtime.timing import timings

BATCH = 8

Say = Callable[[dict[str, Any]], None]


def main() -> None:
    """Do what the request on the command line says."""
    request = json.loads(sys.argv[1])
    probe.OPTION = request["option"]
    with os.fdopen(os.dup(1), "w") as out, suppress_output():  # nothing native comes between the lines

        def say(answer: dict[str, Any]) -> None:
            out.write(json.dumps(answer) + "\n")
            out.flush()

        measure = {"quality": measure_quality, "time": measure_time, "load": measure_load}[request["task"]]
        try:
            measure(request, say)
        except (ZooError, ImportError) as problem:
            kind, name = type(problem).__name__, getattr(problem, "name", None)
            say({"error": kind, "text": str(problem), "name": name})


def measure_quality(request: dict[str, Any], say: Say) -> None:
    """Measure the task's metric of one file on a data set."""
    from zoo.measure.evaluate import evaluate

    (choice,) = _choices(request)
    evaluation = evaluate(
        choice.file, request["data"], target=request["target"], engine=request["engine"], device="cpu",
        trusted=request["trusted"],
        on_progress=lambda what, done, total: say({"done": done, "total": total}),
    )  # fmt: skip
    say({"quality": evaluation.results["metrics"][choice.spec.output.metric]})


def measure_time(request: dict[str, Any], say: Say) -> None:
    """Time files in turns: single samples, then batches of `BATCH`."""
    models: dict[str, Model] = {}
    for choice in _choices(request):
        try:
            models[choice.file.name] = _open(choice, request, trusted=request["trusted"])
            models[choice.file.name].forward(_inputs(request, 1))
        except ZooError as problem:
            models.pop(choice.file.name, None)
            say({"file": choice.file.name, "note": str(problem)})
    rounds, runs = request["rounds"], {}
    for turn, count in enumerate((1, BATCH)):
        inputs = _inputs(request, count)

        def on_round(done: int, turn: int = turn) -> None:
            say({"done": turn * rounds + done, "total": 2 * rounds})

        times = timings(
            list(models.values()), [inputs] * len(models), rounds=rounds, seconds=request["seconds"], on_round=on_round
        )
        runs[count] = dict(zip(models, times, strict=True))
    for name, model in models.items():
        say({
            "file": name,
            "engine": model.engine.version,
            "latency": float(np.median(runs[1][name])),
            "p95": float(np.percentile(runs[1][name], 95)),
            "throughput": 1 / float(np.median(runs[1][name])),
            "throughput_8": BATCH / float(np.median(runs[BATCH][name])),
        })  # fmt: skip


def measure_load(request: dict[str, Any], say: Say) -> None:
    """Measure what opening one file takes, in a process that has done nothing else but to import the library."""
    (choice,) = _choices(request)
    inputs = _inputs(request, 1)
    engine_module(request["engine"]).library()
    before, start = _peak(), time.perf_counter()
    model = _open(choice, request, trusted=True)  # it was tried when it was timed, which is no time of its own
    load = time.perf_counter() - start
    model.forward(inputs)
    after = _peak()
    say({"load": load, "memory": None if before is None or after is None else after - before})


def _choices(request: dict[str, Any]) -> list[Candidate]:
    return [choice for choice in candidates(request["bundle"]) if choice.file.name in request["files"]]


def _open(choice: Candidate, request: dict[str, Any], trusted: bool) -> Model:
    return open_candidate(choice, request["engine"], device="cpu", threads=request["threads"], trusted=trusted)


def _inputs(request: dict[str, Any], count: int) -> Any:
    """Return real golden samples, over and over."""
    inputs = Bundle.read(request["bundle"]).inputs()
    return select(inputs, np.arange(count) % size(inputs))


def _peak() -> int | None:
    """Return the most memory that this process has had so far, in bytes; None on Windows.

    On Linux getrusage's figure begins with that of the process that started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


if __name__ == "__main__":
    main()
