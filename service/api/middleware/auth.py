"""The one optional bearer key, compared in constant time; health and docs stay open."""

from __future__ import annotations

import hmac

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.respond import respond
from service.wire.problems import Problem, render

_OPEN = ("/healthz", "/readyz", "/docs", "/openapi.json", "/problems")


class Auth:
    """Refuses a request unless its path is open or it carries the key."""

    def __init__(self, app: ASGIApp, *, key: str) -> None:
        self._app = app
        self._expected = key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or self._is_open(scope["path"]) or self._has_key(scope):
            await self._app(scope, receive, send)
            return
        problem = Problem(
            "unauthorized",
            "expected the server's key as a bearer token, got none or another",
            path="headers.authorization",
            hint="send 'Authorization: Bearer KEY'; the SDK takes it from GRADWIRE_API_KEY",
            headers={"WWW-Authenticate": 'Bearer realm="gradwire"'},
        )
        await respond(render(problem))(scope, receive, send)

    def _is_open(self, path: str) -> bool:
        return any(path == prefix or path.startswith(f"{prefix}/") for prefix in _OPEN)

    def _has_key(self, scope: Scope) -> bool:
        scheme, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(key.strip().encode(), self._expected)
