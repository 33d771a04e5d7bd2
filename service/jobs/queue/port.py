"""The queue as the rest sees it: hand-overs of jobs to workers, at least once each, by number.

A hand-over is a job's id and a number that grows; the tables know which number counts, so that the queue
may deliver late, twice, or after a crash again. Two implementations stand behind the port, `DbosQueue` and
`MemoryQueue`, and one suite of tests over both.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, Protocol

from sqlalchemy import Connection

#: A job's id and the number of a hand-over.
Key = tuple[str, int]
Delivery = Literal["waiting", "delivered", "done", "unknown"]
#: Called with a job's id and the hand-over's number; returns when the attempt is over.
Deliver = Callable[[str, int], Awaitable[None]]


class JobQueue(Protocol):
    """Where jobs wait for a worker."""

    def prepare(self) -> None:
        """Connect and create what the queue keeps; once before `enqueue`, outside of every transaction."""

    def enqueue(
        self,
        connection: Connection,
        job_id: str,
        delivery: int,
        delay_s: float = 0.0,
        *,
        first: bool = False,
    ) -> None:
        """Hand the job over once the transaction of `connection` commits, and not otherwise.

        It is delivered `delay_s` later at the earliest, and waits until then. What comes `first` is delivered
        before everything else that waits.
        """

    def cancel(self, job_id: str, delivery: int) -> None:
        """Take a hand-over back; one that has been delivered is stopped by its worker, not by the queue."""

    def resume(self, job_id: str, delivery: int) -> None:
        """Deliver once more what was delivered to a worker that died before it took the job."""

    def status(self, job_id: str, delivery: int) -> Delivery:
        """How far the hand-over is."""

    def over(self, limit: int) -> list[Key]:
        """Up to `limit` hand-overs that are over and that the queue still knows of."""

    def forget(self, keys: Sequence[Key]) -> None:
        """Keep nothing of these hand-overs, where they are over or wait; what is delivered stays."""

    async def listen(self, deliver: Deliver, *, concurrency: int) -> None:
        """Begin to deliver to this process, `concurrency` hand-overs at a time."""

    def close(self) -> None:
        """Stop delivering and let go of every connection; hand-overs stay."""
