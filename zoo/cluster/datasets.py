"""A Ray Dataset in, a Ray Dataset out: each row with the answer of a model that workers hold opened."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from runtime.candidates import candidates
from runtime.errors import MissingExtraError, OptionError
from zoo.cluster.addresses import find_all
from zoo.cluster.bundle_content import BundleContent
from zoo.files import FoundFiles
from zoo.predicting.inputs import suffixes
from zoo.resolve import resolve

if TYPE_CHECKING:
    from ray.data import Dataset

    from zoo.cluster.workers import PredictOptions

BATCH = 64
"""Rows of a Dataset that a worker takes at a time."""
ARROW = "pyarrow"
FILES = 256
"""Files that a worker takes at a time at most: a worker that dies repeats so many."""
BATCHES = 8
"""Batches of files for each worker at least, so that all of them end at about the same time."""


def predict(
    data: Dataset | FoundFiles | str | os.PathLike[str] | Sequence[str],
    bundle: str | os.PathLike[str],
    *,
    column: str | None = "bytes",
    workers: int | None = None,
    batch_size: int | None = None,
    send: bool = True,
    options: PredictOptions | None = None,
) -> Dataset:
    """Predict the rows of a Ray Dataset, or files.

    A bad row or file has an answer with an ``error``. A worker that dies is replaced, and its batch is predicted again,
    so that no row is lost or repeated.

    Args:
        data: A Dataset; or files, folders, patterns and addresses such as ``s3://bucket/photos/``, which every node
            must see; or such files as `zoo.cluster.addresses.find_all` returns them, which are not looked for again.
        bundle: A bundle's path, or the name of a model.
        column: The column of a Dataset that holds the inputs, such as the bytes of image files; None where a row as a
            whole is one, as of tables.
        workers: How many workers there are; by default one for each CPU of the cluster, or for each GPU with a `device`
            of GPUs.
        batch_size: Rows or files that a worker takes at a time; by default 64 rows, or up to 256 files, of which each
            worker gets 8 batches or more. Each batch costs the driver some milliseconds.
        send: Send the bundle's content to the nodes. Otherwise each node opens its path or name there.
        options: How workers open the model and answer.

    Returns:
        The Dataset with a column ``answer``, or of files the columns ``input``, ``seconds`` (of a clip's frame) and
        ``answer``: a struct of what `Prediction.to_dict` gives and ``error``, which is null where there is a
        prediction.

    Raises:
        MissingExtraError: If Ray is not installed.
        BundleError: If the bundle can't be trusted or read.
        OptionError: If `workers` or `batch_size` is below 1.
    """
    ray = import_ray()
    from zoo.cluster.workers import FileWorker, PredictOptions, RowWorker

    for name, count in (("workers", workers), ("batch_size", batch_size)):
        if count is not None and count < 1:
            raise OptionError(f"{name} must be at least 1, got {count}")
    options = options or PredictOptions()
    if not ray.is_initialized():
        ray.init()
    common = (ray.put(BundleContent.read(bundle)) if send else os.fspath(bundle), options)
    if isinstance(data, ray.data.Dataset):
        _, pool = _allocation(ray, options, workers, spare_cpus=1)  # for the tasks that read the data
        return data.map_batches(
            RowWorker, fn_constructor_args=(*common, column), batch_size=batch_size or BATCH, batch_format=ARROW, **pool
        )
    if not isinstance(data, FoundFiles):
        names = [os.fspath(data)] if isinstance(data, str | os.PathLike) else list(map(os.fspath, data))
        data = find_all(names, suffixes(candidates(resolve(bundle))[0].spec.input))
    size, pool = _allocation(ray, options, workers, spare_cpus=0)
    count = len(data.paths)
    batch_size = batch_size or max(1, min(FILES, count // (BATCHES * size)))
    files = ray.data.from_items(
        [{"input": path, "problem": data.problems.get(path)} for path in data.paths],
        override_num_blocks=max(1, math.ceil(count / batch_size)),
    )
    return files.map_batches(FileWorker, fn_constructor_args=common, batch_size=batch_size, batch_format=ARROW, **pool)


def import_ray() -> Any:
    """Return the module ray, with its data.

    Raises:
        MissingExtraError: If it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would send figures of the cluster to its makers
    try:
        import ray
        import ray.data
    except ImportError:
        raise MissingExtraError("Ray, which works on clusters,", "cluster") from None
    return ray


def _allocation(ray: Any, options: PredictOptions, workers: int | None, spare_cpus: int) -> tuple[int, dict[str, Any]]:
    """Return how many workers there are, by default as many as the cluster has room for, and Ray's settings for them.

    Workers that held every CPU would wait for data that no task has a CPU to read.
    """
    resources = ray.cluster_resources()
    cpus = max(0, int(resources.get("CPU", 1)) - spare_cpus)
    needs = {"num_cpus": min(options.threads, cpus)}
    room = cpus // options.threads
    if options.device.partition(":")[0] in ("cuda", "tensorrt"):
        needs |= {"num_gpus": 1}
        room = int(resources.get("GPU", 0))
    size = workers or max(1, room)
    return size, {"compute": ray.data.ActorPoolStrategy(size=size), **needs}
