"""Commands about machines: doctor, and demo, which reaches a phone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.cli.arguments import AsJson, BundlePaths, Trusted
from zoo.resolve import resolve


def doctor(
    bundle: Annotated[
        Path | None,
        typer.Argument(
            metavar="[BUNDLE]", help="Show how fast each file of it is here on each engine instead.", parser=resolve
        ),
    ] = None,
    trusted: Trusted = False,
    as_json: AsJson = False,
) -> None:
    """Show what this machine can run models on, and why not on what. Exits 1 if it is nothing."""
    from zoo.cli.views import machine as views
    from zoo.terminal.progress import progress

    if bundle is not None:
        from runtime.native_output import suppress_output

        with progress() as on_progress, suppress_output():
            from runtime.fastest import fastest

            table = fastest(bundle, trusted=trusted, keep=True, on_progress=on_progress)
        views.speeds(table, bundle, as_json)
        if table.chosen is None:
            raise typer.Exit(1)
        return
    with progress() as on_progress:
        from zoo.doctor import diagnose

        diagnosis = diagnose(on_progress)
    views.doctor(diagnosis, as_json)
    if diagnosis.choice is None:
        raise typer.Exit(1)


def demo(
    bundles: BundlePaths,
    out: Annotated[
        Path | None, typer.Option(help="Write a folder for any web host instead of serving it here.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="What to listen on: 0.0.0.0 is every network that this machine is in.")
    ] = "localhost",
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Its port; by default the first free one from 8000.")
    ] = None,
    https: Annotated[bool, typer.Option("--https", help="Encrypt, with a local certificate: phones need it.")] = False,
    browser: Annotated[bool, typer.Option("--open/--no-open", help="Open it in this machine's browser.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a site that is in --out.")] = False,
    as_json: AsJson = False,
) -> None:
    """Serve the web app with bundles, for a phone or a browser here, or write it as a folder for any web host."""
    from zoo.terminal.progress import progress
    from zoo.web import demo
    from zoo.web.site import check_site

    with progress() as on_progress:
        if out is not None:
            check_site(out, overwrite)
        site = demo.prepare(bundles, on_progress)
    if not as_json:
        demo.say_published(bundles)
    if out is not None:
        demo.write(site, out, overwrite, as_json)
    else:
        demo.run(site, host, port, https, browser, as_json)
