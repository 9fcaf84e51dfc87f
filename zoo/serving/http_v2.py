"""The bodies of the Open Inference Protocol over HTTP: JSON, and tensors in binary after it.

The binary tensor extension is that of Triton's document protocol/extension_binary_data.md. The header `HEADER` says how
long the JSON is, and an input's parameter ``binary_data_size`` how many of the bytes after it are its own. A wanted
output's parameter ``binary_data``, or the request's ``binary_data_output``, asks for the same in the response.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.errors import one_line, shown
from zoo.serving.errors import RequestError
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

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEADER = "inference-header-content-length"
BASE64 = "base64"
"""The parameter ``content_type`` of a `BYTES` input whose JSON strings are base64, since JSON holds text only."""
_KINDS = {"f": "fiu", "i": "iu", "u": "iu", "b": "b"}
"""The kinds of arrays of which JSON makes a tensor of each kind."""


def decode_request(
    model: str, version: str, header_length: str | None, body: bytes | bytearray
) -> tuple[InferRequest, set[str]]:
    """Read a request.

    Args:
        model: The model's name in the address.
        version: The version in the address, or an empty text.
        header_length: The header `HEADER`, or None.
        body: The body.

    Returns:
        The request, and the names of the outputs that are wanted in binary; ``*`` is all.

    Raises:
        RequestError: If it breaks the protocol.
    """
    length = len(body)
    if header_length is not None:
        if not header_length.isascii() or not header_length.isdigit() or int(header_length[:12]) > len(body):
            raise RequestError(f"the header {HEADER} must be the length of the JSON, got {shown(header_length)}")
        length = int(header_length)
    document = _object(parse_json(body[:length]), "the request")
    parameters = _object(document.get("parameters", {}), "parameters")
    rest, inputs = memoryview(body)[length:], {}
    for tensor in _objects(document.get("inputs"), "inputs"):
        name, own = _text(tensor, "name"), _object(tensor.get("parameters", {}), "the parameters of an input")
        size = own.get("binary_data_size")
        if name in inputs:
            raise RequestError(f"the input {shown(name)} is there twice")
        if size is None:
            inputs[name] = _from_json(name, tensor, own)
            continue
        if type(size) is not int or not 0 <= size <= len(rest):
            raise RequestError(f"input {shown(name)}: binary_data_size is {shown(size)}, {len(rest)} bytes are left")
        inputs[name] = decode_tensor(name, _text(tensor, "datatype"), _shape(tensor), rest[:size])
        rest = rest[size:]
    if len(rest):
        raise RequestError(f"{len(rest)} bytes follow that belong to no input")
    wanted = _objects(document.get("outputs", []), "outputs")
    binary = {
        _text(each, "name")
        for each in wanted
        if _object(each.get("parameters", {}), "the parameters of an output").get("binary_data") is True
    }
    if parameters.get("binary_data_output") is True:
        binary.add("*")
    request = InferRequest(
        model, inputs, tuple(_text(each, "name") for each in wanted), version,
        _text(document, "id") if "id" in document else "", seconds_of(parameters.get("timeout")),
    )  # fmt: skip
    return request, binary


def encode_response(response: InferResponse, binary: set[str]) -> tuple[bytes, dict[str, str]]:
    """Return a response's body, and its headers."""
    outputs, blocks = [], []
    for name, array in response.outputs.items():
        output: dict[str, Any] = {"name": name, "datatype": datatype_of(array), "shape": list(array.shape)}
        if name in binary or "*" in binary:
            blocks.append(encode_tensor(array))
            output["parameters"] = {"binary_data_size": len(blocks[-1])}
        else:
            output["data"] = _to_json(array)
        outputs.append(output)
    document = {"model_name": response.model, "model_version": response.version, "outputs": outputs}
    if response.id:
        document["id"] = response.id
    text = json.dumps(document, separators=(",", ":")).encode()
    if not blocks:
        return text, {"Content-Type": "application/json"}
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(text))}
    return b"".join((text, *blocks)), headers


def seconds_of(timeout: Any) -> float | None:
    """Return the parameter ``timeout``, which is in microseconds, in seconds; 0 or nothing means that there is none.

    Raises:
        RequestError: If it is no whole number.
    """
    if timeout is None or timeout == 0:
        return None
    if type(timeout) is not int or not 0 < timeout < 2**63:
        raise RequestError(f"the parameter timeout is a number of microseconds, got {shown(timeout)}")
    return timeout / 1e6


def parse_json(text: bytes | bytearray) -> Any:
    """Return the value of a JSON text from outside.

    Raises:
        RequestError: If it is none.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise RequestError(f"the body is not JSON ({one_line(problem)})") from None


def _from_json(name: str, tensor: Mapping[str, Any], parameters: Mapping[str, Any]) -> NDArray[Any]:
    datatype, shape, data = _text(tensor, "datatype"), _shape(tensor), tensor.get("data")
    count = count_elements(name, shape)
    if not isinstance(data, list):
        raise RequestError(f"input {shown(name)}: neither a list as its data, nor a binary_data_size")
    if datatype == BYTES:
        elements = _byte_strings(name, data, parameters.get("content_type") == BASE64)
        if len(elements) != count:
            raise RequestError(f"input {shown(name)}: {shape} takes {count} strings, got {len(elements)}")
        return byte_strings(elements).reshape(shape)
    dtype = dtype_of(name, datatype)
    try:
        values: NDArray[Any] = np.asarray(data) if data else np.zeros(0, dtype)
    except (ValueError, RecursionError) as problem:  # lists of different lengths
        raise RequestError(f"input {shown(name)}: {one_line(problem)}") from None
    if values.dtype.kind not in _KINDS[dtype.kind] or values.size != count:
        raise RequestError(
            f"input {shown(name)}: {datatype} {shape} takes {count} such values, got {values.size} of {values.dtype}"
        )
    if dtype.kind in "iu" and values.size:
        limits, low, high = np.iinfo(dtype), int(values.min()), int(values.max())
        if low < limits.min or high > limits.max:
            raise RequestError(f"input {shown(name)}: values from {low} to {high} don't fit into {datatype}")
    with np.errstate(over="ignore"):
        return values.astype(dtype).reshape(shape)


def _to_json(array: NDArray[Any]) -> list[Any]:
    if array.dtype.kind == "O":
        return [element.decode("utf-8", "backslashreplace") for element in array.ravel()]
    values: list[Any] = array.ravel().tolist()
    return values


def _byte_strings(name: str, data: list[Any], encoded: bool) -> list[bytes]:
    if not all(isinstance(each, str) for each in data):
        raise RequestError(f"input {shown(name)}: the elements of {BYTES} in JSON are strings")
    try:
        return [base64.b64decode(each, validate=True) if encoded else each.encode() for each in data]
    except (binascii.Error, ValueError) as problem:
        raise RequestError(f"input {shown(name)}: {one_line(problem)}") from None


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RequestError(f"{what}: expected a JSON object, got {shown(value)}")
    return value


def _objects(value: Any, what: str) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise RequestError(f"{what}: expected a JSON list of objects, got {shown(value)}")
    return [_object(each, what) for each in value]


def _text(value: Mapping[str, Any], key: str) -> str:
    text = value.get(key)
    if not isinstance(text, str):
        raise RequestError(f"{key!r} must be a text, got {shown(text)}")
    return text


def _shape(tensor: Mapping[str, Any]) -> list[int]:
    shape = tensor.get("shape")
    if not isinstance(shape, list):
        raise RequestError(f"'shape' must be a list of sizes, got {shown(shape)}")
    return shape
