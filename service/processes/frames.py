"""Frames between the server and a child: a fixed prefix of lengths, a JSON head, then raw blobs."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import from_json, to_json

_PREFIX = struct.Struct("<IQQ")

Frame = tuple[dict[str, Any], bytes, bytes]


def pack(
    head: Mapping[str, Any],
    first: bytes = b"",
    second: bytes = b"",
    *,
    parts: Sequence[memoryview] = (),
) -> list[bytes | memoryview]:
    """The pieces of one frame, for a gathering write. `parts` belong to the first blob, at its end."""
    text = to_json(head)
    size = len(first) + sum(part.nbytes for part in parts)
    return [_PREFIX.pack(len(text), size, len(second)), text, first, *parts, second]


async def read(reader: asyncio.StreamReader) -> Frame:
    """One frame. Raises asyncio.IncompleteReadError if the other side has closed."""
    lengths = _PREFIX.unpack(await reader.readexactly(_PREFIX.size))
    head, first, second = [await reader.readexactly(length) for length in lengths]
    return from_json(head), first, second


def read_blocking(channel: socket.socket) -> Frame | None:
    """One frame, or None if the other side has closed."""
    prefix = _receive(channel, _PREFIX.size)
    if prefix is None:
        return None
    parts = [_receive(channel, length) for length in _PREFIX.unpack(prefix)]
    head, first, second = (part or b"" for part in parts)
    return from_json(head), first, second


def write_blocking(channel: socket.socket, pieces: Sequence[bytes | memoryview]) -> None:
    """All pieces of one frame."""
    for piece in pieces:
        channel.sendall(piece)


def _receive(channel: socket.socket, length: int) -> bytes | None:
    buffer = bytearray(length)
    view, got = memoryview(buffer), 0
    while got < length:
        count = channel.recv_into(view[got:])
        if count == 0:
            return None
        got += count
    return bytes(buffer)
