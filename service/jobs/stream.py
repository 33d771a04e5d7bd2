"""Events of jobs to those who follow them: one reader for all followed jobs, fanned out.

The reader keeps the newest events of each followed job at hand. A follower that is slower than that reads
from the database what it missed, a page at a time: its own pace costs nobody else anything, and nothing is
dropped.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from service.jobs import records
from service.jobs.records import StoredEvent
from service.storage.database import Database, DatabaseLost

_PAGE = 500
#: What is kept at hand of one job: events, and bytes of their data.
_AT_HAND, _AT_HAND_BYTES = 2_000, 2**20
#: A follower whose events cannot be read for longer is cut off, and comes back for them.
_PATIENCE_S = 5.0


class _Topic:
    """One followed job: its newest events, and a signal that there are more."""

    def __init__(self) -> None:
        self.followers = 0
        #: Everything after this id that the reader has seen is buffered; None before its first look.
        self.start: int | None = None
        self.events: deque[StoredEvent] = deque()
        self.changed = asyncio.Event()
        self._bytes = 0

    def since(self, after: int) -> list[StoredEvent] | None:
        """The buffered events after the id `after`; None if some in between are not buffered."""
        if self.start is None or after < self.start:
            return None
        return [event for event in self.events if event.id > after][:_PAGE]

    def begin(self, reached: int) -> None:
        """The reader looks for events after `reached` from now on."""
        self.start = reached
        self.notify()

    def extend(self, events: Sequence[StoredEvent]) -> None:
        """Take in newer events, forgetting the oldest, and wake everybody."""
        for event in events:
            self.events.append(event)
            self._bytes += len(event.text)
        while len(self.events) > _AT_HAND or (self._bytes > _AT_HAND_BYTES and len(self.events) > 1):
            oldest = self.events.popleft()
            self.start = oldest.id
            self._bytes -= len(oldest.text)
        self.notify()

    def notify(self) -> None:
        """Wake everybody who waits."""
        self.changed.set()
        self.changed = asyncio.Event()


class Streams:
    """The followed jobs of one app."""

    def __init__(self, database: Database, *, poll_s: float) -> None:
        self._database = database
        self._poll_s = poll_s
        self._topics: dict[str, _Topic] = {}
        self._reader: asyncio.Task[None] | None = None
        self.closing = False

    @property
    def pollers(self) -> int:
        """How many jobs are being followed."""
        return len(self._topics)

    async def follow(self, job_id: str, after: int, *, patience_s: float) -> AsyncIterator[list[StoredEvent]]:
        """Batches of events after the id `after`, in order; an empty one if nothing came for `patience_s`.

        An id that the job has not reached counts as its newest. Ends after the event `end`, if the job was
        deleted, and when the server closes.
        """
        topic = self._join(job_id)
        try:
            if after:
                newest = partial(records.newest_event, job_id=job_id)
                after = min(after, await self._database.read(newest, patience_s=_PATIENCE_S))
            while not self.closing:
                changed = topic.changed
                batch = await self._batch(job_id, topic, after)
                if not batch:
                    try:
                        async with asyncio.timeout(patience_s):  # wait_for may swallow a cancellation
                            await changed.wait()
                        continue
                    except TimeoutError:
                        with suppress(SQLAlchemyError):  # the next look tries again
                            if await self._database.read(lambda c: records.get(c, job_id)) is None:
                                return
                yield batch
                if batch:
                    after = batch[-1].id
                    if batch[-1].kind == "end":
                        return
        finally:
            self._part(job_id, topic)

    def close(self) -> None:
        """Let every follower go at the next look; may be called by a signal's handler."""
        self.closing = True

    async def _batch(self, job_id: str, topic: _Topic, after: int) -> list[StoredEvent]:
        at_hand = topic.since(after)
        if at_hand is not None:
            return at_hand
        missed = partial(records.events, job_id=job_id, after=after, limit=_PAGE)
        return await self._database.read(missed, patience_s=_PATIENCE_S, bulk=True)

    def _join(self, job_id: str) -> _Topic:
        topic = self._topics.setdefault(job_id, _Topic())
        topic.followers += 1
        if self._reader is None:
            self._reader = asyncio.ensure_future(self._read())
        return topic

    def _part(self, job_id: str, topic: _Topic) -> None:
        topic.followers -= 1
        if topic.followers == 0:
            del self._topics[job_id]
        if not self._topics and self._reader is not None:
            self._reader.cancel()
            self._reader = None

    async def _read(self) -> None:
        """Look for new events of all followed jobs, again and again."""
        reached: int | None = None
        while not self.closing:
            events: list[tuple[str, StoredEvent]] = []
            with suppress(SQLAlchemyError, DatabaseLost):  # the next look tries again
                if reached is None:
                    reached = await self._database.read(records.newest_event)
                for topic in self._topics.values():
                    if topic.start is None:
                        topic.begin(reached)
                look = partial(records.events_of, job_ids=list(self._topics), after=reached, limit=_PAGE)
                events = await self._database.read(look)
            if events:
                reached = events[-1][1].id
                self._distribute(events)
            if len(events) < _PAGE:
                await asyncio.sleep(self._poll_s)
        for topic in self._topics.values():
            topic.notify()

    def _distribute(self, events: Sequence[tuple[str, StoredEvent]]) -> None:
        by_job: dict[str, list[StoredEvent]] = {}
        for job_id, event in events:
            by_job.setdefault(job_id, []).append(event)
        for job_id, newer in by_job.items():
            topic = self._topics.get(job_id)
            if (
                topic is not None and topic.start is not None
            ):  # somebody may have left, and come back, meanwhile
                topic.extend(newer)
