"""Training in several processes, on one machine or several: who writes, who starts them, and what ends them.

On one machine Lightning starts the others. On several, torchrun starts one for each device and tells each its place in
the environment (https://docs.pytorch.org/docs/stable/elastic/run.html). Nothing here imports PyTorch before it is used.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.errors import OptionError, TrainingError

if TYPE_CHECKING:
    from zoo.train.config import Hardware

LAUNCHED = "TORCHELASTIC_RUN_ID"
"""What torchrun sets in the environment of each process."""
CLUSTERS = ("MASTER_ADDR", "SLURM_JOB_ID")
"""What other launchers set that Lightning knows."""
LOST = ("connection closed by peer", "connection reset by peer", "broken pipe", "gloo", "nccl", "socket", "timed out")
"""Words of PyTorch's messages when another process is gone: its classes of errors say it for some back ends only."""


def is_first_process() -> bool:
    """Tell whether this process writes the files of a run.

    Lightning numbers the machine's own processes, torchrun these (``LOCAL_RANK``) and the machines (``GROUP_RANK``).
    """
    node = os.environ.get("NODE_RANK", os.environ.get("GROUP_RANK", "0"))
    return os.environ.get("LOCAL_RANK", "0") == "0" == node


def check_processes(hardware: Hardware) -> None:
    """Refuse a number of processes that no launcher has started, or others than were started.

    Raises:
        OptionError: If it is one.
    """
    count = hardware.devices * hardware.nodes
    if LAUNCHED in os.environ and os.environ.get("WORLD_SIZE") != str(count):
        raise OptionError(
            f"torchrun has started {os.environ.get('WORLD_SIZE')} processes, but --num-nodes {hardware.nodes} with "
            f"--devices {hardware.devices} are {count}: give --num-nodes torchrun's --nnodes, and --devices its "
            "--nproc-per-node"
        )
    if hardware.nodes > 1 and not any(name in os.environ for name in (LAUNCHED, *CLUSTERS)):
        raise OptionError(
            f"--num-nodes {hardware.nodes} needs torchrun on each machine: torchrun --nnodes {hardware.nodes} "
            f"--nproc-per-node {hardware.devices} --node-rank RANK --master-addr ADDRESS --master-port 29500 -m zoo "
            "train …"
        )


def is_lost(problem: Exception) -> bool:
    """Tell whether an error says that another process of the training is gone."""
    import torch

    message = str(problem).lower()
    return isinstance(problem, torch.distributed.DistError) or (
        isinstance(problem, RuntimeError) and any(word in message for word in LOST)
    )


def lost(folder: Path) -> TrainingError:
    """Return the error of a training of which another process is gone."""
    return TrainingError(
        f"another process of this training has ended: see what it said; continue with --resume --out {folder}"
    )


def gathered(value: Any) -> list[Any]:
    """Return the value of each process, in their order."""
    import torch

    values: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(values, value)
    return values
