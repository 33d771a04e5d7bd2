"""The number of arrays that a formula holds beside its result, counted by running it on stand-ins.

An elementwise kernel written as a formula makes an array for every operation and drops it when the next
one is done. No record has to say how many: a stand-in for an array makes another stand-in for each
operation, and the most that are alive at a time are what a run holds. Masks are a byte an element.

That is counted in `__del__`, on purpose: when an array of a kernel is dropped is decided by CPython's
reference counts, so the same formula run on stand-ins drops them at the same points, with its local names and
nested calls as they are. A reading of the formula's source would have to repeat those rules.

The limits: the count is CPython's (another Python may drop later); each stand-in must be dropped by its last
reference, so no formula may form a cycle; of data it knows nothing, so a formula that branches on values, or
asks for more than a stand-in has, is taken to hold one array. Only the estimate depends on the count.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.dtypes import ITEMSIZE
from engine.ir.tape import Instruction

_MASKS = frozenset(
    ("isnan", "isinf", "isfinite", "equal", "less", "greater", "logical_not", "logical_and", "logical_or")
)
_VIEWS = frozenset(("real", "imag"))  # of complex arrays; of real ones nobody asks
_counts: dict[tuple[Any, ...], int] = {}


def scratch_bytes(step: Instruction, dtype: str, itemsize: int, size: int) -> int:
    """Bytes held beside the output of an elementwise step on `dtype`, whose arrays have `itemsize` bytes an
    element.
    """
    key = (step.op.name, len(step.inputs), dtype, itemsize, repr(step.attributes))
    per_element = _counts.get(key)
    if per_element is None:
        per_element = _counts[key] = _play(step, dtype, itemsize)
    return per_element * size


def _play(step: Instruction, dtype: str, itemsize: int) -> int:
    kernel = step.op.kernel
    formula = kernel.scalar
    if formula is None or kernel.is_view(step.attributes):
        return 0
    count = _Count(itemsize, np.dtype(dtype))
    try:
        answer = formula(_Functions(count), *[_StandIn(count, 0) for _ in step.inputs], **step.attributes)
    except (TypeError, AttributeError, ValueError):
        return itemsize  # the formula asks for more than a stand-in knows: one array is what most hold
    del answer
    return max(count.most - itemsize, 0)


class _Count:
    """Bytes per element that are alive, and their maximum; `full` is that of an array, `dtype` an input's."""

    def __init__(self, full: int, dtype: np.dtype[Any]) -> None:
        self.full, self.dtype = full, dtype
        self.alive = self.most = 0


class _StandIn:
    """An array without data, of `weight` bytes an element; formulas read its dtype before they choose."""

    def __init__(self, count: _Count, weight: int, dtype: np.dtype[Any] | None = None) -> None:
        self._count, self._weight = count, weight
        self.dtype = count.dtype if dtype is None else dtype
        count.alive += weight
        count.most = max(count.most, count.alive)

    def __del__(self) -> None:
        self._count.alive -= self._weight

    def number(self, *_: Any) -> _StandIn:
        """What arithmetic makes: an array."""
        return _StandIn(self._count, self._count.full)

    def mask(self, _: Any) -> _StandIn:
        """What a comparison makes: a mask."""
        return _StandIn(self._count, 1)

    def same(self, *_: Any) -> _StandIn:
        """What joining masks makes: one like this."""
        return _StandIn(self._count, self._weight or 1)

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = number
    __pow__ = __rpow__ = __neg__ = __pos__ = __abs__ = number
    __lt__ = __le__ = __gt__ = __ge__ = mask
    __eq__ = __ne__ = mask  # type: ignore[assignment]  # elementwise, as for arrays
    __and__ = __rand__ = __or__ = __ror__ = __xor__ = __invert__ = same
    __hash__ = None  # type: ignore[assignment]  # as for arrays


class _Functions:
    """A namespace in which every function makes a stand-in; dtypes and their properties are NumPy's."""

    def __init__(self, count: _Count) -> None:
        self._count = count

    def __getattr__(self, name: str) -> Any:
        if name in ("isdtype", "finfo"):
            return getattr(np, name)
        if name in ITEMSIZE:
            return np.dtype(name)
        if name == "astype":
            return lambda _, dtype, **__: _StandIn(self._count, self._count.full, np.dtype(dtype))
        weight = 0 if name in _VIEWS else 1 if name in _MASKS else self._count.full
        return lambda *_, **__: _StandIn(self._count, weight)
