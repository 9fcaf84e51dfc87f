"""The package edgezoo-demo, installed beside the wheel: the app without Node.js and without a checkout."""

from __future__ import annotations

import json
import subprocess
import urllib.request
import zipfile

import pytest

from tests.environments import build_wheel, new_environment
from tests.install.test_clean_environments import wheel  # noqa: F401  # a fixture
from zoo.web.app import SOURCES, STAMP

pytestmark = pytest.mark.slow


def test_the_app_comes_from_its_package(app, wheel, tiny_bundle, tmp_path):  # noqa: F811
    package = build_wheel(SOURCES, tmp_path)
    built = {each.relative_to(app).as_posix() for each in app.rglob("*") if each.is_file()} - {STAMP}
    packed = {name.removeprefix("edgezoo_demo/app/") for name in zipfile.ZipFile(package).namelist()}
    assert built <= packed
    assert not any("node_modules" in name or name.endswith((".ts", STAMP)) for name in packed)

    programs = new_environment(tmp_path / "venv", f"{wheel}[serve]", package)
    server = subprocess.Popen(
        [programs / "zoo", "demo", tiny_bundle, "--port", "0", "--json"],
        stdout=subprocess.PIPE, cwd=tmp_path, text=True, env={"PATH": str(programs)},
    )  # fmt: skip
    try:
        address = json.loads(server.stdout.readline())["address"]
        for name in sorted(built):
            with urllib.request.urlopen(address + name) as answer:  # noqa: S310
                assert answer.read() == (app / name).read_bytes(), name
    finally:
        server.terminate()
        server.communicate()
