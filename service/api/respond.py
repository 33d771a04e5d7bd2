"""From a reply to an ASGI response."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse

from service.wire.problems import Reply
from service.wire.stored_answer import StoredAnswer


def respond(reply: Reply) -> Response:
    """The response that carries `reply`; a stored one is sent piece by piece."""
    if reply.stored is None:
        return Response(reply.whole(), reply.status, reply.headers, reply.media_type)
    headers = {**reply.headers, "Content-Length": str(reply.size)}
    return StreamingResponse(_pieces(reply.stored), reply.status, headers, reply.media_type)


async def _pieces(stored: StoredAnswer) -> AsyncIterator[bytes]:
    for piece in stored.pieces():
        yield piece
