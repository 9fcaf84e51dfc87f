"""The command that serves bundles."""

from __future__ import annotations

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
    engine: Engine = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda and so on; a named one is strict.")] = "auto",
    option: Annotated[
        list[str] | None, typer.Option("--option", metavar="KEY=VALUE", help="For the device's provider or delegate.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="CPU threads of a batch; by default the CPUs, shared out among the copies.")
    ] = None,
    copies: Annotated[int, typer.Option(min=1, max=64, help="How many batches of a model run at a time.")] = 1,
    trusted: Trusted = False,
    as_json: AsJson = False,
) -> None:
    """Serve bundles by the Open Inference Protocol and a plain endpoint, once each has replayed its golden pack."""
    from zoo.cli.predict import pairs
    from zoo.cli.views import serving as views
    from zoo.serving.models import EngineOptions
    from zoo.serving.server import ServeOptions, run

    engines = EngineOptions(engine, device, pairs(option or []), threads, copies, trusted)
    run(
        ServeOptions(bundles, host, port, grpc_port, engines=engines),
        lambda http, grpc: views.listening(http, grpc, as_json),
    )
