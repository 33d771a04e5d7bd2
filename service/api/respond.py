"""From a reply to an ASGI response."""

from __future__ import annotations

from starlette.responses import Response

from service.wire.problems import Reply


def respond(reply: Reply) -> Response:
    """The response that carries `reply`."""
    return Response(reply.whole(), reply.status, reply.headers, reply.media_type)
