"""OpenVINO reports nothing over a network, and starts no process, when its engine is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("openvino")

PROGRAM = """
import multiprocessing, socket

def refused(*_):
    raise AssertionError("a process or a connection is started")

multiprocessing.Process.start = refused
socket.socket.connect = refused
from runtime.engines import openvino
assert openvino.version() and openvino.devices()
import sys, openvino.tools.ovc.telemetry_utils as utils
print(sys.modules["openvino_telemetry"], utils.tm.__name__)
"""


def test_nothing_is_reported():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "None openvino.tools.ovc.telemetry_stub"
