"""What of timm can be exported: ``python -m benchmarks.coverage`` tries and writes docs/coverage.md.

Every architecture of `ARCHITECTURES` (the smallest of each of timm's modules, and of the families that people take)
gets random weights and goes through each format in a process of its own. What is measured is kept at once in
docs/coverage.jsonl, so that a run which is stopped goes on where it was; what other versions measured is measured anew.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks import coverage_case
from benchmarks.coverage_case import PRECISIONS, Case, File
from benchmarks.coverage_page import page
from runtime.atomic import write_file
from runtime.errors import one_line
from zoo.terminal.progress import progress

ROOT = Path(__file__).parent.parent
ARCHITECTURES = Path(__file__).with_name("architectures.txt").read_text().split()
FORMATS = ("onnx", "tflite")
RESULTS, PAGE = ROOT / "docs" / "coverage.jsonl", ROOT / "docs" / "coverage.md"
LIMIT = 900
"""Seconds for an architecture in one format."""

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    ["torch", "timm", "sklearn.datasets", "onnxscript", "onnxruntime.quantization", "litert_torch", "ai_edge_quantizer"]
)
"""What takes ten seconds to import is imported once."""


@cache
def versions() -> dict[str, str]:
    """Return the versions of what converts and runs."""
    packages = ("torch", "timm", "onnx", "onnxscript", "onnxruntime", "litert-torch", "ai-edge-litert")
    return {name: version(name) for name in (*packages, "ai-edge-quantizer")}


def measure(name: str, format_name: str) -> Case:
    """Run one architecture in one format, in a process of its own."""
    receiver, sender = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=_send, args=(sender, name, format_name), daemon=True)
    process.start()
    sender.close()
    try:
        if not receiver.poll(LIMIT):
            return _failed(name, format_name, f"took longer than {LIMIT} s")
        case: Case = receiver.recv()
        return case
    except EOFError:
        process.join()
        return _failed(name, format_name, f"its process ended with {process.exitcode}")
    finally:
        process.kill()
        process.join()


def _send(sender: Connection, name: str, format_name: str) -> None:
    try:
        case = coverage_case.run(name, format_name)
    except Exception as problem:  # of timm or a converter: the page says what
        case = _failed(
            name, format_name, coverage_case.without_places(f"{type(problem).__name__}: {one_line(problem)}")
        )
    sender.send(case)


def _failed(name: str, format_name: str, problem: str) -> Case:
    return Case(name, format_name, files={PRECISIONS[0]: File(problem)})


def read(values: dict[str, Any]) -> Case:
    """Return a case from JSON."""
    files = {precision: File(**file) for precision, file in values.pop("files").items()}
    return Case(**values, files=files)


def kept(any_version: bool = False) -> dict[tuple[str, str], Case]:
    """Return what these versions, or any, have measured so far, by architecture and format."""
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    cases = {}
    for line in lines:
        try:
            values = json.loads(line)
        except ValueError:  # the last line of a run that was killed
            continue
        if values.pop("versions") == versions() or any_version:
            case = read(values)
            cases[case.name, case.format] = case
    return cases


def line(case: Case) -> str:
    """Return what is kept of a case."""
    return json.dumps(asdict(case) | {"versions": versions()}) + "\n"


def run(tasks: Sequence[tuple[str, str]], jobs: int) -> Iterator[Case]:
    """Yield what becomes of architectures in formats, `jobs` at a time, and keep it."""
    if RESULTS.exists() and not RESULTS.read_bytes().endswith(b"\n"):  # a run was killed while it wrote
        with RESULTS.open("a") as file:
            file.write("\n")
    with ThreadPoolExecutor(jobs) as pool, RESULTS.open("a") as file, progress() as step:
        waiting = [pool.submit(measure, *task) for task in tasks]
        try:
            for done, future in enumerate(as_completed(waiting)):
                case = future.result()
                step(f"{case.name}, {case.format}", done, len(tasks))
                file.write(line(case))
                file.flush()
                yield case
        finally:
            pool.shutdown(cancel_futures=True)


def ordered(cases: dict[tuple[str, str], Case]) -> list[Case]:
    """Return cases in the order of the architectures."""
    order = [(name, format_name) for name in ARCHITECTURES for format_name in FORMATS]
    return [cases[task] for task in order if task in cases]


def write(cases: dict[tuple[str, str], Case]) -> None:
    """Write all that is known in order, and the page."""
    known = ordered(cases)
    write_file(RESULTS, "".join(map(line, known)).encode())
    write_file(PAGE, page(known, versions()).encode())


def main() -> None:
    """Measure what is not known yet, and publish all that is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="architectures to measure again; by default all that are not known")
    parser.add_argument("--format", action="append", choices=FORMATS, help="only this format")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time, of one thread each (2)")
    parser.add_argument("--again", action="store_true", help="also what failed before")
    chosen = parser.parse_args()
    known = kept()
    tasks = [
        (name, format_name)
        for name in chosen.names or ARCHITECTURES
        for format_name in chosen.format or FORMATS
        if chosen.names
        or (name, format_name) not in known
        or (chosen.again and any(file.problem for file in known[name, format_name].files.values()))
    ]
    for case in run(tasks, chosen.jobs):
        for precision, file in case.files.items():
            outcome = file.problem or f"{file.difference:.1e} of scale, {file.milliseconds:.1f} ms"
            print(f"{case.name} {case.format} {precision}: {outcome}", flush=True)
    write(kept())


if __name__ == "__main__":
    main()
