"""Too many, too large, too slow, not welcome: what is refused, how, and who is answered meanwhile."""

from __future__ import annotations

import asyncio
import gc
import http.client
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
import trustme

from tests.zoo.serving.conftest import SHIPPED, serve
from zoo.serving import grpc_v2
from zoo.serving.errors import BusyError, DeadlineError
from zoo.serving.grpc_messages import SERVICE, message
from zoo.serving.models import ModelTable
from zoo.serving.queue import Deadline, RequestQueue
from zoo.serving.service import Limits, Service

PATH = "/models/mnist-cnn/predict"
TOKEN = "a-token-of-letters"


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory, authority):
    """A server with a token, TLS, and small limits; its address says localhost, and `http` trusts and is trusted."""
    folder = tmp_path_factory.mktemp("guarded")
    pair = authority.issue_cert("localhost", "127.0.0.1")
    (folder / "token").write_text(f"{TOKEN}\n")
    pair.private_key_pem.write_to_path(folder / "key.pem")
    (folder / "cert.pem").write_bytes(b"".join(each.bytes() for each in pair.cert_chain_pems))
    authority.cert_pem.write_to_path(folder / "ca.pem")
    words = ["--token-file", folder / "token", "--tls-cert", folder / "cert.pem", "--tls-key", folder / "key.pem"]
    with serve(SHIPPED / "mnist-cnn", *words, "--max-body", "1", verify=str(folder / "ca.pem")) as server:
        server.http.headers["Authorization"] = f"Bearer {TOKEN}"
        yield server, folder / "ca.pem"


def test_a_full_queue_and_a_deadline():
    """Two places, of which a request that hangs keeps one after its caller has given up."""
    release = threading.Event()

    async def scenario():
        queue = RequestQueue("m", 2)
        queue.set_threads(2)
        loop_work = [asyncio.create_task(queue.run(release.wait, Deadline.after(0.2))) for _ in range(2)]
        await asyncio.sleep(0.05)
        with pytest.raises(BusyError, match="2 requests wait for the model 'm' already"):
            queue.check_room()
        with pytest.raises(BusyError):
            await queue.run(lambda: 1, Deadline.after(5))
        for task in loop_work:
            with pytest.raises(DeadlineError):
                await task
        with pytest.raises(BusyError):
            queue.check_room()
        release.set()
        end = Deadline.after(5)
        while end.left > 0:
            await asyncio.sleep(0.01)
            try:
                assert await queue.run(lambda: 7, Deadline.after(5)) == 7
                break
            except BusyError:
                continue
        with pytest.raises(DeadlineError):
            await queue.run(lambda: 1, Deadline.after(-1))
        queue.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("count", [1, 3])
def test_another_number_of_threads_loses_no_request_that_waits(count):
    release = threading.Event()

    async def scenario():
        queue = RequestQueue("m", 20)
        queue.set_threads(2)
        running = [asyncio.create_task(queue.run(release.wait, Deadline.after(20))) for _ in range(2)]
        waiting = [asyncio.create_task(queue.run(lambda i=i: i, Deadline.after(20))) for i in range(10)]
        await asyncio.sleep(0.05)
        threading.Timer(0.2, release.set).start()  # meanwhile the threads of before are waited for
        await asyncio.to_thread(queue.set_threads, count)
        assert await asyncio.gather(*waiting) == list(range(10))
        assert await asyncio.gather(*running) == [True, True]
        queue.close()

    asyncio.run(scenario())


def test_beyond_the_queue_requests_are_told_to_come_back(digit):
    body = digit.read_bytes()
    with serve(SHIPPED / "mnist-cnn", "--queue", 1) as server:
        statuses, retry = [], set()

        def ask():
            connection = http.client.HTTPConnection(server.host, timeout=60)
            for _ in range(20):
                connection.request("POST", PATH, body)
                answer = connection.getresponse()
                answer.read()
                statuses.append(answer.status)
                retry.add((answer.status, answer.headers["Retry-After"]))

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(statuses) == 120
        assert set(statuses) == {200, 429}
        assert retry == {(200, None), (429, "1")}


def test_only_who_has_the_token_is_served(guarded, triton, digit):
    server, authority = guarded
    assert server.post(PATH, data=digit.read_bytes()).status_code == 200
    for wrong in ("", "Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN):
        answer = server.post(PATH, data=digit.read_bytes(), headers={"Authorization": wrong})
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer"), wrong
        assert server.get("/v2/health/ready", headers={"Authorization": wrong}).status_code == 200
        assert server.get("/v2/models/mnist-cnn", headers={"Authorization": wrong}).status_code == 401
    program = f"""if True:
        import tritonclient.grpc as grpc
        from tritonclient.utils import InferenceServerException
        client = grpc.InferenceServerClient("{server.grpc}", ssl=True, root_certificates="{authority}")
        assert client.is_server_ready()
        try:
            client.get_model_metadata("mnist-cnn")
        except InferenceServerException as problem:
            print(problem.status())
        print(client.get_model_metadata("mnist-cnn", headers={{"authorization": "Bearer {TOKEN}"}}).name)
        plain = grpc.InferenceServerClient("{server.grpc}")
        try:
            plain.is_server_live(client_timeout=5)
        except InferenceServerException as problem:
            print("refused")
    """
    done = subprocess.run([triton, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["StatusCode.UNAUTHENTICATED", "mnist-cnn", "refused"], done.stderr


def test_a_body_beyond_the_limit_is_refused_and_not_kept(guarded):
    server, _ = guarded
    before = server.memory
    answer = server.post(PATH, data=bytes(2 * 2**20))
    assert answer.status_code == 413
    assert answer.headers["Connection"] == "close"
    assert "larger than 1 MB" in answer.json()["error"]
    answer = server.post(PATH, data=(bytes(2**16) for _ in range(800)))
    assert answer.status_code == 413
    assert server.memory - before < 20e6
    assert server.post(PATH, data=b"x").status_code == 400


def test_slow_and_silent_clients_keep_nobody_waiting(server, digit):
    """Half of a body and then nothing, bytes one by one, or nothing at all: others are answered meanwhile."""
    host, port = server.host.split(":")
    before = http.client.HTTPConnection(host, int(port))
    sockets = []
    for index in range(60):
        sockets.append(socket.create_connection((host, int(port))))
        head = b"POST /models/mnist-cnn/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
        sockets[-1].sendall([b"", head[:40], head + b"half"][index % 3])
    start = time.monotonic()
    for _ in range(20):
        before.request("POST", PATH, digit.read_bytes())
        answer = before.getresponse()
        assert answer.status == 200
        answer.read()
    assert time.monotonic() - start < 10
    for each in sockets:
        each.close()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--tls-cert", "cert.pem"], "--tls-cert and --tls-key belong together"),
        (["--tls-cert", "nothing.pem", "--tls-key", "nothing.pem"], "no certificate with its key"),
        (["--token-file", "nothing"], "no token can be read"),
        (["--token-file", "empty"], "holds no token"),
        (["--token-file", "two"], "a token is one word of ASCII"),
        (["--option", "x"], "--option must be KEY=VALUE"),
        (["--threads", "0"], "threads must be 1 to"),
        (["--engine", "tensorrt"], "unknown engine 'tensorrt'"),
        (["--host", "192.0.2.77"], "192.0.2.77"),
    ],
)
def test_wrong_options_are_one_line(words, message, cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("empty").write_text(" \n")
    Path("two").write_text("two words")
    result = cli("serve", SHIPPED / "wine-mlp", "--port", 0, *words)
    assert result.status == 2
    assert message in result.err.splitlines()[-1]
    assert "Traceback" not in result.err


def test_two_bundles_of_one_name_are_refused(cli):
    result = cli("serve", SHIPPED / "wine-mlp", SHIPPED / "wine-mlp", "--port", 0)
    assert (result.status, "both called 'wine-mlp'" in result.err) == (2, True)


@pytest.mark.parametrize("head", [b"GET /v2 HTTP/1.1\r\nHost: localhost\r\nX: ", b"GET /", b"GET /v2 HTTP/1.1\r\n" * 2])
def test_a_head_without_an_end_ends_the_connection(server, head):
    with socket.create_connection(server.host.split(":"), timeout=20) as client:
        client.sendall(head)
        sent = 0
        with pytest.raises(OSError):  # a reset, or a pipe without a reader
            while sent < 2**22:
                client.sendall(b"x" * 2**14)
                sent += 2**14
                time.sleep(0.001)
        assert sent < 2**21
    assert server.get("/v2").status_code == 200


def test_many_requests_of_one_connection_are_not_one_long_head(server):
    connection = http.client.HTTPConnection(server.host, timeout=20)
    for _ in range(100):
        connection.request("GET", "/v2", headers={"X-Long": "x" * 1000})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200


def test_grpc_messages_are_received_a_few_at_a_time_and_let_go():
    """Calls that send nothing hold both places; a good one waits for their end, and is freed once it is answered."""
    grpc = pytest.importorskip("grpc")
    limits = Limits(bodies=2**20, body=2**19, body_seconds=0.4)

    async def silence():
        await asyncio.sleep(30)
        yield b""

    async def scenario():
        service = Service(ModelTable({}), limits)
        server, port = await grpc_v2.start(service, "127.0.0.1", 0, shared=False)
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options) as channel:
            path = f"/{SERVICE}/ModelInfer"
            silent = [channel.stream_unary(path)(silence()) for _ in range(2)]
            await asyncio.sleep(0.1)
            request = message("ModelInferRequest")(
                model_name="m", raw_input_contents=[bytes(2**18)]
            ).SerializeToString()
            start = time.monotonic()
            gc.collect()
            gc.disable()
            try:
                for _ in range(2):
                    with pytest.raises(grpc.aio.AioRpcError, match="unknown model"):
                        await channel.unary_unary(path)(request)
                await asyncio.sleep(0.1)
                assert not [each for each in gc.get_objects() if type(each).__name__ == "ModelInferRequest"]
            finally:
                gc.enable()
            assert time.monotonic() - start > 0.25
            for call in silent:
                assert await call.code() == grpc.StatusCode.DEADLINE_EXCEEDED
            service.held.add(limits.bodies - 2**17)
            with pytest.raises(grpc.aio.AioRpcError, match="take up the memory for bodies"):
                await channel.unary_unary(path)(request)
            twice = channel.stream_unary(path)(iter([b"", b""]))
            assert "more than one message" in await twice.details()
        await server.stop(0)

    asyncio.run(scenario())
