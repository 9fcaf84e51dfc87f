"""`zoo doctor`: what this machine can run models on, found out by running one on every device."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

import runtime
from runtime.concurrency.threads import CGROUP, cgroup_quota, usable_cpus
from runtime.engines import DeviceInfo, EngineModule, Settings, engine_module, engine_names
from runtime.errors import EngineError, MissingExtraError
from runtime.native_output import suppress_output

SMALLEST = Path(runtime.__file__).with_name("smallest")
"""A model of a few operators in every format; tests/fixtures/make_smallest.py makes them."""
SHAPE = (1, 8, 8, 3)
FEATURES = (
    *("avx", "avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16"),
    *("neon", "asimd", "asimddp", "asimdhp", "i8mm", "bf16", "sve", "sve2", "sme"),
)
"""Of those in /proc/cpuinfo, the ones that kernels of neural networks are chosen by."""
PACKAGES = ("numpy", "pillow")


@dataclass(frozen=True)
class Check:
    """One device of one engine.

    Args:
        engine: The engine's name.
        device: The device's name; empty for an engine that is not installed.
        provider: What the library calls the device.
        runs: Whether a small model ran there.
        turn: The place of the device in the engine's order for ``device="auto"``, from 1; 0 if it is not tried.
        note: Why it does not run, or is taken only by name.
        install: The pip command that adds it, where one does.
    """

    engine: str
    device: str
    provider: str
    runs: bool
    turn: int
    note: str
    install: str


@dataclass(frozen=True)
class Diagnosis:
    """The findings of `zoo doctor`.

    Args:
        machine: Facts of the machine, by name.
        versions: Of edgezoo and what it runs on.
        checks: Every device of every engine, in the order of ``auto``.
    """

    machine: dict[str, str]
    versions: dict[str, str]
    checks: tuple[Check, ...]

    @property
    def choice(self) -> Check | None:
        """The engine and device of ``auto`` for an ``.onnx`` or else a ``.tflite`` file; None if nothing runs."""
        return next((check for check in self.checks if check.runs and check.turn), None)


def diagnose(on_progress: Callable[[str, int, int], None] = lambda *_: None) -> Diagnosis:
    """Try every device of every engine."""
    names = engine_names()
    checks: list[Check] = []
    for index, name in enumerate(names):
        on_progress(f"try {name}", index, len(names))
        with suppress_output():
            checks += _checks(name, engine_module(name))
    return Diagnosis(machine(), _versions(), tuple(checks))


def _checks(name: str, module: EngineModule) -> Iterator[Check]:
    try:
        module.library()
        devices = module.devices()
    except MissingExtraError as problem:
        yield Check(name, "", "", False, 0, "not installed", _install(problem.extra))
        return
    except EngineError as problem:
        yield Check(name, "", "", False, 0, str(problem), "")
        return
    tried = [info.device for info in devices if not info.unavailable_reason and not info.opt_in_reason]
    for info in devices:
        problem_found = info.unavailable_reason or _problem(module, info)
        yield Check(
            name,
            info.device,
            info.provider,
            not problem_found,
            tried.index(info.device) + 1 if info.device in tried else 0,
            problem_found or (f"taken only by name: {info.opt_in_reason}" if info.opt_in_reason else ""),
            _install(info.install) if info.unavailable_reason and info.install else "",
        )


def _install(extra: str) -> str:
    return f"pip install 'edgezoo[{extra}]'"


def _problem(module: EngineModule, info: DeviceInfo) -> str:
    """Return why the smallest model does not run on a device; nothing if it does."""
    data = (SMALLEST / f"model.{module.FORMAT}").read_bytes()
    try:
        engine = module.open(data, ("image",), ("logits",), Settings(info.device))
        dtype = np.float32 if module.FORMAT == "tflm" else np.uint8
        outputs = engine.run({"image": np.full(SHAPE, 128, dtype)})["logits"]
    except EngineError as problem:
        return str(problem)
    return "" if np.isfinite(outputs).all() else "it gave values that are not finite"


def machine() -> dict[str, str]:
    """Return what this machine is: system, CPU, instructions, threads, memory, Python."""
    quota = cgroup_quota(CGROUP)
    lines = dict.fromkeys(("model name", "flags", "Features"), "")
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().partition("\n\n")[0].splitlines():
            key, _, value = line.partition(":")
            if key.strip() in lines:
                lines[key.strip()] = value.strip()
    flags = set(lines["flags"].split()) | set(lines["Features"].split())
    limit = "" if quota == float("inf") else f", of a quota of {quota:g} CPUs"
    return {
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "CPU": lines["model name"] or platform.processor() or platform.machine(),
        "instructions": ", ".join(name for name in FEATURES if name in flags) or "unknown",
        "threads": f"{usable_cpus()} for models over 1 MB, 1 for smaller ones{limit}",
        "memory": _memory(),
        "Python": f"{platform.python_version()}, {sys.executable}",
    }


def _memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return "unknown"
    return f"{size / 2**30:.1f} GiB"


def _versions() -> dict[str, str]:
    versions = {}
    for name in ("edgezoo", *PACKAGES):
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    for name in engine_names():
        with suppress(EngineError), suppress_output():
            library, _, number = engine_module(name).version().partition(" ")
            versions[library] = number
    return versions
