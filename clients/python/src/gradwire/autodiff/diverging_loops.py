"""Losses that grow from step to step of a loop, told long before they are infinite.

A loss is followed by the line that makes it and the variables that it is differentiated by, as long as these
are assigned in between: that is a loop of training, and no comparison of points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from weakref import WeakKeyDictionary

import numpy as np

from gradwire._notices import warn
from gradwire._tracing.node import Array, Leaf, Owner
from gradwire.autodiff.gradient_requests import Question
from gradwire.errors import TrainingWarning

_GROWN = 1e3  # times what the loss was at first
_STEPS = 2  # that must have been made
_FALLEN = 30.0  # times as far as at first
_FALLS = 7  # in a row, of a loss that falls without slowing down
_KEPT = 8
_LARGE = 100.0  # data from which on it is worth saying how large they are
_LARGEST = 1_000_000  # elements of variables that are compared


@dataclass(slots=True)
class _Course:
    """The losses of one loop: the first ones, the last ones, and the state at the last."""

    first: float
    recent: list[float] = field(default_factory=list)
    steps: int = 0
    value: Array | None = None
    gradient: Array | None = None
    assigned: int = 0
    uphill: int = 0
    told: bool = False


_courses: WeakKeyDictionary[Owner, dict[object, _Course]] = WeakKeyDictionary()


def follow(asked: Question, gradients: Sequence[Array | None]) -> None:
    """Take in the loss and the gradients of a tape; warn, once a line, if they run away."""
    owner = next((s.owner for s in asked.sources if isinstance(s.owner, Owner)), None)
    if owner is None or asked.value is None or asked.value.size != 1 or asked.value.dtype.kind != "f":
        return
    loss = float(asked.value.reshape(-1)[0])
    courses = _courses.setdefault(owner, {})
    course = courses.get(asked.target.node.place)
    if course is None:
        if math.isfinite(loss):
            course = courses[asked.target.node.place] = _Course(loss, [loss], assigned=owner.steps)
            _note(course, asked, gradients)
        return
    if owner.steps == course.assigned:  # asked again at the same values
        return
    course.steps += 1
    course.assigned = owner.steps
    course.recent = [*course.recent[1 - _KEPT :], loss]
    course.uphill = course.uphill + 1 if _goes_uphill(course, asked) else 0
    _note(course, asked, gradients)
    message = None if course.told else _grown(course, loss, asked) or _fallen(course, loss)
    if message is not None:
        course.told = True
        kind = "fallen" if loss < 0 else "uphill" if course.uphill > 1 else "grown"
        warn(TrainingWarning, message, (kind, str(asked.target.node.place)))


def _grown(course: _Course, loss: float, asked: Question) -> str | None:
    grown = not math.isfinite(loss) or (course.first > 0 and loss > _GROWN * course.first)
    if course.steps < _STEPS or math.isnan(loss) or loss < 0 or not grown:
        return None
    if course.uphill > 1:
        return (
            f"the loss grows: {course.first:.3g} at first, {loss:.3g} after {course.steps} steps, each of "
            "which goes up the gradient. Descent subtracts it: write w.assign_sub(rate * gradient); to make "
            "something large, minimise its negative"
        )
    return (
        f"the loss grows: {course.first:.3g} at first, {loss:.3g} after {course.steps} steps, which are too "
        f"large. Lower the learning rate, clip the gradient (global_clipnorm=1.0), or scale the "
        f"data{_scale(asked)}: (x - x.mean(axis=0)) / x.std(axis=0)"
    )


def _fallen(course: _Course, loss: float) -> str | None:
    falls = [before - after for before, after in pairwise(course.recent)]
    if len(falls) < _FALLS or loss > -_FALLEN * max(1.0, abs(course.first)):
        return None
    if not math.isinf(loss) and not all(b > 0.98 * a > 0 for a, b in pairwise(falls)):
        return None
    return (
        f"the loss falls without end: {course.first:.3g} at first, {loss:.3g} after {course.steps} steps. It "
        "has no minimum: is its sign right? A likelihood is made large by minimising its negative; a squared "
        "error is not negated"
    )


def _note(course: _Course, asked: Question, gradients: Sequence[Array | None]) -> None:
    """Keep the value and the gradient of the first variable, to see where the next step goes."""
    leaf = asked.sources[0].edge.node
    given = gradients[0] if gradients else None
    small = isinstance(leaf, Leaf) and leaf.value.size <= _LARGEST and given is not None
    course.value = leaf.value if small and isinstance(leaf, Leaf) else None
    course.gradient = given if small else None


def _goes_uphill(course: _Course, asked: Question) -> bool:
    """Whether the first variable was moved along its gradient since."""
    leaf = asked.sources[0].edge.node
    before, gradient = course.value, course.gradient
    if before is None or gradient is None or not isinstance(leaf, Leaf) or leaf.value.shape != before.shape:
        return False
    with np.errstate(all="ignore"):
        moved = (leaf.value - before).reshape(-1)
        along = np.vdot(moved, np.asarray(gradient).reshape(-1)).real
        whole = np.linalg.norm(moved) * np.linalg.norm(gradient)
        return bool(np.isfinite(whole) and along > 0.9 * whole > 0)


def _scale(asked: Question) -> str:
    """How large the data of a loss are, for messages."""
    most = 0.0
    for item in asked.lowered.items:
        node = item.node
        if (
            isinstance(node, Leaf)
            and node.owner is None
            and node.value.dtype.kind in "iuf"
            and node.value.size
        ):
            with np.errstate(all="ignore"):
                found = float(np.abs(node.value.astype(np.float64)).max())
            most = max(most, found) if math.isfinite(found) else most
    return f", which reach {most:,.0f}" if most > _LARGE else ""
