"""The statuses of a job and the legal transitions between them, as one table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

Status = Literal["queued", "running", "paused", "succeeded", "failed", "cancelled"]
#: What a caller wants of a running job; the worker that holds it obeys.
Intent = Literal["cancel", "pause"]

STATUSES: tuple[Status, ...] = get_args(Status)

TRANSITIONS: Mapping[Status, frozenset[Status]] = {
    "queued": frozenset({"running", "paused", "cancelled"}),
    "running": frozenset({"queued", "paused", "succeeded", "failed", "cancelled"}),
    "paused": frozenset({"queued", "cancelled"}),
    "succeeded": frozenset(),
    "failed": frozenset(),
    "cancelled": frozenset(),
}

FINAL: frozenset[Status] = frozenset(status for status, following in TRANSITIONS.items() if not following)


def sources(target: Status) -> list[Status]:
    """The statuses from which `target` may follow."""
    return [status for status, following in TRANSITIONS.items() if target in following]
