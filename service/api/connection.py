"""A connection: uvicorn's HTTP protocol, with bounds on what one caller can hold open, send and leave unread.

What bounds a connection are a few numbers that are looked at once a second for all connections together, so
that a request sets no timer. A caller who is too slow gets a problem document, if that can be sent.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from collections import Counter
from typing import Any, ClassVar, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from service.settings import Settings
from service.wire.problems import Problem, render

_SWEEP_S = 1.0
_MOST_URL = 8 * 1024
_MOST_HEADERS = 128
_MOST_PIPELINED = 32
#: Bytes a second below which a body that is sent, or an answer that is read, counts as stalled.
_SLOWEST = 1024
#: Pieces of a body that may be small, and the mean size that the others have to have.
_SMALL_PIECES, _PIECE = 4096, 64
#: Descriptors of the process that are for files, children and the database.
_RESERVED = 64


class _Refused(Exception):
    """Raised within the parser, which carries it out; the response is made from `problem`."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


class Connection(HttpToolsProtocol):
    """One connection; `limits` are those of the server, `by_address` counts the connections of a caller."""

    limits: ClassVar[Settings]
    most: ClassVar[int]
    by_address: ClassVar[Counter[str]]
    sweeping: ClassVar[bool]

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._address: str | None = None
        self._head_since: float | None = None
        self._head_bytes = 0
        self._pieces = self._body_bytes = 0
        self._in_body = False
        self._body_waits = 0.0  # seconds that the caller had to send the body
        self._unread_since: float | None = None
        self._unread = 0

    # -- coming and going ----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Take the connection, or refuse it with 503 if there are too many."""
        super().connection_made(transport)
        self._head_since = time.monotonic()
        address = self.client[0] if self.client else ""
        own = self.by_address[address]
        at_most = self.limits.max_connections_per_address or max(1, self.most * 3 // 4)
        if len(self.connections) > self.most or own >= at_most:
            whose = "the server has" if len(self.connections) > self.most else "your address has"
            self._refuse(
                Problem(
                    "busy",
                    f"{whose} as many connections open as it may",
                    hint="use one connection for many requests; try again after the seconds in Retry-After",
                    headers={"Retry-After": "1"},
                )
            )
            return
        self._address = address
        self.by_address[address] += 1
        if not type(self).sweeping:
            type(self).sweeping = True
            self.loop.call_later(_SWEEP_S, self._sweep)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        if self._address is not None:
            self.by_address[self._address] -= 1
            if not self.by_address[self._address]:
                del self.by_address[self._address]
            self._address = None
        super().connection_lost(exc)

    # -- what comes ----------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Read, counting what belongs to heads."""
        if self._head_since is None and not self._in_body and self._idle():
            self._head_since, self._head_bytes = time.monotonic(), 0
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_since is not None and self._head_bytes > self.limits.max_head_bytes:
            self._refuse(self._too_long("head", self.limits.max_head_bytes))

    def on_url(self, url: bytes) -> None:
        """Take a piece of the URL."""
        super().on_url(url)
        if len(self.url) > _MOST_URL:
            raise _Refused(self._too_long("URL", _MOST_URL, 414))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        super().on_header(name, value)
        if len(self.headers) > _MOST_HEADERS:
            raise _Refused(_malformed(f"expected at most {_MOST_HEADERS} headers, got more", 431))
        if len(value) > self.limits.max_head_bytes:
            raise _Refused(self._too_long("head", self.limits.max_head_bytes))

    def on_headers_complete(self) -> None:
        """Start the request."""
        if len(self.pipeline) >= _MOST_PIPELINED:
            raise _Refused(_malformed(f"expected at most {_MOST_PIPELINED} requests at once, got more", 400))
        super().on_headers_complete()
        self._head_since, self._head_bytes = None, 0
        self._in_body, self._body_waits = True, 0.0
        self._pieces = self._body_bytes = 0

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._pieces += 1
        self._body_bytes += len(body)
        if self._pieces > _SMALL_PIECES + self._body_bytes // _PIECE:
            raise _Refused(_malformed("the body comes in too many small pieces", 400))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the body."""
        self._in_body = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """End the answer; uvicorn's own clock runs while nothing comes."""
        self._unread_since = None
        super().on_response_complete()

    def _idle(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    # -- what is refused -----------------------------------------------------------------------------

    def send_400_response(self, msg: str) -> None:
        """A problem document for what is no request; uvicorn calls it after an error of its parser."""
        error = sys.exception()
        cause = None if error is None else error.__context__
        if isinstance(cause, _Refused):
            self._refuse(cause.problem)
        else:
            self._refuse(_malformed("the bytes that came are no HTTP/1.1 request", 400))

    def _refuse(self, problem: Problem) -> None:
        """Send a problem and hang up; only hang up if an answer is on its way already."""
        if self.transport.is_closing():
            return
        if self._idle() or not self.cycle.response_started:
            reply = render(problem)
            lines = [
                STATUS_LINE[reply.status],
                f"content-type: {reply.media_type}\r\ncontent-length: {len(reply.body)}\r\n".encode(),
                *(f"{name.lower()}: {value}\r\n".encode() for name, value in reply.headers.items()),
                b"connection: close\r\n\r\n",
                reply.body,
            ]
            self.transport.write(b"".join(lines))
        if not self._idle():
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()

    def _too_long(self, what: str, most: int, status: int = 431) -> Problem:
        return _malformed(f"expected a {what} of at most {most:,} bytes, got more", status)

    # -- once a second -------------------------------------------------------------------------------

    def _sweep(self) -> None:
        """Look at all connections."""
        now = time.monotonic()
        for connection in list(self.connections):
            cast(Connection, connection)._look(now)
        if self.connections:
            self.loop.call_later(_SWEEP_S, self._sweep)
        else:
            type(self).sweeping = False

    def _look(self, now: float) -> None:
        limits = self.limits
        if self._head_since is not None and now - self._head_since > limits.head_timeout_s:
            if self._head_bytes:
                self._refuse(_malformed(f"no whole head came within {limits.head_timeout_s:g} s", 408))
            else:
                self.transport.close()
        elif self._in_body and not self.flow.read_paused:
            self._body_waits += _SWEEP_S
            if self._body_waits > limits.body_timeout_s + self._body_bytes / _SLOWEST:
                self._refuse(_malformed("the body came too slowly", 408))
        if self.flow.write_paused:
            size = self.transport.get_write_buffer_size()
            if self._unread_since is None:
                self._unread_since, self._unread = now, size
            waited = now - self._unread_since
            if waited > limits.write_timeout_s + max(0, self._unread - size) / _SLOWEST:
                self.transport.abort()
        else:
            self._unread_since = None


def _malformed(detail: str, status: int) -> Problem:
    return Problem("malformed_http", detail, status=status)


def protocol(settings: Settings) -> type[Connection]:
    """The class of connections for a server with these settings."""
    open_files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    most = settings.max_connections or 10_000
    if open_files != resource.RLIM_INFINITY:
        most = max(1, min(most, open_files - _RESERVED, open_files * 3 // 4))
    fields = {"limits": settings, "most": most, "by_address": Counter(), "sweeping": False}
    return type("ServerConnection", (Connection,), fields)
