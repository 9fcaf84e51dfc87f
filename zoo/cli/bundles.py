"""Commands about bundles that are there: list, pull, cache, info, verify, card, sign, push."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.cli.arguments import AsJson, BundlePath, Overwrite, Threads, Trusted


def list_(
    models: Annotated[bool, typer.Option("--models", help="Show the models that are ready to use instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show recipes, data sets, formats and engines, and what they are for."""
    from zoo.cli.views import bundles as bundles_view
    from zoo.cli.views import models as models_view

    (models_view.models if models else bundles_view.overview)(as_json)


def pull(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="A model of `zoo list --models`, timm:NAME of any network of timm, or hf:USER/NAME."
        ),
    ],
    formats: Annotated[
        list[str] | None, typer.Option("--format", help="onnx, tflite or tflm; by default the model's own.")
    ] = None,
    precisions: Annotated[
        list[str] | None, typer.Option("--precision", help="As for zoo export; by default the model's own.")
    ] = None,
    random_weights: Annotated[
        bool, typer.Option("--random-weights", help="Untrained, for a trial of the export: NAME+random from then on.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="The bundle's folder; in the cache folder by default.")] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Get a model that is ready to use: made here, every file proved against PyTorch, and kept in the cache folder."""
    from zoo.catalogue.pull import pull
    from zoo.cli.views import bundles as views
    from zoo.terminal.progress import progress

    with progress() as on_progress:
        bundle = pull(
            name, formats or (), precisions or (), random_weights=random_weights, out=out, overwrite=overwrite,
            on_progress=on_progress,
        )  # fmt: skip
    views.bundle(bundle, as_json)


def cache_list(as_json: AsJson = False) -> None:
    """Show the models that were pulled."""
    from zoo.catalogue.pull import cached
    from zoo.cli.views import models as views

    views.cached(cached(), as_json)


def cache_clean(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME...]", help="Models; all by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """Remove models that were pulled."""
    from zoo.catalogue.pull import clean
    from zoo.cli.views import models as views

    views.cleaned(clean(names or ()), as_json)


def info(bundle: BundlePath, as_json: AsJson = False) -> None:
    """Show what is inside a bundle: input, labels, files, sizes, parity, metrics, origins."""
    from runtime import Bundle
    from zoo.cli.views import bundles as views

    views.bundle(Bundle.read(bundle), as_json)


def verify(
    bundle: BundlePath,
    public_key: Annotated[Path | None, typer.Option(help="First check the signature of this key's owner.")] = None,
    threads: Threads = None,
    trusted: Trusted = False,
    as_json: AsJson = False,
) -> None:
    """Replay a bundle's golden pack on every engine here; needs no torch. Exits 1 if an answer differs."""
    if public_key is not None:
        from zoo.catalogue.signing import check_signature

        check_signature(bundle, public_key)
    from runtime.native_output import suppress_output
    from zoo.cli.views import bundles as views
    from zoo.terminal.progress import progress

    with progress() as on_progress, suppress_output():
        from runtime.verify import verify as replay

        replays = list(replay(bundle, threads=threads, trusted=trusted, on_progress=on_progress))
    if not views.verification(replays, as_json):
        raise typer.Exit(1)


def card(
    bundle: BundlePath,
    measure: Annotated[bool, typer.Option("--speed/--no-speed", help="Measure each file's latency here.")] = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Drop a signature, which must be renewed.")] = False,
    trusted: Trusted = False,
    as_json: AsJson = False,
) -> None:
    """Write a bundle's model card anew, with the speed of each file on this machine."""
    from zoo.cli.views import bundles as views
    from zoo.terminal.progress import progress

    with progress() as on_progress:
        from zoo.exporting.cards import renew

        renewed = renew(bundle, measure=measure, overwrite=overwrite, trusted=trusted, on_progress=on_progress)
    views.bundle(renewed, as_json)


def sign(
    bundle: BundlePath,
    key: Annotated[Path, typer.Option(help="Private key in PEM, on the curve P-256, P-384 or P-521.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a signature that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Sign a bundle's files, so that `zoo verify --public-key` refuses any other; needs no network."""
    from zoo.catalogue.signing import sign as put_signature
    from zoo.cli.views import bundles as views

    views.signed(put_signature(bundle, key, overwrite), as_json)


def push(
    bundle: BundlePath,
    name: Annotated[str, typer.Argument(metavar="NAME", help="hf:USER/NAME, made if need be.")],
    public: Annotated[
        bool, typer.Option("--public/--private", help="Whether everybody sees a repository that is made, or you alone.")
    ] = False,
    trusted: Trusted = False,
    as_json: AsJson = False,
) -> None:
    """Put a bundle that passes `zoo verify` onto the model hub, in one commit; private unless you say --public."""
    from runtime import Bundle
    from runtime.native_output import suppress_output
    from zoo.catalogue.hub import is_public
    from zoo.catalogue.hub import push as put
    from zoo.cli.views import bundles as views
    from zoo.terminal.progress import progress

    with progress() as on_progress, suppress_output():
        where = put(bundle, name, public=public, trusted=trusted, on_progress=on_progress)
        everybody = is_public(name)
    views.pushed(where, Bundle.read(bundle), everybody, as_json)
