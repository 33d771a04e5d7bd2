"""How much a thread may record before it stops: a bound that is enforced while a function is recorded.

What a function becomes is not known before it is recorded: a few characters may stand for a Hessian of a
Hessian. So everything that makes a tape longer, or walks one, counts what it does, and a caller that may not
take long gives a budget. Without one nothing is bounded. A budget holds in the thread that opened it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sized
from typing import Final

#: The clock is read once for so many units: reading the processor time of a thread takes 0.3 µs.
_UNITS_A_LOOK: Final = 8


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

    def take(self, units: int) -> None:
        """Count. Raises BudgetSpent, from the first time on always."""
        self._balance -= units
        if self._balance > self._next_look:
            return
        now = time.thread_time()
        if self._ends is None:
            self._ends = now + self._seconds
        if self._balance < 0 or now > self._ends:
            self._balance = self._next_look = -1
            raise BudgetSpent
        self._next_look = max(0, self._balance - _UNITS_A_LOOK)


class _Local(threading.local):
    budget: Budget | None = None


_local = _Local()


def charge(units: int = 1) -> None:
    """Count work: one unit for an instruction that is recorded. Raises BudgetSpent."""
    budget = _local.budget
    if budget is not None:
        budget.take(units)


def charge_walk(steps: Sized) -> None:
    """Count one walk over recorded instructions, which takes about an eighth of recording them."""
    charge(len(steps) // 8)
