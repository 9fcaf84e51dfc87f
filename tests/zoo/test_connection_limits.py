"""Clients that are silent, slow, deaf or many: each is disconnected, and others are answered meanwhile."""

from __future__ import annotations

import http.client
import resource
import socket
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("uvicorn")

from zoo.web import connection_limits, network
from zoo.web.server import HEADERS, web_app

LARGE = 32 * 2**20
SECONDS = 1.0


@pytest.fixture
def served(monkeypatch):
    """Serve a small file and a large one in a thread: few connections, short patience; the port, and what is open."""
    import uvicorn

    monkeypatch.setattr(connection_limits, "REQUEST_SECONDS", SECONDS)
    monkeypatch.setattr(connection_limits, "MAX_CONNECTIONS", 20)
    servers = []

    class Threaded(uvicorn.Server):
        def __init__(self, config):
            super().__init__(config)
            servers.append(self)

    monkeypatch.setattr(uvicorn, "Server", Threaded)
    sockets = network.listen("127.0.0.1", 0)
    number = sockets[0].getsockname()[1]
    site = {"index.html": b"hello", "large.bin": bytes(LARGE)}
    application = web_app(site, ["127.0.0.1"])
    thread = threading.Thread(target=connection_limits.serve, args=(application, sockets, None, [*HEADERS.items()]))
    thread.start()
    wait_for(lambda: servers and servers[0].started)
    yield number, lambda: servers[0].server_state.connections
    servers[0].should_exit = True
    thread.join()


@pytest.fixture
def port(served):
    return served[0]


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def answered(port, path="/"):
    """Return the body, or None if the connection was refused or closed."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def is_closed(client):
    """Tell whether the server has closed a connection, within a few seconds."""
    client.settimeout(10 * SECONDS)
    try:
        while client.recv(2**16):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


def test_silent_and_slow_clients_are_disconnected_and_take_no_places(port):
    assert answered(port) == b"hello"
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(60)]
    for client in clients[::2]:
        try:
            client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0")
        except ConnectionError:
            continue  # one of those over the limit
    wait_for(lambda: answered(port) == b"hello")
    assert all(map(is_closed, clients))


def test_a_head_that_comes_byte_by_byte_is_cut_off(port):
    client = socket.create_connection(("127.0.0.1", port))
    start = time.monotonic()
    with pytest.raises(ConnectionError):
        for _ in range(400):
            client.sendall(b"G")
            time.sleep(0.025)
    assert time.monotonic() - start < 8 * SECONDS


def test_a_whole_answer_reaches_who_reads_slowly_but_steadily(port):
    client = socket.create_connection(("127.0.0.1", port))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
    client.sendall(b"GET /large.bin HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    received, start = 0, time.monotonic()
    while block := client.recv(2**20):
        received += len(block)
        time.sleep(0.01)
    assert time.monotonic() - start > SECONDS
    assert received > LARGE


def test_who_reads_nothing_is_disconnected_and_holds_little_memory(served):
    port, open_connections = served

    def held():
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    before, clients = held(), []
    for _ in range(15):
        client = socket.create_connection(("127.0.0.1", port))
        client.sendall(b"GET /large.bin HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        clients.append(client)
    time.sleep(SECONDS / 2)
    assert held() - before < LARGE, f"each of the 15 answers has {LARGE / 2**20:.0f} MB"
    assert answered(port) == b"hello"
    wait_for(lambda: not open_connections())
    for client in clients:
        client.close()


def test_the_limit_leaves_files_for_others(monkeypatch):
    monkeypatch.setattr(connection_limits, "_open_files", lambda: 50)
    with connection_limits.limited(network.listen("127.0.0.1", 0)[0]) as listening:
        assert listening.limit == 25
