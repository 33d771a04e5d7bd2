"""The shapes of responses about the server: its ops, its health, its errors."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from service.wire.responses import Answer


class OpList(Answer):
    """Every op."""

    count: int
    ops: list[dict[str, Any]]


class Health(Answer):
    """The process lives."""

    status: Literal["ok"]
    version: str


class WorkerCounts(Answer):
    """How many workers the server keeps, how many are alive, how many cannot be started, and why.

    A server that keeps none counts as `alive` those that run elsewhere on the same data folder.
    """

    expected: int
    alive: int
    failing: int
    reason: str | None


class ProcessCounts(Answer):
    """How many processes there should be, how many serve, how many cannot be started, and why."""

    expected: int
    alive: int
    failing: int
    reason: str | None


class Isolation(Answer):
    """Whether child processes are kept from other files, from the network, and from starting processes."""

    files: bool
    network: bool
    processes: bool


class Readiness(Answer):
    """Whether calls can be served, and each part's state."""

    status: Literal["ready", "not_ready"]
    checks: dict[str, str]
    devices: list[str]
    workers: WorkerCounts
    isolation: Isolation = Field(description="What child processes are kept from.")
    processes: ProcessCounts | None = Field(None, description="With several processes: how many serve.")


class ProblemKind(Answer):
    """What a code means and what to do about it."""

    code: str
    status: int
    title: str
    cure: str
