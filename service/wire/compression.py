"""Bodies in gzip and zstd: unpacked piece by piece within a limit, and packed for callers that accept it.

What a body unpacks to is not known before, and a few bytes may unpack to gigabytes. So input goes in by
slices and output comes by pieces, and whoever takes the pieces counts them and stops.
"""

from __future__ import annotations

import asyncio
import sys
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, Literal, Protocol

from service.wire.problems import Problem, Reply

Coding = Literal["gzip", "zstd"]

_CODINGS: Mapping[str, Coding] = {"gzip": "gzip", "x-gzip": "gzip", "zstd": "zstd"}
_NAMES = "gzip, zstd"
#: What goes in and comes out of a decompressor at once.
_SLICE = 16 * 1024
_PIECE = 64 * 1024
#: Pieces that are unpacked on the event loop, if they hold no more than one piece can.
_FEW = 4
#: Pieces that are unpacked in one turn of a thread.
_TURN = 64
#: zstd's window, as a power of two: RFC 9659 allows no more over HTTP, and a decompressor holds that much.
_ZSTD_WINDOW = 23
#: Media types that get smaller, if their numbers do.
_PACKED = ("application/json", "application/problem+json", "application/x-safetensors", "text/")
#: An answer is sent as it is unless the beginning of it shrinks to this share.
_SAMPLE, _WORTHWHILE = 16 * 1024, 0.7


class BrokenCompression(Exception):
    """The body is not what its Content-Encoding says, or it is cut off; the message says which."""


def coding_of(sent: str) -> Coding | None:
    """The coding that the header Content-Encoding names; None for `identity`.

    Raises Problem unsupported_media_type for others, and for more than one.
    """
    name = sent.strip().lower()
    if name in ("", "identity"):
        return None
    coding = _CODINGS.get(name)
    if coding is None:
        raise Problem(
            "unsupported_media_type",
            f"expected Content-Encoding {_NAMES} or none, got '{name[:100]}'",
            path="headers.content-encoding",
            hint="send the body uncompressed, or in one of these; safetensors are small by themselves",
            headers={"Accept-Encoding": _NAMES},
        )
    return coding


class Unpacker:
    """Unpacks one body, which may come in parts and have several gzip members or zstd frames."""

    def __init__(self, coding: Coding) -> None:
        self._coding = coding
        self._make = _Gunzip if coding == "gzip" else _unzstd
        self._current: _Decompressor | None = None

    def unpack(self, data: bytes) -> Iterator[bytes]:
        """What `data` unpacks to, in pieces of at most 64 KiB. Raises BrokenCompression."""
        view = memoryview(data)
        for start in range(0, len(view), _SLICE):
            yield from self._slice(bytes(view[start : start + _SLICE]))

    def finish(self) -> None:
        """Say that all has come. Raises BrokenCompression if something is missing."""
        if self._current is not None:
            raise BrokenCompression(f"expected a whole {self._coding} body, got one that is cut off")

    def _slice(self, data: bytes) -> Iterator[bytes]:
        while data or self._current is not None:
            current = self._current = self._current or self._make()
            try:
                piece, data, more = current.step(data)
            except Exception as error:  # zlib.error, ZstdError: one type for each library
                raise BrokenCompression(f"expected a {self._coding} body: {error}") from None
            if piece:
                yield piece
            if current.ended:
                self._current = None
            elif not data and not more:
                return


async def unpack_body(body: bytes, coding: Coding, limit: int, refuse: Callable[[], Any]) -> bytes:
    """All that `body` unpacks to; `refuse` is called if that is more than `limit` bytes, and raises.

    Raises BrokenCompression. Small bodies are unpacked on the event loop, all others in a thread.
    """
    unpacker = Unpacker(coding)
    pieces = unpacker.unpack(body)
    unpacked: list[bytes] = []

    def take(most_pieces: int, most_bytes: int) -> bool:
        """Unpack on, within these bounds; whether that was all."""
        size = sum(map(len, unpacked))
        while size <= most_bytes and len(unpacked) <= most_pieces:
            piece = next(pieces, None)
            if piece is None:
                unpacker.finish()
                return True
            unpacked.append(piece)
            size += len(piece)
        return False

    small = len(body) <= _SLICE and take(_FEW, min(_PIECE, limit))
    if not small and not await asyncio.to_thread(take, sys.maxsize, limit):
        refuse()
    return unpacked[0] if len(unpacked) == 1 else b"".join(unpacked)


async def unpack_stream(stream: AsyncIterator[bytes], coding: Coding) -> AsyncIterator[bytes]:
    """What a stream unpacks to, a few megabytes at a time. Raises BrokenCompression."""
    unpacker = Unpacker(coding)
    async for chunk in stream:
        pieces = unpacker.unpack(chunk)
        while some := await asyncio.to_thread(lambda them: b"".join(islice(them, _TURN)), pieces):
            yield some
    unpacker.finish()


async def pack(reply: Reply, accept: str | None) -> Reply:
    """The reply in a coding that the header Accept-Encoding names; as it is if that would not help.

    What a child has stored is as it is to be sent.
    """
    coding = _coding_for(reply, accept)
    return reply if coding is None else await asyncio.to_thread(_packed, reply, coding)


def pack_here(reply: Reply, accept: str | None) -> Reply:
    """As `pack`, in this thread: for child processes."""
    coding = _coding_for(reply, accept)
    return reply if coding is None else _packed(reply, coding)


def _coding_for(reply: Reply, accept: str | None) -> Coding | None:
    if accept is None or not reply.media_type.startswith(_PACKED) or reply.stored is not None:
        return None
    return None if "Content-Encoding" in reply.headers else accepted(accept)


def _packed(reply: Reply, coding: Coding) -> Reply:
    body = _pack(reply, coding)
    headers = {**reply.headers, "Vary": "Accept-Encoding"}
    if body is None:
        return replace(reply, headers=headers)
    return Reply(reply.status, body, reply.media_type, {**headers, "Content-Encoding": coding})


def accepted(accept: str) -> Coding | None:
    """The coding to answer in, by an Accept-Encoding header: the preferred one, zstd if both are alike."""
    weights: dict[str, float] = {}
    for part in accept.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        quality = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        try:
            weights[name] = float(quality)
        except ValueError:
            weights[name] = 0.0
    other = weights.get("*", 0.0)
    zstd, gzip = weights.get("zstd", other), weights.get("gzip", weights.get("x-gzip", other))
    if max(zstd, gzip) <= 0.0 or weights.get("identity", 0.0) > max(zstd, gzip):
        return None
    return "zstd" if zstd >= gzip else "gzip"


def _pack(reply: Reply, coding: Coding) -> bytes | None:
    """The body in this coding; None if it would hardly be smaller."""
    compress = _gzip if coding == "gzip" else _zstd().compress
    sample = reply.body[:_SAMPLE]
    for part in reply.parts:
        sample += bytes(part[: _SAMPLE - len(sample)])
    if len(compress(sample, 1)) > _WORTHWHILE * len(sample):
        return None
    return bytes(compress(reply.whole(), 1))


def _gzip(body: bytes, level: int) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, 31)
    return packer.compress(body) + packer.flush()


class _Decompressor(Protocol):
    ended: bool

    def step(self, data: bytes) -> tuple[bytes, bytes, bool]:
        """At most a piece, the input that is left, and whether more may come without input."""
        ...


class _Gunzip:
    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(31)
        self.ended = False

    def step(self, data: bytes) -> tuple[bytes, bytes, bool]:
        piece = self._inflate.decompress(data, _PIECE)
        self.ended = self._inflate.eof
        rest = self._inflate.unused_data if self.ended else self._inflate.unconsumed_tail
        return piece, rest, len(piece) == _PIECE


class _Unzstd:
    def __init__(self, decompressor: Any) -> None:
        self._decompressor = decompressor
        self.ended = False

    def step(self, data: bytes) -> tuple[bytes, bytes, bool]:
        piece = self._decompressor.decompress(data, _PIECE)
        self.ended = self._decompressor.eof
        return (
            piece,
            self._decompressor.unused_data if self.ended else b"",
            not self._decompressor.needs_input,
        )


def _unzstd() -> _Unzstd:
    zstd = _zstd()
    return _Unzstd(zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW}))


def _zstd() -> Any:
    """The library: Python's own from 3.14 on."""
    if sys.version_info >= (3, 14):
        from compression import zstd  # noqa: PLC0415
    else:
        from backports import zstd  # noqa: PLC0415
    return zstd
