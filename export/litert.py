"""What litert-torch makes, and metadata in it: for the formats whose files are TFLite's FlatBuffers."""

from __future__ import annotations

import struct
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from export import mends
from export.interrupts import deferred_interrupt
from export.warned import warned_of
from runtime.errors import ExportError, MissingExtraError
from runtime.formats import flatbuffer
from runtime.formats.tflite import BUFFERS, METADATA
from runtime.scratch import scratch_folder

if TYPE_CHECKING:
    import torch


def convert(module: torch.nn.Module, examples: tuple[torch.Tensor, ...], format_name: str) -> bytes:
    """Return a module as a TFLite file, of the examples' shapes.

    Args:
        module: Takes the examples.
        examples: Each has memory of its own: the converter mistakes shared memory for one and the same input.
        format_name: Who asks.

    Raises:
        ExportError: If the converter refuses it.
    """
    from export.tracing import nothing_swallowed, reason

    try:
        with warned_of():
            try:
                import litert_torch
            except ImportError:
                raise MissingExtraError(f"format {format_name!r} (Linux on x86-64 and macOS only)", "export") from None
            mends.register()
            with scratch_folder() as folder:
                file = folder / "model.tflite"
                with deferred_interrupt():
                    with nothing_swallowed():
                        converted = litert_torch.convert(module, examples)
                    converted.export(str(file))
                model = unpacked(file.read_bytes())
                _name_briefly(model)
                _flatten_biases(model)
                return packed(model)
    except MissingExtraError:
        raise
    except Exception as problem:  # the converter's passes raise whatever they meet
        raise ExportError(f"format {format_name!r}: {reason(problem)}") from problem


def _name_briefly(model: Any) -> None:
    """Name tensors after the module that they come from: classes, too, are a tenth of a small file.

    ``pkg.Net/torch.nn.modules.container.Sequential_body/torch.nn.modules.conv.Conv2d_0;1`` becomes ``body/0;1``.
    """
    for graph in model.subgraphs:
        taken: set[bytes] = set()
        for tensor in graph.tensors:
            scopes, mark, number = tensor.name.decode().rpartition(";")
            parts = [scope.rpartition(".")[2].partition("_")[2] for scope in scopes.split("/")]
            brief = ("/".join(filter(None, parts)) + mark + number).encode() if mark else tensor.name
            while brief in taken:
                brief += b"'"
            taken.add(brief)
            tensor.name = brief


def _flatten_biases(model: Any) -> None:
    """Give biases one axis: the converter leaves some ``[1, 1, 1, outputs]``, which engines refuse in int8."""
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    matrix = [i for i, code in enumerate(model.operatorCodes) if code.builtinCode == BuiltinOperator.FULLY_CONNECTED]
    for graph in model.subgraphs:
        used = Counter(int(i) for operator in graph.operators for i in operator.inputs)
        for operator in graph.operators:
            bias = int(operator.inputs[2]) if operator.opcodeIndex in matrix and len(operator.inputs) > 2 else -1
            shape = graph.tensors[bias].shape if bias >= 0 and used[bias] == 1 else []
            if len(shape) > 1 and max(shape) == np.prod(shape):
                graph.tensors[bias].shape = np.array([max(shape)], np.int32)


def unpacked(data: bytes) -> Any:
    """Return a TFLite file as the schema's objects, with all weights inside.

    ai-edge-quantizer puts large ones behind the FlatBuffer, where older runtimes don't find them.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(data)
    for buffer in model.buffers:
        if buffer.offset > 1:
            buffer.data = np.frombuffer(data, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    return model


def packed(model: Any) -> bytes:
    """Return the schema's objects as a TFLite file."""
    import flatbuffers

    builder = flatbuffers.Builder(2**16)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def embed(data: bytes, key: str, text: str) -> bytes:
    """Return the file with `text` under `key` in its metadata.

    The new root table, with one more buffer and one more metadata entry, goes before the old file; FlatBuffer
    offsets point forward, so it refers to everything in there, and no byte of the old file changes or moves
    against a boundary of 16 bytes. What an earlier call embedded under the same key is left out of the list.
    """
    old = flatbuffer.root(data)
    fields = flatbuffer.slots(data, old)
    fields += [0] * (METADATA + 1 - len(fields))
    buffers = flatbuffer.tables(data, fields[BUFFERS]) if fields[BUFFERS] else []
    entries = flatbuffer.tables(data, fields[METADATA]) if fields[METADATA] else []
    name, content = key.encode(), text.encode()
    entries = [at for at in entries if flatbuffer.content(data, flatbuffer.field(data, at, 0)) != name]

    # where each part of the new head stands; every part starts at a multiple of 4
    vtable = 8
    table = _align(vtable + 4 + 2 * len(fields), 4)
    buffer_list = table + 4 + 4 * len(fields)
    entry_list = buffer_list + 4 + 4 * (len(buffers) + 1)
    entry = entry_list + 4 + 4 * (len(entries) + 1) + 8  # its vtable stands before it
    buffer = entry + 12 + 8
    name_at = buffer + 8
    content_at = _align(name_at + 4 + len(name) + 1 + 4, 16) - 4  # the bytes themselves are aligned
    size = _align(content_at + 4 + len(content), 16)

    head = bytearray(size)
    struct.pack_into("<I4s", head, 0, table, b"TFL3")
    offsets = [4 + 4 * i if at or i in (BUFFERS, METADATA) else 0 for i, at in enumerate(fields)]
    struct.pack_into(f"<HH{len(fields)}H", head, vtable, 4 + 2 * len(fields), 4 + 4 * len(fields), *offsets)
    struct.pack_into("<i", head, table, table - vtable)
    for i, at in enumerate(fields):
        here = table + 4 + 4 * i
        if i == 0 and at:  # the schema's version, the only field that is a number and not an offset
            struct.pack_into("<I", head, here, flatbuffer.uint32(data, at))
        elif at or i in (BUFFERS, METADATA):
            there = {BUFFERS: buffer_list, METADATA: entry_list}.get(i) or size + flatbuffer.target(data, at)
            struct.pack_into("<I", head, here, there - here)
    _pack_list(head, buffer_list, [*(size + at for at in buffers), buffer])
    _pack_list(head, entry_list, [*(size + at for at in entries), entry])
    struct.pack_into("<4HiII", head, entry - 8, 8, 12, 4, 8, 8, name_at - (entry + 4), len(buffers))
    struct.pack_into("<4HiI", head, buffer - 8, 6, 8, 4, 0, 8, content_at - (buffer + 4))
    struct.pack_into(f"<I{len(name)}s", head, name_at, len(name), name)
    struct.pack_into(f"<I{len(content)}s", head, content_at, len(content), content)
    return bytes(head) + data


def _align(at: int, to: int) -> int:
    return -(-at // to) * to


def _pack_list(head: bytearray, at: int, targets: list[int]) -> None:
    struct.pack_into("<I", head, at, len(targets))
    for i, there in enumerate(targets):
        here = at + 4 + 4 * i
        struct.pack_into("<I", head, here, there - here)
