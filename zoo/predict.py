"""`zoo predict`: image files to answers.

The one command whose start-up time counts against a script written by hand, so it does without typer and rich.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NoReturn

from runtime import InputError, Model, OptionError, Prediction, load
from runtime.quiet import quiet

if TYPE_CHECKING:
    from pathlib import Path

MANY = 50


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are ours."""

    def error(self, message: str) -> NoReturn:
        """Complain in one line."""
        raise OptionError(f"{message}; see zoo predict --help")


def parser() -> Parser:
    """Return the command's arguments."""
    made = Parser(prog="zoo predict", description=run.__doc__)
    made.add_argument("bundle", metavar="BUNDLE", help="a bundle's folder, or one .onnx or .tflite file of it")
    made.add_argument("images", metavar="IMAGE", nargs="+", help="image files")
    made.add_argument("--engine", default="auto", help="auto (default), onnxruntime or litert")
    made.add_argument("--device", default="auto", help="auto (default), cpu, cuda and so on; a named one is strict")
    made.add_argument("--threads", type=int, help="CPU threads; by default one for a small model, else all")
    made.add_argument("--top", type=int, default=3, help="how many labels to show (default 3)")
    made.add_argument("--json", action="store_true", help="print JSON for scripts")
    return made


def run(arguments: Sequence[str]) -> int:
    """Predict image files. Exits 1 if some can't be read (the others are answered), 2 if none can."""
    options = parser().parse_intermixed_args(arguments)
    if options.top < 1:
        raise OptionError(f"--top must be at least 1, got {options.top}")
    with quiet():
        model = load(options.bundle, engine=options.engine, device=options.device, threads=options.threads)
    answers: list[tuple[str, Prediction]] = []
    errors: list[tuple[str, str]] = []
    for image in _watched(options.images):
        try:
            answer = model.predict(image, top=options.top)
        except InputError as problem:
            errors.append((image, str(problem)))
            sys.stderr.write(f"zoo: {problem}\n")
            continue
        answers.append((image, answer))
        if not options.json:
            ranks = "   ".join(f"{label} {score:.1%}" for label, score in answer.top)
            sys.stdout.write(f"{image}   {ranks}\n")
    if options.json:
        _print_json(model, answers, errors)
    elif answers:
        engine = model.engine
        sys.stderr.write(f"ran {model.file.name} on {engine.version}, {engine.device}, {engine.threads} threads\n")
        sys.stderr.write("".join(f"  {reason}\n" for reason in model.skipped))
    return 0 if not errors else 1 if answers else 2


def _print_json(model: Model, answers: list[tuple[str, Prediction]], errors: list[tuple[str, str]]) -> None:
    import json

    predictions = [
        {
            "input": image,
            "label": answer.label,
            "score": answer.score,
            "top": [{"label": label, "score": score} for label, score in answer.top],
        }
        for image, answer in answers
    ]
    report = {
        "model": model.spec.name,
        "file": model.file.name,
        "engine": model.engine.version,
        "device": model.engine.device,
        "threads": model.engine.threads,
        "skipped": model.skipped,
        "predictions": predictions,
        "errors": [{"input": image, "error": error} for image, error in errors],
    }
    sys.stdout.write(json.dumps(report, ensure_ascii=False, indent=1) + "\n")


def _watched(images: list[str | Path]) -> Iterable[str | Path]:
    """Show a progress bar over more files than take a moment, where somebody watches and the answers go elsewhere."""
    if len(images) < MANY or not sys.stderr.isatty() or sys.stdout.isatty():
        return images
    from rich.console import Console
    from rich.progress import track

    return track(images, "predict", console=Console(stderr=True), transient=True)
