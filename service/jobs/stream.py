"""Events of jobs to those who follow them: one poller a job, fanned out.

The poller keeps the newest events at hand. A follower that is slower than that reads from the database what
it missed: its own pace costs nobody else anything, and nothing is dropped.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from service.jobs import records
from service.jobs.records import StoredEvent
from service.storage.database import Database

_PAGE = 500
_AT_HAND = 2_000
#: A follower whose events cannot be read for longer is cut off, and comes back for them.
_PATIENCE_S = 5.0


class _Topic:
    """One followed job: its newest events, and a signal that there are more."""

    def __init__(self, after: int) -> None:
        self.followers = 0
        self.start = after  # everything after this id, up to `reached`, is buffered
        self.reached = after
        self.events: deque[StoredEvent] = deque()
        self.changed = asyncio.Event()
        self.poller: asyncio.Task[None] | None = None

    def since(self, after: int) -> list[StoredEvent] | None:
        """The buffered events after the id `after`; None if some in between are no longer buffered."""
        if after < self.start:
            return None
        return [event for event in self.events if event.id > after][:_PAGE]

    def extend(self, events: list[StoredEvent]) -> None:
        """Take in newer events, forgetting the oldest, and wake everybody."""
        for event in events:
            if len(self.events) == _AT_HAND:
                self.start = self.events.popleft().id
            self.events.append(event)
        self.reached = events[-1].id
        self.changed.set()
        self.changed = asyncio.Event()


class Streams:
    """The followed jobs of one app."""

    def __init__(self, database: Database, *, poll_s: float) -> None:
        self._database = database
        self._poll_s = poll_s
        self._topics: dict[str, _Topic] = {}
        self.closing = False

    @property
    def pollers(self) -> int:
        """How many jobs are being polled."""
        return len(self._topics)

    async def follow(self, job_id: str, after: int, *, patience_s: float) -> AsyncIterator[list[StoredEvent]]:
        """Batches of events after the id `after`, in order; an empty one if nothing came for `patience_s`.

        Ends after the event `end`, if the job was deleted, and when the server closes.
        """
        topic = self._join(job_id, after)
        try:
            while not self.closing:
                changed = topic.changed
                batch = await self._batch(job_id, topic, after)
                if not batch:
                    try:
                        async with asyncio.timeout(patience_s):  # wait_for may swallow a cancellation
                            await changed.wait()
                        continue
                    except TimeoutError:
                        with suppress(SQLAlchemyError):  # the next poll tries again
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
        return await self._database.read(missed, patience_s=_PATIENCE_S)

    def _join(self, job_id: str, after: int) -> _Topic:
        topic = self._topics.get(job_id)
        if topic is None:
            topic = self._topics[job_id] = _Topic(after)
            topic.poller = asyncio.ensure_future(self._poll(job_id, topic))
        topic.followers += 1
        return topic

    def _part(self, job_id: str, topic: _Topic) -> None:
        topic.followers -= 1
        if topic.followers == 0:
            self._topics.pop(job_id, None)
            if topic.poller is not None:
                topic.poller.cancel()

    async def _poll(self, job_id: str, topic: _Topic) -> None:
        while not self.closing:
            after = topic.reached
            look = partial(records.events, job_id=job_id, after=after, limit=_PAGE)
            try:
                events = await self._database.read(look)
            except SQLAlchemyError:  # the next poll tries again
                events = []
            if events:
                topic.extend(events)
                if events[-1].kind == "end":
                    return
            if len(events) < _PAGE:
                await asyncio.sleep(self._poll_s)
        topic.changed.set()
