"""A hub of the tests' own: what `huggingface_hub` needs to push and pull models, on this machine.

Commits are atomic, large files go through git-lfs's batch API and are served by a redirect, as on the real one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

CHUNK = 4096
LARGE = (".onnx", ".tflite", ".npz", ".png")


@dataclass
class Repository:
    private: bool
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    head: str = ""

    def commit(self, files: dict[str, bytes]) -> str:
        self.head = uuid.uuid4().hex + "0" * 8
        self.commits[self.head] = files
        return self.head


@dataclass
class Hub:
    """What the server holds and how it behaves; tests look at it and change it."""

    token: str = "hf_secret_of_the_tests"
    repositories: dict[str, Repository] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    pause: float = 0.0
    break_off_after: int | None = None
    ignore_ranges: bool = False
    refuse: tuple[int, str] | None = None
    raw: dict[str, bytes] = field(default_factory=dict)
    """What is sent, head and all, for paths that match a pattern."""
    drip: float | None = None
    """Seconds between the bytes of what is sent raw."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""
    store: str = ""

    def files(self, name: str) -> dict[str, bytes]:
        repository = self.repositories[name]
        return repository.commits[repository.head]

    def sent(self, method: str, pattern: str) -> list[str]:
        return [path for verb, path, _ in self.requests if verb == method and re.search(pattern, path)]


class ProblemError(Exception):
    def __init__(self, status: int, code: str, message: str = "", **more: str) -> None:
        super().__init__(status, code, {"error": message, **more})


def answer(hub: Hub, handler: Handler, method: str, path: str) -> Any:
    """Return what is answered as JSON, or bytes, or a redirect."""
    if hub.refuse:
        status, message = hub.refuse
        raise ProblemError(status, "", message)
    for verb, pattern, function in ROUTES:
        if verb == method and (match := re.fullmatch(pattern, path)):
            return function(hub, handler, **match.groupdict())
    raise ProblemError(404, "", f"no such route: {method} {path}")


def repository(hub: Hub, handler: Handler, name: str, write: bool = False) -> Repository:
    allowed = handler.headers.get("Authorization") == f"Bearer {hub.token}"
    repo = hub.repositories.get(name)
    if repo is None or (repo.private and not allowed):
        raise ProblemError(404 if allowed else 401, "RepoNotFound", "Repository not found")
    if write and not allowed:
        raise ProblemError(403, "", "You don't have the rights")
    return repo


def revision(repo: Repository, name: str | None) -> str:
    name = unquote(name or "main")
    if name != "main" and name not in repo.commits:
        raise ProblemError(404, "RevisionNotFound", f"Invalid rev id: {name}")
    return repo.head if name == "main" else name


def create(hub: Hub, handler: Handler) -> Any:
    fields = handler.json()
    name = f"{fields['organization']}/{fields['name']}"
    if handler.headers.get("Authorization") != f"Bearer {hub.token}":
        raise ProblemError(401, "", "Invalid username or password")
    if name in hub.repositories:
        raise ProblemError(409, "", "You already created this model repo", url=f"{hub.url}/{name}")
    hub.repositories[name] = Repository(fields.get("visibility") == "private")
    hub.repositories[name].commit({".gitattributes": b"*.onnx filter=lfs\n"})
    return {"url": f"{hub.url}/{name}", "name": name, "id": uuid.uuid4().hex}


def info(hub: Hub, handler: Handler, name: str, rev: str | None = None) -> Any:
    repo = repository(hub, handler, name)
    sha = revision(repo, rev)
    return {
        "id": name,
        "sha": sha,
        "private": repo.private,
        "siblings": [{"rfilename": file} for file in repo.commits[sha]],
    }


def validate(hub: Hub, handler: Handler) -> Any:
    front = re.match(r"---\n(.*?)\n---\n", handler.json()["content"], re.S)
    data = yaml.safe_load(front[1]) if front else None
    if data is not None and not isinstance(data, dict):
        raise ProblemError(400, "", "not a mapping")
    return {"errors": [], "warnings": []}


def preupload(hub: Hub, handler: Handler, name: str, rev: str) -> Any:
    repository(hub, handler, name, write=True)
    return {
        "files": [
            {
                "path": each["path"],
                "uploadMode": "lfs" if each["path"].endswith(LARGE) else "regular",
                "shouldIgnore": False,
            }
            for each in handler.json()["files"]
        ]
    }


def batch(hub: Hub, handler: Handler, name: str) -> Any:
    repository(hub, handler, name, write=True)
    objects = []
    for each in handler.json()["objects"]:
        known = {"oid": each["oid"], "size": each["size"]}
        if each["oid"] not in hub.objects:
            known["actions"] = {"upload": {"href": f"{hub.url}/lfs/{each['oid']}"}}
        objects.append(known)
    return {"transfer": "basic", "objects": objects}


def upload(hub: Hub, handler: Handler, oid: str) -> Any:
    data = handler.body
    if hashlib.sha256(data).hexdigest() != oid:
        raise ProblemError(400, "", "checksum")
    hub.objects[oid] = data
    return b""


def commit(hub: Hub, handler: Handler, name: str, rev: str) -> Any:
    repo = repository(hub, handler, name, write=True)
    lines = [json.loads(line) for line in handler.body.splitlines()]
    with hub.lock:
        if lines[0]["value"].get("parentCommit", repo.head) != repo.head:
            raise ProblemError(412, "", "The branch has moved on")
        files = dict(repo.commits[revision(repo, rev)])
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = hub.objects[value["oid"]]
            else:
                del files[value["path"]]
        sha = repo.commit(files)
    return {"commitUrl": f"{hub.url}/{name}/commit/{sha}", "commitOid": sha}


def resolve(hub: Hub, handler: Handler, name: str, rev: str, file: str) -> Any:
    repo = repository(hub, handler, name)
    content = repo.commits[revision(repo, rev)].get(unquote(file))
    if content is None:
        raise ProblemError(404, "EntryNotFound", "Entry not found")
    if file.endswith(LARGE):
        oid = hashlib.sha256(content).hexdigest()
        hub.objects.setdefault(oid, content)
        return f"{hub.store}/lfs/{oid}?X-Amz-Signature=signed-address"
    return content


def stored(hub: Hub, handler: Handler, oid: str) -> Any:
    return hub.objects[oid]


MODEL = r"/api/models/(?P<name>[^/]+/[^/]+)"
ROUTES = [
    ("POST", "/api/repos/create", create),
    ("POST", "/api/validate-yaml", validate),
    ("GET", MODEL, info),
    ("GET", MODEL + r"/revision/(?P<rev>[^/]+)", info),
    ("POST", MODEL + r"/preupload/(?P<rev>[^/]+)", preupload),
    ("POST", MODEL + r"/commit/(?P<rev>[^/]+)", commit),
    ("POST", r"/(?P<name>[^/]+/[^/]+)\.git/info/lfs/objects/batch", batch),
    ("PUT", r"/lfs/(?P<oid>\w+)", upload),
    ("GET", r"/lfs/(?P<oid>\w+)", stored),
    ("GET", r"/(?P<name>[^/]+/[^/]+)/resolve/(?P<rev>[^/]+)/(?P<file>.+)", resolve),
]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub
    body: bytes

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def read_body(self) -> bytes:
        if (length := self.headers.get("Content-Length")) is not None:
            return self._paused(int(length))
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return b""
        data = b""  # sent in chunks
        while size := int(self.rfile.readline(), 16):
            data += self._paused(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def _paused(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            part = self.rfile.read(min(CHUNK, length - len(data)))
            if not part:
                raise ConnectionResetError
            data += part
            time.sleep(self.hub.pause)
        return data

    def json(self) -> Any:
        return json.loads(self.body)

    def handle_any(self) -> None:
        self.hub.requests.append((self.command, self.path, self.headers.get("Authorization", "")))
        self.body = self.read_body()
        for pattern, content in self.hub.raw.items():
            if re.search(pattern, self.path):
                self.send_raw(content)
                return
        try:
            response = answer(self.hub, self, self.command, urlsplit(self.path).path)
        except ProblemError as problem:
            status, code, said = problem.args
            self.reply(status, json.dumps(said).encode(), {"X-Error-Code": code} if code else {})
            return
        if isinstance(response, str):
            self.reply(302, b"", {"Location": response})
        elif isinstance(response, bytes):
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            if asked and not self.hub.ignore_ranges:
                start, last = int(asked[1]), len(response) - 1
                self.reply(206, response[start:], {"Content-Range": f"bytes {start}-{last}/{len(response)}"})
            else:
                self.reply(200, response, {})
        else:
            self.reply(200, json.dumps(response).encode(), {"Content-Type": "application/json"})

    def send_raw(self, content: bytes) -> None:
        self.close_connection = True
        size = len(content) if self.hub.drip is None else 1
        for start in range(0, len(content), size):
            self.wfile.write(content[start : start + size])
            self.wfile.flush()
            time.sleep(self.hub.drip or 0)

    def reply(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        stop = self.hub.break_off_after if self.path.startswith("/lfs/") else None
        for start in range(0, len(content), CHUNK):
            if stop is not None and start >= stop:
                self.close_connection = True
                return
            self.wfile.write(content[start : start + CHUNK])
            time.sleep(self.hub.pause)

    do_GET = do_POST = do_PUT = handle_any  # noqa: N815


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that was killed


@contextmanager
def running() -> Iterator[Hub]:
    """Run a hub on two free ports: large files come from another origin, as the real one's do."""
    hub = Hub()
    handler = type("HubHandler", (Handler,), {"hub": hub})
    servers = [_Server(("127.0.0.1", 0), handler) for _ in range(2)]
    hub.url, hub.store = (f"http://127.0.0.1:{server.server_port}" for server in servers)
    threads = [threading.Thread(target=server.serve_forever, daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield hub
    finally:
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            server.server_close()
            thread.join()
