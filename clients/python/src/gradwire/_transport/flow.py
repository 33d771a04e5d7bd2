"""Conversations with a server as generators: they yield what to do and receive what came of it.

A flow does no I/O and knows no clock. It yields a `Request` and receives a `Response`, or has a
`NoAnswer` thrown into it; it yields a `Sleep` and receives nothing. `Client` and `AsyncClient` only
drive flows, each in its own way of waiting, so that nothing is written twice.
"""

from __future__ import annotations

import email.utils
import json
import os
import random
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from gradwire.errors import NoAnswer, ProblemError, RequestTimeout, UnexpectedAnswer, class_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; `safe` says that sending it twice does no more than sending it once.

    With `file`, the body is that file, read in pieces as it is sent.
    """

    method: str
    path: str
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    safe: bool = True
    file: Path | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Open:
    """Send a request and receive its Response, whose content is there only from status 400 on.

    A flow has one open answer at most: the next `Open`, or its end, closes the one before.
    """

    request: Request


@dataclass(frozen=True, slots=True)
class Read:
    """Receive the next bytes of the open answer; None at its end."""


Step = Request | Sleep | Open | Read
Flow = Generator[Step, Any, T]


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how patiently a request is tried again.

    `attempts` counts the first one too. Waits double from `first_wait` to `longest_wait` seconds, each
    shortened at random by up to a half. A `Retry-After` from the server goes before that; one beyond
    `patience` seconds ends the trying at once.
    """

    attempts: int = 5
    first_wait: float = 0.25
    longest_wait: float = 8.0
    patience: float = 60.0

    def wait(self, failures: int, chance: float) -> float:
        """Seconds to wait after so many failures; `chance` is uniform between 0 and 1."""
        return min(self.longest_wait, self.first_wait * 2.0 ** (failures - 1)) * (1 - chance / 2)


def exchange(request: Request, retry: Retry) -> Flow[Response]:
    """Send a request until it is answered for good; raises ProblemError, NoAnswer, UnexpectedAnswer.

    Tried again: 429 and 503, connections that failed before anything was sent, and, where the request
    is safe to repeat, connections that broke off and a proxy's 502 or 504. A POST keeps its
    Idempotency-Key from one try to the next.
    """
    if request.method == "POST":
        headers = {"Idempotency-Key": os.urandom(16).hex(), **request.headers}
        request = Request("POST", request.path, request.content, headers, request.safe, request.file)
    failures = 0
    while True:
        wait: float | None = None
        try:
            response: Response = yield request
        except RequestTimeout:
            raise
        except NoAnswer as error:
            if error.sent and not request.safe:
                raise
            failures += 1
            if failures >= retry.attempts:
                raise
        else:
            if response.status < 400:
                return response
            failures += 1
            if failures >= retry.attempts or not _passing(request, response):
                raise failure(response)
            wait = retry_after(response.headers.get("retry-after"))
            if wait is not None and wait > retry.patience:
                raise failure(response)
        yield Sleep(retry.wait(failures, random.random()) if wait is None else wait)


def _passing(request: Request, response: Response) -> bool:
    """Whether the same request may fare better in a moment."""
    if response.status in (429, 503):
        return True
    from_proxy = "application/problem+json" not in response.headers.get("content-type", "")
    return response.status in (502, 504) and from_proxy and request.safe


def retry_after(header: str | None) -> float | None:
    """Seconds from a Retry-After header, which holds seconds or a date; None where it says nothing."""
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(header).timestamp() - time.time()
        except (ValueError, TypeError):
            return None
    return max(0.0, seconds)


def failure(response: Response) -> ProblemError | UnexpectedAnswer:
    """The error of an answer of status 400 or more."""
    try:
        problem = json.loads(response.content)
    except ValueError:
        problem = None
    if not isinstance(problem, dict) or not isinstance(problem.get("code"), str):
        text = response.content[:200].decode("utf-8", "replace")
        return UnexpectedAnswer(
            f"expected a problem in Gradwire's format, got HTTP {response.status}: {text!r}; "
            "is the address that of a Gradwire server?",
            status=response.status,
        )
    problem.setdefault("status", response.status)
    kind = class_of(problem["code"], response.status)
    return kind(problem, request_id=response.headers.get("x-request-id"))
