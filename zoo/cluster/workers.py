"""The workers of a cluster: each opens the model once, and then answers batches of rows or of files."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from runtime import InputError, Model, OptionError
from runtime.thresholds import Thresholds
from zoo import load
from zoo.cluster.addresses import fetched, is_remote
from zoo.cluster.answer_types import ERROR, answer_type, to_answer
from zoo.cluster.bundle_content import BundleContent
from zoo.files import FoundFiles
from zoo.predicting.inputs import answers

ANSWER = "answer"
"""The column that holds the answers."""
RECORD = ("input", "seconds")
"""The columns before it where files are predicted: the input's name, and the time of a clip's frame."""


@dataclass(frozen=True)
class PredictOptions:
    """How workers open the model and answer.

    Args:
        engine: See `runtime.load`.
        device: See `runtime.load`; with ``cuda`` each worker has a GPU of its own.
        threads: CPU threads of each worker's engine.
        provider: What `runtime.load` calls `options`.
        top: How many labels each answer lists.
        thresholds: Of detectors: ``confidence`` and ``iou``; see `runtime.Model.predict`.
    """

    engine: str = "auto"
    device: str = "auto"
    threads: int = 1
    provider: Mapping[str, str] = field(default_factory=dict)
    top: int = 5
    thresholds: Thresholds = field(default_factory=Thresholds)

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.threads < 1 or self.top < 1:
            raise OptionError(f"threads and top must be at least 1, got {self.threads} and {self.top}")

    def load(self, bundle: str | Path) -> Model:
        """Open a model.

        Raises:
            ZooError: See `runtime.load`.
        """
        model = load(bundle, engine=self.engine, device=self.device, threads=self.threads, options=self.provider)
        return model.with_thresholds(**self.thresholds) if self.thresholds else model


class _Worker:
    """Holds the opened model.

    Args:
        bundle: A path or name that every node knows, or a reference to a `BundleContent` among Ray's objects, of which
            a node gets one copy for all its workers.
        options: How it is opened, and what answers list.
    """

    def __init__(self, bundle: Any, options: PredictOptions) -> None:
        self.options = options
        self.model = options.load(bundle if isinstance(bundle, str) else _unpacked(bundle))

    @cached_property
    def type(self) -> Any:
        """The Arrow type of the answers."""
        return answer_type(self.model.spec.output)


class RowWorker(_Worker):
    """Answers the rows of a data set.

    Args:
        bundle: As of all workers.
        options: As of all workers.
        column: The column that holds the inputs; None where a row as a whole is one, as of tables.
    """

    def __init__(self, bundle: Any, options: PredictOptions, column: str | None) -> None:
        super().__init__(bundle, options)
        self.column = column

    def __call__(self, table: pa.Table) -> pa.Table:
        """Return the rows with the column `ANSWER`."""
        inputs = table.to_pylist() if self.column is None else table[self.column].to_pylist()
        values = [to_answer(outcome) for outcome in self.model.attempt(inputs, top=self.options.top)]
        return table.append_column(ANSWER, pa.array(values, self.type))


class FileWorker(_Worker):
    """Answers files, each row of a table and each frame of a clip by itself."""

    def __call__(self, table: pa.Table) -> pa.Table:
        """Return the columns `RECORD` and `ANSWER` for names of files in the column ``input``.

        The column ``problem`` says why a file can't be read, where that was seen while looking for it.
        """
        seen = zip(table["input"].to_pylist(), table["problem"].to_pylist(), strict=True)
        with tempfile.TemporaryDirectory(prefix="edgezoo-") as folder:
            records = self._records(list(seen), Path(folder))
        name, seconds, values = zip(*records, strict=True) if records else ((), (), ())
        columns = [pa.array(name, pa.string()), pa.array(seconds, pa.float64()), pa.array(values, self.type)]
        return pa.table(columns, names=[*RECORD, ANSWER])

    def _records(
        self, files: Sequence[tuple[str, str | None]], folder: Path
    ) -> list[tuple[str, float | None, dict[str, Any]]]:
        """Return the name, time and answer of each input; remote files are brought into a folder first.

        Args:
            files: The name of each, and why it can't be read.
            folder: For copies of remote files.
        """
        problems = {name: problem for name, problem in files if problem is not None}
        paths, original = [], {}
        for number, (name, _) in enumerate(files):
            path = name
            if is_remote(name):
                path = str(folder / f"{number}{Path(name).suffix}")
                original[path] = name
                try:
                    fetched(name, Path(path))
                except InputError as error:
                    problems[path] = str(error).removeprefix(f"{name}: ")
            paths.append(path)
        records = []
        for answer in answers(self.model, FoundFiles(paths, problems), top=self.options.top):
            name, value = answer.name, to_answer(answer.outcome)
            path = name if name in original else name.rpartition(":")[0]
            if path in original:  # say the address in place of the copy's path
                name = name.replace(path, original[path])
                value |= {ERROR: value[ERROR].replace(path, original[path])} if ERROR in value else {}
            records.append((name, answer.seconds, value))
        return records


def _unpacked(reference: Any) -> Path:
    import ray

    content: BundleContent = ray.get(reference)
    return content.unpack()
