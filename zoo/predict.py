"""`zoo predict`: images, rows of tables or sequences to answers.

The one command whose start-up time counts against a script written by hand, so it does without typer and rich.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from typing import NoReturn

from runtime import InputError, Model, OptionError, Prediction, load
from runtime.quiet import quiet
from zoo.notes import heard

MANY = 50
INPUTS = "image files; .csv files of rows for tables, or of steps for sequences; .npy files of steps"


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are ours."""

    def error(self, message: str) -> NoReturn:
        """Complain in one line."""
        raise OptionError(f"{message}; see zoo predict --help")


def parser() -> Parser:
    """Return the command's arguments."""
    made = Parser(prog="zoo predict", description=run.__doc__)
    made.add_argument("bundle", metavar="BUNDLE", help="a bundle's folder, or one .onnx or .tflite file of it")
    made.add_argument("inputs", metavar="INPUT", nargs="+", help=INPUTS)
    made.add_argument("--engine", default="auto", help="auto (default), onnxruntime, litert or tflm")
    made.add_argument("--device", default="auto", help="auto (default), cpu, cuda and so on; a named one is strict")
    made.add_argument("--threads", type=int, help="CPU threads; by default one for a small model, else all")
    made.add_argument("--trusted", action="store_true", help="don't try a new model file in a child process first")
    made.add_argument("--top", type=int, default=3, help="how many labels to show (default 3)")
    made.add_argument("--json", action="store_true", help="print JSON for scripts")
    return made


def run(arguments: Sequence[str]) -> int:
    """Predict files. Exits 1 if some can't be read (the others are answered), 2 if none can."""
    options = parser().parse_intermixed_args(arguments)
    if options.top < 1:
        raise OptionError(f"--top must be at least 1, got {options.top}")
    with quiet():
        model = load(
            options.bundle,
            engine=options.engine,
            device=options.device,
            threads=options.threads,
            trusted=options.trusted,
        )
    if model.file_spec.drift:
        sys.stderr.write(f"zoo: {model.file.name} loses the answer: {model.file_spec.drift}\n")
    answers: list[tuple[str, Prediction]] = []
    errors: list[tuple[str, str]] = []
    with heard() as notes:
        for name in _watched(options.inputs):
            try:
                found = model.predict(name, top=options.top)
            except InputError as problem:
                told = str(problem)
                told = told if str(InputError(name)) in told else f"{InputError(name)}: {told}"  # of a row, say whose
                errors.append((name, told))
                sys.stderr.write(f"zoo: {told}\n")
                continue
            named = (
                [(f"{name}:{i}", each) for i, each in enumerate(found, 2)]
                if isinstance(found, list)
                else [(name, found)]
            )
            answers += named
            if not options.json:
                sys.stdout.write("".join(f"{label}   {answer.summary}\n" for label, answer in named))
    if options.json:
        _print_json(model, answers, errors, notes)
    elif answers:
        engine = model.engine
        sys.stderr.write(f"ran {model.file.name} on {engine.version}, {engine.device}, {engine.threads} threads\n")
        sys.stderr.write("".join(f"  {reason}\n" for reason in model.skipped))
    return 0 if not errors else 1 if answers else 2


def _print_json(
    model: Model, answers: list[tuple[str, Prediction]], errors: list[tuple[str, str]], notes: list[str]
) -> None:
    import json

    report = {
        "model": model.spec.name,
        "file": model.file.name,
        "precision": model.file_spec.precision,
        "drift": model.file_spec.drift,
        "engine": model.engine.version,
        "device": model.engine.device,
        "threads": model.engine.threads,
        "skipped": model.skipped,
        "predictions": [{"input": name, **answer.to_dict()} for name, answer in answers],
        "errors": [{"input": name, "error": error} for name, error in errors],
        "notes": notes,
    }
    sys.stdout.write(json.dumps(report, ensure_ascii=False, indent=1) + "\n")


def _watched(inputs: list[str]) -> Iterable[str]:
    """Show a progress bar over more files than take a moment, where somebody watches and the answers go elsewhere."""
    if len(inputs) < MANY or not sys.stderr.isatty() or sys.stdout.isatty():
        return inputs
    from rich.console import Console
    from rich.progress import track

    return track(inputs, "predict", console=Console(stderr=True), transient=True)
