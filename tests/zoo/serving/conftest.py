"""One `zoo serve` for all tests that disturb nobody, and others for those that do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import requests
from PIL import Image

from zoo.resolve import SHIPPED

ROOT = Path(__file__).parents[3]


@dataclass
class Server:
    """A process of `zoo serve`.

    Args:
        process: The process.
        address: Its address of HTTP, without a slash at the end.
        grpc: Its host and port of gRPC.
        log: The file of its log.
        http: A client that keeps its connection.
    """

    process: subprocess.Popen[str]
    address: str
    grpc: str
    log: Path
    http: requests.Session

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.http.get(self.address + path, timeout=60, **options)

    def post(self, path: str, **options: Any) -> requests.Response:
        return self.http.post(self.address + path, timeout=60, **options)

    def is_ready(self) -> bool:
        try:
            return self.get("/v2/health/ready").status_code == 200
        except requests.ConnectionError:  # workers listen once they are ready
            return False

    @property
    def host(self) -> str:
        return urlsplit(self.address).netloc

    @property
    def memory(self) -> int:
        """Its resident memory in bytes."""
        status = Path(f"/proc/{self.process.pid}/statm").read_text()
        return int(status.split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def serve(*words: Any, ready: bool = True, log: Path = Path(os.devnull), verify: Any = True) -> Iterator[Server]:
    """Run `zoo serve` on any free ports, and unless other words follow on the engine that `zoo predict` takes."""
    options = ["--engine", "auto", "--port", "0", "--grpc-port", "0", "--json"]
    command = [sys.executable, "-m", "zoo", "serve", *options, *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    errors = log.open("wb")
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        assert process.stdout
        text = "".join(iter(process.stdout.readline, "}\n")) + "}"
        assert len(text) > 1, "the server said nothing"
        said = json.loads(text)
        address = said["address"].rstrip("/").replace("localhost", "127.0.0.1")
        with requests.Session() as http:
            http.verify, http.trust_env = verify, False
            server = Server(process, address, f"127.0.0.1:{said['grpc_port']}", log, http)
            if ready:
                wait_for(lambda: process.poll() is not None or server.is_ready())
            yield server
    finally:
        process.kill()
        process.communicate()
        errors.close()


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of a model of images, of one of tables, and of one of sequences."""
    log = tmp_path_factory.mktemp("serve") / "log"
    with serve(*(SHIPPED / name for name in ("mnist-cnn", "wine-mlp", "digits-8x8-lstm")), log=log) as made:
        yield made


@pytest.fixture(scope="session")
def digit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo of a handwritten one, or so the model may think."""
    pixels = np.full((60, 40), 250, np.uint8)
    pixels[8:52, 18:23] = 10
    path = tmp_path_factory.mktemp("digit") / "digit.png"
    Image.fromarray(pixels).save(path)
    return path
