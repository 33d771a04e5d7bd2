"""Runs loops over a function that `loop_code` has written as Python, on NumPy's arrays."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, cycle, islice
from typing import Any, NoReturn

from engine.ir.budget import watched
from engine.runtime.executors.failures import failed
from engine.runtime.executors.loop_code import LoopCode, Part, Rows, write_scan, write_while
from engine.runtime.plan import KEPT_BYTES, KEPT_CONTEXTS

Stacks = Sequence[Any]  # an array, or None if nothing reads it


class Loops:
    """A function as the body of loops. Safe to share between threads: each run has a context of its own."""

    def __init__(self, part: Part, make_context: Callable[[], list[Any]]) -> None:
        self.part = part
        self._make = make_context
        self._contexts: deque[list[Any]] = deque(maxlen=KEPT_CONTEXTS)
        self._keeps = sum(part.plan.buffers) <= KEPT_BYTES
        self._codes: dict[tuple[Any, ...], LoopCode] = {}

    def walk(
        self,
        carried: Sequence[Any],
        walked: Sequence[Any],
        constants: Sequence[Any],
        order: range,
        results: Stacks,
        entries: Stacks,
    ) -> list[Any]:
        """What is carried after the steps in `order`, in arrays of its own; stacks are written on the way.

        Raises IndexOutOfRange, OverLimit, or what a kernel refuses, each at the user's node.
        """
        carry, stored, entered = len(carried), _wanted(results), _wanted(entries)
        key = (carry, len(walked), stored, entered)
        code = self._codes.get(key)
        if code is None:
            code = self._codes[key] = write_scan(self.part, carry, len(walked), stored, entered)
        now, own = _scalars(carried), _Own()
        if order:
            rows = self._rows(code, order, walked, results, entries, now, 0, own)
            context = self.acquire()
            now = self._run(code, context, now, _scalars(constants), watched(order), rows, results, entries)
            self.release(context)
        return own.of(now, self.part.xp)

    def repeat(
        self,
        condition: Loops,
        carried: Sequence[Any],
        constants: Sequence[Any],
        most: int,
        entries: Stacks,
    ) -> tuple[int, list[Any]] | None:
        """The number of steps until the condition does not hold, and what is carried then, in own arrays.

        None if it still holds after `most` steps. Raises as `walk` does.
        """
        carry, entered = len(carried), _wanted(entries)
        key = ("while", id(condition), carry, entered)
        code = self._codes.get(key)
        if code is None:
            code = self._codes[key] = write_while(condition.part, self.part, carry, entered)
        now, order, own = _scalars(carried), range(most), _Own()
        rows = self._rows(code, order, (), (), entries, now, 1, own)
        contexts = self.acquire(), condition.acquire()
        steps = watched(range(most + 1))
        answer = self._run(code, *contexts, now, _scalars(constants), steps, rows, entries)
        self.release(contexts[0])
        condition.release(contexts[1])
        if answer is None:
            return None
        count, ends = answer
        ends = own.of(ends, self.part.xp)
        for target in code.rows:
            if target.kind == "next_entry" and count < most:
                entries[target.place][count] = 0  # what is carried in the end was carried into no step
        return count, ends

    def acquire(self) -> list[Any]:
        """A context for the caller alone."""
        try:
            return self._contexts.pop()
        except IndexError:
            return self._make()

    def release(self, context: list[Any]) -> None:
        """A context that the caller is done with."""
        if self._keeps:
            self._contexts.append(context)

    def _run(self, code: LoopCode, *arguments: Any) -> Any:
        try:
            with self.part.xp.errstate(all="ignore"):
                return code.function(*arguments)
        except Exception as error:
            _fail(code, error, self.part.xp.place)

    def _rows(
        self,
        code: LoopCode,
        order: range,
        walked: Sequence[Any],
        results: Stacks,
        entries: Stacks,
        carried: Sequence[Any],
        more: int,
        own: _Own,
    ) -> list[Iterable[Any]]:
        """What the loop walks along, `more` rows longer than `order` where they are written ahead."""
        xp, types = self.part.xp, self.part.plan.tape.types
        outputs = self.part.plan.tape.outputs

        def blank(place: int) -> Any:
            type = types[outputs[place]]
            return own.add(xp.empty(type.shape, dtype=getattr(xp, type.dtype)))

        def made(rows: Rows) -> Any:
            if rows.kind == "scanned":
                return _in_order(walked[rows.place], order)
            if rows.kind == "result":
                return _in_order(results[rows.place], order)
            if rows.kind == "swapped":
                return cycle((blank(rows.place), blank(rows.place)))
            stack = _in_order(entries[rows.place], order)
            if rows.kind == "entry":
                return chain(stack, (None,) * more)
            if len(stack):
                stack[0, ...] = carried[rows.place]
            return chain(islice(stack, 1, None), (blank(rows.place),) * (1 + more))

        return [made(rows) for rows in code.rows]


class _Own:
    """The arrays that a run made for what is carried: what is left in one of them needs no copy."""

    def __init__(self) -> None:
        self._made: set[int] = set()

    def add(self, array: Any) -> Any:
        """Note an array, which is alive as long as the run."""
        self._made.add(id(array))
        return array

    def of(self, values: Sequence[Any], xp: Any) -> list[Any]:
        """The values in arrays of which each is the only one on its memory."""
        answer = []
        for value in values:
            if id(value) in self._made:
                self._made.discard(id(value))
                answer.append(value)
            else:
                answer.append(xp.writable(value, False))
        return answer


def _wanted(stacks: Stacks) -> tuple[bool, ...]:
    return tuple(stack is not None for stack in stacks)


def _scalars(arrays: Sequence[Any]) -> list[Any]:
    """The arrays, and scalars for those without axes."""
    return [array if array.ndim else array[()] for array in arrays]


def _in_order(stack: Any, order: range) -> Any:
    """The rows of a stack at each step in `order`."""
    if not order:
        return stack[:0]
    begin, end = min(order[0], order[-1]), max(order[0], order[-1]) + 1
    return stack[begin:end] if order.step > 0 else stack[begin:end][::-1]


def _fail(code: LoopCode, error: Exception, place: str) -> NoReturn:
    """Raise what went wrong at the user's node of the line where it did."""
    trace, line = error.__traceback__, None
    while trace is not None:
        if trace.tb_frame.f_code is code.code:
            line = trace.tb_lineno
        trace = trace.tb_next
    step = code.lines.get(line) if line is not None else None
    if step is None:
        raise error
    plan, position = step
    failed(plan, error, position, place)
