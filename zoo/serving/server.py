"""The process: it listens, loads the models, serves HTTP and gRPC in one event loop, and drains at a signal."""

from __future__ import annotations

import asyncio
import socket
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from runtime.errors import MissingExtraError, Note
from zoo.serving import grpc_v2
from zoo.serving.access import Access
from zoo.serving.app import web_app
from zoo.serving.loader import load_all
from zoo.serving.logs import logging_to_stderr
from zoo.serving.models import EngineOptions, ModelTable, names_of
from zoo.serving.protocol import http_protocol
from zoo.serving.service import Limits, Service
from zoo.serving.watch import watch
from zoo.web import network
from zoo.web.connection_limits import SILENT, limited

DRAIN = 1.0
"""Seconds in which clients with an open connection are told to close it, before idle ones are closed here: a request
that is sent at that very moment would be lost."""

SWITCH = 0.001
"""Seconds after which a thread must let another one run: the event loop waits behind the threads that answer."""


@dataclass(frozen=True)
class ServeOptions:
    """What is served, and how.

    Args:
        bundles: The bundles' folders.
        host: What to listen on.
        port: The port of HTTP; 0 for any that is free.
        grpc_port: The port of gRPC; None without it, 0 for any that is free.
        engines: How the bundles' files are opened.
        limits: The limits of requests.
        access: Who is served.
        log_requests: Whether the log has a line for each request.
        shared: Whether other workers listen on the same ports. Then the models are loaded before it is listened, so
            that no request meets a worker that is not ready.
    """

    bundles: Sequence[Path]
    host: str = "localhost"
    port: int | None = None
    grpc_port: int | None = None
    engines: EngineOptions = field(default_factory=EngineOptions)
    limits: Limits = field(default_factory=Limits)
    access: Access = field(default_factory=Access)
    log_requests: bool = True
    shared: bool = False


def run(options: ServeOptions, on_listening: Callable[[str, int | None], None]) -> None:
    """Serve until the process is told to end, then answer what was accepted.

    Args:
        options: What is served.
        on_listening: Called with the address of HTTP and the port of gRPC once both are open.

    Raises:
        BundleError: If a bundle can't be trusted or read.
        EngineError: If no engine can run it, or a library is missing.
        OptionError: If the host or a port can't be listened on.
    """
    bundles = names_of(options.bundles)
    service = Service(ModelTable(bundles), options.limits, options.access)
    names = network.names(options.host)
    hosts = names if network.phone_host(options.host) is None else ["*"]
    app = web_app(service, hosts)
    sys.setswitchinterval(SWITCH)
    with logging_to_stderr(options.log_requests), warnings.catch_warnings():
        warnings.simplefilter("ignore", Note)  # the command line collects notes, here without an end
        if options.shared:
            load_all(service, options.engines)
        sockets = network.listen(options.host, options.port, options.shared)
        asyncio.run(_serve(options, service, _config(app, options), sockets, on_listening))


async def _serve(
    options: ServeOptions,
    service: Service,
    config: Any,
    sockets: list[socket.socket],
    on_listening: Callable[[str, int | None], None],
) -> None:
    told_to_end = asyncio.Event()
    server = _server(config, told_to_end)
    listeners = [limited(each) for each in sockets]
    number = listeners[0].getsockname()[1]
    serving = asyncio.create_task(server.serve(listeners))
    ending = asyncio.create_task(told_to_end.wait())
    grpc_server, grpc_port = None, None
    try:
        while not (server.started or serving.done()):
            await asyncio.sleep(0.01)
        if options.grpc_port is not None:
            grpc_server, grpc_port = await grpc_v2.start(service, options.host, options.grpc_port, options.shared)
        scheme = "https" if options.access.certificate else "http"
        on_listening(network.address(scheme, network.own_name(options.host), number), grpc_port)
        await _serve_models(options, service, (ending, serving))
        service.draining = True
        if grpc_server is not None:
            await asyncio.gather(_drain(server), grpc_server.stop(options.limits.seconds))
        else:
            await _drain(server)
    finally:
        ending.cancel()
        server.should_exit = True
        await serving
        if grpc_server is not None:
            await grpc_server.stop(0)


async def _serve_models(options: ServeOptions, service: Service, ends: Sequence[asyncio.Task[Any]]) -> None:
    """Load the models and serve them until one of the tasks ends."""
    loading = asyncio.create_task(_load(options, service))
    await asyncio.wait((loading, *ends), return_when=asyncio.FIRST_COMPLETED)
    if loading.done():
        loading.result()
        watching = asyncio.create_task(watch(service, options.engines))
        await asyncio.wait((watching, *ends), return_when=asyncio.FIRST_COMPLETED)
        watching.cancel()


async def _load(options: ServeOptions, service: Service) -> None:
    if not service.models.complete:
        await asyncio.to_thread(load_all, service, options.engines)


async def _drain(server: Any) -> None:
    """Accept the connections that wait, then no more; let clients take their answers and close their connections."""
    for _ in range(3):
        await asyncio.sleep(0)
    for listener in server.servers:
        listener.close()
    end = asyncio.get_running_loop().time() + DRAIN
    while server.server_state.connections and asyncio.get_running_loop().time() < end:
        await asyncio.sleep(0.02)


def _config(app: Any, options: ServeOptions) -> Any:
    try:
        import uvicorn
    except ImportError:
        raise MissingExtraError("uvicorn, which zoo serve needs,", "serve") from None
    return uvicorn.Config(
        app,
        http=http_protocol(),
        timeout_graceful_shutdown=int(options.limits.seconds + options.limits.body_seconds),
        ssl_certfile=options.access.certificate,
        ssl_keyfile=options.access.key,
        **SILENT,
    )


def _server(config: Any, told_to_end: asyncio.Event) -> Any:
    """Return a server that leaves to us what happens at a signal."""
    import uvicorn

    loop = asyncio.get_running_loop()

    class Draining(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            if told_to_end.is_set():
                sys.exit(128 + sig)  # a second signal: at once
            loop.call_soon_threadsafe(told_to_end.set)

    return Draining(config)
