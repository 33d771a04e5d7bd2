"""How much a thread may record before it stops: a bound that is enforced while a function is recorded.

What a function becomes is not known before it is recorded: a few characters may stand for a Hessian of a
Hessian. So everything that makes a tape longer, or walks one, counts what it does, and a caller that may not
take long gives a budget. Without one nothing is bounded. A budget holds in the thread that opened it.
What runs looks at its clock too, between instructions, since an estimate may be wrong.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator, Sized
from itertools import chain
from typing import Final

#: The clock is read once for so many units: reading the processor time of a thread takes 0.3 µs.
_UNITS_A_LOOK: Final = 8
#: … and in a loop that runs once for so many steps.
_LOOP_STEPS_A_LOOK: Final = 16


class BudgetSpent(BaseException):
    """The work needs more than its budget.

    It is no `Exception`, since a rule that tries something and goes on when it fails must not go on here.
    """


class Budget:
    """Within it this thread may count up to `units`, and from the first on take `seconds` of processor time.

    The clock is read only where work is counted. Inside another budget no more can be counted than that one
    has left.
    """

    __slots__ = ("_balance", "_ends", "_next_look", "_outer", "_seconds", "_units")

    def __init__(self, units: int, seconds: float) -> None:
        self._balance = self._next_look = self._units = units
        self._seconds = seconds
        self._ends: float | None = None

    def __enter__(self) -> None:
        outer = self._outer = _local.budget
        if outer is not None:
            self._balance = self._next_look = min(self._units, outer._balance)
        _local.budget = self

    def __exit__(self, *raised: object) -> None:
        _local.budget = self._outer

    def look(self) -> None:
        """Look at the clock, and start it if it does not run. Raises BudgetSpent, from the first time on."""
        now = time.thread_time()
        if self._ends is None:
            self._ends = now + self._seconds
        if self._balance < 0 or now > self._ends:
            self._balance = self._next_look = -1
            raise BudgetSpent

    def take(self, units: int) -> None:
        """Count. Raises BudgetSpent, from the first time on always."""
        self._balance -= units
        if self._balance > self._next_look:
            return
        self.look()
        self._next_look = max(0, self._balance - _UNITS_A_LOOK)


class _Local(threading.local):
    budget: Budget | None = None


_local = _Local()


def current() -> Budget | None:
    """The budget of this thread."""
    return _local.budget


def look() -> None:
    """Look at the clock of this thread's budget, if it has one. Raises BudgetSpent."""
    budget = _local.budget
    if budget is not None:
        budget.look()


def watched(steps: range) -> Collection[int]:
    """The steps of a loop; a budget's clock is looked at every few of them, which raises BudgetSpent."""
    budget = _local.budget
    return steps if budget is None else _Watched(steps, budget)


class _Watched(Collection[int]):
    """A range that looks at the clock while it is walked."""

    def __init__(self, steps: range, budget: Budget) -> None:
        self._steps = steps
        self._budget = budget

    def __len__(self) -> int:
        return len(self._steps)

    def __contains__(self, step: object) -> bool:
        return step in self._steps

    def __iter__(self) -> Iterator[int]:
        return chain.from_iterable(self._parts())

    def _parts(self) -> Iterator[range]:
        for start in range(0, len(self._steps), _LOOP_STEPS_A_LOOK):
            self._budget.look()
            yield self._steps[start : start + _LOOP_STEPS_A_LOOK]


def charge(units: int = 1) -> None:
    """Count work: one unit for an instruction that is recorded. Raises BudgetSpent."""
    budget = _local.budget
    if budget is not None:
        budget.take(units)


def charge_walk(steps: Sized) -> None:
    """Count one walk over recorded instructions, which takes about an eighth of recording them."""
    charge(len(steps) // 8)
