"""Try a model file in a child process before it is opened here: a crash or a hang of its engine ends the child alone.

The child opens the file, runs it at the edges of its input's range and, where that is quick, at the batch sizes in
which inputs are answered, and sees whether shapes and types are those that the manifest promises. It has limits on
time, which grow with the file and its input, and, on Linux, on memory. A file that passed is remembered, with its
engine's version and its promises, in the user's cache folder (`runtime.cache` says who could forge that), and costs
one look at that folder from then on.

The trial is on the CPU: it is quick, and what parses a file is the same. Where no child can be started (a program that
was packaged or embeds Python, a phone, a sandbox) the model opens all the same and says so among its `skipped`: its
hash is checked there too, and a runtime that refused would be of no use there at all.

A hostile file could still pass here and loop on other values, sizes or lengths: hashes say only that a file is
the publisher's, and `runtime.isolation.engine` keeps a stranger's file in a child process for as long as it runs.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from runtime.atomic import write_file
from runtime.cache import cache_folder, is_private
from runtime.engines import Settings, engine_module
from runtime.errors import EngineError, OutputError, ZooError, one_line
from runtime.frozen_dataclass import frozen_dataclass
from runtime.isolation.child import limit_memory, lower_limit, python
from runtime.opened_file import OpenedFile, Opening, check_supported
from runtime.runner import BATCH, FEW, GraphRunner
from runtime.spec import FileSpec, ModelSpec, decode_metadata, encode_metadata, tensor_names
from runtime.tensors import select, size

if TYPE_CHECKING:
    from runtime.tensors import Tensors

PROBE_VERSION = "3"
"""Raised with every change to what the child does, so that earlier verdicts don't count any more."""
SECONDS = 8
"""Of computing, which a busy machine doesn't make more of: no sound file should be refused for its neighbours."""
BYTES_A_SECOND = 10 * 2**20
"""A file of so many bytes gets a second more."""
VALUES_A_SECOND = 50_000
"""And one whose input has so many values: networks for large images take a minute for one on a slow CPU."""
PATIENCE = 3
"""How many times as long a child may take by the clock: for those that wait without computing."""
MEMORY = 2 * 2**30
EXTRA = 0.5
"""Seconds of computing for the batch sizes that are rarely used."""
STEPS = 2
"""How many steps of a sequence run through a step graph."""
STARTED = b"started\n"
OPTION = "trusted=True"
"""How callers skip the trial; the command line, where it is ``--trusted``, says so here."""

_CHILD = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from runtime.isolation.probe import main; main()"


class Ending(NamedTuple):
    """How a child ended.

    Args:
        said: What it wrote: `STARTED`, then a JSON text that says what is wrong with the file, empty if nothing is.
        status: Its exit status, negative for a signal; None if it was stopped for taking too long by the clock.
    """

    said: bytes
    status: int | None


Run = Callable[[bytes, float], Ending]
"""Gives a request to a child that may take so many seconds by the clock. Raises OSError if none can be started."""


@frozen_dataclass
class Probe:
    """A file that an engine is to open.

    Args:
        spec: What the model takes and gives.
        file_spec: How the file implements it.
        engine: The engine's name.
        data: The file.
        sha256: Its hash, in hexadecimal.
    """

    spec: ModelSpec
    file_spec: FileSpec
    engine: str
    data: bytes
    sha256: str

    def check(self, name: str, run: Run | None = None) -> str:
        """Try the file, unless it has passed on this machine before.

        Args:
            name: What messages call it.
            run: What runs the child; `spawn` by default.

        Returns:
            Why it could not be tried; empty where it passed.

        Raises:
            EngineError: If the engine is missing, or the file crashes it, hangs it, takes too much memory, or is not
                what the manifest promises.
        """
        path = self._cached_result()
        with suppress(OSError):
            if path and is_private(path.stat()):
                return ""
        seconds = SECONDS + len(self.data) // BYTES_A_SECOND + _values(self.spec) // VALUES_A_SECOND
        try:
            ending = (run or spawn)(self._request(seconds), PATIENCE * seconds)
        except OSError as problem:
            return f"{name} was opened without a trial: no child process can be started here ({one_line(problem)})"
        if not ending.said.startswith(STARTED):
            return f"{name} was opened without a trial: the child process did not start ({_died(ending, seconds)})"
        try:
            complaint = json.loads(ending.said[len(STARTED) :])
        except ValueError:
            raise EngineError(
                f"{name}: engine {self.engine!r} {_died(ending, seconds)} when a child process tried the file: don't "
                f"use it; if you made it yourself, {OPTION} skips the trial"
            ) from None
        if complaint:
            raise EngineError(f"{name}: {complaint}")
        self.remember()
        return ""

    def remember(self) -> None:
        """Keep in mind that the file passed."""
        path = self._cached_result()
        if path:
            with suppress(OutputError):
                write_file(path, b"", private=True)

    def _cached_result(self) -> Path | None:
        folder = cache_folder()
        if folder is None:
            return None
        parts = (
            PROBE_VERSION,
            self.sha256,
            engine_module(self.engine).version(),
            encode_metadata(self.spec, self.file_spec),
        )
        return folder / "probed" / hashlib.sha256("\n".join(parts).encode(errors="surrogatepass")).hexdigest()

    def _request(self, seconds: int) -> bytes:
        metadata = encode_metadata(self.spec, self.file_spec)
        header = {"engine": self.engine, "metadata": metadata, "seconds": seconds}
        return json.dumps(header).encode() + b"\n" + self.data


def spawn(request: bytes, seconds: float) -> Ending:
    """Run a fresh interpreter as the child; see `Run`."""
    import subprocess

    try:
        done = subprocess.run(
            python(_CHILD), input=request, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=seconds
        )
    except subprocess.TimeoutExpired as problem:
        return Ending(problem.stdout or b"", None)
    return Ending(done.stdout, done.returncode)


def main() -> None:
    """Be the child: a request on stdin, the verdict on stdout."""
    from runtime.native_output import suppress_output

    with os.fdopen(os.dup(1), "wb", buffering=0) as out, suppress_output():
        run_probe(sys.stdin.buffer.read(), out.write)


def run_probe(request: bytes, say: Callable[[bytes], object]) -> None:
    """Try the file of a request in this very process, which gets the limits."""
    header, _, data = request.partition(b"\n")
    asked = json.loads(header)
    engine_module(asked["engine"]).library()
    metadata = decode_metadata(asked["metadata"], "metadata")
    say(STARTED)
    _limit(asked["seconds"], len(data), metadata.model)
    say(json.dumps(_complaint(metadata.model, metadata.file, asked["engine"], data)).encode())


def _complaint(spec: ModelSpec, file_spec: FileSpec, engine: str, data: bytes) -> str:
    name = f"the .{file_spec.format} file"
    try:
        check_supported(engine, file_spec, name)
        opened = OpenedFile(Opening(engine, data, *tensor_names(spec, file_spec), Settings("cpu")))
        inputs = spec.input.edge_cases()
        if file_spec.state and spec.input.tensors[0].dynamic:
            inputs = select(inputs, np.s_[:, :STEPS])
        _run_sizes(GraphRunner(spec, name, file_spec, opened), inputs)
    except ZooError as problem:
        return str(problem)
    except MemoryError:
        return f"engine {engine!r} needs more memory than such a file should"
    return ""


def _run_sizes(runner: GraphRunner, inputs: Tensors) -> None:
    """Run one input, then the batch sizes of `runtime.model`, then every other up to the largest, while it is quick."""
    start = time.process_time()
    runner.forward(select(inputs, slice(1)))
    count = size(inputs)
    spent = each = time.process_time() - start
    usual = (count, FEW, BATCH) if runner.file_spec.batch is None else (count,)
    others = range(2, BATCH) if runner.file_spec.batch is None else ()
    for batch, limit in [
        *((batch, SECONDS / 2) for batch in usual),
        *((batch, min(EXTRA, SECONDS / 2)) for batch in others),
    ]:
        if spent + each * batch >= limit:
            continue
        runner.forward(select(inputs, np.arange(batch) % count))
        each = (time.process_time() - start - spent) / batch
        spent = time.process_time() - start


def _limit(seconds: int, file_size: int, spec: ModelSpec) -> None:
    """Limit this process's computing, and what it may write to: unlike reserved addresses that costs memory."""
    try:
        import resource
    except ImportError:  # Windows
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    lower_limit(resource.RLIMIT_CPU, math.ceil(used.ru_utime + used.ru_stime) + seconds)
    limit_memory()
    lower_limit(resource.RLIMIT_DATA, MEMORY + 8 * file_size + 256 * BATCH * _values(spec))


def _values(spec: ModelSpec) -> int:
    """Return how many values an input has, of a usual length where it may have any."""
    lengths = {"time": getattr(spec.input, "length", 1), **getattr(spec.input, "lengths", {})}
    return sum(
        math.prod(lengths.get(axis, 1) if isinstance(axis, str) else axis for axis in tensor.shape)
        for tensor in spec.input.tensors
    )


def _died(ending: Ending, seconds: int) -> str:
    import signal

    if ending.status in (None, -getattr(signal, "SIGXCPU", 0) or None):
        return f"took over {seconds} s"
    if ending.status >= 0:
        return f"ended with exit status {ending.status}"
    try:
        name = signal.Signals(-ending.status).name
    except ValueError:
        name = f"signal {-ending.status}"
    return f"died of {name}"
