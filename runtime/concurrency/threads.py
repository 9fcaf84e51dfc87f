"""How many CPU threads to compute with."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from functools import cache
from pathlib import Path

from runtime.errors import OptionError

SMALL = 1_000_000
MAX_THREADS = 1024
CGROUP = Path("/sys/fs/cgroup")


def check_threads(threads: int | None) -> None:
    """Check a number of threads; None is each file's default.

    Raises:
        OptionError: If it is out of range.
    """
    if threads is not None and not (isinstance(threads, int) and 1 <= threads <= MAX_THREADS):
        raise OptionError(f"threads must be 1 to {MAX_THREADS}, got {threads!r}")


def default_threads(size: int) -> int:
    """Return how many threads to compute with: all CPUs that this process may use, one for a file under `SMALL` bytes.

    A small model is done before a second thread has woken up: with two threads instead of one, a prediction of the
    default perceptron takes 1.8 times as long on LiteRT and twice as long on ONNX Runtime (docs/log.md).
    """
    return 1 if size < SMALL else usable_cpus()


@cache
def usable_cpus() -> int:
    """Return the number of CPUs that this process may use: of its affinity mask, but no more than its cgroup's quota.

    A container with a quota of half a machine sees all of its CPUs; as many threads as those would be stopped by the
    kernel for part of every period, all at the same time.
    """
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows have no affinity masks
        allowed = os.cpu_count() or 1
    return max(1, math.ceil(min(allowed, cgroup_quota(CGROUP))))


def cgroup_quota(root: Path) -> float:
    """Return how many CPUs' time this process's control group may take, or infinity (cgroups(7), versions 2 and 1).

    A container sees its own group at the root; without one the path of /proc/self/cgroup leads to it, and every group
    above it may set a quota too.
    """
    limits = [math.inf]
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            number, controllers, path = line.split(":", 2)
            base = root if number == "0" else root / "cpu"
            if number == "0" or "cpu" in controllers.split(","):
                group = base / path.lstrip("/")
                limits += [_quota(folder) for folder in (group, *group.parents) if folder.is_relative_to(base)]
    return min(*limits, _quota(root), _quota(root / "cpu"))


def _quota(folder: Path) -> float:
    with suppress(OSError, ValueError, ZeroDivisionError):
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period"))
        if quota not in ("max", "-1"):
            return int(quota) / int(period)
    return math.inf
