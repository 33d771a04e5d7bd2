"""Places go round among callers: who asks a hundred times delays another by one."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from service.queries.turns import Caller, QueueFull, Turns

pytestmark = pytest.mark.anyio


class Line:
    """Requests that wait for turns, and the order in which they got one."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self.order: list[str] = []

    def ask(self, name: str, caller: Caller) -> asyncio.Task[None]:
        async def work() -> None:
            async with self._turns.take(caller, 10):
                self.order.append(name)
                await asyncio.sleep(0)

        return asyncio.ensure_future(work())


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_addresses_take_turns_and_so_do_connections_of_one() -> None:
    turns = Turns(1, 100)
    line = Line(turns)
    async with turns.take(("z", 1), 10):
        tasks = [line.ask(f"a{k}", ("a", 1)) for k in range(4)]
        await settle()
        tasks += [line.ask("a'", ("a", 2)), line.ask("b0", ("b", 1)), line.ask("b1", ("b", 1))]
        await settle()
    await asyncio.gather(*tasks)
    assert line.order == ["a0", "b0", "a'", "b1", "a1", "a2", "a3"]
    assert (turns.in_use, turns.waiting) == (0, 0)


async def test_one_address_never_has_all_places() -> None:
    turns = Turns(3, 100)
    async with AsyncExitStack() as stack:
        for port in range(2):
            await stack.enter_async_context(turns.take(("a", port), 10))
        with pytest.raises(TimeoutError):
            async with turns.take(("a", 9), 0.01):
                pass
        async with turns.take(("b", 1), 0.01):
            assert turns.in_use == 3
    assert (turns.in_use, turns.waiting) == (0, 0)


async def test_a_full_queue_sends_away_the_newest_of_who_waits_most() -> None:
    turns = Turns(1, 3)
    line = Line(turns)
    async with turns.take(("z", 1), 10):
        greedy = [line.ask(f"a{k}", ("a", k)) for k in range(3)]
        await settle()
        with pytest.raises(QueueFull):
            async with turns.take(("a", 9), 10):
                pass
        other = line.ask("b", ("b", 1))
        await settle()
    results = await asyncio.gather(*greedy, other, return_exceptions=True)
    assert [type(result) for result in results].count(QueueFull) == 1
    assert line.order[1] == "b"
    assert (turns.in_use, turns.waiting) == (0, 0)


async def test_who_hangs_up_while_waiting_leaves_nothing() -> None:
    turns = Turns(1, 3)
    line = Line(turns)
    async with turns.take(None, 10):
        tasks = [line.ask(f"a{k}", ("a", k)) for k in range(3)]
        await settle()
        tasks[1].cancel()
        await settle()
        assert turns.waiting == 2
    await asyncio.gather(*tasks, return_exceptions=True)
    assert line.order == ["a0", "a2"]
    assert (turns.in_use, turns.waiting) == (0, 0)


async def test_a_place_that_comes_with_the_cancellation_is_passed_on() -> None:
    turns = Turns(1, 3)
    line = Line(turns)
    async with turns.take(None, 10):
        first = line.ask("first", ("a", 1))
        await settle()
    first.cancel()  # it was given the place, and has not seen that
    second = line.ask("second", ("b", 1))
    await asyncio.gather(first, second, return_exceptions=True)
    assert line.order == ["second"]
    assert (turns.in_use, turns.waiting) == (0, 0)
