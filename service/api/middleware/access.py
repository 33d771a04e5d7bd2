"""Request ids, one log line a request, the request metrics, and the last net under every exception."""

from __future__ import annotations

import re
import time
from uuid import uuid4

from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from service.api.endpoint import methods_of
from service.telemetry.metrics import Metrics
from service.wire import problems

_VALID_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})


class Access:
    """The outermost layer: whatever happens inside, the caller gets an answer and the log gets a line."""

    def __init__(self, app: ASGIApp, *, logger: FilteringBoundLogger, metrics: Metrics) -> None:
        self._app = app
        self._logger = logger
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent_id = Headers(scope=scope).get("x-request-id", "")
        request_id = sent_id if _VALID_ID.fullmatch(sent_id) else uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0
        method = scope["method"]
        if method == "HEAD":  # is routed as GET; the server below drops the body
            scope = {**scope, "method": "GET"}

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        start = time.perf_counter()
        self._metrics.in_flight.inc()
        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            self._logger.exception("unexpected", request_id=request_id, path=scope["path"])
            if status:  # half an answer is out: only the connection can say that it broke
                raise
            await _send_internal(request_id, send_with_id)
        finally:
            seconds = time.perf_counter() - start
            self._metrics.in_flight.dec()
            self._record(scope, method, status, seconds, request_id)

    def _record(self, scope: Scope, method: str, status: int, seconds: float, request_id: str) -> None:
        route = scope.get("route")
        template, label = "other", "any"
        if isinstance(route, APIRoute) and scope["method"] in methods_of(route):
            template, label = route.path, method
        self._metrics.requests.labels(label, template, str(status)).inc()
        self._metrics.latency.labels(template).observe(seconds)
        log = self._logger.debug if template in _QUIET else self._logger.info
        client = scope.get("client")
        log(
            "request",
            method=method,
            path=scope["path"],
            status=status,
            milliseconds=round(seconds * 1000, 3),
            client=client[0] if client else None,
            request_id=request_id,
        )


async def _send_internal(request_id: str, send: Send) -> None:
    reply = problems.internal(request_id)
    headers = [
        (b"content-type", reply.media_type.encode()),
        (b"content-length", str(len(reply.body)).encode()),
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
