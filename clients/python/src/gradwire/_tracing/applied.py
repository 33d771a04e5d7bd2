"""Gradients that are applied again after their variable has moved: one that was computed before a loop.

The second step of a loop in which no gradient is computed goes where the first one went, past the minimum.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import numpy as np

from gradwire._notices import warn
from gradwire._tracing.node import Array, Edge, Leaf, Op, Owner
from gradwire.errors import TrainingWarning

_ENOUGH = 3  # steps in a row by one gradient, with nothing else assigned in between
_MOST_NODES = 50  # of a step that are looked at


@dataclass(slots=True)
class _Applied:
    """The gradient that moved a variable last, how, and how often in a row."""

    gradient: weakref.ref[Leaf]
    how: str
    count: int = 1


_last: weakref.WeakKeyDictionary[Owner, _Applied] = weakref.WeakKeyDictionary()
_arrays: dict[int, tuple[weakref.ref[Array], Leaf]] = {}


def note_array(array: Array | np.generic, gradient: Leaf) -> None:
    """An array was read off a gradient, whose values it has."""
    if not isinstance(array, np.ndarray):  # a number of NumPy's, which cannot be followed
        return
    key = id(array)
    _arrays[key] = (weakref.ref(array, lambda _: _arrays.pop(key, None)), gradient)


def gradient_behind(value: object) -> Leaf | None:
    """The gradient that an array was read off; None for any other."""
    entry = _arrays.get(id(value))
    return entry[1] if entry is not None and entry[0]() is value else None


def gradient_in(edge: Edge, owner: Owner, within: Leaf | None = None) -> Leaf | None:
    """The only gradient by a variable that a step is computed from; None for none or several.

    With `within` the step has to be computed from that value of the variable too.
    """
    gradients: set[Leaf] = set()
    ahead, visited = [edge.node], {edge.node}
    while ahead:
        node = ahead.pop()
        if isinstance(node, Leaf) and node.gradient_of is owner:
            gradients.add(node)
        if not isinstance(node, Op):
            continue
        for operand in node.inputs:
            if isinstance(operand, Edge) and operand.node not in visited:
                visited.add(operand.node)
                ahead.append(operand.node)
        if len(visited) > _MOST_NODES:
            return None
    return gradients.pop() if len(gradients) == 1 and (within is None or within in visited) else None


def note_applied(owner: Owner, name: str, gradient: Leaf | None, how: str) -> None:
    """A variable has moved by a gradient, if one is given, or was assigned something else.

    Warns, once a line, of one gradient that moves it again and again.
    """
    if gradient is None:
        _last.pop(owner, None)
        return
    before = _last.get(owner)
    if before is None or before.gradient() is not gradient or before.how != how:
        _last[owner] = _Applied(weakref.ref(gradient), how)
        return
    before.count += 1
    if before.count >= _ENOUGH:
        place = "" if gradient.place is None else f" at {gradient.place}"
        warn(
            TrainingWarning,
            f"the same gradient moves '{name}' again and again: it was computed{place}, before '{name}' "
            "changed, and is that of the old values, so that the steps go past the minimum. Compute it anew "
            "for every step: put the computation of the loss and of its gradient (`with gw.GradientTape() as "
            "tape:` and tape.gradient(...), or gw.grad(f)(...)) inside the loop",
            ("applied again",),
        )
