"""Damage: from one bit to whole fields, to bytes of any kind and to formats whose structure is known."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Iterator
from random import Random
from typing import Any

EDGES = (0, 1, 2, 3, 7, 8, 127, 128, 255, 256, 32767, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1)


def damaged(random: Random, data: bytes, others: list[bytes]) -> bytes:
    """Return data after one to six mutations; some splice in parts of others."""
    for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
        if not data:
            return data
        data = random.choice((flip, flip, edge, edge, aligned, noise, cut, repeat, remove, splice))(
            random, data, others
        )
    return data


def flip(random: Random, data: bytes, _: list[bytes]) -> bytes:
    """Flip single bits."""
    flipped = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 8, 64))):
        flipped[random.randrange(len(flipped))] ^= 1 << random.randrange(8)
    return bytes(flipped)


def edge(random: Random, data: bytes, _: list[bytes]) -> bytes:
    """Write a number at the edge of a range, of any width and byte order."""
    width, order = random.choice((1, 2, 4, 8)), random.choice(("little", "big"))
    at = random.randrange(len(data))
    value = random.choice((1, -1)) * random.choice(EDGES) % 256**width
    return data[:at] + value.to_bytes(width, order) + data[at + width :]


def aligned(random: Random, data: bytes, _: list[bytes]) -> bytes:
    """Change an aligned 32-bit number a little, as are the offsets and sizes of FlatBuffers."""
    if len(data) < 4:
        return data
    at = random.randrange(len(data) // 4) * 4
    value = struct.unpack_from("<I", data, at)[0] + random.choice((-8, -4, -1, 1, 4, 8, 64, 2**16))
    return data[:at] + struct.pack("<I", value % 2**32) + data[at + 4 :]


def noise(random: Random, data: bytes, _: list[bytes]) -> bytes:
    """Overwrite a run of bytes."""
    at, size = _run(random, data)
    fill = random.choice((random.randbytes(size), bytes(size), b"\xff" * size))
    return data[:at] + fill + data[at + size :]


def cut(random: Random, data: bytes, _: list[bytes]) -> bytes:
    """Cut the end off."""
    return data[: random.randrange(len(data))]


def repeat(random: Random, data: bytes, _: list[bytes]) -> bytes:
    """Write a run twice or more often."""
    at, size = _run(random, data)
    return data[: at + size] + data[at : at + size] * random.choice((1, 1, 2, 50)) + data[at + size :]


def remove(random: Random, data: bytes, _: list[bytes]) -> bytes:
    """Take a run out."""
    at, size = _run(random, data)
    return data[:at] + data[at + size :]


def splice(random: Random, data: bytes, others: list[bytes]) -> bytes:
    """Continue with the rest of another file."""
    other = random.choice(others)
    return data[: random.randrange(len(data))] + other[random.randrange(len(other)) :]


def _run(random: Random, data: bytes) -> tuple[int, int]:
    at = random.randrange(len(data))
    return at, min(len(data) - at, random.choice((1, 2, 4, 16, 64, 512)))


def png(random: Random, data: bytes, others: list[bytes]) -> bytes:
    """Damage a PNG's chunks and make their checksums right again; others are damaged as bytes."""
    if not data.startswith(b"\x89PNG"):
        return damaged(random, data, others)
    chunks, at = [], 8
    while at + 12 <= len(data):
        size = struct.unpack_from(">I", data, at)[0]
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    for _ in range(random.choice((1, 2, 4))):
        index = random.randrange(len(chunks))
        kind, content = chunks[index]
        turn = random.randrange(5)
        if turn == 0:
            chunks.insert(random.randrange(len(chunks)), chunks[index])
        elif turn == 1:
            kinds = (b"zTXt", b"iTXt", b"tEXt", b"iCCP", b"eXIf", b"tRNS", b"PLTE", b"acTL", b"fcTL", b"fdAT", b"gAMA")
            squeezed = zlib.compress(bytes(random.choice((0, 9, 10**6))))
            chunks.insert(index, (random.choice(kinds), random.choice((content, b"k\0\0" + squeezed, b""))))
        elif turn == 2 and kind == b"IDAT":
            chunks[index] = (kind, zlib.compress(damaged(random, _inflated(content), others)))
        elif content:
            chunks[index] = (kind, damaged(random, content, others))
    head = data[:8]
    return head + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def archive(random: Random, data: bytes, others: list[bytes]) -> bytes:
    """Damage or drop one member of a ZIP archive, whose checksums are right afterwards."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        chosen = random.choice(old.namelist())
        for name in old.namelist():
            content = old.read(name)
            if name == chosen and random.random() < 0.1:
                continue
            new.writestr(zipfile.ZipInfo(name), damaged(random, content, others) if name == chosen else content)
    return file.getvalue()


def _inflated(content: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(content, 2**20)
    except zlib.error:  # damaged before
        return content


def text(random: Random, data: bytes, others: list[bytes]) -> bytes:
    """Damage JSON: mostly its values and keys, seldom its bytes."""
    if random.random() < 0.2:
        return damaged(random, data, others)
    value = json.loads(data)
    for _ in range(random.choice((1, 1, 1, 2, 5))):
        holders = [holder for holder in _holders(value) if holder]
        if not holders:
            break  # nothing is left to damage
        holder = random.choice(holders)
        key = random.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        turn = random.randrange(6)
        if turn == 0:
            del holder[key]
        elif turn == 1 and isinstance(holder, dict):
            holder[random.choice(_strange(random))] = holder[key]
        elif turn == 2:
            source = random.choice(holders)
            holder[key] = json.loads(
                json.dumps(random.choice([*source.values()] if isinstance(source, dict) else source))
            )
        elif turn == 3 and type(holder[key]) in (int, float):
            holder[key] = random.choice((holder[key] + 1, -holder[key], holder[key] * 2, 0, holder[key] / 3))
        else:
            holder[key] = random.choice((*_strange(random), *_values(random)))
    return json.dumps(value, allow_nan=True).encode()


def _holders(value: Any, depth: int = 20) -> list[Any]:
    if not isinstance(value, dict | list) or not depth:
        return []
    inner = value.values() if isinstance(value, dict) else value
    return [value, *(holder for part in inner for holder in _holders(part, depth - 1))]


def _strange(random: Random) -> tuple[str, ...]:
    return (
        "", " ", "\0", "\n", "\x1b[2J", "\ud800", "../up", "/etc/passwd", "C:\\x", "nul",
        "x" * random.choice((99, 10**5)), "model.onnx", "image", "label", "batch", "é", "0" * 64,
    )  # fmt: skip


def _values(random: Random) -> tuple[Any, ...]:
    deep: Any = []
    for _ in range(random.choice((3, 50, 400))):
        deep = [deep] if random.random() < 0.5 else {"a": deep}
    return (
        None, True, False, [], {}, [[]], -1, random.choice(EDGES), 10**30, 0.0, -0.5, 1e-300, 1e300, float("nan"),
        float("inf"), deep, [None] * 1000, list(range(10)),
    )  # fmt: skip


def onnx(random: Random, data: bytes, others: list[bytes]) -> bytes:
    """Damage an ONNX file: half the time its bytes, half the time the parts of its graph."""
    import onnx as library

    if random.random() < 0.5:
        return damaged(random, data, others)
    model = library.ModelProto.FromString(data)
    graph = model.graph
    kinds = sorted({schema.name for schema in library.defs.get_all_schemas()})
    for _ in range(random.choice((1, 1, 2, 4))):
        node = random.choice(graph.node)
        turn = random.randrange(8)
        if turn == 0:
            node.op_type = random.choice(kinds)
        elif turn == 1 and node.attribute:
            _attribute(random, random.choice(node.attribute))
        elif turn == 2 and node.input:
            names = [name for each in graph.node for name in (*each.input, *each.output)]
            node.input[random.randrange(len(node.input))] = random.choice([*names, ""])
        elif turn == 3 and graph.initializer:
            _tensor(random, random.choice(graph.initializer))
        elif turn == 4:
            info = random.choice([*graph.input, *graph.output, *graph.value_info])
            if info.type.tensor_type.shape.dim:
                random.choice(info.type.tensor_type.shape.dim).dim_value = random.choice((1, -1)) * random.choice(EDGES)
        elif turn == 5:
            del graph.node[random.randrange(len(graph.node))]
            if not graph.node:
                break
        elif turn == 6:
            graph.node.insert(random.randrange(len(graph.node)), node)
        elif node.output:
            node.output[0] = random.choice([*node.input, graph.input[0].name, ""])
    return bytes(model.SerializeToString())


def _attribute(random: Random, attribute: Any) -> None:
    if attribute.HasField("t"):
        _tensor(random, attribute.t)
    elif attribute.ints:
        attribute.ints[random.randrange(len(attribute.ints))] = _signed(random)
    else:
        attribute.i, attribute.f = _signed(random), random.choice((0.0, -1.0, 1e38, float("nan")))


def _tensor(random: Random, tensor: Any) -> None:
    turn = random.randrange(4)
    if turn == 0 and tensor.dims:
        tensor.dims[random.randrange(len(tensor.dims))] = _signed(random)
    elif turn == 1:
        tensor.data_type = random.randrange(28)
    elif turn == 2 and tensor.raw_data:
        tensor.raw_data = damaged(random, tensor.raw_data, [tensor.raw_data])
    else:
        tensor.data_location = 1
        tensor.external_data.add(key="location", value=random.choice(("/etc/passwd", "../x", "model.onnx")))


def _signed(random: Random) -> int:
    return min(random.choice((1, -1)) * random.choice(EDGES), 2**63 - 1)


def tflite(random: Random, data: bytes, others: list[bytes]) -> bytes:
    """Damage a TFLite file: half the time its bytes, half the time numbers in its tables, which stay tables."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    if random.random() < 0.5:
        return damaged(random, data, others)
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(data, 0))
    places = list(_numbers(model.subgraphs) if random.random() < 0.9 else _numbers(model))
    for _ in range(random.choice((1, 1, 2, 4))):
        holder, key, old = random.choice(places)
        value = random.choice((old + 1, old - 1, -old, old * 2, random.randrange(8), _signed(random)))
        holder[key] = max(-(2**31), min(value, 2**31 - 1)) if isinstance(value, int) else value
    builder = flatbuffers.Builder()
    try:
        builder.Finish(model.Pack(builder), b"TFL3")
    except (TypeError, ValueError, OverflowError, struct.error):  # a number that its field can't hold
        return damaged(random, data, others)
    return bytes(builder.Output())


def _numbers(value: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Yield the holder, the key and the value of each number below an object, but not those of buffers of weights."""
    holder = value if isinstance(value, list) else vars(value)
    for key, part in enumerate(holder) if isinstance(value, list) else holder.items():
        if hasattr(part, "tolist"):
            part = holder[key] = part.tolist()
        if type(part) in (int, float):
            yield holder, key, part
        elif (isinstance(part, list) and len(part) < 500) or hasattr(part, "__dict__"):
            yield from _numbers(part)
