"""Training that starts over at every step: a variable, or an optimiser with a state, is made anew in it."""

from __future__ import annotations

import ast
import itertools
import weakref
from dataclasses import dataclass
from typing import Any

from gradwire._locations import Place
from gradwire._notices import warn
from gradwire._tracing.caller import expression_at
from gradwire._tracing.node import Array, Leaf, Owner
from gradwire.errors import TrainingWarning

_MOST = 1000  # places that are remembered
_LARGEST = 1_000_000  # elements of values that are compared
_ENOUGH = 3  # steps in a row that tell a mistake from a comparison

_clock = itertools.count(1)


@dataclass(slots=True)
class _First:
    """The first step of the variable that was made last at a place; `run` counts those alike in a row."""

    owner: Owner
    before: int | None
    after: int | None
    by: weakref.ref[Any] | None
    at: int
    run: int = 1


_firsts: dict[tuple[Place, int, str], _First] = {}


def born() -> int:
    """The time at which a variable is made."""
    return next(_clock)


def note_step(leaf: Leaf, after: Array, optimizer: Any = None) -> None:
    """A variable that holds `leaf` is assigned `after`, by an optimiser if one is given.

    Warns, once a line, if variables made at one place get one step each: every step starts over.
    """
    owner, place = leaf.owner, leaf.place
    if owner is None or not owner.trainable:
        return
    owner.steps += 1
    if owner.steps > 1 or place is None or leaf.value.size > _LARGEST:
        return
    key = (place, place.offset, leaf.name or "")
    by = None if optimizer is None else weakref.ref(optimizer)
    now = _First(owner, _digest(leaf.value), _digest(after), by, next(_clock))
    last = _firsts.get(key)
    if last is not None and last.owner.steps == 1 and owner.born > last.at and _starts_over(last, now, leaf):
        now.run = last.run + 1
    if len(_firsts) >= _MOST:
        _firsts.clear()
    _firsts[key] = now
    if now.run >= _ENOUGH:
        what = "the model" if "." in key[2] else "this variable"
        warn(
            TrainingWarning,
            f"{what} is made anew at {place} for every step, so that its value starts over each time: "
            f"nothing is learned. Make it once, before the loop",
            ("made anew", str(place)),
        )


def note_optimizer(owner: Owner, optimizer: Any, first: bool) -> None:
    """An optimiser with a state steps on a variable; `first` is whether that is its first step.

    Warns, once a line, if one optimiser after the other makes its first step on the same variable.
    """
    owner.first_steps = owner.first_steps + 1 if first else 0
    if owner.first_steps >= _ENOUGH:
        name = type(optimizer).__name__
        warn(
            TrainingWarning,
            f"{name} is made anew for every step, so that what it remembers of earlier steps, such as "
            f"moments, starts over each time. Make it once, before the loop: "
            f"optimizer = gw.optimizers.{name}(...)",
            ("optimizer anew", name),
        )


def _starts_over(last: _First, now: _First, leaf: Leaf) -> bool:
    """Whether two first steps are of one mistake: by one optimiser, or from the same value to the same."""
    if now.by is not None and last.by is not None and last.by() is not None and last.by() is now.by():
        return last.before == now.before or "." in (leaf.name or "") or _is_drawn(leaf.place)
    return last.before == now.before and last.after == now.after and _is_in_loop(leaf.place)


def _is_in_loop(place: Place | None) -> bool:
    """Whether a text stands in a loop of its own function, and not in a function that is called again."""
    expression = expression_at(place)
    above = None if expression is None else expression.node
    while above is not None and not isinstance(above, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        if isinstance(above, ast.For | ast.While):
            return True
        above = expression.source.parents.get(above) if expression is not None else None
    return False


def _is_drawn(place: Place | None) -> bool:
    """Whether the text that makes a variable draws its value at random."""
    expression = expression_at(place)
    if expression is None:
        return False
    names = (
        node.attr if isinstance(node, ast.Attribute) else node.id
        for node in ast.walk(expression.node)
        if isinstance(node, ast.Attribute | ast.Name)
    )
    return any(word in name.lower() for name in names for word in ("rand", "normal", "uniform"))


def _digest(value: Array) -> int:
    return hash((value.shape, value.tobytes()))
