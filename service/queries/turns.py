"""Fair turns: callers who wait for one of a few places get them in turn, and none gets all of them.

A caller is an address and a connection of it. Places go to the addresses in turn, and of one address to its
connections in turn, so that a hundred requests of one caller delay another caller's by one. An address has
all places but one at most, if there are several.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

#: Address and port of whoever sent a request; None if it came without, as over a Unix socket.
Caller = tuple[str, int] | None

_Waiting = deque[asyncio.Future[None]]


class QueueFull(Exception):
    """No place is free and too many wait already; `waiting` says how many."""

    def __init__(self, waiting: int) -> None:
        super().__init__(f"{waiting} wait already")
        self.waiting = waiting


class Turns:
    """`places` that callers hold for a while; at most `most_waiting` requests wait for one."""

    def __init__(self, places: int, most_waiting: int) -> None:
        self._places = places
        self._most_waiting = most_waiting
        self._most_of_one = max(1, places - 1)
        self._held: Counter[str] = Counter()
        self._in_use = 0
        self._count = 0
        self._queues: OrderedDict[str, OrderedDict[Caller, _Waiting]] = OrderedDict()

    @property
    def in_use(self) -> int:
        """Places that are held now."""
        return self._in_use

    @property
    def waiting(self) -> int:
        """Requests that wait now."""
        return self._count

    @asynccontextmanager
    async def take(self, caller: Caller, timeout_s: float) -> AsyncIterator[None]:
        """Hold a place within it. Raises QueueFull, and TimeoutError after waiting for `timeout_s`."""
        address = _address(caller)
        if not self._may_have(address):
            await self._wait(caller, address, timeout_s)
        else:
            self._hold(address)
        try:
            yield
        finally:
            self._release(address)

    def _may_have(self, address: str) -> bool:
        return self._in_use < self._places and self._held[address] < self._most_of_one

    def _hold(self, address: str) -> None:
        self._in_use += 1
        self._held[address] += 1

    def _release(self, address: str) -> None:
        self._in_use -= 1
        self._held[address] -= 1
        if not self._held[address]:
            del self._held[address]
        self._hand_on()

    async def _wait(self, caller: Caller, address: str, timeout_s: float) -> None:
        """Wait for a place, which is held on return."""
        if self._count >= self._most_waiting and not self._turn_away(address):
            raise QueueFull(self._count)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(address, OrderedDict()).setdefault(caller, deque()).append(turn)
        self._count += 1
        try:
            async with asyncio.timeout(timeout_s):  # wait_for may swallow a cancellation
                await turn
        except BaseException:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._release(address)  # the place came together with the cancellation
            else:
                self._drop(turn, caller, address)
            raise

    def _turn_away(self, address: str) -> bool:
        """Send away the newest request of the address that waits most; False if no other waits more."""
        sizes = {name: sum(map(len, queues.values())) for name, queues in self._queues.items()}
        greedy = max(sizes, key=sizes.__getitem__, default=None)
        if greedy is None or sizes[greedy] <= sizes.get(address, 0) + 1:
            return False
        connection, queue = max(self._queues[greedy].items(), key=lambda item: len(item[1]))
        turn = queue[-1]
        self._drop(turn, connection, greedy)
        turn.set_exception(QueueFull(self._count))
        return True

    def _drop(self, turn: asyncio.Future[None], caller: Caller, address: str) -> None:
        """Take a request out of its queue, if it is there."""
        queues = self._queues.get(address)
        queue = None if queues is None else queues.get(caller)
        if queues is None or queue is None or turn not in queue:
            return
        queue.remove(turn)
        self._count -= 1
        if not queue:
            del queues[caller]
        if not queues:
            del self._queues[address]

    def _hand_on(self) -> None:
        """Give what is free to those whose turn it is."""
        for address in list(self._queues):
            if self._in_use >= self._places:
                return
            if not self._may_have(address):
                continue
            queues = self._queues[address]
            caller, queue = next(iter(queues.items()))
            turn = queue[0]
            self._drop(turn, caller, address)
            if caller in queues:
                queues.move_to_end(caller)
            if address in self._queues:
                self._queues.move_to_end(address)
            if not turn.done():
                self._hold(address)
                turn.set_result(None)


def _address(caller: Caller) -> str:
    return caller[0] if caller else ""
