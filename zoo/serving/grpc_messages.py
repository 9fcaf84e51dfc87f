"""The messages of the Open Inference Protocol over gRPC, described here instead of in generated code.

Generated code is tied to the protobuf release that made it; descriptors work with any. The names and numbers are those
of specification/protocol/open_inference_grpc.proto in https://github.com/kserve/open-inference-protocol.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from runtime.errors import MissingExtraError

SERVICE = "inference.GRPCInferenceService"
METHODS = ("ServerLive", "ServerReady", "ModelReady", "ServerMetadata", "ModelMetadata", "ModelInfer")
"""Each takes its ``Request`` and gives its ``Response``."""

_NAMED = {"name": 1, "version": 2}
_MESSAGES: dict[str, dict[str, tuple[str, int]]] = {
    "InferParameter": {
        "bool_param": ("bool", 1), "int64_param": ("int64", 2), "string_param": ("string", 3),
        "double_param": ("double", 4), "uint64_param": ("uint64", 5),
    },
    "InferTensorContents": {
        "bool_contents": ("bool*", 1), "int_contents": ("int32*", 2), "int64_contents": ("int64*", 3),
        "uint_contents": ("uint32*", 4), "uint64_contents": ("uint64*", 5), "fp32_contents": ("float*", 6),
        "fp64_contents": ("double*", 7), "bytes_contents": ("bytes*", 8),
    },
    "ServerLiveRequest": {},
    "ServerLiveResponse": {"live": ("bool", 1)},
    "ServerReadyRequest": {},
    "ServerReadyResponse": {"ready": ("bool", 1)},
    "ModelReadyRequest": {name: ("string", number) for name, number in _NAMED.items()},
    "ModelReadyResponse": {"ready": ("bool", 1)},
    "ServerMetadataRequest": {},
    "ServerMetadataResponse": {"name": ("string", 1), "version": ("string", 2), "extensions": ("string*", 3)},
    "ModelMetadataRequest": {name: ("string", number) for name, number in _NAMED.items()},
    "ModelMetadataResponse": {
        "name": ("string", 1), "versions": ("string*", 2), "platform": ("string", 3),
        "inputs": ("ModelMetadataResponse.TensorMetadata*", 4),
        "outputs": ("ModelMetadataResponse.TensorMetadata*", 5),
    },
    "ModelMetadataResponse.TensorMetadata": {"name": ("string", 1), "datatype": ("string", 2), "shape": ("int64*", 3)},
    "ModelInferRequest": {
        "model_name": ("string", 1), "model_version": ("string", 2), "id": ("string", 3),
        "parameters": ("map", 4), "inputs": ("ModelInferRequest.InferInputTensor*", 5),
        "outputs": ("ModelInferRequest.InferRequestedOutputTensor*", 6), "raw_input_contents": ("bytes*", 7),
    },
    "ModelInferRequest.InferInputTensor": {
        "name": ("string", 1), "datatype": ("string", 2), "shape": ("int64*", 3), "parameters": ("map", 4),
        "contents": ("InferTensorContents", 5),
    },
    "ModelInferRequest.InferRequestedOutputTensor": {"name": ("string", 1), "parameters": ("map", 2)},
    "ModelInferResponse": {
        "model_name": ("string", 1), "model_version": ("string", 2), "id": ("string", 3),
        "parameters": ("map", 4), "outputs": ("ModelInferResponse.InferOutputTensor*", 5),
        "raw_output_contents": ("bytes*", 6),
    },
    "ModelInferResponse.InferOutputTensor": {
        "name": ("string", 1), "datatype": ("string", 2), "shape": ("int64*", 3), "parameters": ("map", 4),
        "contents": ("InferTensorContents", 5),
    },
}  # fmt: skip
"""The fields of each message: type and number. A star means repeated, ``map`` one from texts to InferParameter."""


@cache
def message(name: str) -> Any:
    """Return the class of a message.

    Raises:
        MissingExtraError: If protobuf is not installed.
    """
    try:
        from google.protobuf import message_factory
    except ImportError:
        raise MissingExtraError("protobuf, which gRPC needs,", "serve") from None
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"inference.{name}"))


@cache
def _pool() -> Any:
    """Return a pool of our own, in which no other library's messages of these names are."""
    from google.protobuf import descriptor_pb2, descriptor_pool

    file = descriptor_pb2.FileDescriptorProto(name="open_inference_grpc.proto", package="inference", syntax="proto3")
    made: dict[str, Any] = {}
    for name, fields in _MESSAGES.items():
        outer, _, inner = name.partition(".")
        made[name] = made[outer].nested_type.add(name=inner) if inner else file.message_type.add(name=name)
        for field, (kind, number) in fields.items():
            _add_field(made[name], f"inference.{name}", field, kind, number)
    parameter = made["InferParameter"]
    parameter.oneof_decl.add(name="parameter_choice")
    for choice in parameter.field:
        choice.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _add_field(owner: Any, path: str, name: str, kind: str, number: int) -> None:
    from google.protobuf import descriptor_pb2

    types = descriptor_pb2.FieldDescriptorProto
    made = owner.field.add(name=name, number=number, label=types.LABEL_OPTIONAL)
    if kind == "map":  # which protobuf writes as a list of entries
        entry = owner.nested_type.add(name="ParametersEntry")
        entry.options.map_entry = True
        _add_field(entry, path, "key", "string", 1)
        _add_field(entry, path, "value", "InferParameter", 2)
        made.type, made.type_name, made.label = types.TYPE_MESSAGE, f".{path}.ParametersEntry", types.LABEL_REPEATED
        return
    if kind.endswith("*"):
        made.label, kind = types.LABEL_REPEATED, kind[:-1]
    if kind in _MESSAGES:
        made.type, made.type_name = types.TYPE_MESSAGE, f".inference.{kind}"
    else:
        made.type = getattr(types, f"TYPE_{kind.upper()}")
