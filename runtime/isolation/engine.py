"""Keep a model file's engine in a child process: no call of an untrusted file can crash, block or fill this process.

The two processes exchange JSON and raw arrays; nothing is unpickled. Each call has a time limit. A child that exceeds
it, dies, or computes while its caller is interrupted is killed, and the next call starts another one. The child runs
with the user's rights: it protects from files that loop, crash or take memory, and is no sandbox.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from math import prod
from typing import TYPE_CHECKING, Any
from weakref import finalize

import numpy as np

from runtime.engines import EngineModule, NodePlacement, Settings, engine_module
from runtime.errors import DeviceError, EngineError, OptionError, UnsupportedError, ZooError, one_line
from runtime.isolation.child import limit_memory, python

if TYPE_CHECKING:
    import subprocess

    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[Any]]

LIMIT = 60.0
"""Seconds that a call may take by default, and that opening the file may take at least."""
LONGEST = 86_400
"""The largest limit, in seconds."""
HEADER = 1 << 20
"""Bytes of JSON in a message, at most."""
BODY = 1 << 32
"""Bytes of arrays or of a model file in a message, at most."""
KINDS: dict[str, type[ZooError]] = {kind.__name__: kind for kind in (DeviceError, UnsupportedError)}
"""Errors that the child reports as what they are; others are EngineErrors."""
_DTYPE = re.compile("[<>|][biuf][1248]")
_CHILD = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from runtime.isolation.engine import main; main()"


def time_limit(isolate: bool | float) -> float:
    """Return the seconds of each call that an `isolate` other than False means.

    Raises:
        OptionError: If it is neither True nor a number of seconds above 0, up to a day.
    """
    if isolate is True:
        return LIMIT
    if not isinstance(isolate, int | float) or not 0 < isolate <= LONGEST:
        raise OptionError(
            f"isolate must be True, False or a number of seconds above 0, up to {LONGEST}, got {isolate!r}"
        )
    return float(isolate)


class Isolated:
    """An engine in a child process, which admits one caller at a time; see `runtime.engines.Engine`.

    Args:
        engine: The engine's name.
        data: The file.
        inputs: The names of the graph's inputs.
        outputs: The names of its outputs.
        settings: How to run it.
        limit: Seconds that a call may take.

    Raises:
        OptionError: If the system is Windows.
        EngineError: If no child can be started, or opening the file fails there.
    """

    def __init__(
        self,
        engine: str,
        data: bytes,
        inputs: tuple[str, ...],
        outputs: tuple[str, ...],
        settings: Settings,
        limit: float,
    ) -> None:
        if not hasattr(signal, "setitimer"):
            raise OptionError("isolate needs a POSIX system: load the file without it")
        self._engine, self._data, self._limit = engine, data, limit
        names = {"engine": engine, "inputs": inputs, "outputs": outputs}
        self._request = {**names, "settings": asdict(settings), "limit": limit}
        child = self._start()
        self._child: _Child | None = child
        with _understood():
            self.version, self.device = str(child.facts["version"]), str(child.facts["device"])
            self.threads = int(child.facts["threads"])
            self.skipped = tuple(map(str, child.facts["skipped"]))

    def run(self, inputs: Arrays) -> Arrays:
        """Run the graph once; see `runtime.engines.Engine.run`."""
        arrays, body = _packed(inputs)
        return _unpacked(*self._ask({"arrays": arrays}, body))

    def placement(self) -> tuple[NodePlacement, ...]:
        """Say what runs where; see `runtime.engines.EngineModule.placement`."""
        header, _ = self._ask({"placement": True}, b"")
        with _understood():
            return tuple(NodePlacement(**part) for part in header["parts"])

    def _ask(self, header: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        child, self._child = self._child, None  # a child whose answer an interrupt has cut off is never asked again
        child = child or self._start()
        answer, arrays = child.ask(header, body, self._limit)
        self._child = child
        _check(answer)
        return answer, arrays

    def _start(self) -> _Child:
        return _Child(self._engine, self._request, self._data, max(LIMIT, self._limit))


class _Child:
    """A process that holds one opened file; `close` kills it, as does the garbage collector."""

    def __init__(self, engine: str, request: dict[str, Any], data: bytes, seconds: float) -> None:
        import subprocess

        self._engine = engine
        self._socket, theirs = socket.socketpair()
        with theirs:
            try:
                process = subprocess.Popen(
                    [*python(_CHILD), str(theirs.fileno())], pass_fds=[theirs.fileno()], start_new_session=True,
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                )  # fmt: skip
            except OSError as problem:
                raise EngineError(f"isolate needs a child process, and none starts here: {one_line(problem)}") from None
        self.close = finalize(self, _end, process, self._socket, os.getpid())
        self.facts, _ = self.ask(request, data, seconds)
        _check(self.facts)

    def ask(self, header: dict[str, Any], body: bytes, seconds: float) -> tuple[dict[str, Any], bytes]:
        """Send a request and return the answer.

        Raises:
            EngineError: If the child takes longer or dies; it is killed then.
        """
        end = time.monotonic() + seconds
        try:
            _send(self._socket, header, body, end)
            answer, arrays = _receive(self._socket, end)
        except (OSError, EOFError, ValueError, RecursionError):
            self.close()
            reason = f"took over {seconds:g} s" if time.monotonic() >= end else "ended"
            raise EngineError(
                f"engine {self._engine!r} {reason} in its child process; the next call starts another one"
            ) from None
        return answer, arrays


def _check(answer: dict[str, Any]) -> None:
    """Raise the error of the engine that an answer reports."""
    if "error" in answer:
        kind = KINDS.get(str(answer.get("kind")), EngineError)
        raise kind(" ".join(str(answer["error"]).split()))


def _end(process: subprocess.Popen[bytes], connection: socket.socket, owner: int) -> None:
    connection.close()
    if os.getpid() == owner:  # and not a fork of it
        process.kill()
        process.wait()


def _send(connection: socket.socket, header: dict[str, Any], body: bytes, end: float | None) -> None:
    text = json.dumps(header).encode()
    connection.settimeout(_remaining(end))
    connection.sendall(len(text).to_bytes(8, "big") + len(body).to_bytes(8, "big") + text + body)


def _receive(connection: socket.socket, end: float | None) -> tuple[dict[str, Any], bytes]:
    sizes = _exactly(connection, 16, end)
    header, body = int.from_bytes(sizes[:8], "big"), int.from_bytes(sizes[8:], "big")
    if header > HEADER or body > BODY:
        raise ValueError("too large a message")
    message = json.loads(_exactly(connection, header, end))
    if not isinstance(message, dict):
        raise ValueError("not a message")
    return message, _exactly(connection, body, end)


def _exactly(connection: socket.socket, size: int, end: float | None) -> bytes:
    data = bytearray()
    while len(data) < size:
        connection.settimeout(_remaining(end))
        part = connection.recv(min(size - len(data), 1 << 20))
        if not part:
            raise EOFError
        data += part
    return bytes(data)


def _remaining(end: float | None) -> float | None:
    """Return the seconds until `end`.

    Raises:
        TimeoutError: If it is past.
    """
    if end is None:
        return None
    seconds = end - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def _packed(arrays: Arrays) -> tuple[list[list[Any]], bytes]:
    shapes = [[name, array.dtype.str, list(array.shape)] for name, array in arrays.items()]
    return shapes, b"".join(np.ascontiguousarray(array).tobytes() for array in arrays.values())


def _unpacked(header: dict[str, Any], body: bytes) -> Arrays:
    arrays, offset = {}, 0
    with _understood():
        for name, dtype, shape in header["arrays"]:
            if not _DTYPE.fullmatch(dtype) or min(shape, default=0) < 0:
                raise ValueError(f"an array of {dtype!r} {shape}")
            flat = np.frombuffer(body, dtype, prod(shape), offset)
            arrays[str(name)] = flat.reshape(shape).copy()
            offset += flat.nbytes
    return arrays


@contextmanager
def _understood() -> Iterator[None]:
    """Turn what reading an answer raises into an EngineError: the file may have taken over the child."""
    try:
        yield
    except (KeyError, TypeError, ValueError, OverflowError) as problem:
        raise EngineError(f"the answer of the model's child process makes no sense: {one_line(problem)}") from None


def main() -> None:
    """Be the child: open a file, then answer requests until the parent is gone."""
    connection = socket.socket(fileno=int(sys.argv[2]))
    with suppress(EOFError, OSError):
        request, data = _receive(connection, None)
        _serve(connection, request, data)


def _serve(connection: socket.socket, request: dict[str, Any], data: bytes) -> None:
    module, settings = engine_module(request["engine"]), Settings(**request["settings"])
    file = data, tuple(request["inputs"]), tuple(request["outputs"]), settings
    _kill_after(max(LIMIT, request["limit"]))
    try:
        if settings.device == "cpu" or _has_only_cpu(module):
            limit_memory()
        engine = module.open(*file)
    except (ZooError, MemoryError) as problem:
        _send(connection, _error(problem), b"", None)
        return
    facts = {"version": engine.version, "device": engine.device, "threads": engine.threads}
    _kill_after(None)
    _send(connection, {**facts, "skipped": engine.skipped}, b"", None)
    while True:
        header, body = _receive(connection, None)
        _kill_after(request["limit"])
        answer: dict[str, Any]
        try:
            if "placement" in header:
                answer, outputs = {"parts": [asdict(part) for part in module.placement(*file)]}, b""
            else:
                arrays, outputs = _packed(engine.run(_unpacked(header, body)))
                answer = {"arrays": arrays}
        except (ZooError, MemoryError) as problem:
            answer, outputs = _error(problem), b""
        _kill_after(None)
        _send(connection, answer, outputs, None)


def _kill_after(seconds: float | None) -> None:
    """Let an alarm end this process a second after its time limit, for the parent may be gone; None stops the alarm."""
    signal.setitimer(signal.ITIMER_REAL, 0 if seconds is None else seconds + 1)


def _has_only_cpu(module: EngineModule) -> bool:
    """Tell whether ``auto`` can only mean the CPU: libraries of GPUs need memory that a limit would count."""
    return all(info.device == "cpu" for info in module.devices() if not (info.unavailable_reason or info.opt_in_reason))


def _error(problem: Exception) -> dict[str, str]:
    return {"kind": type(problem).__name__, "error": str(problem) or "it needs more memory than there is"}
