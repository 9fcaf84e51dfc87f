"""`zoo predict`: images, rows of tables, sequences or recordings to answers.

The one command whose start-up time counts against a script written by hand, so it does without typer and rich.
"""

from __future__ import annotations

import argparse
import gc
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from runtime import InputError, Model, OptionError
from runtime.native_output import suppress_output
from runtime.thresholds import Thresholds
from zoo import load
from zoo.predicting.document import document
from zoo.predicting.inputs import answers, files, total
from zoo.predicting.progress import with_progress
from zoo.terminal import complain, note, say, say_json
from zoo.terminal.warning_lines import collect_notes

if TYPE_CHECKING:
    from zoo.predicting.job import Executor

INPUTS = """image files; clips (.mp4 …), frame by frame; .csv files of rows for tables, or of steps for sequences;
.npy files of steps; recordings, of which the long ones are listened to; folders, which stand for all of them in it and
below; patterns, where ** is any folders"""

WIDTH = 100
"""Of the help, in characters."""


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are ours."""

    def error(self, message: str) -> NoReturn:
        """Complain in one line."""
        raise OptionError(f"{message}; see zoo predict --help")


def parser() -> Parser:
    """Return the command's arguments."""
    # a formatter that asks for the terminal's width imports archives' libraries for it, for every argument
    plain = partial(argparse.HelpFormatter, width=WIDTH)
    made = Parser(prog="zoo predict", description=run.__doc__, formatter_class=plain)
    made.add_argument(
        "bundle", metavar="BUNDLE", help="a model's name, a bundle's folder, or one .onnx or .tflite file of it"
    )
    made.add_argument("inputs", metavar="INPUT", nargs="*", help=INPUTS)
    made.add_argument("--engine", default="auto", help="auto (default), fastest, onnxruntime, litert, openvino or tflm")
    made.add_argument("--device", default="auto", help="auto (default), cpu, cuda and so on; a named one is strict")
    made.add_argument(
        "--option", action="append", default=[], metavar="KEY=VALUE", help="for the device's provider or delegate"
    )
    made.add_argument("--threads", type=int, help="CPU threads; by default one for a small model, else all")
    made.add_argument("--trusted", action="store_true", help="don't try a new model file in a child process first")
    made.add_argument("--top", type=int, default=3, help="how many labels to show (default 3)")
    made.add_argument("--confidence", type=float, help="of a detector: the least score of a box, else the manifest's")
    made.add_argument("--iou", type=float, help="of a detector: how far boxes of a label may overlap, 0 to 1")
    made.add_argument(
        "--out", type=Path, help="write .csv, .jsonl or .parquet; the same command goes on with a killed job"
    )
    made.add_argument(
        "--on", choices=("ray",), help="with --out: predict on a Ray cluster, for addresses such as s3:// too"
    )
    made.add_argument("--address", help="with --on: of a running cluster; by default one of this machine alone")
    made.add_argument("--annotate", type=Path, help="write a copy of one image or clip with the answers drawn")
    made.add_argument("--camera", help="answer the newest frame of a camera (0, 1 …) or stream instead, until Ctrl-C")
    made.add_argument("--microphone", action="store_true", help="tell what is heard there instead, until Ctrl-C")
    made.add_argument("--overwrite", action="store_true", help="replace the file that --out or --annotate names")
    made.add_argument("--explain", action="store_true", help="say what ran: nodes per provider, threads, times")
    made.add_argument("--json", action="store_true", help="print JSON for scripts")
    return made


def run(arguments: Sequence[str]) -> int:
    """Predict files. Exits 1 if some can't be read (the others are answered), 2 if none can."""
    options = parser().parse_intermixed_args(arguments)
    if options.top < 1:
        raise OptionError(f"--top must be at least 1, got {options.top}")
    if len([each for each in (options.json, options.out, options.annotate) if each]) > 1:
        raise OptionError("--json prints, --out and --annotate write files: choose one")
    if options.on and not options.out:
        raise OptionError("--on ray writes a file: name it with --out")
    if options.address and not options.on:
        raise OptionError("--address is of a cluster: add --on ray")
    if sum((bool(options.inputs), options.camera is not None, options.microphone)) != 1:
        raise OptionError("name either INPUTs, a --camera or the --microphone; see zoo predict --help")
    if options.inputs and not options.inputs[0].endswith((".csv", ".npy", ".wav")):
        # while the model's file is read and hashed
        threading.Thread(target=_import_pillow).start()
    with suppress_output():
        model = load(
            options.bundle,
            engine=options.engine,
            device=options.device,
            threads=options.threads,
            options=pairs(options.option),
            trusted=options.trusted,
        )
    if thresholds := _thresholds(options):
        model = model.with_thresholds(**thresholds)
    gc.freeze()  # so that no collection walks through what was imported, at the end neither
    gc.enable()
    if model.file_spec.drift:
        complain(f"{model.file.name} loses the answer: {model.file_spec.drift}")
    with collect_notes() as notes:
        status = _answer(model, options, notes)
    if options.explain and not options.json:
        from zoo.cli.views import machine
        from zoo.terminal.console import stderr

        with suppress_output():
            report = model.report()
        machine.report(report, stderr)
    return status


def _import_pillow() -> None:
    with suppress(Exception):  # where it is needed, it is imported again, and what is wrong is raised there
        import_module("PIL.Image")


def pairs(words: list[str]) -> dict[str, str]:
    """Return the values of ``--option KEY=VALUE`` by their keys.

    Raises:
        OptionError: If one has no ``=``.
    """
    for word in words:
        if "=" not in word:
            raise OptionError(f"--option must be KEY=VALUE, got {word!r}")
    return dict(word.split("=", 1) for word in words)


def _thresholds(options: argparse.Namespace) -> Thresholds:
    thresholds = Thresholds()
    if options.confidence is not None:
        thresholds["confidence"] = options.confidence
    if options.iou is not None:
        thresholds["iou"] = options.iou
    return thresholds


def _answer(model: Model, options: argparse.Namespace, notes: list[str]) -> int:
    if options.out:
        from zoo.predicting import job

        counts = job.run(
            model,
            options.inputs,
            options.out,
            top=options.top,
            overwrite=options.overwrite,
            options=pairs(options.option),
            executor=_executor(options, job.LOCAL),
        )
        return 0 if not counts.failed else 1 if counts.answered else 2
    if options.microphone:
        from zoo.predicting.recordings import run_microphone

        return run_microphone(model, options.json)
    if options.annotate or options.camera is not None:
        from zoo.predicting import video

        what = {"names": options.inputs} if options.camera is None else {"camera": options.camera}
        return video.run(model, options.annotate, top=options.top, overwrite=options.overwrite, **what)
    return _print(model, options, notes)


def _executor(options: argparse.Namespace, local: Executor) -> Executor:
    if not options.on:
        return local
    from zoo.cluster.job import executor
    from zoo.cluster.workers import PredictOptions

    how = PredictOptions(
        options.engine,
        options.device,
        options.threads or 1,
        pairs(options.option),
        options.top,
        _thresholds(options),
    )
    return executor(options.bundle, options.address, how)


def _print(model: Model, options: argparse.Namespace, notes: list[str]) -> int:
    inputs = files(options.inputs, model.spec.input)
    results = answers(model, inputs, top=options.top)
    if not sys.stdout.isatty():
        results = with_progress(results, total(model, inputs.paths), "inputs")
    answered = 0
    predictions: list[dict[str, Any]] = []
    errors: list[dict[str, str]] = []
    for each in results:
        if isinstance(each.outcome, InputError):
            errors.append(each.to_dict())
            complain(str(each.outcome))
            continue
        answered += 1
        if options.json:
            predictions.append(each.to_dict())
        else:
            say(f"{each.name}   {each.outcome.summary}")
    if options.json:
        _print_json(model, predictions, errors, notes, options.explain)
    elif answered:
        engine = model.engine
        threads = f"{engine.threads} thread{'s' * (engine.threads != 1)}"
        note(f"ran {model.file.name} on {engine.version}, {engine.device}, {threads}")
        for reason in model.skipped:
            note(f"  {reason}")
    return 0 if not errors else 1 if answered else 2


def _print_json(
    model: Model, predictions: list[dict[str, Any]], errors: list[dict[str, str]], notes: list[str], explain: bool
) -> None:
    report = document(model, predictions, errors, notes)
    if explain:
        with suppress_output():
            report["report"] = model.report().to_dict()
    say_json(report)
