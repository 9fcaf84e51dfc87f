"""The build of the web app: which Node.js it takes, and what it says without one."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from mobile_demo import build_app
from runtime.errors import OutputError


def test_a_checkout_without_node_says_how(monkeypatch, tmp_path):
    sources = tmp_path / "mobile_demo"
    shutil.copytree(build_app.SOURCES, sources, ignore=shutil.ignore_patterns("node_modules", "dist"))
    monkeypatch.setattr(build_app, "SOURCES", sources)
    monkeypatch.setattr(build_app, "BUILT", sources / "dist")
    monkeypatch.setattr(build_app, "find_node", lambda: None)
    assert not build_app.is_built()
    with pytest.raises(OutputError, match=r"Node\.js 20\.19"):
        build_app.build()


def test_an_old_node_gives_way_to_the_packaged_one(tmp_path, monkeypatch):
    for name in ("node", "npm"):
        (tmp_path / name).write_text("#!/bin/sh\necho v18.19.0\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    node = build_app.find_node()
    assert node is not None
    assert node.folder != tmp_path
    assert subprocess.run([*node.npm, "--version"], capture_output=True, check=True).stdout
    (tmp_path / "node").write_text("#!/bin/sh\necho v22.12.0\n")
    assert build_app.find_node() == build_app.Node(tmp_path, (str(tmp_path / "npm"),))
