"""The built site in Chromium: accessible, complete by itself, quick to load, and as wide as a phone."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from itertools import pairwise, product
from pathlib import Path

import pytest

from tests.docs.pages import ROOT
from tests.mobile_demo.conftest import alone, lacking, launcher, watch
from tests.mobile_demo.host import hosted
from tests.nightly import nightly_but
from zoo.web.app import SOURCES

pytest.importorskip("mkdocs")

FIRST = "index.html"
PAGES = (
    FIRST, "guides/network.html", "guides/serve.html", "reference/commands.html", "reference/python.html",
    "notebooks/train-and-export.html", "coverage.html", "404.html",
)  # fmt: skip
SCREENS = {"phone": (390, 844, "light"), "small": (320, 568, "dark"), "desktop": (1280, 800, "dark")}
LARGEST = 400_000
"""Bytes of a page with all that it loads, gzipped as web hosts do; the theme alone has 200,000."""
SERIOUS = ("serious", "critical")
KEYBOARD = "scrollable-region-focusable"
"""The rule about scrolling by keyboard; on screens to touch, the theme leaves code out of the focus."""
CASES = nightly_but((FIRST, "phone").__eq__, product(PAGES, SCREENS))


@pytest.fixture(scope="module")
def site(once):
    """The site as `make docs` builds it, on a web host."""

    def build(out: Path) -> None:
        command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(out)]
        subprocess.run(command, cwd=ROOT, check=True, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"})

    with hosted(once("docs/site", build), {}) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    """Chromium, for this file alone: Playwright's event loop would keep other tests of the pages from theirs."""
    with launcher() as start:
        opened = start()
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def axe():
    from mobile_demo import build_app

    node = build_app.find_node()
    if node is None:
        lacking(f"axe can't be installed: there is no {build_app.NEEDED}")
    with alone():
        build_app.install(node)
    return (SOURCES / "node_modules/axe-core/axe.min.js").read_text()


@pytest.fixture
def visit(browser, site):
    """Open a page on a screen; afterwards nothing may have been complained of, nor asked of other hosts."""
    contexts, errors, asked = [], [], []

    def open_page(path, screen):
        width, height, theme = SCREENS[screen]
        phone = screen != "desktop"
        contexts.append(browser.new_context(
            viewport={"width": width, "height": height}, has_touch=phone, is_mobile=phone,
            color_scheme=theme, locale="en", reduced_motion="reduce",
        ))  # fmt: skip
        page = contexts[-1].new_page()
        watch(page, errors)
        page.on("request", lambda request: asked.append(request))
        page.goto(site + path, wait_until="networkidle")
        return page, asked

    yield open_page
    outside = [each.url for each in asked if not each.url.startswith((site, "data:", "blob:"))]
    for context in contexts:
        context.close()
    assert outside == []
    assert errors == []


@pytest.mark.parametrize(("path", "screen"), CASES)
def test_a_page(path, screen, visit, axe):
    page, asked = visit(path, screen)
    answers = [answer for each in asked if each.url.startswith("http") and (answer := each.response())]
    assert [each.url for each in answers if each.status >= 400] == []
    assert sum(len(gzip.compress(each.body())) for each in answers) <= LARGEST
    check_head(page, path)
    check_headings(page)
    check_width(page)
    check_axe(page, axe, left_out=() if screen == "desktop" else (KEYBOARD,))


def check_head(page, path):
    head = page.evaluate("""() => ({
        lang: document.documentElement.lang,
        title: document.title,
        description: document.querySelector('meta[name=description]')?.content,
        viewport: document.querySelector('meta[name=viewport]')?.content,
    })""")
    assert head["lang"] == "en"
    assert "edgezoo" in head["title"]
    assert path in (FIRST, "404.html") or head["title"] != "edgezoo"
    assert len(head["description"]) >= 50
    assert "width=device-width" in head["viewport"]


def check_headings(page):
    """Check that there is one title, and that no level is left out on the way down."""
    levels = page.evaluate(
        "() => [...document.querySelectorAll('article :is(h1,h2,h3,h4,h5,h6)')].map(each => +each.tagName[1])"
    )
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert [pair for pair in pairwise(levels) if pair[1] > pair[0] + 1] == []


def check_width(page):
    sizes = page.evaluate("() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert sizes[0] <= sizes[1], f"{sizes[0]} px wide on a screen of {sizes[1]}"


def check_axe(page, axe, left_out):
    page.evaluate(axe)
    violations = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")["violations"]
    assert [
        f"{rule['id']}: {rule['help']} ({', '.join(str(node['target'][0]) for node in rule['nodes'][:5])})"
        for rule in violations
        if rule["impact"] in SERIOUS and rule["id"] not in left_out
    ] == []


@pytest.mark.nightly
def test_the_search_answers_without_a_network(visit):
    page, _ = visit(FIRST, "desktop")
    page.get_by_role("textbox", name="Search").press_sequentially("quantize")
    page.locator(".md-search-result__link").first.wait_for()
    assert "zoo export" in page.locator(".md-search-result__list").inner_text()
