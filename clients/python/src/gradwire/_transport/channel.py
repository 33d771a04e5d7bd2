"""An HTTP client of one process, and the short way to its transport.

A client of httpx looks at cookies, redirects, authentication, hooks and proxies for every request, which
costs as much as the rest of a small request together. If there is none of these, a request with a body goes
straight to the transport, which keeps connections alive; what is the same in all requests to one address is
made once.
"""

from __future__ import annotations

import functools
import logging
import urllib.request
from collections.abc import Callable
from typing import Any

from gradwire._transport.flow import Request, Response
from gradwire._transport.httpx_transport import async_content, content, response
from gradwire._transport.libraries import library_of

_KEY = "Idempotency-Key"


class _Channel:
    """What both kinds of client share; `transport` is the user's own, `options` are those of the client.

    `uds` among them is the path of a Unix socket.
    """

    def __init__(self, kind: str, transport: Any, options: dict[str, Any]) -> None:
        library = library_of(transport)
        self.library = library
        uds = options.get("uds")
        if transport is None and (uds is not None or not _has_proxies()):
            transport = getattr(library, "HTTPTransport" if kind == "Client" else "AsyncHTTPTransport")(
                uds=uds
            )
        options = {name: option for name, option in options.items() if name != "uds"}
        self.http = getattr(library, kind)(transport=transport, **options)
        self._transport: Any = None if self.http.base_url.userinfo else transport
        self._extensions = {"timeout": self.http.timeout.as_dict()}
        self._log = logging.getLogger(library.__name__)
        self._root = str(self.http.base_url).rstrip("/")
        self.url: Callable[[str], Any] = functools.lru_cache(1024)(
            lambda path: library.URL(self._root + path)
        )
        self._headers = functools.lru_cache(1024)(self._write_headers)

    def _is_short(self, request: Request) -> bool:
        """Whether a request may go straight to the transport."""
        http = self.http
        return (
            self._transport is not None
            and bool(request.content)
            and request.file is None
            and not http.cookies.jar
            and not any(http.event_hooks.values())
            and not self._log.isEnabledFor(logging.INFO)
        )

    def _built(self, request: Request) -> Any:
        """A request in the library's terms, with the headers that its client would give it."""
        length, headers_sent = len(request.content), dict(request.headers)
        own = [(b"Content-Length", b"%d" % length)]
        if (key := headers_sent.pop(_KEY, None)) is not None:
            own.append((_KEY.encode(), key.encode()))
        headers = [*self._headers(request.method, request.path, tuple(headers_sent.items())), *own]
        return self.library.Request(
            request.method,
            self.url(request.path),
            headers=headers,
            stream=self.library.ByteStream(request.content),
            extensions=self._extensions,
        )

    def _write_headers(
        self, method: str, path: str, headers: tuple[tuple[str, str], ...]
    ) -> list[tuple[bytes, bytes]]:
        """The headers of every request like this, but for its length."""
        example = self.http.build_request(method, self.url(path), content=b"?", headers=dict(headers))
        return [(name, value) for name, value in example.headers.raw if name.lower() != b"content-length"]

    def _answered(self, request: Any, answer: Any) -> Response:
        """A whole answer; its cookies are kept, and the next request takes the long way."""
        if "set-cookie" in answer.headers:
            answer.request = request
            self.http.cookies.extract_cookies(answer)
        return response(answer)


class SyncChannel(_Channel):
    """A client for blocking calls; safe to share between threads."""

    def __init__(self, transport: Any, options: dict[str, Any]) -> None:
        super().__init__("Client", transport, options)

    def send(self, request: Request) -> Response:
        """One request and its whole answer; raises the library's errors."""
        if not self._is_short(request):
            address, headers = self.url(request.path), dict(request.headers)
            return response(
                self.http.request(request.method, address, content=content(request), headers=headers)
            )
        built = self._built(request)
        answer = self._transport.handle_request(built)
        try:
            answer.read()
        finally:
            answer.close()
        return self._answered(built, answer)


class AsyncChannel(_Channel):
    """A client for an event loop."""

    def __init__(self, transport: Any, options: dict[str, Any]) -> None:
        super().__init__("AsyncClient", transport, options)

    async def send(self, request: Request) -> Response:
        """One request and its whole answer; raises the library's errors."""
        if not self._is_short(request):
            address, headers = self.url(request.path), dict(request.headers)
            return response(
                await self.http.request(
                    request.method, address, content=async_content(request), headers=headers
                )
            )
        built = self._built(request)
        answer = await self._transport.handle_async_request(built)
        try:
            await answer.aread()
        finally:
            await answer.aclose()
        return self._answered(built, answer)


def _has_proxies() -> bool:
    """Whether the environment names proxies, to which the library's client knows the rules."""
    proxies = urllib.request.getproxies()
    return any(proxies.get(scheme) for scheme in ("http", "https", "all"))
