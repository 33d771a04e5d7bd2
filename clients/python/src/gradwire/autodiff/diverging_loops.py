"""Losses that grow from step to step of a loop, told long before they are infinite.

A loss is followed by the line that makes it and the variables that it is differentiated by, as long as these
are assigned in between: that is a loop of training, and no comparison of points.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from weakref import WeakKeyDictionary

import numpy as np

from gradwire._locations import Place
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
_UPHILL, _ALONG = 0.9, 0.999  # cosines of the angle between a step and a gradient
_ALIKE = 0.1  # of a rate
_SAME = 1e-6  # the same of single numbers
_MOST = 1000  # lines that are remembered
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
    rate: float | None = None


_calls: dict[Place, _Course] = {}
_courses: WeakKeyDictionary[Owner, dict[object, _Course]] = WeakKeyDictionary()


def follow(query: Question, gradients: Sequence[Array | None]) -> None:
    """Take in the loss and the gradients of a tape; warn, once a line, if they run away."""
    owner = next((s.owner for s in query.sources if isinstance(s.owner, Owner)), None)
    if owner is None or query.value is None or query.value.size != 1 or query.value.dtype.kind != "f":
        return
    loss = float(query.value.reshape(-1)[0])
    courses = _courses.setdefault(owner, {})
    course = courses.get(query.target.node.place)
    if course is None:
        if math.isfinite(loss):
            course = courses[query.target.node.place] = _Course(loss, [loss], assigned=owner.steps)
            _note(course, query, gradients)
        return
    if owner.steps == course.assigned:  # asked again at the same values
        return
    course.steps += 1
    course.assigned = owner.steps
    course.recent = [*course.recent[1 - _KEPT :], loss]
    course.uphill = course.uphill + 1 if _goes_uphill(course, query) else 0
    _note(course, query, gradients)
    _tell(course, loss, lambda: _scale(query), "w.assign_sub(rate * gradient)", str(query.target.node.place))


def follow_calls(place: Place, loss: float, value: Array, gradient: Array) -> None:
    """Take in what gw.value_and_grad or gw.grad has computed at a line, of one vector of all arguments.

    A loop of training is told by its steps, which are multiples of the gradient before, at nearly the same
    rate: calls at other points begin a new one.
    """
    course = _calls.get(place)
    if course is not None and course.value is not None and course.gradient is not None:
        direction = _direction(value, course.value, course.gradient)
        rate = _rate(value, course.value, course.gradient) if abs(direction) > _ALONG else 0.0
        if rate and _goes_on(course, rate, gradient):
            course.rate = rate
            course.steps += 1
            course.recent = [*course.recent[1 - _KEPT :], loss]
            course.uphill = course.uphill + 1 if direction > 0 else 0
            course.value, course.gradient = value, gradient
            _tell(course, loss, str, "w - rate * gradient", str(place))
            return
    if len(_calls) >= _MOST:
        _calls.clear()
    if math.isfinite(loss):
        _calls[place] = _Course(loss, [loss], value=value, gradient=gradient)


def _goes_on(course: _Course, rate: float, gradient: Array) -> bool:
    """Whether a step of this rate is one more of the same loop.

    One number always moves along its gradient: calls at points of a grid, as for a curve, are told from
    descent by their rates, which differ, or by a slope that stays.
    """
    if gradient.size == 1 and course.gradient is not None and np.array_equal(gradient, course.gradient):
        return False
    alike = _SAME if gradient.size == 1 else _ALIKE
    return course.rate is None or abs(rate - course.rate) < alike * abs(course.rate)


def _tell(course: _Course, loss: float, scale: Callable[[], str], step: str, place: str) -> None:
    """Warn of a loss that runs away, once for each loop."""
    message = None if course.told else _grown(course, loss, scale, step) or _fallen(course, loss)
    if message is not None:
        course.told = True
        kind = "fallen" if loss < 0 else "uphill" if course.uphill > 1 else "grown"
        warn(TrainingWarning, message, (kind, place))


def _grown(course: _Course, loss: float, scale: Callable[[], str], step: str) -> str | None:
    grown = not math.isfinite(loss) or (course.first > 0 and loss > _GROWN * course.first)
    if course.steps < _STEPS or math.isnan(loss) or loss < 0 or not grown:
        return None
    if course.uphill > 1:
        return (
            f"the loss grows: {course.first:.3g} at first, {loss:.3g} after {course.steps} steps, each of "
            f"which goes up the gradient. Descent subtracts it: write {step}; to make something large, "
            "minimise its negative"
        )
    return (
        f"the loss grows: {course.first:.3g} at first, {loss:.3g} after {course.steps} steps, which are too "
        f"large. Lower the learning rate, clip the gradient (global_clipnorm=1.0), or scale the "
        f"data{scale()}: (x - x.mean(axis=0)) / x.std(axis=0)"
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


def _note(course: _Course, query: Question, gradients: Sequence[Array | None]) -> None:
    """Keep the value and the gradient of the first variable, to see where the next step goes."""
    leaf = query.sources[0].edge.node
    gradient = gradients[0] if gradients else None
    small = isinstance(leaf, Leaf) and leaf.value.size <= _LARGEST and gradient is not None
    course.value = leaf.value if small and isinstance(leaf, Leaf) else None
    course.gradient = gradient if small else None


def _goes_uphill(course: _Course, query: Question) -> bool:
    """Whether the first variable was moved along its gradient since."""
    leaf = query.sources[0].edge.node
    before, gradient = course.value, course.gradient
    if before is None or gradient is None or not isinstance(leaf, Leaf):
        return False
    return _direction(leaf.value, before, gradient) > _UPHILL


def _rate(value: Array, before: Array, gradient: Array) -> float:
    """How much of a gradient a step was, positive downhill."""
    with np.errstate(all="ignore"):
        rate = float(np.linalg.norm(value - before) / np.linalg.norm(gradient))
        down = float(np.vdot(value - before, gradient).real) < 0
    return (rate if down else -rate) if math.isfinite(rate) else 0.0


def _direction(value: Array, before: Array, gradient: Array) -> float:
    """The cosine of the angle between a step and the gradient that it was made with; 0 if there is none."""
    if value.shape != before.shape or value.shape != gradient.shape:
        return 0.0
    with np.errstate(all="ignore"):
        moved = (value - before).reshape(-1)
        along = float(np.vdot(moved, gradient.reshape(-1)).real)
        whole = float(np.linalg.norm(moved) * np.linalg.norm(gradient))
    return along / whole if math.isfinite(whole) and whole > 0 else 0.0


def _scale(query: Question) -> str:
    """How large the data of a loss are, for messages."""
    most = 0.0
    for leaf in query.leaves:
        if leaf.owner is None and leaf.value.dtype.kind in "iuf" and leaf.value.size:
            with np.errstate(all="ignore"):
                magnitude = float(np.abs(leaf.value.astype(np.float64)).max())
            most = max(most, magnitude) if math.isfinite(magnitude) else most
    return f", which reach {most:,.0f}" if most > _LARGE else ""
