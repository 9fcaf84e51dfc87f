"""Engines run one model file: arrays in, arrays out. They know nothing about labels, images or bundles.

An engine is one module in this folder; its file's name is its name. It declares what `EngineModule` lists, and
is found by being here.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import field
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from runtime.errors import DeviceError, EngineError, MissingExtraError, OptionError, one_line, unknown
from runtime.frozen_dataclass import frozen_dataclass

if TYPE_CHECKING:
    from numpy.typing import NDArray


@frozen_dataclass
class Settings:
    """How an engine is to run a file.

    Args:
        device: One of the engine's devices, strictly, or ``auto`` for the best that runs the file.
        threads: CPU threads to compute with.
        options: For the device's execution provider, plugin or delegate, in that library's own words.
        identity: The SHA-256 of the file, under which the engine may keep what it derives from it in the user's cache
            folder; empty to keep nothing.
    """

    device: str = "auto"
    threads: int = 1
    options: Mapping[str, str] = field(default_factory=dict)
    identity: str = ""


AUTO = Settings()


@frozen_dataclass
class NodePlacement:
    """What one execution provider or delegate runs of a graph.

    Args:
        provider: As the library calls it: ``CUDAExecutionProvider``, ``XNNPACK``.
        device: Where it computes: ``cpu``, ``gpu`` and so on.
        nodes: How many nodes of the graph, counted after the engine has fused what it fuses.
        share: Of the time of one run where the engine measures it, else of the nodes; 0 to 1.
    """

    provider: str
    device: str
    nodes: int
    share: float


@frozen_dataclass
class DeviceInfo:
    """A device that an engine knows.

    Args:
        device: Our name for it.
        provider: What the library calls it.
        unavailable_reason: Why the library can't offer it here; empty if it does.
        install: The pip extra of edgezoo that adds it; empty if none does.
        opt_in_reason: Why ``auto`` passes over it; empty if it doesn't.
    """

    device: str
    provider: str
    unavailable_reason: str = ""
    install: str = ""
    opt_in_reason: str = ""


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


Opened = TypeVar("Opened", bound=Engine)


class EngineModule(Protocol):
    """What a module in this folder declares."""

    FORMAT: str
    """The file format it runs; also the file's suffix without the dot."""
    EXTRA: str
    """The pip extra of edgezoo that installs it."""
    LIBRARIES: tuple[str, ...]
    """The packages of which it imports the first that is installed."""
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

    def version(self) -> str:
        """Return the installed library and its version.

        Raises:
            EngineError: As `library` does.
        """
        ...

    def devices(self) -> tuple[DeviceInfo, ...]:
        """Return every device that the engine knows, in the order that ``auto`` tries them on this platform.

        Raises:
            EngineError: As `library` does.
        """
        ...

    def unsupported_reason(self, precision: str) -> str:
        """Return why the installed library can't be trusted with files of a precision; empty if it can."""
        ...

    def metadata(self, data: bytes) -> str | None:
        """Return the text a file carries under `runtime.spec.METADATA_KEY`, or None.

        Raises:
            BundleError: If the data is not in this format.
        """
        ...

    def open(self, data: bytes, inputs: tuple[str, ...], outputs: tuple[str, ...], settings: Settings = AUTO) -> Engine:
        """Open a model file's bytes.

        Args:
            data: The whole file.
            inputs: The names that the graph's inputs go by, in the graph's order.
            outputs: The same for its outputs.
            settings: How to run it.

        Raises:
            EngineError: If the engine refuses the file.
            DeviceError: If it can't give the device; names those it can.
        """
        ...

    def placement(
        self, data: bytes, inputs: tuple[str, ...], outputs: tuple[str, ...], settings: Settings = AUTO
    ) -> tuple[NodePlacement, ...]:
        """Open a file as `open` does, run it once on zeros, and say what ran where.

        Raises:
            EngineError: As `open` and `Engine.run` do.
        """
        ...


@cache
def _present() -> tuple[str, ...]:
    return tuple(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


@cache
def engine_names() -> tuple[str, ...]:
    """Return every engine's name, in the order that ``auto`` tries them.

    Raises:
        EngineError: If the modules of this folder were left out of a packaged program.
    """
    if not _present():
        raise EngineError(
            "this program was packaged without the modules of runtime.engines, so it can open no model: make the "
            "packager include them, such as with PyInstaller's --collect-submodules runtime"
        )
    return tuple(sorted(_present(), key=lambda name: engine_module(name).PRIORITY))


def engine_module(name: str) -> EngineModule:
    """Return an engine by its name.

    Raises:
        OptionError: If there is none of that name.
    """
    if name not in _present():
        raise OptionError(unknown("engine", name, ["auto", "fastest", *_present()]))
    return cast(EngineModule, importlib.import_module(f"{__name__}.{name}"))


def engine_for(format_name: str) -> str:
    """Return the first installed engine that runs files of a format.

    Raises:
        MissingExtraError: If none is installed; names the extra of the first.
    """
    runs = [name for name in engine_names() if format_name == engine_module(name).FORMAT]
    for name in runs:
        if not engine_module(name).missing():
            return name
    raise MissingExtraError(f"an engine for format {format_name!r}", engine_module(runs[0]).EXTRA)


def imported(engine: str, package: str, extra: str) -> Any:
    """Import an engine's library; see `EngineModule.library`."""
    try:
        return importlib.import_module(package)
    except ImportError as problem:
        if find_spec(package) is None:
            raise MissingExtraError(f"engine {engine!r}", extra) from None
        raise EngineError(f"engine {engine!r} can't be loaded: {one_line(problem)}") from None


def open_best(engine: str, devices: tuple[DeviceInfo, ...], wanted: str, attempt: Callable[[str], Opened]) -> Opened:
    """Open a file on the device that is wanted and no other, or for ``auto`` on the first one that takes it.

    Args:
        engine: The engine's name, for messages.
        devices: Its devices, best first.
        wanted: One of them, or ``auto``.
        attempt: Opens the file on a device.

    Returns:
        What `attempt` returned, with the reasons against every device before and after it in `skipped`.

    Raises:
        DeviceError: If the engine does not have the device, says why; or if no device takes the file.
        EngineError: If the last device refuses the file.
    """
    here = [info for info in devices if not info.unavailable_reason]
    if wanted != "auto":
        if wanted not in {info.device for info in here}:
            why = next((f" ({info.unavailable_reason})" for info in devices if info.device == wanted), "")
            known = ", ".join(info.device for info in here)
            raise DeviceError(f"engine {engine!r} has no device {wanted!r} here{why}; it has: {known}")
        return attempt(wanted)
    tried = [info for info in here if not info.opt_in_reason]
    skipped = [
        f"device {info.device!r} is taken only by name: {info.opt_in_reason}" for info in here if info.opt_in_reason
    ]
    for index, info in enumerate(tried):
        try:
            opened = attempt(info.device)
        except EngineError as problem:
            if index == len(tried) - 1:
                raise
            skipped.append(str(problem))
        else:
            rest = tried[index + 1 :]
            skipped += [f"device {other.device!r} was not needed: {info.device!r} comes first" for other in rest]
            opened.skipped = tuple(skipped)
            return opened
    raise DeviceError(f"engine {engine!r} has no device here that is taken without its name")
