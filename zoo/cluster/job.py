"""`zoo predict --on ray`: a job that a cluster's workers answer, with the results of one machine."""

from __future__ import annotations

import logging
import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple

from runtime.errors import EngineError, OptionError, one_line
from runtime.inputs import TableInput
from runtime.native_output import suppress_output
from zoo.cluster.addresses import find_all
from zoo.cluster.answer_types import to_record
from zoo.cluster.datasets import import_ray, predict
from zoo.files import FoundFiles, warn_of_skipped
from zoo.predicting.inputs import is_clip, suffixes
from zoo.predicting.job import Executor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime import Model
    from runtime.inputs import Input
    from zoo.cluster.workers import PredictOptions

CONNECT_SECONDS = 10.0


class Answered(NamedTuple):
    """An answer of a cluster; see `zoo.predicting.job.Named`."""

    record: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return the input's name and its outcome for JSON."""
        return self.record


def executor(bundle: str, address: str | None, options: PredictOptions) -> Executor:
    """Return an executor on a Ray cluster.

    Args:
        bundle: See `zoo.cluster.predict`.
        address: Of a running cluster; None for ``RAY_ADDRESS``, else for one of this machine alone.
        options: See `PredictOptions`.

    Raises:
        MissingExtraError: If Ray is not installed.
        OptionError: If no cluster answers at the address.
    """
    connect(address)

    def answers(model: Model, files: FoundFiles, *, top: int, seen: Counter[str]) -> Iterator[Answered]:
        paths = [path for path in files.paths if not _is_answered(model, path, seen)]
        rest = FoundFiles(paths, files.problems)
        # the rest of a file whose rows or frames are partly answered is told from them by name
        left = Counter({name: count for name, count in seen.items() if count})
        for record in _records(predict(rest, bundle, options=replace(options, top=top))) if rest.paths else ():
            if left[record["input"]]:
                left[record["input"]] -= 1
            else:
                yield Answered(record)

    return Executor(_files, answers)


def connect(address: str | None) -> None:
    """Join a running cluster, or start one on this machine.

    Raises:
        MissingExtraError: If Ray is not installed.
        OptionError: If no cluster answers at the address.
    """
    ray = import_ray()
    if ray.is_initialized():
        return
    try:
        _check_reachable(address)
        with suppress_output():
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as problem:
        raise OptionError(f"--address {address}: no Ray cluster answers there ({one_line(problem)})") from None
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True


def _check_reachable(address: str | None) -> None:
    """Check that a server listens at an address, for minutes pass before Ray gives up.

    Raises:
        OSError: If no server does.
    """
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if port.isdecimal():
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()


def _files(names: Sequence[str], input_spec: Input) -> FoundFiles:
    """Return the files that names stand for, and tell what was skipped."""
    files = find_all(names, suffixes(input_spec))
    warn_of_skipped(files.skipped)
    return files


def _is_answered(model: Model, path: str, seen: Counter[str]) -> bool:
    """Tell whether a file that is one input was answered before, and count it as done."""
    if isinstance(model.spec.input, TableInput) or is_clip(path) or not seen[path]:
        return False
    seen[path] -= 1
    return True


def _records(dataset: Any) -> Iterator[dict[str, Any]]:
    """Yield the records of a data set of answers, in order.

    Raises:
        EngineError: If a worker can't open the model, or fails for all inputs.
    """
    from ray.exceptions import RayError

    try:
        rows = iter(dataset.iter_rows())
        with suppress_output():  # Ray writes to stderr what no user can act on
            first = list(islice(rows, 1))
        for row in chain(first, rows):
            time = {} if row["seconds"] is None else {"seconds": round(row["seconds"], 6)}
            yield {"input": row["input"], **time, **to_record(row["answer"])}
    except RayError as problem:
        cause = problem.cause if getattr(problem, "cause", None) else problem
        raise EngineError(f"the cluster: {one_line(cause)}") from None
