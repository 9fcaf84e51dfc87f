"""Views of machines and engines: `zoo doctor`, and `zoo predict --explain`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from zoo.terminal import say_json
from zoo.terminal.console import console
from zoo.terminal.tables import table

if TYPE_CHECKING:
    from runtime.fastest import Speed, SpeedTable
    from runtime.report import Report
    from zoo.doctor import Check, Diagnosis


def doctor(diagnosis: Diagnosis, json_wanted: bool) -> None:
    """Show what a machine can run models on."""
    if json_wanted:
        say_json({**asdict(diagnosis), "choice": diagnosis.choice and asdict(diagnosis.choice)})
        return
    console.print(table("This machine", "what", "found", rows=diagnosis.machine.items()))
    console.print(table("Versions", "package", "version", rows=diagnosis.versions.items()))
    rows = [
        (each.engine, each.device or "-", each.provider, "yes" if each.runs else "no", _turn(each), _note(each))
        for each in diagnosis.checks
    ]
    title = "Engines and devices, each tried with a small model"
    console.print(table(title, "engine", "device", "provider or delegate", "runs", "auto", "why not", rows=rows))
    if diagnosis.choice is None:
        console.print("nothing runs here: pip install 'edgezoo[onnx]' or 'edgezoo[litert]'", markup=False)
    else:
        console.print(
            f"auto takes {diagnosis.choice.engine} on {diagnosis.choice.device}, where a bundle has a file for it"
        )


def speeds(result: SpeedTable, bundle: Path, json_wanted: bool) -> None:
    """Show how fast the files of a bundle are, and which one ``--engine fastest`` takes."""
    chosen = result.chosen
    if json_wanted:
        say_json({"speeds": [asdict(each) for each in result.speeds], "choice": chosen and asdict(chosen)})
        return
    rows = [
        (
            each.file,
            each.precision,
            each.version or each.engine,
            each.device or "-",
            "-" if each.seconds is None else f"{each.seconds * 1e3:.2f}",
            _proved(each),
            "yes" if each == chosen else "-",
            ": ".join(part for part in (each.note, each.drift) if part),
        )
        for each in result.speeds
    ]
    title = f"{bundle.name} on this machine"
    heads = ("file", "precision", "engine", "device", "ms, one input", "proved", "fastest", "note")
    console.print(table(title, *heads, rows=rows, right=(4,)))
    if chosen is None:
        console.print("nothing here runs it and gives its answers", markup=False)
    else:
        console.print(f"--engine fastest takes {chosen.file} on {chosen.engine}", markup=False)


def _proved(speed: Speed) -> str:
    return {True: "yes", False: "NO", None: "-"}[speed.passed]


def _turn(check: Check) -> str:
    return str(check.turn) if check.turn else "-"


def _note(check: Check) -> str:
    return ": ".join(part for part in (check.note, check.install) if part)


def report(result: Report, on: Console = console) -> None:
    """Show what an opened model really runs on."""
    rows = [
        ("file", f"{result.file}, {result.precision}"),
        ("engine", f"{result.engine}, {result.device}, {result.threads} thread{'s' * (result.threads != 1)}"),
        *(
            ("runs on", f"{part.provider} ({part.device}): {part.nodes} nodes, {part.share:.1%} of {_measure(result)}")
            for part in result.parts
        ),
        ("off the CPU", f"{result.off_cpu:.1%}"),
        ("to load", f"{result.load_seconds * 1e3:.1f} ms"),
        ("first run", f"{result.warm_up_seconds * 1e3:.2f} ms"),
        ("later runs", f"{result.run_seconds * 1e3:.2f} ms, one input"),
        *(("passed over", reason) for reason in result.skipped),
    ]
    on.print(table("What runs", "what", "found", rows=rows))


def _measure(report: Report) -> str:
    return "the time" if report.engine.startswith("onnxruntime") else "the nodes"
