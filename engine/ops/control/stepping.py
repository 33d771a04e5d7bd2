"""What the loops share: running the steps, and stacking what each step returns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

from engine.dtypes import TensorType


def stacks_of(xp: Any, types: Sequence[TensorType], steps: int, wanted: Sequence[bool]) -> list[Any]:
    """Zeros with a leading axis of `steps` for each type that is wanted, None for the others."""
    return [
        xp.zeros((steps, *type.shape), dtype=getattr(xp, type.dtype)) if want else None
        for type, want in zip(types, wanted, strict=True)
    ]


def walk(
    xp: Any,
    body: Any,
    carried: Sequence[Any],
    walked: Sequence[Any],
    constants: Sequence[Any],
    order: range,
    results: Sequence[Any],
    entries: Sequence[Any],
) -> list[Any]:
    """What is carried after the steps in `order`, in arrays of the loop's own.

    `body` is the step's function; stacks of `results` and `entries` that are not None are written on the way.
    """
    if body.loops is not None:
        own: list[Any] = body.loops.walk(carried, walked, constants, order, results, entries)
        return own
    now, carry = carried, len(carried)
    stored = [(place, stack) for place, stack in enumerate(results, carry) if stack is not None]
    entered = [(place, stack) for place, stack in enumerate(entries) if stack is not None]
    with body.session() as run:
        for step, read in zip(order, sliced(walked, order), strict=True):
            for place, stack in entered:
                stack[step, ...] = now[place]
            answers = run([*now, *read, *constants])
            for place, stack in stored:
                stack[step, ...] = answers[place]
            now = answers[:carry]
    return owned(xp, now)


def sliced(arrays: Sequence[Any], order: range) -> Iterable[Sequence[Any]]:
    """What each of the arrays has at each step in `order`."""
    if not arrays:
        return repeat((), len(order))
    if not order:
        return ()
    begin, end = min(order[0], order[-1]), max(order[0], order[-1]) + 1
    return zip(*(x[begin:end] if order.step > 0 else x[begin:end][::-1] for x in arrays), strict=True)


def owned(xp: Any, carried: Sequence[Any]) -> list[Any]:
    """Arrays of the loop's own: what steps carry may look at their inputs."""
    return [xp.writable(value, False) for value in carried]
