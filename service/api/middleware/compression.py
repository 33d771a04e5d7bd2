"""Large answers of routed endpoints in the coding that the caller accepts; streams pass as they are.

Derivatives are answered before this layer; `hot_path` compresses those itself.
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.wire import compression
from service.wire.problems import Reply


class Compression:
    """Compresses whole bodies of `least` bytes and more."""

    def __init__(self, app: ASGIApp, *, least: int) -> None:
        self._app = app
        self._least = least

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        accept = Headers(scope=scope).get("accept-encoding") if scope["type"] == "http" else None
        if accept is None:
            await self._app(scope, receive, send)
            return
        start: Message | None = None

        async def send_packed(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            if start is not None:
                body = message.get("body", b"")
                if len(body) >= self._least and not message.get("more_body", False):
                    start, message = await _packed(start, body, accept)
                await send(start)
                start = None
            await send(message)

        await self._app(scope, receive, send_packed)


async def _packed(start: Message, body: bytes, accept: str) -> tuple[Message, Message]:
    headers = MutableHeaders(raw=list(start["headers"]))
    if "content-encoding" not in headers and "etag" not in headers:
        reply = Reply(start["status"], body, headers.get("content-type", ""))
        reply = await compression.pack(reply, accept)
        body = reply.body
        headers["content-length"] = str(len(body))
        for name, value in reply.headers.items():
            headers[name] = value
    return {**start, "headers": headers.raw}, {"type": "http.response.body", "body": body}
