"""What a kind of query is: one record, from which routes, OpenAPI, tiers and the runner follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

from service.queries.query_request import QueryRequest, Runner
from service.wire.problems import Reply
from service.wire.requests import Function

#: The event loop, a thread of the server, a child process: each takes longer requests than the one before.
FirstTier = Literal["inline", "thread", "child"]
#: JSON up to this size is read in a thread (a millisecond of the interpreter lock), above in a child.
THREAD_JSON_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Example:
    """A request that a test sends, and the response it must get; `path` if the endpoint's has parameters."""

    summary: str
    answer: Any
    body: Mapping[str, Any] | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Computation:
    """What a runner can be asked to compute: queries, and what the service computes about jobs.

    `first_tier` is where it may be tried first, `thread_json_bytes` how much JSON a thread may read for it.
    `compute(runner, request, most_nodes)` returns the whole reply; it raises Problem and UserError, and
    TooLargeForTier if the function has more than `most_nodes` nodes. Without it, `QueryRunner.prepare` makes
    one program of the request, which runs wherever its estimate says.
    """

    name: str
    first_tier: FirstTier = "inline"
    thread_json_bytes: int = THREAD_JSON_BYTES
    compute: Callable[[Any, QueryRequest, int | None], Reply] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryKind(Computation):
    """A query about a function.

    `position` orders the kinds in the documentation and among the routes: those asked most come first.
    `request` and `response` are its fields on the wire, `directions` the field that holds its cotangents,
    tangents or vectors. A kind without `derivative` has an endpoint of its own instead of the two that
    derivatives have.
    """

    position: int
    summary: str
    request: type[Function]
    response: type[BaseModel]
    examples: tuple[Example, ...]
    directions: str | None = None
    derivative: bool = True
    compute: Callable[[Runner, QueryRequest, int | None], Reply] | None = None
