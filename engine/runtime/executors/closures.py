"""Steps as functions of a context: what they read and write is looked up when they are bound."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from engine.arrays import guard
from engine.errors import Origin

Values = list[Any]


def into_buffer(ufunc: Any, inputs: Sequence[int], out: int) -> Callable[[Values], None]:
    """A universal function that writes to where its output lies."""
    if len(inputs) == 1:
        (a,) = inputs

        def unary(values: Values) -> None:
            ufunc(values[a], values[out])

        return unary
    a, b = inputs

    def binary(values: Values) -> None:
        ufunc(values[a], values[b], out=values[out])

    return binary


def writing_into(
    kernel: Callable[..., Any], xp: Any, inputs: Sequence[int], out: int, attributes: dict[str, Any]
) -> Callable[[Values], None]:
    """A kernel that writes where its output lies."""
    if len(inputs) == 1 and not attributes:
        (a,) = inputs
        return lambda values: kernel(xp, values[out], values[a])

    def write(values: Values) -> None:
        kernel(xp, values[out], *[values[slot] for slot in inputs], **attributes)

    return write


def copying(
    kernel: Callable[..., Any], xp: Any, inputs: Sequence[int], out: int, attributes: dict[str, Any]
) -> Callable[[Values], None]:
    """A kernel whose output is copied to where it is to lie."""

    def copy(values: Values) -> None:
        values[out][...] = kernel(xp, *[values[slot] for slot in inputs], **attributes)

    return copy


def placed(run: Callable[[Values], None], origin: Origin) -> Callable[[Values], None]:
    """A step whose notes for the end of the run say which node they are of."""

    def place(values: Values) -> None:
        guard.current().origin = origin
        run(values)

    return place


def dropping(run: Callable[[Values], None], dying: Sequence[int]) -> Callable[[Values], None]:
    """A step, and after it what is not read again let go of."""

    def drop(values: Values) -> None:
        run(values)
        for slot in dying:
            values[slot] = None

    return drop
