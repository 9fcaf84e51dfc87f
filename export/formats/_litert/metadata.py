"""Metadata in TFLite files."""

from __future__ import annotations

import struct

from runtime.formats import flatbuffer
from runtime.formats.tflite import BUFFERS, METADATA


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
