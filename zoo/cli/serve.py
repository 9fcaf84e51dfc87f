"""The command that serves bundles."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from zoo.cli.arguments import AsJson, BundlePaths, Engine, Trusted


def serve(
    bundles: BundlePaths,
    host: Annotated[
        str, typer.Option(help="What to listen on: 0.0.0.0 is every network that this machine is in.")
    ] = "localhost",
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Its port; by default the first free one from 8000.")
    ] = None,
    grpc_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="The port of gRPC; without it there is none.")
    ] = None,
    engine: Engine = "fastest",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda and so on; a named one is strict.")] = "auto",
    option: Annotated[
        list[str] | None, typer.Option("--option", metavar="KEY=VALUE", help="For the device's provider or delegate.")
    ] = None,
    threads: Annotated[int, typer.Option(help="CPU threads of a run: one answers most requests a second.")] = 1,
    copies: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="How many runs of a model go on at a time; by default what the CPUs allow."),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Processes that share the ports, each with its own models and queues.")
    ] = 1,
    queue: Annotated[
        int, typer.Option(min=1, max=100_000, help="How many requests of a model may wait; others get status 429.")
    ] = 256,
    timeout: Annotated[
        float, typer.Option(min=0.001, max=3600, help="Seconds that a request may take; later it gets status 504.")
    ] = 30.0,
    max_body: Annotated[
        float, typer.Option(min=0.001, max=4096, help="Megabytes that a request may have; larger ones get status 413.")
    ] = 16.0,
    token_file: Annotated[
        Path | None,
        typer.Option(help="Serve only requests with this file's bearer token; else EDGEZOO_TOKEN's, where it is set."),
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Encrypt: the certificate chain in PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key in PEM.")] = None,
    log_requests: Annotated[
        bool, typer.Option("--log-requests/--no-log-requests", help="Write a line of JSON on stderr for each request.")
    ] = True,
    trusted: Trusted = False,
    as_json: AsJson = False,
) -> None:
    """Serve bundles by the Open Inference Protocol and a plain endpoint, once each has replayed its golden pack."""
    from zoo.cli.predict import pairs
    from zoo.cli.views import serving as views
    from zoo.serving.access import read_access
    from zoo.serving.models import EngineOptions
    from zoo.serving.server import ServeOptions, run
    from zoo.serving.service import MEGABYTE, Limits
    from zoo.serving.workers import run_workers

    engines = EngineOptions(engine, device, pairs(option or []), threads, copies, trusted)
    limits = Limits(queue, timeout, int(max_body * MEGABYTE))
    access = read_access(token_file, tls_cert, tls_key)
    options = ServeOptions(bundles, host, port, grpc_port, engines, limits, access, log_requests)
    serve_bundles = run if workers == 1 else partial(run_workers, workers)
    serve_bundles(options, lambda http, grpc: views.listening(http, grpc, as_json))
