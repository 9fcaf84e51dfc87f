"""Engines run one model file: arrays in, arrays out. They know nothing about labels, images or bundles.

An engine is one module in this folder; its file's name is its name. It declares what `EngineModule` lists, and
is found by being here.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, cast

from runtime.errors import OptionError, unknown

if TYPE_CHECKING:
    from numpy.typing import NDArray


SMALL = 1_000_000


class Engine(Protocol):
    """One opened model file. `run` may be called from several threads at once."""

    version: str
    """The library and its version, such as ``onnxruntime 1.31.1``."""
    device: str
    """Where it runs: ``cpu``, ``cuda`` and so on."""
    threads: int
    """How many threads it computes with on the CPU."""
    skipped: tuple[str, ...]
    """Why a device that ``auto`` would have liked better is not the one."""

    def run(self, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run the graph once.

        Args:
            inputs: One array for each graph input, by name, with the shape and dtype that the graph takes.

        Returns:
            One array for each graph output, by name; the caller owns them.

        Raises:
            EngineError: If the engine refuses the arrays or fails.
        """
        ...


class EngineModule(Protocol):
    """What a module in this folder declares."""

    FORMAT: str
    """The file format it runs; also the file's suffix without the dot."""
    EXTRA: str
    """The pip extra of edgezoo that installs it."""
    PRIORITY: int
    """Lower is tried earlier by ``engine="auto"``."""

    def missing(self) -> bool:
        """Tell whether its library is absent, without importing it."""
        ...

    def library(self) -> object:
        """Import its library, which `open` does too: what that takes is no property of a model.

        Raises:
            MissingExtraError: If it is not installed.
            EngineError: If it can't be loaded.
        """
        ...

    def devices(self) -> tuple[str, ...]:
        """Return the devices that the installed library offers, best first."""
        ...

    def refuses(self, precision: str) -> str:
        """Return why the installed library can't be trusted with files of a precision; empty if it can."""
        ...

    def metadata(self, data: bytes) -> str | None:
        """Return the text a file carries under `runtime.spec.METADATA_KEY`, or None.

        Raises:
            BundleError: If the data is not in this format.
        """
        ...

    def open(
        self, data: bytes, *, inputs: tuple[str, ...], outputs: tuple[str, ...], device: str, threads: int
    ) -> Engine:
        """Open a model file's bytes.

        Args:
            data: The whole file.
            inputs: The names that the graph's inputs go by, in the graph's order.
            outputs: The same for its outputs.
            device: One of `devices`, or ``auto``.
            threads: CPU threads to compute with.

        Raises:
            EngineError: If the engine refuses the file.
            DeviceError: If it can't give the device; names those it can.
        """
        ...


@cache
def engine_names() -> tuple[str, ...]:
    """Return every engine's name, in the order that ``auto`` tries them."""
    found = [module.name for module in pkgutil.iter_modules(__path__)]
    return tuple(sorted(found, key=lambda name: engine_module(name).PRIORITY))


def engine_module(name: str) -> EngineModule:
    """Return an engine by its name.

    Raises:
        OptionError: If there is none of that name.
    """
    names = {module.name for module in pkgutil.iter_modules(__path__)}
    if name not in names:
        raise OptionError(unknown("engine", name, ["auto", *names]))
    return cast(EngineModule, importlib.import_module(f"{__name__}.{name}"))


def default_threads(size: int) -> int:
    """Return how many threads to compute with: all CPUs that this process may use, one for a file under `SMALL` bytes.

    A small model is done before a second thread has woken up: with two threads instead of one, a prediction of the
    default perceptron takes 1.8 times as long on LiteRT and twice as long on ONNX Runtime (docs/log.md).
    """
    return 1 if size < SMALL else usable_cpus()


def usable_cpus() -> int:
    """Return the number of CPUs that this process may use."""
    try:
        return max(1, len(os.sched_getaffinity(0)))
    except AttributeError:  # macOS and Windows have no affinity masks
        return os.cpu_count() or 1
