"""Predictions on Spark's two local workers; `test_spark.py` runs this in an environment of its own."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pyspark.errors import PythonException
from pyspark.sql import SparkSession
from pyspark.sql.functions import pandas_udf, struct
from pyspark.sql.pandas.types import from_arrow_type
from pyspark.sql.types import DoubleType, StructField, StructType

import zoo
from runtime.errors import BundleError
from tests.install.images import write_images
from tests.nightly import NIGHTLY
from tests.outputs import predictions
from zoo.cli.predict import run as zoo_predict
from zoo.cluster.answer_types import answer_type, to_answer, to_record
from zoo.cluster.bundle_content import BundleContent
from zoo.cluster.workers import PredictOptions
from zoo.resolve import resolve

ROOT = Path(__file__).parents[2]
DETECTOR = ROOT / "tests" / "fixtures" / "format-3-detector"
COUNT = 2000 if NIGHTLY else 60
BROKEN = 7


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    os.environ |= {
        "EDGEZOO_CACHE": str(tmp_path_factory.mktemp("cache")),
        "PYTHONPATH": str(ROOT),
        "PYSPARK_PYTHON": sys.executable,
    }
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",  # a short run repays no optimizer
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.sql.shuffle.partitions": "4",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "16",
        "spark.log.level": "OFF",
        "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse")),
    }
    started = SparkSession.builder.master("local[2]").config(map=settings).getOrCreate()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("images"), COUNT, BROKEN)


def expected(bundle, inputs, out):
    """Return the answers of `zoo predict`."""
    assert zoo_predict([str(bundle), str(inputs), "--top", "5", "--out", str(out)]) in (0, 1)
    return [json.loads(line) for line in out.read_text().splitlines()]


def record(row):
    """Return a row as `zoo predict` writes it."""
    return {"input": row.path, **to_record(row.answer.asDict(recursive=True))}


def test_the_answers_are_those_of_zoo_predict(session, folder, tmp_path):
    frame = session.createDataFrame([(str(path),) for path in sorted(folder.iterdir())], "path string")
    answered = frame.repartition(4).withColumn("answer", zoo.spark.predictor("mnist-cnn")("path"))
    assert sorted(map(record, answered.collect()), key=lambda each: each["input"]) == expected(
        "mnist-cnn", folder, tmp_path / "answers.jsonl"
    )


def test_bytes_of_a_bundle_that_no_worker_sees(session, folder, tmp_path):
    bundle = tmp_path / "mnist-cnn"
    shutil.copytree(resolve("mnist-cnn"), bundle)
    predictor = zoo.spark.predictor(bundle, options=PredictOptions(top=2))
    shutil.rmtree(bundle)
    paths = sorted(folder.iterdir())[:20]
    rows = [(path.stem, path.read_bytes()) for path in paths] + [("null", None)]
    answered = session.createDataFrame(rows, "key string, bytes binary").withColumn("answer", predictor("bytes"))
    model = zoo.load("mnist-cnn")
    for (key, data), row in zip(rows, answered.collect(), strict=True):
        answer = row.answer.asDict(recursive=True)
        assert row.key == key
        error = answer.pop("error")
        if key in ("null", f"{BROKEN:04d}"):
            assert "got NoneType" in error if data is None else "not an image" in error
        else:
            assert answer == model.predict(data, top=2).to_dict()
            assert error is None


def test_rows_of_a_table_and_boxes(session, tmp_path):
    names = [column.name for column in zoo.load("wine-mlp").spec.input.columns]
    random = np.random.default_rng(1)
    rows = [tuple(row) for row in random.random((9, len(names))).round(3).tolist()] + [(None,) * len(names)]
    lines = [",".join("" if value is None else str(value) for value in row) for row in [names, *rows]]
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    frame = session.createDataFrame(rows, StructType([StructField(name, DoubleType()) for name in names]))
    answers = [
        row.answer.asDict(recursive=True)
        for row in frame.select(zoo.spark.predictor("wine-mlp")(struct(*names)).alias("answer")).collect()
    ]
    for answer, line in zip(answers, expected("wine-mlp", tmp_path / "rows.csv", tmp_path / "a.jsonl"), strict=True):
        if "error" in line:
            assert line["error"].endswith(answer["error"])
        else:
            assert {"error": None, **line} == {"input": line["input"], **answer}
    Image.fromarray(random.integers(0, 256, (64, 96, 3), np.uint8)).save(tmp_path / "a.png")
    (row,) = (
        session.createDataFrame([(str(tmp_path / "a.png"),)], "path string")
        .withColumn("answer", zoo.spark.predictor(DETECTOR, send=False)("path"))
        .collect()
    )
    assert row.answer.width == 96
    assert [record(row)] == expected(DETECTOR, tmp_path / "a.png", tmp_path / "b.jsonl")


@pytest.mark.nightly
def test_the_answers_of_every_task(session):
    made = [(output, answer_type(output), list(map(to_answer, each))) for output, each in predictions()]

    def column(kind, answers):
        def udf(batches: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
            for _ in batches:
                yield zoo.spark._frame([*answers, {"error": "broken"}], kind)

        return pandas_udf(udf, from_arrow_type(kind))("id")

    columns = [column(kind, answers).alias(output.task) for output, kind, answers in made]
    rows = session.range(0, 3, 1, 1).select(*columns).collect()
    for output, _, answers in made:
        *cells, broken = (row[output.task].asDict(recursive=True) for row in rows)
        assert [to_record(each) for each in cells] == answers
        assert to_record(broken) == {"error": "broken"}


def test_a_worker_opens_a_model_once(session):
    content, options = BundleContent.read("mnist-cnn"), PredictOptions()
    model = zoo.spark._model(content, options)
    assert zoo.spark._model(pickle.loads(pickle.dumps(content)), pickle.loads(pickle.dumps(options))) is model
    assert zoo.spark._model(content, PredictOptions(top=1)) is not model
    assert zoo.spark._model(BundleContent.read("wine-mlp"), options) is not model


def test_what_users_can_cause(session):
    with pytest.raises(BundleError, match="nonsense: not a bundle"):
        zoo.spark.predictor("nonsense")
    frame = session.createDataFrame([("a",)], "path string")
    answer = zoo.spark.predictor("mnist-cnn", options=PredictOptions(engine="no-such-engine"))("path")
    with pytest.raises(PythonException, match="no-such-engine"):
        frame.select(answer).collect()
