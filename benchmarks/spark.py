"""Images a second of Spark on this machine, once its workers hold the model: two cores against one process.

``python -m benchmarks.spark [BUNDLE]`` runs it where the extra ``spark`` is installed; the table of
``python -m benchmarks`` goes without.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pyspark.sql import SparkSession

import zoo
from benchmarks.measure import Row, rate_row, show
from benchmarks.pipeline import photos

SIZE, COUNT, ROUNDS = (640, 480), 2000, 3


def rate(job: Callable[[], object]) -> float:
    """Return the images a second of a job over all of them."""
    start = time.perf_counter()
    job()
    return COUNT / (time.perf_counter() - start)


def rows(bundle: str, session: SparkSession, folder: Path) -> list[Row]:
    """Measure in alternation."""
    files = list(map(str, photos(folder, SIZE, COUNT)))
    model = zoo.load(bundle)
    frame = session.createDataFrame([(file,) for file in files], "path string").repartition(8)
    answered = frame.withColumn("answer", zoo.spark.predictor(bundle)("path"))
    jobs = {
        "spark": lambda: answered.write.format("noop").mode("overwrite").save(),
        "process": lambda: list(model.attempt(files)),
    }
    jobs["spark"]()  # workers import libraries and open the model
    rates: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(ROUNDS):
        for name, job in jobs.items():
            rates[name].append(rate(job))
    medians = [statistics.median(values) for values in rates.values()]
    return [rate_row(f"{COUNT} JPEGs, Spark on two cores against one process", *medians, 0.9)]


def main() -> None:
    """Print ours, the baseline, the ratio and the bar."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    with tempfile.TemporaryDirectory() as folder:
        table = rows(*(sys.argv[1:2] or ["mnist-cnn"]), session, Path(folder) / "photos")
    session.stop()
    show("Spark on one machine", table, as_json=False)


if __name__ == "__main__":
    main()
