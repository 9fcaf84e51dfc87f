"""`zoo serve` under load: throughput, corrupt requests, slow clients, large bodies, swaps and a soak.

``python -m benchmarks.serving [SECONDS [REQUESTS]]``: seconds of each load, and requests of the soak. Clients and
server share this machine's CPUs, which the comparison with a model in a process of its own counts against the server.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

import runtime
from benchmarks import models
from benchmarks.measure import Row, show
from zoo.resolve import SHIPPED

ROUNDS = 3
CLIENTS = 16
BASELINES = {"batching=True in process": 0.9, "FastAPI by hand": 1.5}
"""What `zoo serve` is compared with, and how many times its requests a second are wanted."""


class Throughput(NamedTuple):
    """Answers a second, and the processor time of the server for each, without the clients'."""

    rate: float
    processor_seconds: float


@contextmanager
def serve(*words: Any) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `zoo serve`; give its process and its host with its port."""
    command = [sys.executable, "-m", "zoo", "serve", *map(str, words), "--port", "0", "--json", "--no-log-requests"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        said = json.loads("".join(iter(process.stdout.readline, "}\n")) + "}")
        address = said["address"].split("//")[1].strip("/").replace("localhost", "127.0.0.1")
        wait_for(lambda: status(address, "/v2/health/ready") == 200)
        yield process, address
    finally:
        process.kill()
        process.wait()


@contextmanager
def handwritten(model: runtime.Model, workers: int = 1) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run the server that people write by hand around a model's file; give its process and its host with its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    input_spec = model.spec.input
    mode = "RGB" if input_spec.shape[-1] == 3 else "L"
    words = [model.file, len(model.labels), input_spec.shape[0], mode, port, workers]
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.handwritten_server", *map(str, words)])
    try:
        wait_for(lambda: status(f"127.0.0.1:{port}", "/") == 404)
        yield process, f"127.0.0.1:{port}"
    finally:
        process.terminate()  # which ends its workers, too
        process.wait()


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def status(address: str, path: str) -> int:
    """Return the status of a path, 0 if nobody answers."""
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def load(address: str, path: str, seconds: float, clients: int, *files: Path) -> dict[str, Any]:
    """Load a server from a process of its own; see `benchmarks.load_client`."""
    words = [address, path, seconds, clients, *files]
    command = [sys.executable, "-m", "benchmarks.load_client", *map(str, words)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def processor_seconds(process: subprocess.Popen[Any]) -> float:
    """Return the processor time that a process and its workers have used, in seconds."""
    workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in (process.pid, *workers)]
    return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")


def served(process: subprocess.Popen[Any], address: str, path: str, seconds: float, picture: Path) -> Throughput:
    """Load a server."""
    before = processor_seconds(process)
    answers = load(address, path, seconds, CLIENTS, picture)
    assert set(answers["statuses"]) == {"200"}
    return Throughput(answers["rate"], (processor_seconds(process) - before) / answers["answers"])


def in_process(model: runtime.Model, content: bytes, seconds: float) -> Throughput:
    """Let as many threads as there are clients predict."""
    counts, cpu, end = [0] * CLIENTS, time.process_time(), time.perf_counter() + seconds

    def work(index: int) -> None:
        while time.perf_counter() < end:
            model.predict(content)
            counts[index] += 1

    threads = [threading.Thread(target=work, args=(index,)) for index in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Throughput(sum(counts) / seconds, (time.process_time() - cpu) / sum(counts))


def throughput(bundle: Path, picture: Path, seconds: float) -> Iterator[Row]:
    """Measure the requests a second of `zoo serve`, in one process and in two, and of both baselines, in turns."""
    alone = runtime.load(bundle, batching=True, trusted=True)
    opened = runtime.load(bundle, engine="fastest", threads=1, batching="auto", trusted=True)  # as zoo serve does
    path = f"/models/{bundle.name}/predict"
    rounds: dict[str, list[Throughput]] = defaultdict(list)
    with ExitStack() as stack:
        servers = {count: stack.enter_context(serve(bundle, "--trusted", "--workers", count)) for count in (1, 2)}
        by_hand = {count: stack.enter_context(handwritten(opened, count)) for count in (1, 2)}
        for _ in range(ROUNDS):
            for count, server in servers.items():
                rounds[f"--workers {count}"].append(served(*server, path, seconds, picture))
            rounds["batching=True in process"].append(in_process(alone, picture.read_bytes(), seconds))
            rounds["FastAPI by hand"].append(served(*by_hand[1], "/predict", seconds, picture))
            rounds["FastAPI by hand in two"].append(served(*by_hand[2], "/predict", seconds, picture))
    pairs = [(ours, *baseline) for ours in ("--workers 1", "--workers 2") for baseline in BASELINES.items()]
    pairs.append(("--workers 2", "FastAPI by hand in two", None))
    for ours, baseline, bar in pairs:
        name = f"{bundle.name}, {CLIENTS} clients, {ours}, against {baseline}"
        for unit, figure, wanted in (
            ("/s", lambda each: each.rate, bar),
            ("/s of CPU", lambda each: 1 / each.processor_seconds, None),
        ):
            mine, theirs = (statistics.median(map(figure, rounds[each])) for each in (ours, baseline))
            limit = f"≥ {wanted}×" if wanted else ""
            met = mine / theirs >= (wanted or 0)
            yield Row(name, f"{mine:,.0f}{unit}", f"{theirs:,.0f}{unit}", f"{mine / theirs:.2f}×", limit, met)


def corrupt(address: str, path: str, picture: Path, seconds: float, folder: Path) -> Iterator[Row]:
    """Measure 32 clients of whose requests a tenth is corrupt, each in another way."""
    good, bad = [], []
    content = picture.read_bytes()
    for index in range(18):
        good.append(folder / f"good-{index}.png")
        good[-1].write_bytes(content)
    for index, broken in enumerate((content[: len(content) // 2], b"no image")):
        bad.append(folder / f"bad-{index}.png")
        bad[-1].write_bytes(broken)
    answers = load(address, path, seconds, 32, *good, *bad)
    right = runtime.load(SHIPPED / "mnist-cnn", engine="fastest", threads=1, trusted=True).predict(content)
    wrong = sum(
        count
        for what, count in answers["by_file"].items()
        if what.split(" ", 1)[1] != (f"200 {right.label} {right.score}" if what.startswith("good") else "400")
    )
    errors = sum(count for code, count in answers["statuses"].items() if code.startswith("5"))
    yield Row(
        f"32 clients, a tenth corrupt, {seconds:.0f} s: p99", f"{answers['p99'] * 1e3:.0f} ms",
        f"{answers['answers']:,} answers", f"{wrong} wrong, {errors} of 5xx", "≤ 500 ms, 0, 0",
        answers["p99"] <= 0.5 and not wrong and not errors,
    )  # fmt: skip


def slow(address: str, path: str, picture: Path, seconds: float, process: subprocess.Popen[str]) -> Iterator[Row]:
    """Measure 32 good clients alone and beside 200 slow or silent ones; then a body of 300 MB."""
    alone = load(address, path, seconds, 32, picture)
    host, port = address.split(":")
    over = threading.Event()

    def dawdle() -> None:
        """Keep 200 connections: silent, with half a head, or with a body that trickles in; open them again at once."""
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n".encode()
        sockets: list[socket.socket] = []
        while not over.is_set():
            while len(sockets) < 200:
                sockets.append(socket.create_connection((host, int(port))))
                sockets[-1].sendall((b"", head[:30], head)[len(sockets) % 3])
            for each in list(sockets)[2::3]:
                try:
                    each.sendall(b"x")
                except OSError:
                    sockets.remove(each)
            time.sleep(0.2)
        for each in sockets:
            each.close()

    thread = threading.Thread(target=dawdle)
    thread.start()
    time.sleep(1)
    beside = load(address, path, seconds, 32, picture)
    over.set()
    thread.join()
    ratio = beside["p99"] / alone["p99"]
    yield Row(
        "p99 of 32 clients beside 200 slow ones", f"{beside['p99'] * 1e3:.0f} ms", f"{alone['p99'] * 1e3:.0f} ms",
        f"{ratio:.2f}×", "≤ 2×", ratio <= 2,
    )  # fmt: skip
    before, start = resident(process), time.perf_counter()
    peak, code = before, 0
    for chunked in (False, True):
        with socket.create_connection((host, int(port)), timeout=30) as client:
            length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {300 * 2**20}"
            client.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\n".encode())
            block = bytes(2**20)
            try:
                for _ in range(300):
                    client.sendall(b"100000\r\n" + block + b"\r\n" if chunked else block)
                    peak = max(peak, resident(process))
            except OSError:
                pass
            client.settimeout(10)
            try:
                code = int(client.recv(20)[9:12])
            except (OSError, ValueError):
                code = 0
    took = (time.perf_counter() - start) / 2
    yield Row(
        "a body of 300 MB", f"{code} after {took:.1f} s", "", f"+{peak - before:.0f} MB", "413, ≤ 20 MB",
        code == 413 and peak - before <= 20,
    )  # fmt: skip


def swaps(folder: Path, picture: Path, count: int = 20) -> Iterator[Row]:
    """Replace a bundle under load by one of other answers, and back; then end the server under load."""
    names, served = ("mnist-cnn", "digits-8x8-mlp"), folder / "digits"
    shutil.copytree(SHIPPED / names[0], served)
    content = picture.read_bytes()
    wanted = {name: runtime.load(SHIPPED / name, trusted=True).predict(content).label for name in names}
    seen: list[tuple[int, str, str]] = []
    lost: list[BaseException] = []

    def ask(address: str) -> None:
        try:
            connection = http.client.HTTPConnection(address, timeout=30)
            while True:
                connection.request("POST", "/models/digits/predict", content)
                answer = connection.getresponse()
                document = json.loads(answer.read())
                seen.append((answer.status, document["model"], document["predictions"][0]["label"]))
                if answer.will_close:
                    return
        except BaseException as problem:
            lost.append(problem)

    with serve(served) as (process, address):
        threads = [threading.Thread(target=ask, args=(address,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for index in range(count):
            name = names[(index + 1) % 2]
            shutil.copytree(SHIPPED / name, folder / "stage")
            served.rename(folder / "old")
            (folder / "stage").rename(served)
            shutil.rmtree(folder / "old")
            wait_for(lambda name=name: bool(seen) and seen[-1][1] == name)
        process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join()
        ended = process.wait(60)
    mixed = sum(code != 200 or wanted[model] != label for code, model, label in seen)
    yield Row(
        f"{count} swaps and SIGTERM under load", f"{len(seen):,} answers", "",
        f"{len(lost)} lost, {mixed} mixed, exit {ended}", "0, 0, 0", not (lost or mixed or ended),
    )  # fmt: skip


def soak(address: str, path: str, picture: Path, count: int, process: subprocess.Popen[str]) -> Iterator[Row]:
    """Ask again and again, and look at the server's memory a tenth at a time; the first tenth is the warm-up."""
    sizes, asked = [], 0
    while asked < count:
        window = asked + count // 10
        while asked < window:
            asked += load(address, path, 10, CLIENTS, picture)["answers"]
        sizes.append(resident(process))
    grown = max(np.diff(sizes)) / (count / 10) * 100_000
    yield Row(
        f"{asked:,} requests", f"{grown:+.2f} MB", f"{sizes[0]:.0f} MB after the first tenth",
        f"{sizes[-1] - sizes[0]:+.2f} MB in all", "≤ +1 MB per 100,000", bool(grown <= 1),
    )  # fmt: skip


def resident(process: subprocess.Popen[str]) -> float:
    """Return a process's resident memory in MB."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main(seconds: float = 5, requests: int = 0) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        digit, photo = Path(__file__).parents[1] / "docs" / "seven.png", folder / "photo.jpg"
        coarse = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
        Image.fromarray(coarse).resize((640, 480)).save(photo)
        small = SHIPPED / "mnist-cnn"
        rows = [*throughput(small, digit, seconds)]
        rows += throughput(models.efficientnet(folder, ("int8",)), photo, seconds)
        rows += swaps(folder, digit)
        process, address = stack.enter_context(serve(small))
        path = f"/models/{small.name}/predict"
        rows += corrupt(address, path, digit, max(seconds, 60), folder)
        rows += slow(address, path, digit, max(seconds, 10), process)
        if requests:
            rows += soak(address, path, digit, requests, process)
        show("zoo serve", rows, as_json=False)


if __name__ == "__main__":
    main(*map(float, sys.argv[1:2]), *map(int, sys.argv[2:3]))
