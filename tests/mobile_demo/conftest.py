"""The built app, its real server, and Chromium. What is missing skips, or fails where EDGEZOO_BROWSER=required."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from tests.mobile_demo.ears import export_ears
from tests.mobile_demo.layer import Layer, build_module
from tests.nightly import NIGHTLY
from tests.once import Once
from tests.processor import BROWSERS, Measured

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""The first is Chromium without windows, which starts in half the time."""
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
BRIEF = () if NIGHTLY else ("--js-flags=--liftoff-only",)
"""Most pages live for a second or two, in which V8's second compiler of WebAssembly costs more than it saves."""
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}


def lacking(reason: str) -> NoReturn:
    if os.environ.get("EDGEZOO_BROWSER") == "required":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def alone() -> Iterator[None]:
    """Keep other processes from installing and building while this one does."""
    filelock = pytest.importorskip("filelock")
    from zoo.web.app import SOURCES

    mark = hashlib.sha256(str(SOURCES).encode()).hexdigest()[:16]
    with filelock.FileLock(Path(tempfile.gettempdir()) / f"edgezoo-{mark}.lock"):
        yield


@pytest.fixture(scope="session")
def app() -> Path:
    """The built app, built by the first process that needs it."""
    from mobile_demo import build_app

    with alone():
        if not build_app.is_built():
            if build_app.find_node() is None:
                lacking(f"the app isn't built, and there is no {build_app.NEEDED}")
            build_app.build()
    return build_app.BUILT


@contextmanager
def launcher() -> Iterator[Callable[..., Browser]]:
    """Start Chromium with more arguments: `chromium("--use-fake-device-for-media-stream")`."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        lacking("there is no Chromium: Debian's package is called chromium-headless-shell")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        lacking("playwright is not installed: pip install playwright")
    playwright = sync_playwright().start()
    yield lambda *more: playwright.chromium.launch(executable_path=program, args=[*ARGUMENTS, *BRIEF, *more])
    with Measured(BROWSERS):  # the time of all of them is known when the last one has gone
        playwright.stop()


@pytest.fixture(scope="package")
def chromium() -> Iterator[Callable[..., Browser]]:
    """Start Chromium; see `launcher`.

    The scope is this package, because Playwright keeps an event loop running, in which other tests can't start theirs.
    """
    with launcher() as start:
        yield start


@pytest.fixture(scope="package")
def browser(chromium: Callable[..., Browser]) -> Iterator[Browser]:
    opened = chromium()
    yield opened
    opened.close()


@pytest.fixture(scope="package")
def layer(browser: Browser, once: Once, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layer]:
    """The model layer by itself, as a module in a blank page."""
    from mobile_demo import build_app

    node = build_app.find_node()
    if node is None:
        lacking(f"the model layer can't be built: there is no {build_app.NEEDED}")
    with alone():
        build_app.install(node)
    module = once(
        "layer/model.js",
        lambda out: out.write_bytes(build_module(node.folder / "node", tmp_path_factory.mktemp("layer"))),
    )
    page = browser.new_page()
    with Layer.opened(page, module.read_bytes()) as opened:
        yield opened
    page.close()


@pytest.fixture(scope="package")
def site(app: Path) -> Iterator[Callable[..., str]]:
    """Serve bundles with `zoo demo`: `site(bundle, other, "--https")` is the address, with a slash at the end.

    The same words give the same address: pages of other tests have storage of their own.
    """
    servers = []

    @cache
    def start(*words: object) -> str:
        command = [sys.executable, "-m", "zoo", "demo", *map(str, words), "--port", "0", "--json"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        servers.append(server)
        assert server.stdout is not None
        said = server.stdout.readline()
        assert said, f"zoo demo ended with status {server.wait()}"
        return str(json.loads(said)["address"])

    yield start
    for server in servers:
        server.terminate()
        server.communicate()


@pytest.fixture(scope="session")
def ears(once: Once) -> Path:
    """A bundle that tells low tones, high ones and silence apart."""
    return once("ears/ears", export_ears)


@pytest.fixture
def errors() -> list[str]:
    """What the page complained of: a test that provokes errors clears it."""
    return []


@pytest.fixture
def page(browser: Browser, errors: list[str], request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page on a phone with storage of its own; fails if anything was complained of in the console.

    Only in tests marked `service_worker` it has the app's service worker, which fetches the whole app for later visits.
    """
    marked = request.node.get_closest_marker("service_worker") is not None
    with phone_page(browser, errors, service_worker=marked) as opened:
        yield opened


@contextmanager
def phone_page(browser: Browser, errors: list[str], service_worker: bool = False) -> Iterator[Page]:
    """Open a page of a browser on a phone with storage of its own; see `page`."""
    context = browser.new_context(**PHONE, service_workers="allow" if service_worker else "block")
    opened = context.new_page()
    watch(opened, errors)
    yield opened
    context.close()
    assert not errors


def watch(page: Page, errors: list[str]) -> None:
    """Collect a page's console errors, uncaught exceptions and crashes."""
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda problem: errors.append(str(problem)))
    page.on("crash", lambda _: errors.append("the page crashed"))
