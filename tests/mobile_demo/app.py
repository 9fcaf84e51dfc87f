"""What a person does with the app, through what they see."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page


def open_model(page: Page, address: str, name: str, tab: str, file: str | None = None) -> None:
    """Open a bundle at one of the model's tabs, and wait until a file of it, or the default, runs."""
    page.goto(f"{address}#{name}/{tab}")
    choose_file(page, file)


def choose_file(page: Page, file: str | None) -> None:
    summary = page.locator("details.engine summary")
    summary.wait_for()
    if file is not None:
        if page.locator("details.engine[open]").count() == 0:
            summary.click()
        page.locator("details.engine select").first.select_option(file)
    opened = re.compile(r"WASM|WebGPU")
    summary.filter(has_text=opened).or_(page.locator(".answer .fault")).first.wait_for()
    assert opened.search(summary.inner_text()), page.locator(".answer .fault").inner_text()


def self_test(page: Page) -> dict[str, Any]:
    """Run the self-test; give the report that a person can save."""
    page.get_by_role("button", name="Run self-test").click()
    save = page.get_by_role("button", name="Save report")
    save.or_(page.locator(".proof .fault")).first.wait_for(timeout=300_000)
    assert save.is_visible(), page.locator(".proof .fault").inner_text()
    with page.expect_download() as download:
        save.click()
    report: dict[str, Any] = json.loads(Path(download.value.path()).read_text())
    return report


def benchmark(page: Page) -> tuple[float, float]:
    """Run the benchmark; give the medians of engine and of whole prediction in milliseconds."""
    page.get_by_role("button", name="Run 100 times").click()
    shown = page.locator("figure.times dd")
    shown.nth(2).wait_for(timeout=300_000)
    engine, _, whole, _ = (float(text.partition(" ")[0].replace(",", "")) for text in shown.all_inner_texts())
    return engine, whole
