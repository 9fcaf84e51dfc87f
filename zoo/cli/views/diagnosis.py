"""Where a file departs from PyTorch."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from runtime.humanize import difference, number
from zoo.cli.views.cells import finite
from zoo.terminal.console import console, say
from zoo.terminal.tables import table

if TYPE_CHECKING:
    from export.diagnosis import Layer
    from zoo.exporting.diagnose import FileDiagnosis

WORST_LAYERS = 10


def plain(diagnosis: FileDiagnosis) -> dict[str, Any]:
    """Return a diagnosis for JSON."""
    result = diagnosis.diagnosis
    rows = [asdict(layer) | {"snr": layer.snr, "jumps": layer.jumps} for layer in result.layers]
    return {
        "file": diagnosis.file,
        "run": str(diagnosis.run),
        "samples": result.samples,
        "first": None if result.first is None else result.first.path,
        "layers": finite(rows),
        "notes": diagnosis.notes,
    }


def diagnosis(diagnosed: FileDiagnosis) -> None:
    """Show where a file departs from PyTorch."""
    result, first = diagnosed.diagnosis, diagnosed.diagnosis.first
    last = result.layers[-1]
    if first is None:
        verdict = f"no layer adds more error than its arithmetic explains; at the output {_decibels(last)}"
    else:
        verdict = (
            f"the error jumps at [bold]{escape(_path(first))}[/bold]: it adds {first.own:.2g} of its signal by itself, "
            f"where {first.limit:.1g} could be explained"
        )
    layers = [
        (
            _path(layer) + (" ←" if layer is first else ""),
            _operators(layer),
            "×".join(map(str, layer.shape)),
            _range(layer.reference_range),
            _range(layer.file_range),
            difference(layer.own),
            _decibels(layer),
        )
        for layer in result.worst(WORST_LAYERS)
    ]
    columns = ("layer", "operators", "shape", "PyTorch's range", "its range", "own error", "SNR")
    console.print(f"{escape(diagnosed.file)}: {verdict}", soft_wrap=True)
    console.print()
    title = f"The worst of {len(result.layers)} layers, on {result.samples} samples"
    console.print(table(title, *columns, rows=layers, right=(3, 4, 5, 6)))
    for note in diagnosed.notes:
        say(note, "yellow")


def _path(layer: Layer) -> str:
    return layer.path or "the module itself"


def _operators(layer: Layer) -> str:
    kinds = list(dict.fromkeys(layer.operators))
    several = f" … ({len(layer.operators)})" if len(layer.operators) > len(kinds) or len(kinds) > 3 else ""
    return "+".join(kinds[:3]) + several


def _range(ends: tuple[float, float]) -> str:
    return f"{number(ends[0])} … {number(ends[1])}"


def _decibels(layer: Layer) -> str:
    return "exact" if layer.error == 0 else f"{layer.snr:.1f} dB"
