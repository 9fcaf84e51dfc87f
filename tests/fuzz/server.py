"""Children for `runtime.isolation.probe` at a hundredth of the price.

They are forked from a process that has its engine imported already.

They run `run_probe`, as the real ones do, under the same limits; but one may run several probes, unless it dies.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

from runtime.engines import engine_module
from runtime.isolation.probe import Ending, run_probe
from runtime.native_output import suppress_output

ROOT = Path(__file__).parents[2]
BATCH = 50
"""Probes of a child of a `ForkServer`."""


class ForkServer:
    """Takes the place of `runtime.isolation.probe.spawn`."""

    def __init__(self, engines: tuple[str, ...]) -> None:
        """Start it; it has to be before this process opens anything in an engine."""
        self._ours, theirs = Pipe()
        if os.fork() == 0:
            self._ours.close()
            try:
                with suppress_output():
                    _serve(theirs, engines, BATCH)
            finally:
                os._exit(0)
        theirs.close()

    def __call__(self, request: bytes, seconds: float) -> Ending:
        """Give a request to a child; see `runtime.isolation.probe.Run`."""
        self._ours.send((request, seconds))
        said, status = self._ours.recv()
        return Ending(said, status)


class FreshForkServer(ForkServer):
    """One in an interpreter of its own, for a process that has opened files in engines; each child runs one probe."""

    def __init__(self, engines: tuple[str, ...]) -> None:
        """Prepare it; it starts with the first request."""
        self._engines = engines
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self, request: bytes, seconds: float) -> Ending:
        if self._process is None:
            self._ours, theirs = Pipe()
            with theirs:
                command = [sys.executable, "-m", "tests.fuzz.server", str(theirs.fileno()), *self._engines]
                self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], cwd=ROOT)
        return super().__call__(request, seconds)

    def close(self) -> None:
        """End it."""
        if self._process is not None:
            self._ours.close()
            self._process.wait()


def _serve(connection: Connection, engines: tuple[str, ...], batch: int) -> None:
    for name in engines:
        engine_module(name).library()
    child = _Child(batch)
    while True:
        try:
            request, seconds = connection.recv()
        except EOFError:
            return
        if not child.left:
            child = _Child(batch)
        connection.send(child.ask(request, seconds))


class _Child:
    """A process for some trials."""

    def __init__(self, batch: int) -> None:
        self.left = batch
        self.pipe, theirs = Pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self.pipe.close()
            status = 1
            try:
                for _ in range(batch):
                    run_probe(theirs.recv_bytes(), theirs.send_bytes)
                    theirs.send_bytes(b"")
                status = 0
            finally:
                os._exit(status)
        theirs.close()

    def ask(self, request: bytes, seconds: float) -> tuple[bytes, int | None]:
        """Return what it said, and its exit status, 0 if it lives on."""
        self.left -= 1
        said = b""
        self.pipe.send_bytes(request)
        try:
            while self.pipe.poll(seconds):
                part = self.pipe.recv_bytes()
                if not part:
                    if not self.left:
                        os.waitpid(self.pid, 0)
                    return said, 0
                said += part
        except (EOFError, ConnectionResetError):
            self.left = 0
            return said, os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self.left = 0
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        return said, None


if __name__ == "__main__":
    with suppress_output():
        _serve(Connection(int(sys.argv[1])), tuple(sys.argv[2:]), 1)
