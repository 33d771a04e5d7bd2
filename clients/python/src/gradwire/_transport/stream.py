"""Following a job: a conversation that reads as events come, and resumes where the connection broke off.

Like `_flow` it does no I/O: it yields what to do, and `Client` and `AsyncClient` do it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from gradwire._transport.flow import Flow, Open, Read, Request, Response, Retry, Sleep, Step, failure
from gradwire._transport.sse import Event, Parser
from gradwire.errors import NoAnswer


@dataclass(frozen=True, slots=True)
class Emit:
    """Give an event to the user."""

    event: Event


StreamFlow = Generator[Step | Emit, Any, None]


def follow(path: str, retry: Retry) -> StreamFlow:
    """Every event of a stream once, until `end`; raises NoAnswer where nobody answers for too long.

    A broken connection is resumed with Last-Event-ID. Every event that comes renews the patience.
    """
    parser = Parser()
    failures = 0
    while True:
        headers = {"Accept": "text/event-stream"}
        if parser.last_id:
            headers["Last-Event-ID"] = parser.last_id
        problem: Exception = NoAnswer(f"the stream {path} ended before the job did", sent=True)
        try:
            response: Response = yield Open(Request("GET", path, headers=headers))
            if response.status == 204:
                return
            if response.status >= 400:
                problem = failure(response)
                if response.status not in (429, 502, 503, 504):
                    raise problem
            else:
                while (chunk := (yield Read())) is not None:
                    for event in parser.feed(chunk):
                        failures = 0
                        yield Emit(event)
                        if event.kind == "end":
                            return
        except NoAnswer as error:
            problem = error
        parser.restart()
        failures += 1
        if failures >= retry.attempts:
            raise problem
        yield Sleep(retry.wait(failures, random.random()) if parser.wait is None else parser.wait)


def each(stream: StreamFlow, tell: Callable[[Event], None]) -> Flow[None]:
    """A stream as a part of a flow: `tell` hears of every event."""
    try:
        step = next(stream)
        while True:
            if isinstance(step, Emit):
                tell(step.event)
                step = stream.send(None)
                continue
            try:
                came = yield step
            except NoAnswer as error:
                step = stream.throw(error)
            else:
                step = stream.send(came)
    except StopIteration:
        return
