"""How many threads: what control groups allow, what small models need."""

from __future__ import annotations

import os

import pytest

from runtime import OptionError
from runtime.concurrency import threads


@pytest.fixture
def group(tmp_path, monkeypatch):
    """Write a control group's files below the root; /proc/self/cgroup is this process's own."""

    def write(**files):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("cpu_max", "cpu.max").replace("cfs_", "cpu.cfs_")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, float("inf")),
        ({"cpu_max": "max 100000"}, float("inf")),
        ({"cpu_max": "150000 100000"}, 1.5),
        ({"cpu__cfs_quota_us": "50000\n", "cpu__cfs_period_us": "100000\n"}, 0.5),
        ({"cpu__cfs_quota_us": "-1\n", "cpu__cfs_period_us": "100000\n"}, float("inf")),
        ({"cpu_max": "nonsense"}, float("inf")),
        ({"cpu_max": "100000 0"}, float("inf")),
    ],
)
def test_the_quota_of_a_control_group(group, files, quota):
    assert threads.cgroup_quota(group(**files)) == quota


@pytest.mark.parametrize(("quota", "usable"), [("150000 100000", 2), ("10000 100000", 1), ("max 100000", 3)])
def test_a_quota_limits_the_cpus(group, monkeypatch, quota, usable):
    monkeypatch.setattr(threads, "CGROUP", group(cpu_max=quota))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    assert threads.usable_cpus.__wrapped__() == usable


def test_small_models_get_one_thread(monkeypatch):
    monkeypatch.setattr(threads, "usable_cpus", lambda: 8)
    assert threads.default_threads(threads.SMALL - 1) == 1
    assert threads.default_threads(threads.SMALL) == 8


@pytest.mark.parametrize("number", [0, 1025, 1.5, "2"])
def test_a_number_of_threads_out_of_range(number):
    with pytest.raises(OptionError, match="threads must be 1 to 1024"):
        threads.check_threads(number)
