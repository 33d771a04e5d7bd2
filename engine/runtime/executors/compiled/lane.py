"""Numbers in a register, and what is raised by a formula that is not compiled."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np


class Unsupported(Exception):
    """A formula asks for something that is not compiled."""


class Lane:
    """Numbers of one dtype in a register, with the operators of an array."""

    __slots__ = ("kind", "m", "x")

    def __init__(self, m: Any, x: str, kind: str) -> None:
        self.m, self.x, self.kind = m, x, kind

    def _of(self, function: str, *operands: Any) -> Lane:
        lane: Lane = getattr(self.m, function)(*operands)
        return lane

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype, as arrays have it."""
        return np.dtype(self.kind)

    def __add__(self, other: Any) -> Lane:
        return self._of("add", self, other)

    def __radd__(self, other: Any) -> Lane:
        return self._of("add", other, self)

    def __sub__(self, other: Any) -> Lane:
        return self._of("subtract", self, other)

    def __rsub__(self, other: Any) -> Lane:
        return self._of("subtract", other, self)

    def __mul__(self, other: Any) -> Lane:
        return self._of("multiply", self, other)

    def __rmul__(self, other: Any) -> Lane:
        return self._of("multiply", other, self)

    def __truediv__(self, other: Any) -> Lane:
        return self._of("divide", self, other)

    def __rtruediv__(self, other: Any) -> Lane:
        return self._of("divide", other, self)

    def __pow__(self, other: Any) -> Lane:
        return self._of("pow", self, other)

    def __neg__(self) -> Lane:
        return self._of("negative", self)

    def __pos__(self) -> Lane:
        return self

    def __abs__(self) -> Lane:
        return self._of("abs", self)

    def __lt__(self, other: Any) -> Lane:
        return self._of("less", self, other)

    def __le__(self, other: Any) -> Lane:
        return self._of("less_equal", self, other)

    def __gt__(self, other: Any) -> Lane:
        return self._of("greater", self, other)

    def __ge__(self, other: Any) -> Lane:
        return self._of("greater_equal", self, other)

    def __eq__(self, other: Any) -> Lane:  # type: ignore[override]  # elementwise, as for arrays
        return self._of("equal", self, other)

    def __ne__(self, other: Any) -> Lane:  # type: ignore[override]  # elementwise, as for arrays
        return self._of("not_equal", self, other)

    def __and__(self, other: Any) -> Lane:
        return self._of("bitwise_and", self, other)

    def __or__(self, other: Any) -> Lane:
        return self._of("bitwise_or", self, other)

    def __xor__(self, other: Any) -> Lane:
        return self._of("bitwise_xor", self, other)

    def __invert__(self) -> Lane:
        return self._of("bitwise_invert", self)

    __hash__ = None  # type: ignore[assignment]  # as for arrays

    def __bool__(self) -> NoReturn:
        raise Unsupported("a branch on a value")
