"""Run every benchmark and print one table."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks import (
    batching,
    boxes,
    cold_start,
    detecting,
    exporting,
    fastest,
    footprint,
    models,
    pipeline,
    predict,
    sharing,
    training,
)
from benchmarks.measure import show
from zoo.resolve import SHIPPED


def main() -> None:
    """Print ours, the baseline, the ratio and the bar of each benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON for scripts")
    as_json = parser.parse_args().json
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory() as folder, console.status("export the models") as status:
        work_folder = Path(folder)
        efficientnet, perceptron = models.efficientnet(work_folder), models.perceptron(work_folder)
        rows = []
        for name, benchmark in (
            ("whole processes", lambda: cold_start.rows(efficientnet, work_folder)),
            ("predict against the bare engine", lambda: predict.rows(efficientnet, perceptron)),
            ("files to labels", lambda: pipeline.rows(efficientnet, work_folder / "photos")),
            ("files to boxes", lambda: detecting.rows(detecting.detector(work_folder), work_folder / "photos")),
            ("eight threads, batched", lambda: batching.rows(models.small_cnn(work_folder))),
            ("the fastest file", lambda: fastest.rows(efficientnet, SHIPPED / "mnist-cnn", SHIPPED / "wine-mlp")),
            ("raw tensors to boxes", boxes.rows),
            ("models that share a process", lambda: sharing.rows(efficientnet)),
            ("the installed size", footprint.rows),
            ("peak memory", lambda: footprint.memory(efficientnet, work_folder)),
            ("training against a loop by hand", training.rows),
            ("export against the converters by hand", exporting.rows),
        ):
            status.update(f"measure {name}")
            rows += list(benchmark())
    show("edgezoo against hand-written code", rows, as_json)


main()
