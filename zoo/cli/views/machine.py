"""What people see of machines and engines: `zoo doctor`, and `zoo predict --explain`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Console

from zoo.terminal import say_json
from zoo.terminal.console import console
from zoo.terminal.tables import table

if TYPE_CHECKING:
    from runtime.report import Report
    from zoo.doctor import Check, Diagnosis


def doctor(found: Diagnosis, json_wanted: bool) -> None:
    """Show what a machine can run models on."""
    if json_wanted:
        say_json({**asdict(found), "choice": found.choice and asdict(found.choice)})
        return
    console.print(table("This machine", "what", "found", rows=found.machine.items()))
    console.print(table("Versions", "package", "version", rows=found.versions.items()))
    rows = [
        (each.engine, each.device or "-", each.provider, "yes" if each.runs else "no", _turn(each), _note(each))
        for each in found.checks
    ]
    title = "Engines and devices, each tried with a small model"
    console.print(table(title, "engine", "device", "provider or delegate", "runs", "auto", "why not", rows=rows))
    if found.choice is None:
        console.print("nothing runs here: pip install 'edgezoo[onnx]' or 'edgezoo[litert]'", markup=False)
    else:
        console.print(f"auto takes {found.choice.engine} on {found.choice.device}, where a bundle has a file for it")


def _turn(check: Check) -> str:
    return str(check.turn) if check.turn else "-"


def _note(check: Check) -> str:
    return ": ".join(part for part in (check.note, check.install) if part)


def report(found: Report, on: Console = console) -> None:
    """Show what an opened model really runs on."""
    rows = [
        ("file", f"{found.file}, {found.precision}"),
        ("engine", f"{found.engine}, {found.device}, {found.threads} thread{'s' * (found.threads != 1)}"),
        *(
            ("runs on", f"{part.provider} ({part.device}): {part.nodes} nodes, {part.share:.1%} of {_measure(found)}")
            for part in found.parts
        ),
        ("off the CPU", f"{found.off_cpu:.1%}"),
        ("to load", f"{found.load_seconds * 1e3:.1f} ms"),
        ("first run", f"{found.warm_up_seconds * 1e3:.2f} ms"),
        ("later runs", f"{found.run_seconds * 1e3:.2f} ms, one input"),
        *(("passed over", reason) for reason in found.skipped),
    ]
    on.print(table("What runs", "what", "found", rows=rows))


def _measure(found: Report) -> str:
    return "the time" if found.engine.startswith("onnxruntime") else "the nodes"
