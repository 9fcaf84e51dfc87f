"""Predictions on Spark: a pandas UDF, whose Python workers hold the opened model.

Source: https://spark.apache.org/docs/latest/api/python/tutorial/sql/arrow_pandas.html
"""

# the annotations of a pandas UDF say its kind, so they are types here and no texts

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from runtime.candidates import candidates
from runtime.errors import MissingExtraError
from zoo.cluster.bundle_content import BundleContent
from zoo.resolve import resolve

if TYPE_CHECKING:
    from runtime import Model
    from zoo.cluster.workers import PredictOptions

_opened: dict[str, "Model"] = {}
"""The models of this Python worker, which Spark uses for one task after the other."""


def predictor(
    bundle: str | os.PathLike[str], *, send: bool = True, options: "PredictOptions | None" = None
) -> Callable[..., Any]:
    """Return a function of a column that gives a column of answers.

    >>> frame.withColumn("answer", zoo.spark.predictor("bundles/photos")("bytes"))  # doctest: +SKIP

    The column holds the inputs, such as the bytes of image files; of tables it is a struct whose fields are the
    manifest's columns. Its answers are structs of what `Prediction.to_dict` gives and ``error``, which is null where
    there is a prediction and says why there is none for a bad row. Null stands for numbers that are not finite, as
    pandas has it.

    Spark's settings ``spark.sql.execution.arrow.maxRecordsPerBatch`` and ``maxBytesPerBatch`` bound how many inputs a
    worker holds at a time.

    Args:
        bundle: A bundle's path, or the name of a model.
        send: Send the bundle's content to the workers, which check its hash. Otherwise each opens its path or name.
        options: How workers open the model and answer. There is one Python worker for each core of an executor, so
            each engine has one thread.

    Raises:
        MissingExtraError: If PySpark, pandas or PyArrow is not installed.
        BundleError: If the bundle can't be trusted or read.
    """
    try:
        import pandas as pd
        from pyspark.sql.pandas.functions import pandas_udf
        from pyspark.sql.pandas.types import from_arrow_type

        from zoo.cluster.answer_types import answer_type, to_answer
        from zoo.cluster.workers import PredictOptions
    except ImportError:
        raise MissingExtraError("Spark, with pandas and PyArrow,", "spark") from None
    source = BundleContent.read(bundle) if send else os.fspath(bundle)
    options = options or PredictOptions()
    kind = answer_type(candidates(resolve(bundle))[0].spec.output)

    def answer(batches: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
        model = _model(source, options)
        for batch in batches:
            yield _frame(map(to_answer, model.attempt(_inputs(batch), top=options.top)), kind)

    udf: Callable[..., Any] = pandas_udf(answer, from_arrow_type(kind))
    return udf


def _model(source: BundleContent | str, options: "PredictOptions") -> "Model":
    """Return the opened model; the worker keeps it."""
    key = repr((source if isinstance(source, str) else (source.sha256, source.model_file), options))
    if key not in _opened:
        _opened[key] = options.load(source if isinstance(source, str) else source.unpack())
    return _opened[key]


def _inputs(batch: Any) -> list[Any]:
    """Return the values of a series, or the rows of a data frame of structs; None stands for null."""
    import pandas as pd
    import pyarrow as pa

    if isinstance(batch, pd.DataFrame):
        return list(pa.Table.from_pandas(batch, preserve_index=False).to_pylist())
    return list(pa.Array.from_pandas(batch).to_pylist())


def _frame(answers: Iterator[dict[str, Any]], kind: Any) -> Any:
    """Return answers as a data frame, whose columns are Arrow's so that no whole number or null turns into a float."""
    import pandas as pd
    import pyarrow as pa

    table = pa.Table.from_struct_array(pa.array(answers, kind))
    # Spark makes nested values anew, and takes no null of pandas among them
    return table.to_pandas(types_mapper=lambda field: None if pa.types.is_nested(field) else pd.ArrowDtype(field))
