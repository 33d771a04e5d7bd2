"""Between the SDK's words and httpx's: bodies, answers, and answers that did not come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradwire._transport.flow import Request, Response
from gradwire.errors import NoAnswer, RequestTimeout

if TYPE_CHECKING:
    import httpx

_PIECE = 2**20


def content(request: Request) -> bytes | Iterator[bytes] | None:
    """What httpx takes as the body."""
    return request.content or None if request.file is None else _pieces(request.file)


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as source:
        while piece := source.read(_PIECE):
            yield piece


def async_content(request: Request) -> bytes | AsyncIterator[bytes] | None:
    """What httpx takes as the body, in an event loop."""
    return request.content or None if request.file is None else _async_pieces(request.file)


async def _async_pieces(file: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(file.open, "rb") as source:
        while piece := await asyncio.to_thread(source.read, _PIECE):
            yield piece


def heading(answer: httpx.Response, content: bytes) -> Response:
    """An answer whose body is still to be read, but for what is there already."""
    return Response(answer.status_code, answer.headers, content)


def response(answer: httpx.Response) -> Response:
    """A whole answer."""
    return Response(answer.status_code, answer.headers, answer.content)


def no_answer(error: Exception, request: Request, base: str, library: Any) -> NoAnswer:
    """The error for an answer that did not come, by a transport error of the library."""
    what = f"{request.method} {base}{request.path}"
    if isinstance(error, library.ConnectError | library.ConnectTimeout | library.UnsupportedProtocol):
        return NoAnswer(
            f"no server answered {what}: {error}; start one with `gradwire-server serve`, "
            "or name its address by gradwire.Client(url) or GRADWIRE_URL"
        )
    if isinstance(error, library.TimeoutException):
        return RequestTimeout(
            f"no answer to {what} within the client's timeout ({type(error).__name__}); "
            "give gradwire.Client a longer `timeout`, or ask for less at once",
            sent=True,
        )
    return NoAnswer(
        f"the connection broke off during {what}: {str(error) or type(error).__name__}", sent=True
    )
