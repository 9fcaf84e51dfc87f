"""A client that asks the same of a server again and again, on many connections; it costs as little as can be.

``python -m benchmarks.load_client HOST:PORT PATH SECONDS CONNECTIONS FILE...`` sends the files in turns, each as a
body. It prints JSON: answers by file, status, label and score, and percentiles of latencies. Load goes to loopback
addresses only.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np


async def ask(host: str, port: int, requests: list[tuple[str, bytes]], end: float, first: int) -> list[tuple]:
    """Return status, file, seconds and body of each answer on one connection."""
    answers, at = [], first
    reader, writer = await asyncio.open_connection(host, port)
    while time.perf_counter() < end:
        name, request = requests[at % len(requests)]
        at += 1
        start = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        body = await reader.readexactly(length)
        answers.append((int(head[9:12]), name, time.perf_counter() - start, body))
    writer.close()
    return answers


async def load(address: str, path: str, seconds: float, connections: int, files: list[Path]) -> dict[str, object]:
    """Load a server and return what came back."""
    host, port = address.split(":")
    assert host in ("127.0.0.1", "localhost", "::1")
    requests = []
    for file in files:
        body = file.read_bytes()
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        requests.append((file.name, head.encode() + body))
    end = time.perf_counter() + seconds
    tasks = [ask(host, int(port), requests, end, first) for first in range(connections)]
    answers = [answer for part in await asyncio.gather(*tasks) for answer in part]
    times = np.array([answer[2] for answer in answers])
    labels = Counter()
    for status, name, _, body in answers:
        document = json.loads(body) if status == 200 else {}
        (answer,) = document.get("predictions", [{}])
        labels[" ".join(map(str, (name, status, *(answer[key] for key in ("label", "score") if key in answer))))] += 1
    return {
        "answers": len(answers),
        "rate": len(answers) / seconds,
        "by_file": dict(labels),
        "p50": float(np.percentile(times, 50)),
        "p99": float(np.percentile(times, 99)),
        "statuses": dict(Counter(str(answer[0]) for answer in answers)),
    }


if __name__ == "__main__":
    address, path, seconds, connections, *names = sys.argv[1:]
    print(json.dumps(asyncio.run(load(address, path, float(seconds), int(connections), list(map(Path, names))))))
