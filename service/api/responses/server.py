"""The shapes of responses about the server: its ops, its health, its errors."""

from __future__ import annotations

from typing import Any, Literal

from service.wire.responses import Answer


class OpList(Answer):
    """Every op."""

    count: int
    ops: list[dict[str, Any]]


class Health(Answer):
    """The process lives."""

    status: Literal["ok"]
    version: str


class Readiness(Answer):
    """Whether calls can be served, and each part's state."""

    status: Literal["ready", "not_ready"]
    checks: dict[str, str]
    devices: list[str]


class ProblemKind(Answer):
    """What a code means and what to do about it."""

    code: str
    status: int
    title: str
    cure: str
