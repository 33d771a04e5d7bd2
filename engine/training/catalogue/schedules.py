"""Learning rates as formulas of the step, under Keras's names, arguments and defaults.

The step counts finished updates, so the first update has step 0. Rates are computed in float64.
Sources: Keras 3 `optimizers.schedules`; Loshchilov and Hutter 2017 (cosine decay).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil, cos, floor, pi
from typing import Any

from engine.errors import InvalidAttribute
from engine.frontend.json_reader import show
from engine.ir.attributes import BOOLEAN, Attribute
from engine.training.catalogue.registry import NUMBERS, Chosen, Registry, number, whole

RATE = number(0.0)


@dataclass(frozen=True, slots=True)
class Schedule:
    """`rate(step, **settings)`; `check` refuses settings that do not fit each other."""

    name: str
    rate: Callable[..., float]
    attributes: tuple[Attribute, ...]
    aliases: tuple[str, ...] = ()
    check: Callable[[Mapping[str, Any]], str | None] = lambda settings: None


def _exponential(
    step: int, *, initial_learning_rate: float, decay_steps: int, decay_rate: float, staircase: bool
) -> float:
    periods = step / decay_steps
    return initial_learning_rate * decay_rate ** (floor(periods) if staircase else periods)


def _inverse_time(
    step: int, *, initial_learning_rate: float, decay_steps: int, decay_rate: float, staircase: bool
) -> float:
    periods = step / decay_steps
    return initial_learning_rate / (1 + decay_rate * (floor(periods) if staircase else periods))


def _piecewise(step: int, *, boundaries: tuple[float, ...], values: tuple[float, ...]) -> float:
    """values[k] up to and including step boundaries[k]; the last value after all of them."""
    return values[sum(step > boundary for boundary in boundaries)]


def _check_piecewise(settings: Mapping[str, Any]) -> str | None:
    boundaries, values = settings["boundaries"], settings["values"]
    if len(values) != len(boundaries) + 1:
        return f"expected one value more than boundaries, got {len(values)} and {len(boundaries)}"
    if list(boundaries) != sorted(set(boundaries)):
        return "expected boundaries that increase"
    return "expected values of at least 0" if min(values) < 0 else None


def _polynomial(
    step: int,
    *,
    initial_learning_rate: float,
    decay_steps: int,
    end_learning_rate: float,
    power: float,
    cycle: bool,
) -> float:
    span = decay_steps * max(1, ceil(step / decay_steps)) if cycle else decay_steps
    left = 1 - min(step, span) / span
    return float((initial_learning_rate - end_learning_rate) * left**power + end_learning_rate)


def _cosine(
    step: int,
    *,
    initial_learning_rate: float,
    decay_steps: int,
    alpha: float,
    warmup_target: float | None,
    warmup_steps: int,
) -> float:
    top = initial_learning_rate
    if warmup_target is not None:
        if step < warmup_steps:
            return initial_learning_rate + (warmup_target - initial_learning_rate) * step / warmup_steps
        top, step = warmup_target, step - warmup_steps
    done = min(step, decay_steps) / decay_steps
    return top * ((1 - alpha) * 0.5 * (1 + cos(pi * done)) + alpha)


def _warmup(step: int, *, learning_rate: float, warmup_steps: int, initial_learning_rate: float) -> float:
    done = min(step, warmup_steps) / warmup_steps
    return initial_learning_rate + (learning_rate - initial_learning_rate) * done


_INITIAL = Attribute("initial_learning_rate", RATE)
_STEPS = Attribute("decay_steps", whole(1))
_STAIRCASE = Attribute("staircase", BOOLEAN, False, "change at whole multiples of decay_steps only")
_DECAY = (_INITIAL, _STEPS, Attribute("decay_rate", number(0.0)), _STAIRCASE)

SCHEDULES = Registry(
    "learning-rate schedule",
    (
        Schedule("constant", lambda step, learning_rate: learning_rate, (Attribute("learning_rate", RATE),)),
        Schedule(
            "piecewise_constant_decay",
            _piecewise,
            (Attribute("boundaries", NUMBERS), Attribute("values", NUMBERS)),
            ("piecewise_constant", "piecewise", "step"),
            _check_piecewise,
        ),
        Schedule("exponential_decay", _exponential, _DECAY, ("exponential",)),
        Schedule("inverse_time_decay", _inverse_time, _DECAY, ("inverse_time",)),
        Schedule(
            "polynomial_decay",
            _polynomial,
            (
                _INITIAL,
                _STEPS,
                Attribute("end_learning_rate", RATE, 0.0001),
                Attribute("power", number(0.0), 1.0),
                Attribute("cycle", BOOLEAN, False),
            ),
            ("polynomial",),
        ),
        Schedule(
            "cosine_decay",
            _cosine,
            (
                _INITIAL,
                _STEPS,
                Attribute("alpha", number(0.0, 1.0), 0.0, "the last rate as a fraction of the first"),
                Attribute(
                    "warmup_target", RATE, None, "the rate that the warm-up climbs to; none: no warm-up"
                ),
                Attribute("warmup_steps", whole(0), 0),
            ),
            ("cosine",),
        ),
        Schedule(
            "linear_warmup",
            _warmup,
            (
                Attribute("learning_rate", RATE),
                Attribute("warmup_steps", whole(1)),
                Attribute("initial_learning_rate", RATE, 0.0),
            ),
            ("warmup",),
        ),
    ),
)


def read_schedule(value: Any, path: str) -> Chosen[Schedule]:
    """A number, which is the constant rate, or an object with a schedule's name and settings."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = {"name": "constant", "learning_rate": value}
        try:
            return SCHEDULES.read(value, path)
        except InvalidAttribute as error:
            error.path = path
            raise
    if not isinstance(value, Mapping):
        raise InvalidAttribute(
            f"expected a number or a schedule, got {show(value)}",
            path=path,
            hint='for example {"name": "cosine_decay", "initial_learning_rate": 0.01, "decay_steps": 1000}',
        )
    chosen = SCHEDULES.read(value, path)
    wrong = chosen.record.check(chosen.settings)
    if wrong is not None:
        raise InvalidAttribute(wrong, path=path)
    return chosen


def rate_at(chosen: Chosen[Schedule], step: int) -> float:
    """The learning rate of the update that has `step` finished updates before it."""
    return chosen.record.rate(step, **chosen.settings)


def schedule_document(chosen: Chosen[Schedule]) -> Any:
    """As JSON: a number where the rate is constant."""
    if chosen.record.name == "constant":
        return chosen.settings["learning_rate"]
    return chosen.document()
