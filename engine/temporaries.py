"""How many arrays a formula holds at once beside its answer, found by playing it with counted stand-ins.

An elementwise kernel written as a formula makes an array for every operation and drops it when the next
one is done. No record has to say how many: a stand-in for an array makes another stand-in for each
operation, and the most that are alive at a time are what a run holds. Masks are a byte an element.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.tape import Instruction

_MASKS = frozenset(
    ("isnan", "isinf", "isfinite", "equal", "less", "greater", "logical_not", "logical_and", "logical_or")
)
_known: dict[tuple[Any, ...], int] = {}


def scratch_bytes(step: Instruction, itemsize: int, size: int) -> int:
    """Bytes held beside the output of an elementwise step whose elements have `itemsize` bytes."""
    key = (step.op.name, len(step.inputs), itemsize, repr(step.attributes))
    per_element = _known.get(key)
    if per_element is None:
        per_element = _known[key] = _play(step, itemsize)
    return per_element * size


def _play(step: Instruction, itemsize: int) -> int:
    formula = step.op.scalar
    if formula is None or step.op.is_view(step.attributes):
        return 0
    count = _Count(itemsize)
    try:
        answer = formula(_Functions(count), *[_StandIn(count, 0) for _ in step.inputs], **step.attributes)
    except (TypeError, AttributeError, ValueError):
        return itemsize  # the formula asks for more than a stand-in knows: one array is what most hold
    del answer
    return max(count.most - itemsize, 0)


class _Count:
    """Bytes an element alive, and the most that ever were; `full` is an array's own."""

    def __init__(self, full: int) -> None:
        self.full = full
        self.alive = self.most = 0


class _StandIn:
    """An array in name only, of `weight` bytes an element."""

    def __init__(self, count: _Count, weight: int) -> None:
        self._count, self._weight = count, weight
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
    """A namespace in which every function makes a stand-in."""

    def __init__(self, count: _Count) -> None:
        self._count = count

    def __getattr__(self, name: str) -> Callable[..., _StandIn]:
        weight = 1 if name in _MASKS else self._count.full
        return lambda *_, **__: _StandIn(self._count, weight)
