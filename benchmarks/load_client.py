"""A client that asks the same of a server again and again, on many connections; it costs as little as can be.

``python -m benchmarks.load_client HOST:PORT PATH SECONDS CONNECTIONS FILE...`` sends the files in turns, each as a
form. It prints JSON: answers by file, status, label and score, percentiles of latencies, and the client's own
processor time. Load goes to loopback addresses only.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

BOUNDARY = "edgezoo-benchmark"
BLOCK = 1 << 16


@dataclass
class Connection:
    """One connection, with its request under way and the answers that it got: status, file, seconds, body."""

    socket: socket.socket
    turn: int
    start: float = 0.0
    received: bytes = b""
    answers: list[tuple[int, str, float, bytes]] = field(default_factory=list)

    def ask(self, requests: list[tuple[str, bytes]]) -> None:
        """Send the next request; a blocking socket takes all of it."""
        self.start = time.perf_counter()
        self.received = b""
        self.socket.sendall(requests[self.turn % len(requests)][1])

    def take(self, requests: list[tuple[str, bytes]]) -> bool:
        """Receive what is there, and tell whether that completes the answer."""
        block = self.socket.recv(BLOCK)
        assert block, "the server closed the connection"
        self.received += block
        head, separator, body = self.received.partition(b"\r\n\r\n")
        if not separator or len(body) < int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]):
            return False
        name = requests[self.turn % len(requests)][0]
        self.answers.append((int(head[9:12]), name, time.perf_counter() - self.start, body))
        self.turn += 1
        return True


def form(path: str, file: Path) -> bytes:
    """Return the request that curl -F file=@FILE sends."""
    kind = "image/jpeg" if file.suffix == ".jpg" else "image/png"
    part = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{file.name}"\r\n'
        f"Content-Type: {kind}\r\n\r\n"
    )
    body = part.encode() + file.read_bytes() + f"\r\n--{BOUNDARY}--\r\n".encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nContent-Length: {len(body)}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n"
    )
    return head.encode() + body


def load(address: str, path: str, seconds: float, connections: int, files: list[Path]) -> dict[str, object]:
    """Load a server and return what came back."""
    host, port = address.split(":")
    assert host in ("127.0.0.1", "localhost", "::1")
    requests = [(file.name, form(path, file)) for file in files]
    selector = selectors.DefaultSelector()
    made = [Connection(socket.create_connection((host, int(port))), turn) for turn in range(connections)]
    begin = time.perf_counter()
    for each in made:
        each.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(each.socket, selectors.EVENT_READ, each)
        each.ask(requests)
    busy = connections
    while busy:
        for key, _ in selector.select():
            each = key.data
            if each.take(requests):
                if time.perf_counter() - begin < seconds:
                    each.ask(requests)
                else:
                    selector.unregister(each.socket)
                    each.socket.close()
                    busy -= 1
    took = time.perf_counter() - begin
    return _summary([answer for each in made for answer in each.answers], took)


def _summary(answers: list[tuple[int, str, float, bytes]], took: float) -> dict[str, object]:
    cpu = time.process_time()
    labels: Counter[str] = Counter()
    for (status, name, body), count in Counter((status, name, body) for status, name, _, body in answers).items():
        (answer,) = json.loads(body)["predictions"] if status == 200 else ({},)
        labels[" ".join(map(str, (name, status, *(answer[key] for key in ("label", "score") if key in answer))))] += (
            count
        )
    times = np.array([answer[2] for answer in answers])
    return {
        "answers": len(answers),
        "rate": len(answers) / took,
        "by_file": dict(labels),
        "p50": float(np.percentile(times, 50)),
        "p99": float(np.percentile(times, 99)),
        "statuses": dict(Counter(str(answer[0]) for answer in answers)),
        "cpu_seconds": cpu,
    }


if __name__ == "__main__":
    address, path, seconds, connections, *names = sys.argv[1:]
    print(json.dumps(load(address, path, float(seconds), int(connections), list(map(Path, names)))))
