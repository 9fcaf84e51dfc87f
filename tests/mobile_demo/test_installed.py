"""On the home screen: what browsers ask of an app that installs, and what works without the server."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import urllib.request

import pytest
from PIL import Image

from tests.mobile_demo.app import choose_file, open_model, self_test
from tests.mobile_demo.test_faults import controlled

pytestmark = pytest.mark.service_worker


def test_it_can_be_installed(site, tiny_bundle, page):
    address = site(tiny_bundle)
    page.goto(address)
    controlled(page)
    devtools = page.context.new_cdp_session(page)
    problems = devtools.send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert {problem["errorId"] for problem in problems} <= {"in-incognito"}, problems
    response = devtools.send("Page.getAppManifest")
    assert not response["errors"]
    manifest = json.loads(response["data"])
    assert manifest["display"] == "standalone"
    assert manifest["name"]
    assert manifest["start_url"] == manifest["scope"] == "./"
    purposes = set()
    for icon in manifest["icons"]:
        with urllib.request.urlopen(address + icon["src"]) as answer:  # noqa: S310
            image = Image.open(io.BytesIO(answer.read()))
        assert f"{image.width}x{image.height}" == icon["sizes"]
        purposes |= {(icon["sizes"], icon.get("purpose", "any"))}
    assert purposes >= {("192x192", "any"), ("512x512", "any"), ("512x512", "maskable")}


@pytest.mark.parametrize("file", ["model.tflite", "model.onnx"])
def test_it_works_after_the_server_has_gone(app, tiny_bundle, page, errors, file):
    command = [sys.executable, "-m", "zoo", "demo", str(tiny_bundle), "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        address = json.loads(server.stdout.readline())["address"]
        page.goto(address)
        controlled(page)
        open_model(page, address, "bundle", "proof", file)
        page.get_by_role("button", name="Keep offline").click()
        page.get_by_text("All files of this model are on this device").wait_for()
        server.terminate()
    page.reload()
    page.locator("header").wait_for()
    choose_file(page, file)
    assert self_test(page)["passed"]
    page.get_by_role("tab", name="Photo").click()
    page.get_by_role("button", name="Try an example").click()
    page.get_by_text("ms in the engine").wait_for()
    page.goto(address)
    page.get_by_text("Offline").wait_for()  # the model's card says so
    errors.clear()  # that the server is not reached


def keep_offline(page, bundle, name):
    """Serve a bundle, keep it on the device, end the server, and open the page again."""
    command = [sys.executable, "-m", "zoo", "demo", str(bundle), "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        address = json.loads(server.stdout.readline())["address"]
        open_model(page, address, name, "proof")
        controlled(page)
        page.get_by_role("button", name="Keep offline").click()
        page.get_by_text("All files of this model are on this device").wait_for()
        server.terminate()
    page.reload()
    choose_file(page, None)


def test_the_first_visit_is_enough(app, tiny_bundle, page, errors):
    """Opened once, before any service worker could look on; then the server goes."""
    keep_offline(page, tiny_bundle, "bundle")
    assert self_test(page)["passed"]
    errors.clear()
