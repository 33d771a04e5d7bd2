"""What one of several processes of a server tells the others, and asks them for.

Whichever process answers, a caller sees one server: readiness and metrics are those of all, and a graph that
was deleted is gone from every memory before the deletion is acknowledged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from service.processes.channel import ChannelClosed
from service.processes.membership import Membership
from service.services import Services
from service.telemetry.sums import Snapshot, exposition, snapshot, total

#: How often the supervisor is told the counts, which it keeps if this process is killed.
_TELL_S = 2.0
Checks = Callable[[Services], Awaitable[dict[str, str]]]


class Peers:
    """The other processes, from the start of this one to its end."""

    def __init__(self, services: Services, membership: Membership, checks: Checks) -> None:
        self._services = services
        self._channel = membership.channel
        self._checks = checks
        self._telling: asyncio.Task[None] | None = None

    async def join(self) -> None:
        """Answer the others from now on."""
        self._channel.handlers.update(counts=self._on_counts, checks=self._on_checks, forget=self._on_forget)
        await self._channel.open()
        self._telling = asyncio.ensure_future(self._tell())

    async def leave(self) -> None:
        """Tell the last counts, and hang up."""
        if self._telling is not None:
            self._telling.cancel()
        self._channel.tell("counts", snapshot=self._counts())
        await self._channel.close()

    def _counts(self) -> Snapshot:
        self._services.measure()
        return snapshot(self._services.metrics.registry)

    async def _tell(self) -> None:
        last: Snapshot = []
        while True:
            await asyncio.sleep(_TELL_S)
            now = self._counts()
            if now != last:
                self._channel.tell("counts", snapshot=now)
                last = now

    async def _on_counts(self) -> Snapshot:
        return self._counts()

    async def _on_checks(self) -> dict[str, str]:
        return await self._checks(self._services)

    async def _on_forget(self, graph_id: str) -> None:
        self._services.graphs.recent.discard(graph_id)
        self._services.runner.forget(graph_id)


async def everywhere(services: Services, graph_id: str) -> None:
    """Have every other process forget a graph that was deleted."""
    if services.membership is not None:
        await services.membership.channel.ask("forget", graph_id=graph_id)


async def exposition_of_all(membership: Membership, own: Snapshot) -> bytes:
    """The metrics of all processes, summed, for Prometheus."""
    answer = await membership.channel.ask("metrics", snapshot=own)
    of_supervisor: Snapshot = []
    for name, kind, what, value in (
        ("gradwire_processes", "gauge", "Processes that answer requests.", answer["processes"]),
        (
            "gradwire_process_restarts",
            "counter",
            "Processes started again after they ended.",
            answer["restarts"],
        ),
    ):
        sample = name if kind == "gauge" else f"{name}_total"
        of_supervisor.append([name, kind, what, [[sample, {}, value]]])
    return exposition(total([own, answer["others"], of_supervisor]))


async def readiness_of_all(
    membership: Membership, own: dict[str, str]
) -> tuple[dict[str, str], dict[str, Any] | None]:
    """The checks of all processes as one, and how many processes there are."""
    try:
        answer = await membership.channel.ask("readiness", timeout_s=10.0)
    except ChannelClosed as error:
        return {**own, "processes": f"the supervisor: {error}"}, None
    checks = dict(own)
    for other in answer["checks"]:
        for name, state in other.items():
            if checks.get(name, "ok") == "ok":
                checks[name] = state
    checks["processes"] = _state(answer["processes"], starting=answer["starting"])
    return checks, answer["processes"]


def _state(processes: dict[str, Any], *, starting: bool) -> str:
    """`ok` as long as some serve and the others are only being started again; else what is wrong."""
    expected, alive, failing = processes["expected"], processes["alive"], processes["failing"]
    why = f"; the last one ended with {processes['reason']}" if processes["reason"] else ""
    if failing:
        return f"{failing} of {expected} processes end again and again soon after the start{why}"
    if starting:
        return f"starting: {alive} of {expected} processes serve{why}"
    return "ok"
