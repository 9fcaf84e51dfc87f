"""Several processes that serve the same bundles on the same ports: the system shares the connections out to them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from runtime.concurrency.threads import usable_cpus
from runtime.errors import BundleError, OptionError, ZooError
from runtime.scratch import scratch_folder
from zoo.serving.metrics import SHARED
from zoo.serving.server import ServeOptions, run
from zoo.terminal import complain, note
from zoo.web import network

REFUSED = 2
"""The exit status of a worker that can't serve; one in its place couldn't, either."""


def run_workers(count: int, options: ServeOptions, on_listening: Callable[[str, int | None], None]) -> None:
    """Serve by several processes until this one is told to end; a worker that dies is replaced.

    Args:
        count: How many.
        options: What each serves.
        on_listening: See `zoo.serving.server.run`; called before the workers listen.

    Raises:
        BundleError: If a worker can't serve; it has said why.
        OptionError: If the system can't share a port, or a port can't be listened on.
    """
    if not hasattr(multiprocessing.connection, "wait") or not hasattr(os, "fork"):
        raise OptionError("--workers: processes share no ports on this system; start several servers instead")
    kept = network.bind(options.host, options.port, shared=True)
    port, grpc_port = kept[0].getsockname()[1], options.grpc_port
    if grpc_port is not None:
        kept += network.bind(options.host, grpc_port, shared=True)
        grpc_port = kept[-1].getsockname()[1]
    engines = options.engines
    copies = engines.copies or max(1, usable_cpus() // (engines.threads * count))
    shared = replace(options, port=port, grpc_port=grpc_port, engines=replace(engines, copies=copies), shared=True)
    scheme = "https" if options.access.certificate else "http"
    try:
        with scratch_folder() as figures:
            on_listening(network.address(scheme, network.own_name(options.host), port), grpc_port)
            _supervise(count, shared, figures)
    finally:
        for each in kept:
            each.close()


def _supervise(count: int, options: ServeOptions, figures: Path) -> None:
    """Keep so many workers until a signal; then end them."""
    reader, writer = os.pipe()
    before = {each: signal.signal(each, lambda *_: os.write(writer, b"x")) for each in (signal.SIGTERM, signal.SIGINT)}
    workers = [_start(options, figures) for _ in range(count)]
    refused = False
    try:
        while reader not in wait([reader, *(each.sentinel for each in workers)]) and not refused:
            for at, worker in enumerate(workers):
                if worker.exitcode is not None:
                    refused |= worker.exitcode > 0  # and not killed by a signal
                    note(f"zoo: worker {worker.pid} ended with status {worker.exitcode}")
                    _forget(worker, figures)
                    if not refused:
                        workers[at] = _start(options, figures)
    finally:
        for worker in workers:
            with suppress(ProcessLookupError):
                worker.terminate()
        for worker in workers:
            worker.join()
        for each, handler in before.items():
            signal.signal(each, handler)
        os.close(reader)
        os.close(writer)
    if refused:
        raise BundleError("a worker can't serve; it says why above")


def _start(options: ServeOptions, figures: Path) -> SpawnProcess:
    worker = multiprocessing.get_context("spawn").Process(target=_work, args=(options, figures))
    worker.start()
    return worker


def _forget(worker: SpawnProcess, figures: Path) -> None:
    """Take a dead worker's requests out of the gauges."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid, str(figures))  # type: ignore[no-untyped-call]


def _work(options: ServeOptions, figures: Path) -> None:
    """Serve, in a worker."""
    os.environ[SHARED] = str(figures)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        run(options, lambda *_: None)
    except ZooError as problem:
        complain(str(problem))
        sys.exit(REFUSED)


def _end_with_parent() -> None:
    parent: Any = multiprocessing.parent_process()
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
