"""Every view on small and large screens: axe (WCAG 2.2 AA and best practice) finds nothing, and nothing sticks out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mobile_demo.app import choose_file, self_test
from tests.mobile_demo.conftest import watch
from tests.nightly import nightly_but
from zoo.web.app import SOURCES

FIXTURES = sorted((Path(__file__).parents[1] / "fixtures").glob("format-3*"))
SCREENS = {"phone": (390, 844), "small": (320, 568), "desktop": (1280, 800)}


@pytest.fixture(scope="module")
def axe(app):
    return (SOURCES / "node_modules/axe-core/axe.min.js").read_text()


@pytest.fixture(scope="module")
def address(site, tiny_bundle, table_bundle, sequence_bundle, ears):
    return site(tiny_bundle, table_bundle, sequence_bundle, *FIXTURES, ears)


def check(page, axe, where):
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(axe)
    violations = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")["violations"]
    assert not violations, f"{where}: " + "; ".join(
        f"{rule['id']}: {rule['help']} ({', '.join(str(node['target'][0]) for node in rule['nodes'])})"
        for rule in violations
    )
    sizes = page.evaluate("() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert sizes[0] <= sizes[1], f"{where}: {sizes[0]} px wide on a screen of {sizes[1]}"


LOOKS = (("phone", "light", "en"), ("small", "dark", "ko"), ("small", "light", "en"), ("desktop", "dark", "en"))
QUICK = LOOKS[1:2]
"""The narrowest screen and the longer words; the light colours are those of `test_a_long_history`."""


@pytest.mark.parametrize(("screen", "theme", "language"), nightly_but(QUICK.__contains__, LOOKS))
def test_every_view(browser, address, axe, screen, theme, language, errors):
    width, height = SCREENS[screen]
    context = browser.new_context(
        viewport={"width": width, "height": height}, has_touch=screen != "desktop", is_mobile=screen != "desktop",
        color_scheme=theme, locale=language, reduced_motion="reduce",
        service_workers="block",
    )  # fmt: skip
    page = context.new_page()
    watch(page, errors)
    page.goto(address)
    page.locator("a.model").nth(5).wait_for()
    assert page.evaluate("() => document.documentElement.lang") == language
    check(page, axe, "the choice of models")
    for i in range(6):
        page.goto(address)
        page.locator("a.model").nth(i).click()
        choose_file(page, None)
        page.locator("details.engine summary").click()
        for tab in page.get_by_role("tab").all():
            name = tab.inner_text()
            tab.click()
            example = page.locator("button.example")
            if example.count():
                for _ in range(2):
                    example.click()
                    page.locator(".answer .headline").wait_for()
            check(page, axe, f"model {i}, {name}")
    context.close()
    assert not errors


def test_a_long_history_scrolls_in_its_place(page, address, axe):
    page.goto(f"{address}#bundle/photo")
    choose_file(page, None)
    for _ in range(12):
        page.locator("button.example").click()
        page.locator(".answer[aria-busy]").wait_for(state="detached")
    assert page.locator(".history .past").count() >= 10
    check(page, axe, "a long history")
    page.get_by_role("tab", name="Proof").click()
    assert self_test(page)["passed"]
    check(page, axe, "a self-test's report")
