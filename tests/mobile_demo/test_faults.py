"""What goes wrong on the way to the phone gives a sentence, and the app goes on. The host here is a plain one."""

from __future__ import annotations

import hashlib
import json
import re

import pytest

from tests.mobile_demo.app import choose_file, open_model
from tests.mobile_demo.host import hosted
from zoo.web.site import make_site, write_site


@pytest.fixture(scope="module")
def written(app, tiny_bundle, table_bundle, tmp_path_factory):
    """The folder of a site, which tests may change and put back."""
    folder = tmp_path_factory.mktemp("host") / "site"
    write_site(make_site(app, [tiny_bundle, table_bundle]), folder)
    return folder


@pytest.fixture(scope="module")
def names(written):
    return [entry["name"] for entry in json.loads((written / "bundles/index.json").read_text())["bundles"]]


@pytest.fixture
def faults():
    return {}


@pytest.fixture
def host(written, faults):
    with hosted(written, faults) as address:
        yield address


@pytest.mark.parametrize("fault", ["damaged", "half", "missing"])
def test_a_model_file_that_does_not_arrive_whole(host, faults, names, page, errors, fault):
    path = f"bundles/{names[0]}/model.tflite"
    faults[path] = fault
    page.goto(f"{host}#{names[0]}/photo")
    page.get_by_role("alert").filter(has_text="model.tflite").wait_for()
    assert path in page.locator(".answer").inner_text()
    choose_file(page, "model.onnx")  # the other one is whole
    page.get_by_role("button", name="Try an example").click()
    page.locator(".answer .headline").wait_for()
    faults.clear()
    choose_file(page, "model.tflite")
    page.get_by_role("button", name=re.compile("nother example|Try an example")).click()
    page.get_by_text("ms in the engine").wait_for()
    errors.clear()  # the browser logs each failed request


@pytest.mark.parametrize("fault", ["damaged", "half", "missing"])
def test_a_broken_bundle_leaves_the_others(host, faults, names, page, errors, fault):
    faults[f"bundles/{names[0]}/manifest.json"] = fault
    page.goto(host)
    page.get_by_text(f"{names[0]} can't be used").wait_for()
    page.locator("a.model").click()
    page.get_by_role("button", name="Predict").wait_for()
    errors.clear()


def test_no_list_of_bundles_is_a_sentence_and_can_be_tried_again(host, faults, names, page, errors):
    faults["bundles/index.json"] = "missing"
    page.goto(host)
    page.get_by_role("alert").filter(has_text="The list of models can't be read").wait_for()
    faults.clear()
    page.get_by_role("button", name="Try again").click()
    page.locator("a.model").first.wait_for()
    errors.clear()


@pytest.mark.parametrize(("file", "engine"), [("model.tflite", "litert"), ("model.onnx", "onnxruntime")])
def test_a_missing_engine_is_a_sentence(host, faults, written, names, page, errors, file, engine):
    for each in (written / "engines" / engine).iterdir():
        faults[each.relative_to(written).as_posix()] = "missing"
    page.goto(f"{host}#{names[0]}/photo")
    page.locator("details.engine summary").click()
    page.locator("details.engine select").first.select_option(file)
    page.get_by_role("alert").filter(has_text=re.compile(r"\w{3}")).first.wait_for()
    assert page.locator(".answer .fault").inner_text().strip()
    page.get_by_role("link", name="All models").click()
    page.locator("a.model").first.wait_for()
    errors.clear()


def test_it_works_on_a_plain_host_on_one_thread_or_more(host, names, page):
    open_model(page, host, names[0], "photo")
    page.get_by_role("button", name="Try an example").click()
    page.get_by_text("ms in the engine").wait_for()


@pytest.mark.service_worker
def test_an_update_waits_until_it_is_wanted(host, written, page, errors):
    page.goto(host)
    controlled(page)
    before = {name: (written / name).read_bytes() for name in ("index.html", "app.json", "sw.js")}
    try:
        index = before["index.html"].replace(b"<title>edgezoo</title>", b"<title>newer</title>")
        listing = json.loads(before["app.json"])
        listing["files"]["index.html"] = {"sha256": hashlib.sha256(index).hexdigest(), "size": len(index)}
        version, listing["version"] = listing["version"], "f" * 64
        (written / "index.html").write_bytes(index)
        (written / "app.json").write_text(json.dumps(listing))
        (written / "sw.js").write_bytes(before["sw.js"].replace(version.encode(), b"f" * 64))
        page.reload()
        assert "<title>edgezoo</title>" in page.evaluate("() => fetch('index.html').then((answer) => answer.text())")
        page.get_by_text("A new version is ready").wait_for()
        with page.expect_navigation():
            page.get_by_role("button", name="Reload").click()
        assert "<title>newer</title>" in page.evaluate("() => fetch('index.html').then((answer) => answer.text())")
    finally:
        for name, content in before.items():
            (written / name).write_bytes(content)


@pytest.mark.service_worker
def test_an_update_that_does_not_arrive_whole_changes_nothing(host, written, faults, page, errors):
    page.goto(host)
    controlled(page)
    before = {name: (written / name).read_bytes() for name in ("index.html", "app.json", "sw.js")}
    try:
        listing = json.loads(before["app.json"])
        version, listing["version"] = listing["version"], "e" * 64
        listing["files"]["index.html"]["sha256"] = "0" * 64
        (written / "app.json").write_text(json.dumps(listing))
        (written / "sw.js").write_bytes(before["sw.js"].replace(version.encode(), b"e" * 64))
        page.reload()
        page.get_by_text("could not be kept for offline use").wait_for()
        assert page.locator("a.model").count() == 2
        caches = page.evaluate("() => caches.keys()")
        assert f"edgezoo-app-{version}" in caches
        assert f"edgezoo-app-{'e' * 64}" not in caches
    finally:
        for name, content in before.items():
            (written / name).write_bytes(content)
    errors.clear()


def controlled(page):
    """Wait until the service worker has the app and the page."""
    page.evaluate("() => navigator.serviceWorker.ready.then(() => undefined)")
    page.wait_for_function("() => navigator.serviceWorker.controller !== null")
