"""The body of `zoo demo`: a site of the web app and bundles, served here or written for any web host."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from export.disclosure import disclosure_of
from runtime import Bundle
from runtime.cache import cache_folder
from runtime.errors import MissingExtraError
from runtime.scratch import scratch_folder
from zoo.terminal import say, say_json
from zoo.terminal.console import console
from zoo.web import network
from zoo.web.app import find_app
from zoo.web.certificate import Certificate, certificate
from zoo.web.connection_limits import serve
from zoo.web.server import headers, web_app
from zoo.web.site import Site, make_site, write_site

AUTHORITY = "certificate.crt"
"""Where the server gives out the certificate of its authority, for phones to trust."""


def prepare(bundles: Sequence[Path], on_progress: Callable[[str, int, int], None]) -> Site:
    """Return the site of the app and checked bundles."""
    app = find_app()
    on_progress("check the bundles", 0, 1)
    return make_site(app, bundles)


def say_published(bundles: Sequence[Path]) -> None:
    """Say whose data the bundles show to everybody who opens the site."""
    for bundle in map(Bundle.read, bundles):
        _say(f"{bundle.path.name}: {disclosure_of(bundle.manifest)}")


def write(site: Site, folder: Path, overwrite: bool, json_wanted: bool) -> None:
    """Write a site into a folder and say so."""
    write_site(site, folder, overwrite)
    size = sum(map(len, site.values()))
    if json_wanted:
        say_json({"out": str(folder), "files": len(site), "size": size})
    else:
        _say(f"site  {folder} ({len(site)} files, {size / 1e6:.1f} MB), for any web host; phones want https from it")


def run(site: Site, host: str, port: int | None, https: bool, browser: bool, json_wanted: bool) -> None:
    """Serve a site until Ctrl-C, after saying where it is."""
    names = network.names(host)
    with ExitStack() as stack:
        proof = None
        if https:  # without a cache folder the key goes with the process
            proof = certificate(names, cache_folder() or stack.enter_context(scratch_folder()))
            site = {**site, AUTHORITY: proof.authority.read_bytes()}
        sockets = network.listen(host, port)
        number = sockets[0].getsockname()[1]
        scheme = "https" if https else "http"
        here = network.address(scheme, network.own_name(host), number)
        reached = network.phone_host(host)
        phone = None if reached is None else network.address(scheme, reached, number)
        if json_wanted:
            authority = None if proof is None else str(proof.authority)
            say(json.dumps({"address": here, "phone": phone, "certificate": authority}))
        else:
            _announce(here, phone, proof)
        sys.stdout.flush()
        if browser:
            import webbrowser

            webbrowser.open(here)
        with suppress(KeyboardInterrupt):
            application = web_app(site, names if phone is None else ["*"])
            serve(application, sockets, None if proof is None else proof.server, [*headers(site).items()])


def _announce(here: str, phone: str | None, proof: Certificate | None) -> None:
    _say(f"here   {here}")
    if phone is None:
        _say("phone  can't reach localhost: add --host 0.0.0.0 --https, and let it join this machine's network")
    else:
        _say(f"phone  {phone}")
        _draw_qr(phone)
        if proof is None:
            _say("Without --https a phone's browser gives no camera or microphone, and keeps nothing for flight mode.")
    if proof is not None:
        _say("The browser warns that no public authority knows the certificate: go on; camera and microphone work.")
        _say(f"Flight mode needs it trusted: open {phone or here}{AUTHORITY} and install it, or copy {proof.authority}")
    _say("Ctrl-C ends it.")


def _draw_qr(url: str) -> None:
    """Draw a QR code where the terminal can show one."""
    try:
        import segno
    except ImportError:
        raise MissingExtraError("segno, which draws QR codes,", "demo") from None
    drawn = io.StringIO()
    segno.make(url, error="l", micro=False).terminal(drawn, border=2, compact=True)
    with suppress(UnicodeEncodeError, LookupError):
        drawn.getvalue().encode(sys.stdout.encoding or "ascii")
        sys.stdout.write(drawn.getvalue())


def _say(text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)
