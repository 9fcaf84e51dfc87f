"""The catalogue, and bundles: what is inside, where an imported file's facts come from, replays, signatures, pushes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from export.disclosure import disclosure_of
from runtime.humanize import ABSENT, counted, difference, figure, kilobytes, measured, number, percent
from runtime.inputs import AudioInput, ImageInput, SequenceInput, TableInput, TensorsInput
from runtime.schema import json_value
from runtime.tasks import CTC, Anomaly, Detection, Forecasting, Raw, Regression
from runtime.tensor_spec import TensorSpec
from zoo.cli.views.cells import bundle_line
from zoo.terminal import say_json
from zoo.terminal.console import console, say
from zoo.terminal.tables import table

if TYPE_CHECKING:
    from runtime import Bundle
    from runtime.bundle import ModelFile
    from runtime.inputs import Input
    from runtime.spec import FileSpec
    from runtime.tasks import Output
    from runtime.verify import InputReplay, Replay
    from zoo.exporting.triton import TritonModel
    from zoo.imports.run import Imported

UNPROVED = "imported without an original to compare with; its golden pack holds its own answers"


def overview(json_wanted: bool) -> None:
    """Show recipes, data sets, formats and engines."""
    from runtime.engines import engine_module, engine_names
    from zoo.registry import descriptions

    engines = {
        name: {
            "format": engine_module(name).FORMAT,
            "installed": not engine_module(name).missing(),
            "install": f"pip install 'edgezoo[{engine_module(name).EXTRA}]'",
        }
        for name in engine_names()
    }
    recipes, data = descriptions("zoo.recipes"), descriptions("zoo.data")
    formats, tasks = descriptions("export.formats"), descriptions("zoo.tasks")
    if json_wanted:
        say_json({"recipes": recipes, "data": data, "tasks": tasks, "formats": formats, "engines": engines})
        return
    console.print(table("Recipes", "recipe", "what it is for", rows=recipes.items()))
    console.print(table("Data sets", "data", "what it is", rows=data.items()))
    console.print(table("Tasks", "task", "what the answer is, and how it is learnt", rows=tasks.items()))
    console.print(table("Formats", "format", "what it is", rows=formats.items()))
    state = [
        (name, f".{engine['format']}", "yes" if engine["installed"] else f"no: {engine['install']}")
        for name, engine in engines.items()
    ]
    console.print(table("Engines", "engine", "runs", "installed", rows=state))


def bundle(shown: Bundle, json_wanted: bool, *, yours: bool = False) -> None:
    """Show what is inside a bundle; `yours` if it is shown to the person who has made it."""
    manifest = shown.manifest
    if json_wanted:
        say_json(json_value(manifest))
        return
    spec, card = manifest.model, manifest.card
    facts = [
        ("model", spec.name + (f": {card.summary}" if card.summary else "")),
        ("input", describe_input(spec.input)),
        ("output", describe_output(spec.output)),
        *((name, measured(name, value, getattr(spec.output, "unit", ""))) for name, value in card.metrics.items()),
    ]
    if card.data:
        counts = ", ".join(f"{count} {split}" for split, count in card.data.samples.items())
        facts.append(("data", f"{card.data.name} ({counts}); {card.data.source}; licence {card.data.licence}"))
    if card.weights:
        facts.append(("weights", f"{card.weights.name}; {card.weights.source}; licence {card.weights.licence}"))
    facts += [
        ("proved on", f"{model.parity.engine}: {name}") for name, model in manifest.models.items() if model.parity
    ]
    facts += [("not proved", f"{name}: {UNPROVED}") for name, model in manifest.models.items() if not model.parity]
    facts.append(("samples", disclosure_of(manifest, yours=yours)))
    facts.append(("made by", f"{manifest.generator}, {manifest.created}"))
    grid = Table.grid(padding=(0, 2))
    for name, text in facts:
        grid.add_row(f"[bold]{escape(name)}", escape(text))
    console.print(grid)
    rows = [
        (
            name,
            kilobytes(manifest.files[name].size),
            model.spec.precision,
            "any" if model.spec.batch is None else str(model.spec.batch),
            *(_steps(spec.input, model.spec),)[: isinstance(spec.input, SequenceInput)],
            *_proof(model, spec.output.metric),
        )
        for name, model in manifest.models.items()
    ]
    parity = next(iter(manifest.models.values())).parity
    title = f"Files, proved against PyTorch on {parity.samples:,} samples" if parity else "Files"
    steps = ("steps",) if isinstance(spec.input, SequenceInput) else ()
    columns = (
        "file",
        "kB",
        "precision",
        "batch",
        *steps,
        "max diff",
        "SNR dB",
        "agreement",
        spec.output.metric.replace("_", " "),
    )
    console.print()
    console.print(table(title, *columns, rows=rows, right=(1, *range(3, len(columns)))))
    for name, model in manifest.models.items():
        for line in quantization_lines(model):
            say(f"{name}: {line}")
    bundle_line(shown.path)


def _proof(model: ModelFile, metric: str) -> tuple[str, str, str, str]:
    """Return the largest difference from PyTorch, the signal-to-noise ratio, agreement and metric."""
    parity = model.parity
    if parity is None:
        return (ABSENT,) * 4
    return (
        difference(parity.max_difference),
        "" if parity.snr is None else f"{parity.snr:.0f}",
        percent(parity.agreement),
        ABSENT if parity.exported is None or model.spec.state else figure(metric, parity.exported),
    )


def imported(result: Imported, json_wanted: bool) -> None:
    """Show a bundle that was made of a third-party file: what is known of it, and from where."""
    from zoo.imports.facts import shown

    facts, origins = result.known.facts, result.known.origins
    if json_wanted:
        say_json({
            "bundle": str(result.bundle.path),
            "facts": {name: {"value": getattr(facts, name), "from": source} for name, source in origins.items()},
            "notes": result.known.notes,
            "samples": result.samples,
        })  # fmt: skip
        return
    rows = [(name, shown(getattr(facts, name)), source) for name, source in origins.items()]
    console.print(table("What is known of the file", "what", "value", "from", rows=rows))
    for note in result.known.notes:
        say(note, "yellow")
    say(disclosure_of(result.bundle.manifest, yours=True))
    if result.bundle.golden() is not None:
        say("The pack holds what the file answers here: no proof that it is right.")
    bundle_line(result.bundle.path)


def quantization_lines(model: ModelFile) -> list[str]:
    """Return what is to be known of a file's precision, in lines."""
    lines = [f"loses the answer: {model.spec.drift}"] if model.spec.drift else []
    how = model.quantisation
    if how is not None and how.samples:
        spread = sorted(how.balance.values())
        balance = f", {spread[0]} to {spread[-1]} of each class" if spread else ""
        lines.append(f"calibrated on {how.samples} training samples{balance}, {how.method}")
    if model.footprint:
        footprint = " and ".join(f"{size:,} bytes of {kind}" for kind, size in model.footprint.items())
        lines.append(f"takes {footprint}; the interpreter's own code comes on top")
    if how is not None and how.kept:
        lines.append(f"{len(how.kept)} layers in fp32: {', '.join(how.kept)}")
    return lines


def describe_input(input_spec: Input) -> str:
    """Return what a model takes, in a line."""
    if isinstance(input_spec, ImageInput):
        height, width, channels = input_spec.shape
        steps = " → ".join(step.step for step in input_spec.preprocess)
        return f"{width}×{height} {'gray' if channels == 1 else 'RGB'} from any image: {steps}"
    if isinstance(input_spec, TableInput):
        names = [column.name for column in input_spec.columns]
        return f"a row of {counted(len(names), 'column')}: {_some(names)}"
    if isinstance(input_spec, TensorsInput):
        return _listed_tensors(input_spec.tensors)
    if isinstance(input_spec, AudioInput):
        return f"{number(input_spec.samples / input_spec.rate)} s of audio at {input_spec.rate:,} Hz from any recording"
    source = ", or the rows of an image" if input_spec.preprocess else ""
    return (
        f"a sequence of {input_spec.length} steps of {len(input_spec.features)}: {_some(input_spec.features)}{source}"
    )


def describe_output(output: Output) -> str:
    """Return what a model gives, in a line."""
    if isinstance(output, Regression | Forecasting):
        steps = f", the next {output.horizon} steps" if isinstance(output, Forecasting) else ""
        return f"{output.task}: {output.target}{f' in {output.unit}' if output.unit else ''}{steps}"
    if isinstance(output, CTC):
        return f"{output.task}: text of {output.alphabet}"
    if isinstance(output, Anomaly):
        return f"{output.task}: a score, above {number(output.threshold)} an anomaly"
    if isinstance(output, Raw):
        return f"{output.task}: {_listed_tensors(output.tensors)}"
    if isinstance(output, Detection):
        return (
            f"{output.task}: boxes of {counted(len(output.labels), 'label')}: {_some(output.labels)}; confidence "
            f"{output.confidence:.2g}, iou {output.iou:.2g}"
        )
    inside = "" if output.activation == "none" else f"; the {output.activation} is in the graph"
    return f"{output.task}: {counted(len(output.labels), 'label')}: {_some(output.labels)}{inside}"


def _listed_tensors(tensors: Sequence[TensorSpec]) -> str:
    return "; ".join(f"{tensor.name} {tensor}" for tensor in tensors)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + (f" … ({len(names)} in all)" if len(names) > 12 else "")


def _steps(input_spec: Input, file: FileSpec) -> str:
    return "one by one" if file.state else "any" if file.steps is None else str(file.steps)


def pushed(where: str, bundle: Bundle, public: bool, json_wanted: bool) -> None:
    """Show the address of a commit, who sees it, and whose data is there."""
    if json_wanted:
        say_json({"commit": where, "public": public, "samples": disclosure_of(bundle.manifest, yours=True)})
        return
    console.print(f"pushed {escape(where)} ({'everybody sees it' if public else 'private'})", soft_wrap=True)
    say(disclosure_of(bundle.manifest, yours=True))


def repository(models: Sequence[TritonModel], out: Path, json_wanted: bool) -> None:
    """Show what was written into a model repository."""
    if json_wanted:
        rows = [{"name": each.name, "file": each.file, "max_batch_size": each.batch} for each in models]
        say_json({"repository": str(out), "models": rows})
        return
    rows_shown = [(each.name, each.file, str(each.batch or "as exported"), str(each.folder)) for each in models]
    console.print(table("Model repository", "model", "file", "largest batch", "folder", rows=rows_shown))


def signed(where: Path, json_wanted: bool) -> None:
    """Show where a signature lies."""
    if json_wanted:
        say_json({"signature": str(where)})
    else:
        console.print("signed ", escape(str(where)), sep="", soft_wrap=True)


def verification(replays: Sequence[InputReplay | Replay], json_wanted: bool) -> bool:
    """Show replays; return whether all passed and at least one engine ran."""
    from runtime.verify import InputReplay, Replay

    engines = [result for result in replays if isinstance(result, Replay)]
    replayed = any(isinstance(result, InputReplay) for result in replays)
    good = all(result.passed is not False for result in replays) and any(result.passed for result in engines)
    if json_wanted:
        say_json({"passed": good if replayed else None, "replays": [asdict(result) for result in replays]})
        return good
    rows = []
    for result in replays:
        if isinstance(result, Replay):
            gap = "" if result.max_difference is None else difference(result.max_difference)
            agreement = "" if result.agreement is None else percent(result.agreement)
            rows.append((result.file, _outcome(result), gap, agreement, result.engine, result.note))
        else:
            rows.append(("inputs", _outcome(result), number(result.max_difference), "", "runtime", result.note))
    columns = ("what", "outcome", "max diff", "agreement", "on", "note")
    title = "Golden pack replayed on this machine" if replayed else "Files run on this machine"
    console.print(table(title, *columns, rows=rows, right=(2, 3)))
    whose = "PyTorch's answers" if all(result.proved for result in engines) else "the answers recorded at import"
    nothing = "NOT verified: nothing to replay, for the bundle was made without a golden pack"
    verdict = f"verified: this machine gives {whose}" if good else "NOT verified" if replayed else nothing
    say(verdict)
    return good


def _outcome(result: InputReplay | Replay) -> str:
    if result.passed is None:
        return "ran" if result.samples else "not run"
    return "passed" if result.passed else "FAILED"
