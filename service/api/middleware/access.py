"""Request ids, one log line a request, the request metrics, and the last net under every exception."""

from __future__ import annotations

import itertools
import os
import re
import time

from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from service.api.endpoint import methods_of
from service.telemetry.metrics import Metrics
from service.telemetry.request_log import Request, RequestLog
from service.wire import problems

_VALID_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})


class Access:
    """The outermost layer: whatever happens inside, the caller gets an answer and the log gets a line."""

    def __init__(
        self, app: ASGIApp, *, logger: FilteringBoundLogger, request_log: RequestLog, metrics: Metrics
    ) -> None:
        self._app = app
        self._logger = logger
        self._log = request_log
        self._metrics = metrics
        self._in_flight = 0
        metrics.in_flight.set_function(lambda: self._in_flight)
        # Ids are one random number of 80 bits for this process, and a count.
        self._process, self._count = os.urandom(10).hex(), itertools.count()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = self._id(scope)
        id_header = (b"x-request-id", request_id.encode())
        scope.setdefault("state", {})["request_id"] = request_id
        status, code = 0, None
        method = scope["method"]
        if method == "HEAD":  # is routed as GET; the server below drops the body
            scope = {**scope, "method": "GET"}

        async def send_with_id(message: Message) -> None:
            nonlocal status, code
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], id_header]
            elif status >= 400 and code is None:
                code = problems.code_in(message.get("body", b""))
            await send(message)

        start = time.perf_counter()
        self._in_flight += 1
        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            self._logger.exception("unexpected", request_id=request_id, path=scope["path"])
            if status:  # half an answer is out: only the connection can say that it broke
                raise
            await _send_internal(request_id, send_with_id)
        finally:
            self._in_flight -= 1
            self._record(scope, method, status, code, time.perf_counter() - start, request_id)

    def _id(self, scope: Scope) -> str:
        """What the caller sent as X-Request-ID if that is harmless, else a new one of 32 digits."""
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                sent = value.decode("latin-1")
                if _VALID_ID.fullmatch(sent):
                    return str(sent)
                break
        return f"{self._process}{next(self._count):012x}"

    def _record(
        self, scope: Scope, method: str, status: int, code: str | None, seconds: float, request_id: str
    ) -> None:
        route = scope.get("route")
        template, label = "other", "any"
        if isinstance(route, APIRoute) and scope["method"] in methods_of(route):
            template, label = route.path, method
        self._metrics.request(label, template, status, seconds)
        client = scope.get("client")
        host = client[0] if client else None
        quiet = template in _QUIET
        self._log(Request(method, scope["path"], status, code, seconds, host, request_id, quiet))


async def _send_internal(request_id: str, send: Send) -> None:
    reply = problems.internal(request_id)
    headers = [
        (b"content-type", reply.media_type.encode()),
        (b"content-length", str(len(reply.body)).encode()),
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
