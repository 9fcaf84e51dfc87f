"""`zoo train --on ray`: Ray starts the processes of a training on a cluster, in the place of torchrun.

Each process finds in its environment what torchrun sets there (see `zoo.train.distributed`), so that a training is the
same under both. Ray Train would start PyTorch's process group by itself, and keep checkpoints in a storage of its own.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runtime.errors import OptionError, ZooError
from runtime.progress import Progress, silent
from zoo.cluster.datasets import import_ray
from zoo.cluster.job import connect
from zoo.train.config import Hardware, TrainConfig, resolve
from zoo.train.distributed import LAUNCHED, lost

POLL_SECONDS = 0.5


class TrainingProcess:
    """A process of a training, as an actor of Ray's."""

    def __init__(self, folder: str) -> None:
        """Work in the folder in which the command was given, where this machine has it."""
        if Path(folder).is_dir():
            os.chdir(folder)
        self._progress: tuple[str, float, float] = ("start PyTorch on the cluster", 0, 1)

    def address(self) -> tuple[str, int]:
        """Return an address of this machine, and a port that is free there, for the processes to meet at."""
        with socket.create_server(("", 0)) as free:
            return import_ray().util.get_node_ip_address(), free.getsockname()[1]

    def run(self, config: TrainConfig, environment: dict[str, str]) -> Path:
        """Train; return the run's folder."""
        os.environ.update(environment)
        from zoo.train.pipeline import run_training
        from zoo.train.preflight import check_training

        return run_training(check_training(config), on_progress=self._note).absolute()

    def progress(self) -> tuple[str, float, float]:
        """Return what is being done, how much is done, and how much there is."""
        return self._progress

    def _note(self, step: str, done: float, total: float) -> None:
        self._progress = (step, done, total)


def train(config: TrainConfig, address: str | None = None, on_progress: Progress = silent) -> Path:
    """Train on a Ray cluster, in as many processes as the configuration has nodes.

    Args:
        config: The training. Its data and its run folder are on a disk that all nodes see.
        address: Of a running cluster; None for ``RAY_ADDRESS``, else for one of this machine alone.
        on_progress: Called with what is being done, how much is done, and how much there is.

    Returns:
        The run's folder, which the first process has written.

    Raises:
        MissingExtraError: If Ray is not installed.
        OptionError: If no cluster answers at the address, or it has too few CPUs.
        TrainingError: If a process ends before its time.
        ZooError: As `zoo.train.pipeline.train` does.
    """
    ray = import_ray()
    hardware = config.hardware or Hardware()
    if hardware.devices > 1:
        raise OptionError("--on ray starts one process for each of --num-nodes: leave out --devices")
    folder = resolve(config).folder
    connect(address)
    processes = _start(hardware)
    try:
        return _follow(processes, config, on_progress)
    except ray.exceptions.RayError as problem:
        cause = getattr(problem, "cause", None)
        if isinstance(cause, ZooError):
            raise cause from None
        if cause is not None:
            raise
        raise lost(folder) from None
    finally:
        for process in processes:
            ray.kill(process)


def _start(hardware: Hardware) -> list[Any]:
    """Start the processes, the first on this node if it has room, with as many CPUs as each of them can have.

    Raises:
        OptionError: If the cluster has too few CPUs or GPUs.
    """
    ray = import_ray()
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    count = hardware.nodes
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cpus = [int(node.get("CPU", 0)) for node in nodes]
    gpus = sum(int(node.get("GPU", 0)) for node in nodes)
    share = next((size for size in range(max(cpus), 0, -1) if sum(cpu // size for cpu in cpus) >= count), 0)
    if not share or (hardware.device == "cuda" and gpus < count):
        raise OptionError(f"--num-nodes {count}: the cluster has {sum(cpus)} CPUs and {gpus} GPUs, too few of them")
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    needs = {
        "num_cpus": share,
        "num_gpus": int(gpus >= count and hardware.device in ("auto", "cuda")),
        "max_concurrency": 2,  # a call that trains, and one that asks how far it is
    }
    actor, where = ray.remote(TrainingProcess), str(Path.cwd())
    return [
        actor.options(scheduling_strategy="SPREAD" if rank else here, **needs).remote(where) for rank in range(count)
    ]


def _follow(processes: Sequence[Any], config: TrainConfig, on_progress: Progress) -> Path:
    """Run the processes until the last one ends or one fails; return the run's folder."""
    ray, count = import_ray(), len(processes)
    on_progress("wait for room on the cluster", 0, 1)
    host, port = ray.get(processes[0].address.remote())
    meeting = {LAUNCHED: "ray", "MASTER_ADDR": host, "MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
    runs = [
        process.run.remote(config, {**meeting, "RANK": str(rank), "GROUP_RANK": str(rank), "LOCAL_RANK": "0"})
        for rank, process in enumerate(processes)
    ]
    pending = runs
    while pending:
        done, pending = ray.wait(pending, timeout=POLL_SECONDS)
        ray.get(done)  # which raises what a process has raised
        on_progress(*ray.get(processes[0].progress.remote()))
    folder: Path = ray.get(runs[0])
    return folder
