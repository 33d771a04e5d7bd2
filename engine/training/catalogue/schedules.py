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
from engine.training.catalogue.registry import NUMBERS, Choice, Registry, camel, number, whole

RATE = number(0.0)


def _no_check(settings: Mapping[str, Any]) -> str | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One record, from which the SDK's class and the row in docs/training.md follow.

    `rate(step, **settings)` is the formula, `formula` the same in mathematical notation, `summary` a
    sentence. `check` refuses settings that do not fit each other. Both may use functions of `math`: the SDK
    has their source. Settings from `keyword_only` on are no positional ones: Keras has another one there.
    """

    name: str
    summary: str
    formula: str
    rate: Callable[..., float]
    attributes: tuple[Attribute, ...]
    aliases: tuple[str, ...] = ()
    check: Callable[[Mapping[str, Any]], str | None] = _no_check
    keyword_only: str | None = None

    @property
    def class_name(self) -> str | None:
        """What Keras calls the class; the constant rate has none, it is a number."""
        return None if self.name == "constant" else camel(self.name)


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
    remainder = 1 - min(step, span) / span
    return float((initial_learning_rate - end_learning_rate) * remainder**power + end_learning_rate)


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
        Schedule(
            name="constant",
            summary="The same rate at every step.",
            formula="the same",
            rate=lambda step, learning_rate: learning_rate,
            attributes=(Attribute("learning_rate", RATE),),
        ),
        Schedule(
            name="piecewise_constant_decay",
            summary="values[k] up to and including step boundaries[k], then the last value.",
            formula="`values[k]` up to and including `boundaries[k]`",
            rate=_piecewise,
            attributes=(Attribute("boundaries", NUMBERS), Attribute("values", NUMBERS)),
            aliases=("piecewise_constant", "piecewise", "step"),
            check=_check_piecewise,
        ),
        Schedule(
            name="exponential_decay",
            summary="The initial rate times decay_rate to the power of step / decay_steps.",
            formula="`initial · decay_rate^(s / decay_steps)`",
            rate=_exponential,
            attributes=_DECAY,
            aliases=("exponential",),
        ),
        Schedule(
            name="inverse_time_decay",
            summary="The initial rate divided by 1 + decay_rate · step / decay_steps.",
            formula="`initial / (1 + decay_rate · s / decay_steps)`",
            rate=_inverse_time,
            attributes=_DECAY,
            aliases=("inverse_time",),
        ),
        Schedule(
            name="polynomial_decay",
            summary="From the initial rate to the last one along a power of the steps that are left.",
            formula="`(initial - end) · (1 - s / decay_steps)^power + end`, `end` after `decay_steps`; with "
            "`cycle` over the next multiple of `decay_steps` instead",
            rate=_polynomial,
            attributes=(
                _INITIAL,
                _STEPS,
                Attribute("end_learning_rate", RATE, 0.0001),
                Attribute("power", number(0.0), 1.0),
                Attribute("cycle", BOOLEAN, False),
            ),
            aliases=("polynomial",),
        ),
        Schedule(
            name="cosine_decay",
            summary="Half a cosine from the initial rate to `alpha` of it, after a warm-up if asked for.",
            formula="a half cosine from the initial rate to its `alpha`-fold, after a linear climb to "
            "`warmup_target` if one is given",
            rate=_cosine,
            attributes=(
                _INITIAL,
                _STEPS,
                Attribute("alpha", number(0.0, 1.0), 0.0, "the last rate as a fraction of the first"),
                Attribute(
                    "warmup_target", RATE, None, "the rate that the warm-up climbs to; none: no warm-up"
                ),
                Attribute("warmup_steps", whole(0), 0),
            ),
            aliases=("cosine",),
            keyword_only="warmup_target",
        ),
        Schedule(
            name="linear_warmup",
            summary="A linear climb over `warmup_steps` from the initial rate to `learning_rate`, which then "
            "stays.",
            formula="a linear climb from the initial rate to `learning_rate`, then constant",
            rate=_warmup,
            attributes=(
                Attribute("learning_rate", RATE),
                Attribute("warmup_steps", whole(1)),
                Attribute("initial_learning_rate", RATE, 0.0),
            ),
            aliases=("warmup",),
        ),
    ),
)


def read_schedule(value: Any, path: str) -> Choice[Schedule]:
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


def rate_at(chosen: Choice[Schedule], step: int) -> float:
    """The learning rate of the update that has `step` finished updates before it."""
    return chosen.record.rate(step, **chosen.settings)


def schedule_document(chosen: Choice[Schedule]) -> Any:
    """As JSON: a number where the rate is constant."""
    if chosen.record.name == "constant":
        return chosen.settings["learning_rate"]
    return chosen.document()
