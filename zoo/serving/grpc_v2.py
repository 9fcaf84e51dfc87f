"""The Open Inference Protocol over gRPC, in the event loop that serves HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.errors import MissingExtraError, OptionError, ZooError, one_line, shown
from zoo.serving.app import EXTENSIONS, SERVER, metadata
from zoo.serving.errors import BusyError, RequestError, SlowClientError, classify
from zoo.serving.front import check_token, request_id
from zoo.serving.grpc_messages import METHODS, SERVICE, message
from zoo.serving.http_v2 import seconds_of
from zoo.serving.inference import infer
from zoo.serving.logs import log
from zoo.serving.messages import (
    BYTES,
    InferRequest,
    InferResponse,
    byte_strings,
    count_elements,
    datatype_of,
    decode_tensor,
    dtype_of,
    encode_tensor,
)
from zoo.serving.queue import Deadline
from zoo.serving.service import Service

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Handler = Callable[[Any, Any], Awaitable[Any]]

_CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    BYTES: "bytes_contents",
}
"""The field of InferTensorContents for each datatype; FP16 has none and is sent raw."""


async def start(service: Service, host: str, port: int, shared: bool) -> tuple[Any, int]:
    """Serve gRPC, on a port that other workers share or not; return the server and its port.

    Raises:
        MissingExtraError: If grpcio is not installed.
        OptionError: If the port can't be listened on.
    """
    try:
        import grpc
    except ImportError:
        raise MissingExtraError("grpcio, which zoo serve --grpc-port needs,", "serve") from None
    limits = service.limits
    options = [
        ("grpc.max_receive_message_length", limits.body),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", int(shared)),
        ("grpc.max_concurrent_streams", limits.queue),
        ("grpc.http2.bdp_probe", 0),  # else it reads megabytes of messages ahead that no request needs yet
        ("grpc.server_handshake_timeout_ms", 15_000),
        ("grpc.keepalive_time_ms", 30_000),  # who doesn't answer a ping in time is gone
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.max_connection_idle_ms", 300_000),
    ]
    server = grpc.aio.server(options=options)
    handlers = _Handlers(service)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(SERVICE, {name: handlers.of(name) for name in METHODS}),)
    )
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        if service.access.certificate and service.access.key:
            pair = (service.access.key.read_bytes(), service.access.certificate.read_bytes())
            number = server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
        else:
            number = server.add_insecure_port(address)
    except RuntimeError as problem:
        raise OptionError(f"port {port} of {host} can't be opened ({one_line(problem)}): name another with --grpc-port"
                          ) from None  # fmt: skip
    await server.start()
    return server, number


class _Handlers:
    """The methods of the service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        limits = service.limits
        self._receiving = asyncio.Semaphore(max(1, limits.bodies // limits.body))
        """Of calls whose message is being received: grpcio says how large it is once all of it is there."""
        self._calls: dict[str, Handler] = {
            "ServerLive": self._live,
            "ServerReady": self._ready,
            "ModelReady": self._model_ready,
            "ServerMetadata": self._server_metadata,
            "ModelMetadata": self._model_metadata,
            "ModelInfer": self._infer,
        }

    def of(self, name: str) -> Any:
        """Return gRPC's handler of a method."""
        import grpc

        async def handle(requests: AsyncIterator[Any], context: Any) -> Any:
            response, status, text = await self._answer(name, requests, context)
            if response is None:
                await context.abort(getattr(grpc.StatusCode, status), text)
            return response

        # to clients it is a unary call; to grpcio a stream, whose message is received when the handler asks for it
        return grpc.stream_unary_rpc_method_handler(
            handle, message(f"{name}Request").FromString, message(f"{name}Response").SerializeToString
        )

    async def _answer(self, name: str, requests: AsyncIterator[Any], context: Any) -> tuple[Any, str, str]:
        """Return the response to a call; or None, the name of a status and why.

        grpcio keeps the error of a call that ends with a status, and so the variables of the function that raised it:
        this one, which has the message, ends before.
        """
        sent = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        own_id = request_id(sent.get("x-request-id", ""))
        context.set_trailing_metadata((("x-request-id", own_id),))
        start, status, model = time.perf_counter(), "CANCELLED", ""
        try:
            if name not in ("ServerLive", "ServerReady"):
                check_token(self._service.access.token, sent.get("authorization", ""))
            async with self._receive(requests) as request:
                model = getattr(request, "model_name", getattr(request, "name", ""))
                response = await self._calls[name](request, context)
            status = "OK"
            return response, status, ""
        except ZooError as problem:
            status = classify(problem).GRPC
            return None, status, str(problem)
        except Exception:
            log.exception("internal error", extra={"fields": {"request_id": own_id}})
            status = "INTERNAL"
            return None, status, "internal error: see the server's log"
        finally:
            self._service.note_request(own_id, "grpc", name, model, status, time.perf_counter() - start)

    @asynccontextmanager
    async def _receive(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Receive a call's message and count it until the call is answered.

        Raises:
            RequestError: If there is none, or it can't be parsed.
            BusyError: If the bodies of others leave no room.
            SlowClientError: If it takes too long.
        """
        from google.protobuf.message import DecodeError

        limits = self._service.limits
        try:
            async with asyncio.timeout(limits.seconds):
                await self._receiving.acquire()
        except TimeoutError:
            raise BusyError("other messages are being received: try again in a moment") from None
        try:
            async with asyncio.timeout(limits.body_seconds):
                request = await anext(requests)
                async for _ in requests:  # until its end, for grpcio keeps the last message before
                    raise RequestError("the call has more than one message")
        except TimeoutError:
            raise SlowClientError(f"the message took longer than {limits.body_seconds:g} s") from None
        except (StopAsyncIteration, DecodeError) as problem:
            raise RequestError(f"the call has no message that can be read ({one_line(problem)})") from None
        finally:
            self._receiving.release()
        size = request.ByteSize()
        try:
            self._service.held.add(size)
            yield request
        finally:
            self._service.held.remove(size)

    async def _live(self, request: Any, context: Any) -> Any:
        return message("ServerLiveResponse")(live=True)

    async def _ready(self, request: Any, context: Any) -> Any:
        return message("ServerReadyResponse")(ready=self._service.ready)

    async def _model_ready(self, request: Any, context: Any) -> Any:
        self._service.models.get(request.name, request.version)
        return message("ModelReadyResponse")(ready=self._service.ready)

    async def _server_metadata(self, request: Any, context: Any) -> Any:
        return message("ServerMetadataResponse")(name=SERVER, version=version("edgezoo"), extensions=EXTENSIONS)

    async def _model_metadata(self, request: Any, context: Any) -> Any:
        return message("ModelMetadataResponse")(**metadata(self._service, request.name, request.version))

    async def _infer(self, request: Any, context: Any) -> Any:
        left = context.time_remaining()
        deadline = Deadline.after(self._service.limits.seconds).sooner(left)
        served = self._service.served(request.model_name, request.model_version)
        return await self._service.run(
            served, lambda end: encode_response(infer(served, decode_request(request), end)), deadline
        )


def decode_request(request: Any) -> InferRequest:
    """Return what a message asks for.

    Raises:
        RequestError: If it breaks the protocol.
    """
    raw, tensors = request.raw_input_contents, request.inputs
    if raw and len(raw) != len(tensors):
        raise RequestError(f"{len(raw)} raw contents for {len(tensors)} inputs")
    inputs: dict[str, NDArray[Any]] = {}
    for index, tensor in enumerate(tensors):
        if tensor.name in inputs:
            raise RequestError(f"the input {shown(tensor.name)} is there twice")
        shape = list(tensor.shape)
        inputs[tensor.name] = (
            decode_tensor(tensor.name, tensor.datatype, shape, raw[index]) if raw else _from_contents(tensor, shape)
        )
    timeout = request.parameters.get("timeout")
    seconds = None if timeout is None else seconds_of(timeout.int64_param or timeout.uint64_param)
    names = tuple(each.name for each in request.outputs)
    return InferRequest(request.model_name, inputs, names, request.model_version, request.id, seconds)


def encode_response(response: InferResponse) -> Any:
    """Return the message of an answer, with its tensors in binary."""
    made = message("ModelInferResponse")(model_name=response.model, model_version=response.version, id=response.id)
    for name, array in response.outputs.items():
        made.outputs.add(name=name, datatype=datatype_of(array), shape=array.shape)
        made.raw_output_contents.append(encode_tensor(array))
    return made


def _from_contents(tensor: Any, shape: list[int]) -> NDArray[Any]:
    """Return the array of a tensor whose elements are the message's own."""
    count = count_elements(tensor.name, shape)
    if tensor.datatype not in _CONTENTS:
        dtype_of(tensor.name, tensor.datatype)
        raise RequestError(f"input {shown(tensor.name)}: {tensor.datatype} is sent as raw contents")
    elements = getattr(tensor.contents, _CONTENTS[tensor.datatype])
    if len(elements) != count:
        raise RequestError(f"input {shown(tensor.name)}: {shape} takes {count} elements, got {len(elements)}")
    if tensor.datatype == BYTES:
        return byte_strings(list(elements)).reshape(shape)
    dtype = dtype_of(tensor.name, tensor.datatype)
    values = np.array(elements)
    if dtype.kind in "iu" and count and not np.iinfo(dtype).min <= values.min() <= values.max() <= np.iinfo(dtype).max:
        raise RequestError(f"input {shown(tensor.name)}: its values don't fit into {tensor.datatype}")
    return values.astype(dtype).reshape(shape)
