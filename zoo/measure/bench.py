"""Cost and quality of each file of a bundle here: latency, throughput, load time, memory, size, metric.

The files of one engine are timed in turns in one process of their own. Load time and memory are those of a fresh
process for each file. A file that brings its process down has a row that says so.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime import Bundle, EngineError, MissingExtraError, errors
from runtime.concurrency.threads import check_threads
from runtime.engines import engine_module, engine_names
from runtime.fastest import fastest
from runtime.isolation import probe
from runtime.progress import Progress, silent
from runtime.timing import ROUND_SECONDS, ROUNDS
from zoo.resolve import resolve

if TYPE_CHECKING:
    from runtime.bundle import ModelFile

NOISE = 0.05
"""Two latencies that differ by less are the same: the next measurement may well swap them."""


@dataclass(frozen=True)
class Row:
    """One model file on the engine of its format, on the CPU.

    Args:
        file: Its name.
        format: Its format.
        precision: What its weights and activations are.
        engine: What ran it, with version; its name alone where it could not.
        quality: The task's metric; None where it is unknown.
        agreement: The share of validation samples with PyTorch's decision, as measured at export; None for a
            file that was imported.
        drift: Why export says that it doesn't keep the answer; empty if it does.
        size: In bytes.
        latency: Of one sample that has been read, in seconds: the median of all runs. None where it can't be measured,
            like all figures from here on.
        p95: In seconds: 95 of 100 runs were faster.
        throughput: Samples a second, one by one.
        throughput_8: Samples a second in batches of 8, for which a file of batch 1 runs eight times.
        load: Seconds to read and check the file and to open it, without importing the engine's library.
        memory: Bytes by which opening it and running one sample raised the process's peak, above what the engine's
            library took when it was imported. None on Windows.
        slower: Whether it is slower here than the fp32 file of its format.
        note: Why there are no figures; empty otherwise.
    """

    file: str
    format: str
    precision: str
    engine: str
    quality: float | None
    agreement: float | None
    drift: str
    size: int
    latency: float | None = None
    p95: float | None = None
    throughput: float | None = None
    throughput_8: float | None = None
    load: float | None = None
    memory: int | None = None
    slower: bool = False
    note: str = ""


@dataclass(frozen=True)
class Bench:
    """The files of a bundle.

    Args:
        bundle: Its path.
        metric: The task's metric.
        data: What quality was measured on; empty for the bundle's own validation samples.
        threads: CPU threads that were asked for; None for each file's default.
        rows: In the manifest's order.
        recommended: The file to take here; None if none could be run.
        notes: What was left out, and why.
    """

    bundle: str
    metric: str
    data: str
    threads: int | None
    rows: tuple[Row, ...]
    recommended: str | None
    notes: tuple[str, ...]


def bench(
    path: str | os.PathLike[str],
    *,
    data: str | None = None,
    target: str | None = None,
    engine: str = "auto",
    threads: int | None = None,
    trusted: bool = False,
    rounds: tuple[int, float] = (ROUNDS, ROUND_SECONDS),
    on_progress: Progress = silent,
) -> Bench:
    """Measure every file of a bundle that an engine here runs; step graphs are left out.

    Args:
        path: The bundle.
        data: The data set to measure quality on, ``name`` or ``name:path``; by default it is that of the bundle's own
            validation samples, from the manifest.
        target: The column to tell from the others, of data with columns.
        engine: An engine's name, ``auto`` for each format's own, or ``fastest`` for the one that runs a file fastest
            here (`runtime.fastest`).
        threads: CPU threads; by default one for a small file, else all.
        trusted: See `runtime.load`.
        rounds: How many rounds, and the seconds of each; see `runtime.timing.timings`.
        on_progress: Called with what is being done, how much is done, and how much there is.

    Raises:
        BundleError: If the bundle can't be trusted or read.
        EngineError: If no engine here runs any of its files.
        OptionError: If a name is unknown or `threads` is out of range.
        DataError: If the data doesn't fit the model.
    """
    check_threads(threads)
    bundle = Bundle.read(resolve(path))
    bundle.check()
    manifest = bundle.manifest
    engines, notes = _engines(bundle, "auto" if engine == "fastest" else engine)
    if engine == "fastest":
        engines |= _fastest(bundle, threads, trusted)
    rows = {
        name: _row(name, entry, manifest.files[name].size, engines[name])
        for name, entry in manifest.models.items()
        if name in engines
    }
    common = {
        "bundle": str(bundle.path),
        "threads": threads,
        "trusted": trusted,
        "rounds": rounds[0],
        "seconds": rounds[1],
        "option": probe.OPTION,
    }
    if data is not None:
        asked = {**common, "task": "quality", "data": data, "target": target}
        rows = {name: _assessed({**asked, "engine": engines[name]}, row, on_progress) for name, row in rows.items()}
    for runs in dict.fromkeys(engines.values()):
        files = [name for name, row in rows.items() if engines[name] == runs and not row.note]
        timings = _timed({**common, "task": "time", "engine": runs}, files, on_progress)
        rows |= {name: replace(rows[name], **figures) for name, figures in timings.items()}
    for at, (name, row) in enumerate(rows.items()):
        on_progress("load each file alone", at, len(rows))
        if not row.note:
            answers, died = _ask({**common, "task": "load", "engine": engines[name], "files": [name]})
            rows[name] = replace(row, **(answers[-1] if answers and not died else {"note": died}))
    marked = tuple(replace(row, slower=_slower(row, tuple(rows.values()))) for row in rows.values())
    output = manifest.model.output
    return Bench(str(bundle.path), output.metric, data or "", threads, marked, recommend(marked), tuple(notes))


def recommend(rows: Sequence[Row]) -> str | None:
    """Return the file to take: the fastest that keeps the answer and isn't slower than its fp32 file.

    Of files that are as fast but for `NOISE`, the smallest. None if there is none.
    """
    fit = [(row.latency, row) for row in rows if row.latency is not None and not row.slower and not row.drift]
    if not fit:
        return None
    limit = min(latency for latency, _ in fit) * (1 + NOISE)
    return min((row for latency, row in fit if latency <= limit), key=lambda row: row.size).file


def picture(result: Bench) -> bytes:
    """Draw size against latency, as PNG; empty where no file has a latency."""
    from zoo.report import plots

    rows = [row for row in result.rows if row.latency is not None]
    kinds = ["fp32" if row.precision == "fp32" else "slower" if row.slower or row.drift else "other" for row in rows]
    return plots.cost(
        [f"{row.precision} .{row.format}" for row in rows],
        [row.size / 1000 for row in rows],
        [(row.latency or 0) * 1000 for row in rows],
        kinds,
        [row.file for row in rows].index(result.recommended) if result.recommended else None,
    )


def _engines(bundle: Bundle, wanted: str) -> tuple[dict[str, str], list[str]]:
    """Return the engine of each file that one here runs, and what is left out.

    Raises:
        EngineError: If none is left.
        OptionError: If `wanted` is unknown.
    """
    names = engine_names() if wanted == "auto" else (wanted,)
    modules = {name: engine_module(name) for name in names}
    engines: dict[str, str] = {}
    notes: list[str] = []
    absent: list[EngineError] = []
    for file, entry in bundle.manifest.models.items():
        runs = [name for name, module in modules.items() if entry.spec.format == module.FORMAT]
        installed = [name for name in runs if not modules[name].missing()]
        if entry.spec.state:
            notes.append(f"{file} takes single steps, so it is left out")
        elif installed:
            engines[file] = installed[0]
        elif runs:
            absent.append(MissingExtraError(f"engine {runs[0]!r}", modules[runs[0]].EXTRA))
            notes.append(f"{file} is left out: {absent[-1]}")
    if engines:
        return engines, notes
    if absent:
        raise absent[0]
    formats = ", ".join(f".{module.FORMAT}" for module in modules.values())
    raise EngineError(f"{bundle.path}: has no file that runs on {wanted!r} ({formats}); it has: "
                      f"{', '.join(bundle.manifest.models)}")  # fmt: skip


def _fastest(bundle: Bundle, threads: int | None, trusted: bool) -> dict[str, str]:
    """Return the engine that runs each file fastest on the CPU, of those that give its answers."""
    table = fastest(bundle.path, device="cpu", threads=threads, trusted=trusted)
    timed = [(each.seconds, each) for each in table.speeds if each.seconds is not None and each.passed is not False]
    return {each.file: each.engine for _, each in sorted(timed, key=lambda pair: pair[0], reverse=True)}


def _row(name: str, entry: ModelFile, size: int, engine: str) -> Row:
    spec, parity = entry.spec, entry.parity
    quality, agreement = (parity.exported, parity.agreement) if parity else (None, None)
    return Row(name, spec.format, spec.precision, engine, quality, agreement, spec.drift, size)


def _timed(request: dict[str, Any], files: Sequence[str], on_progress: Progress) -> dict[str, dict[str, Any]]:
    """Time files in one process; if it dies, each in its own, so that only the culprit has no figures."""
    what = f"time {', '.join(dict.fromkeys(Path(name).suffix for name in files))} files"
    answers, died = _ask({**request, "files": list(files)}, lambda done, total: on_progress(what, done, total))
    if not died:
        return {answer.pop("file"): answer for answer in answers}
    if len(files) == 1:
        return {files[0]: {"note": died}}
    alone = [_timed(request, [name], on_progress) for name in files]
    return {name: figures for timings in alone for name, figures in timings.items()}


def _ask(
    request: dict[str, Any], on_progress: Callable[[int, int], None] = lambda done, total: None
) -> tuple[list[dict[str, Any]], str]:
    """Let `zoo.measure.bench_child` answer in a process of its own; return its answers, and how it died if it did.

    Raises:
        ZooError: What the process met that is nothing of one file, such as data that can't be read.
        ImportError: If data needs a library that is not installed.
    """
    command = [sys.executable, "-P", "-m", "zoo.measure.bench_child", json.dumps(request)]
    paths = os.pathsep.join(
        part for part in sys.path if isinstance(part, str) and part
    )  # so that it finds the zoo that this one is
    answers = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, env={**os.environ, "PYTHONPATH": paths}
    ) as process:
        try:
            for line in _lines(process):
                if "error" in line:
                    raise _problem(**line)
                if "done" in line:
                    on_progress(line["done"], line["total"])
                else:
                    answers.append(line)
        except BaseException:
            process.kill()
            raise
    return answers, _death(process.returncode)


def _lines(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert process.stdout is not None  # noqa: S101  # a pipe was asked for
    for line in process.stdout:
        yield json.loads(line)


def _problem(error: str, text: str, name: str | None) -> Exception:
    """Return what a process met, as if it had been met here."""
    kind = getattr(errors, error, ImportError)
    if kind is ImportError:
        return ImportError(text, name=name)
    return EngineError(text) if kind is MissingExtraError else kind(text)


def _death(status: int) -> str:
    if status == 0:
        return ""
    name = signal.Signals(-status).name if -status in set(signal.Signals) else f"status {status}"
    return f"it brought its process down ({name})"


def _assessed(request: dict[str, Any], row: Row, on_progress: Progress) -> Row:
    """Measure the quality on other data."""
    what = f"measure {row.file}"
    answers, died = _ask({**request, "files": [row.file]}, lambda done, total: on_progress(what, done, total))
    return replace(row, quality=None, note=died) if died else replace(row, **answers[-1])


def _slower(row: Row, rows: Sequence[Row]) -> bool:
    """Tell whether a file is slower than the fp32 file of its format."""
    plain = [other.latency for other in rows if other.format == row.format and other.precision == "fp32"]
    known = [latency for latency in plain if latency is not None]
    return row.precision != "fp32" and row.latency is not None and any(row.latency > (1 + NOISE) * x for x in known)
