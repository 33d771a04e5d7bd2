"""Learning rates that change with the step, under Keras's names and defaults.

Generated from the server's records by clients/python/generate.py; do not edit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, cos, floor, pi
from typing import Any

from gradwire.keras.schedule import FormulaSchedule, LearningRateSchedule

__all__ = [
    "CosineDecay",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "LinearWarmup",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
]


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
        top, step = (warmup_target, step - warmup_steps)
    done = min(step, decay_steps) / decay_steps
    return top * ((1 - alpha) * 0.5 * (1 + cos(pi * done)) + alpha)


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


def _warmup(step: int, *, learning_rate: float, warmup_steps: int, initial_learning_rate: float) -> float:
    done = min(step, warmup_steps) / warmup_steps
    return initial_learning_rate + (learning_rate - initial_learning_rate) * done


def _piecewise(step: int, *, boundaries: tuple[float, ...], values: tuple[float, ...]) -> float:
    """values[k] up to and including step boundaries[k]; the last value after all of them."""
    return values[sum(step > boundary for boundary in boundaries)]


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


def _check_piecewise(settings: Mapping[str, Any]) -> str | None:
    boundaries, values = (settings["boundaries"], settings["values"])
    if len(values) != len(boundaries) + 1:
        return f"expected one value more than boundaries, got {len(values)} and {len(boundaries)}"
    if list(boundaries) != sorted(set(boundaries)):
        return "expected boundaries that increase"
    return "expected values of at least 0" if min(values) < 0 else None


class CosineDecay(FormulaSchedule):
    """Half a cosine from the initial rate to `alpha` of it, after a warm-up if asked for.

    `alpha`: the last rate as a fraction of the first.
    `warmup_target`: the rate that the warm-up climbs to; none: no warm-up.
    """

    name = "cosine_decay"
    _formula = staticmethod(_cosine)
    _optional = ("warmup_target",)

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        *,
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        super().__init__(
            initial_learning_rate=initial_learning_rate,
            decay_steps=decay_steps,
            alpha=alpha,
            warmup_target=warmup_target,
            warmup_steps=warmup_steps,
        )


class ExponentialDecay(FormulaSchedule):
    """The initial rate times decay_rate to the power of step / decay_steps.

    `staircase`: change at whole multiples of decay_steps only.
    """

    name = "exponential_decay"
    _formula = staticmethod(_exponential)

    def __init__(
        self, initial_learning_rate: float, decay_steps: int, decay_rate: float, staircase: bool = False
    ) -> None:
        super().__init__(
            initial_learning_rate=initial_learning_rate,
            decay_steps=decay_steps,
            decay_rate=decay_rate,
            staircase=staircase,
        )


class InverseTimeDecay(FormulaSchedule):
    """The initial rate divided by 1 + decay_rate · step / decay_steps.

    `staircase`: change at whole multiples of decay_steps only.
    """

    name = "inverse_time_decay"
    _formula = staticmethod(_inverse_time)

    def __init__(
        self, initial_learning_rate: float, decay_steps: int, decay_rate: float, staircase: bool = False
    ) -> None:
        super().__init__(
            initial_learning_rate=initial_learning_rate,
            decay_steps=decay_steps,
            decay_rate=decay_rate,
            staircase=staircase,
        )


class LinearWarmup(FormulaSchedule):
    """A linear climb over `warmup_steps` from the initial rate to `learning_rate`, which then stays."""

    name = "linear_warmup"
    _formula = staticmethod(_warmup)

    def __init__(self, learning_rate: float, warmup_steps: int, initial_learning_rate: float = 0.0) -> None:
        super().__init__(
            learning_rate=learning_rate,
            warmup_steps=warmup_steps,
            initial_learning_rate=initial_learning_rate,
        )


class PiecewiseConstantDecay(FormulaSchedule):
    """values[k] up to and including step boundaries[k], then the last value."""

    name = "piecewise_constant_decay"
    _formula = staticmethod(_piecewise)
    _check = staticmethod(_check_piecewise)

    def __init__(self, boundaries: Sequence[float], values: Sequence[float]) -> None:
        super().__init__(boundaries=list(boundaries), values=list(values))


class PolynomialDecay(FormulaSchedule):
    """From the initial rate to the last one along a power of the steps that are left."""

    name = "polynomial_decay"
    _formula = staticmethod(_polynomial)

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
    ) -> None:
        super().__init__(
            initial_learning_rate=initial_learning_rate,
            decay_steps=decay_steps,
            end_learning_rate=end_learning_rate,
            power=power,
            cycle=cycle,
        )
