"""The body of a request: its bytes within the limit, and which of the two media types they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive

from service.wire.compression import BrokenCompression, coding_of, unpack_body
from service.wire.held_bytes import Share
from service.wire.problems import Problem

Media = Literal["json", "safetensors"]

_MEDIA: dict[str, Media] = {"application/json": "json", "application/x-safetensors": "safetensors"}


def media_of(headers: Mapping[str, str]) -> Media:
    """The body's media type. Raises Problem unsupported_media_type for others and for unknown codings."""
    packed = headers.get("content-encoding")
    if packed is not None:
        coding_of(packed)  # before the body is read
    sent = headers.get("content-type")
    essence, _, parameters = (sent or "").partition(";")
    media = _MEDIA.get(essence.strip().lower())
    if media is None:
        raise Problem(
            "unsupported_media_type",
            f"expected Content-Type application/json or application/x-safetensors, got {sent or 'none'}",
            path="headers.content-type",
            hint="with curl, add -H 'Content-Type: application/json'",
        )
    name, _, charset = parameters.partition("=")
    if name.strip().lower() == "charset" and charset.strip(' "').lower() not in ("utf-8", "utf8"):
        raise Problem(
            "unsupported_media_type",
            f"expected charset utf-8, got {charset.strip()}",
            path="headers.content-type",
            hint="JSON travels as UTF-8",
        )
    return media


async def read_body(request: Request, limit: int) -> bytes:
    """All of the body, unpacked, never more than `limit` bytes of it in memory.

    The state's `share` counts it, if there is one. Raises Problem body_too_large, busy if the share is used
    up, malformed_json for what does not unpack.
    """
    share: Share | None = getattr(request.state, "share", None)
    return await receive_body(request.receive, request.headers, limit, share)


async def receive_body(
    receive: Receive, headers: Mapping[str, str], limit: int, share: Share | None = None
) -> bytes:
    """`read_body` without a request object.

    Raises also ClientDisconnect if the caller hangs up before the end.
    """
    declared = headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        _refuse(f"{int(declared)} bytes", limit)
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            _refuse("more", limit)
        if share is not None:
            share.add(len(chunk))
        chunks.append(chunk)
        more = message.get("more_body", False)
    body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
    packed = headers.get("content-encoding")
    if packed is None:
        return body
    body = await _unpacked(body, packed, limit)
    if share is not None:
        share.add(len(body))
    return body


async def _unpacked(body: bytes, packed: str, limit: int) -> bytes:
    coding = coding_of(packed)
    if coding is None:
        return body
    try:
        return await unpack_body(body, coding, limit, lambda: _refuse("one that unpacks to more", limit))
    except BrokenCompression as error:
        raise Problem(
            "malformed_json",
            str(error),
            path="headers.content-encoding",
            hint="send what the header says, or leave the header out for a body that is not compressed",
        ) from None


async def hung_up(receive: Receive) -> None:
    """Return when the caller is gone; the body has been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _refuse(came: str, limit: int) -> None:
    raise Problem(
        "body_too_large",
        f"expected a body of at most {limit} bytes, got {came}",
        hint="send arrays as base64 or safetensors; the operator may raise GRADWIRE_MAX_BODY_BYTES",
        headers={"Connection": "close"},
    )
