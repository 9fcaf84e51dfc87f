"""An opened model file that can be opened again: in a forked child, from a pickle, with other settings."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from runtime.concurrency.engine_pool import EnginePool
from runtime.concurrency.forks import PerProcess, native
from runtime.engines import Settings, engine_module
from runtime.errors import UnsupportedError
from runtime.frozen_dataclass import frozen_dataclass

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.engines import Engine, NodePlacement
    from runtime.isolation.engine import Isolated
    from runtime.spec import FileSpec

ISOLATED: dict[str, float] = {}
"""Engines whose files stay in a child process without being asked for, and the seconds that each call may take: those
whose library keeps Python's lock, in a program that must answer meanwhile. The command line names them here."""


@frozen_dataclass
class Opening:
    """All that opening a model file takes; nothing of it lies on disk.

    Args:
        engine: The engine's name.
        data: The file.
        inputs: The names that the graph's inputs go by, in the graph's order.
        outputs: The same for its outputs.
        settings: How to run it.
        limit: Seconds for each call of a file that stays in a child process; None to run it in this one.
    """

    engine: str
    data: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    settings: Settings
    limit: float | None = None

    def open(self) -> Engine:
        """Open the file; see `runtime.engines.EngineModule.open`."""
        if self.limit is not None:
            return cast("Engine", EnginePool(partial(self._isolated, self.limit)))
        return native(engine_module(self.engine).open, self.data, self.inputs, self.outputs, self.settings)

    def placement(self) -> tuple[NodePlacement, ...]:
        """Open the file once more and say what runs where; see `runtime.engines.EngineModule.placement`."""
        if self.limit is not None:
            return self._isolated(self.limit).placement()
        return native(engine_module(self.engine).placement, self.data, self.inputs, self.outputs, self.settings)

    def _isolated(self, limit: float) -> Isolated:
        from runtime.isolation.engine import Isolated

        return Isolated(self.engine, self.data, self.inputs, self.outputs, self.settings, limit)

    def changed(self, **settings: Any) -> Opening:
        """Return the same with other settings."""
        return replace(self, settings=replace(self.settings, **settings))


class OpenedFile:
    """An opened file: an engine that a forked child, and whoever unpickles it, opens for itself.

    Raises:
        EngineError: If the engine refuses the file, or is not installed where a pickle is read.
    """

    def __init__(self, opening: Opening) -> None:
        opened = opening.open()
        self.version, self.device, self.threads = opened.version, opened.device, opened.threads
        self.skipped = opened.skipped
        self.opening = opening.changed(device=opened.device)
        self._engine = PerProcess(self.opening.open, opened)

    def run(self, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run the graph once; see `runtime.engines.Engine.run`."""
        return native(self._engine().run, inputs)

    def __reduce__(self) -> tuple[type[OpenedFile], tuple[Opening]]:
        """Pickle the file and how it was opened."""
        return OpenedFile, (self.opening,)


def check_supported(engine: str, file_spec: FileSpec, name: str) -> None:
    """Check that an engine's library can be trusted with files of a precision.

    Args:
        engine: The engine's name.
        file_spec: How the file implements its model.
        name: The file's name in the message.

    Raises:
        UnsupportedError: If it can't; says why.
    """
    if reason := engine_module(engine).unsupported_reason(file_spec.precision):
        raise UnsupportedError(f"{name}: {reason}")
