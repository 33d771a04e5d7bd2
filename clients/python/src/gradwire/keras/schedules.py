"""Learning rates that change with the step, under Keras's names; `optimizers.schedules` holds them too.

Each is a function of the number of finished steps, for optimisers that step here, and a document, for jobs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, cos, floor, pi
from typing import Any, ClassVar

from gradwire._names.own import own_class
from gradwire._names.strict import Strict

__all__ = [
    "CosineDecay",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "LinearWarmup",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
]

TABULATED = (
    "tabulate it for a job: `PiecewiseConstantDecay(range(n - 1), [schedule(k) for k in range(n)])`, or give "
    "`fit` a LearningRateScheduler, which is asked for each epoch; functions run where optimisers step here"
)


class LearningRateSchedule(Strict):
    """What schedules share; `settings` are those of the wire."""

    name: ClassVar[str] = ""
    _fixed: ClassVar[frozenset[str]] = frozenset({"settings", "name"})
    _cures: ClassVar[Mapping[str, str]] = {"name": "it changes nothing: leave it out"}

    def __init__(self, **settings: Any) -> None:
        self.settings: Mapping[str, Any] = {k: v for k, v in settings.items() if v is not None}

    def __call__(self, step: int) -> float:
        """The rate of the update that has so many finished ones before it."""
        raise NotImplementedError

    def document(self) -> dict[str, Any]:
        """As the wire has it; raises NotTraced for a class of the user's own."""
        return {"name": own_class(self, "schedule", TABULATED).name, **self.settings}


class ExponentialDecay(LearningRateSchedule):
    """The initial rate times decay_rate to the power of step / decay_steps."""

    name = "exponential_decay"

    def __init__(
        self, initial_learning_rate: float, decay_steps: int, decay_rate: float, staircase: bool = False
    ) -> None:
        super().__init__(
            initial_learning_rate=initial_learning_rate,
            decay_steps=decay_steps,
            decay_rate=decay_rate,
            staircase=staircase,
        )

    def __call__(self, step: int) -> float:
        """The rate after so many steps."""
        s = self.settings
        periods = step / s["decay_steps"]
        return float(
            s["initial_learning_rate"] * s["decay_rate"] ** (floor(periods) if s["staircase"] else periods)
        )


class InverseTimeDecay(ExponentialDecay):
    """The initial rate divided by 1 + decay_rate · step / decay_steps."""

    name = "inverse_time_decay"

    def __call__(self, step: int) -> float:
        """The rate after so many steps."""
        s = self.settings
        periods = step / s["decay_steps"]
        return float(
            s["initial_learning_rate"]
            / (1 + s["decay_rate"] * (floor(periods) if s["staircase"] else periods))
        )


class PiecewiseConstantDecay(LearningRateSchedule):
    """values[k] up to and including step boundaries[k], then the last value."""

    name = "piecewise_constant_decay"

    def __init__(self, boundaries: Sequence[float], values: Sequence[float]) -> None:
        if len(values) != len(boundaries) + 1:
            raise ValueError(
                f"expected one value more than boundaries, got {len(values)} and {len(boundaries)}"
            )
        super().__init__(boundaries=list(boundaries), values=list(values))

    def __call__(self, step: int) -> float:
        """The rate after so many steps."""
        return float(self.settings["values"][sum(step > b for b in self.settings["boundaries"])])


class PolynomialDecay(LearningRateSchedule):
    """From the initial rate to the last one along a power of the steps that are left."""

    name = "polynomial_decay"

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

    def __call__(self, step: int) -> float:
        """The rate after so many steps."""
        s = self.settings
        span = s["decay_steps"] * (max(1, ceil(step / s["decay_steps"])) if s["cycle"] else 1)
        left = 1 - min(step, span) / span
        top, end = s["initial_learning_rate"], s["end_learning_rate"]
        return float((top - end) * left ** s["power"] + end)


class CosineDecay(LearningRateSchedule):
    """Half a cosine from the initial rate down to `alpha` of it; with a warm-up before, where asked for."""

    name = "cosine_decay"

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        *,  # Keras has a name here
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

    def __call__(self, step: int) -> float:
        """The rate after so many steps."""
        s = self.settings
        top, target = s["initial_learning_rate"], s.get("warmup_target")
        if target is not None:
            if step < s["warmup_steps"]:
                return float(top + (target - top) * step / s["warmup_steps"])
            top, step = target, step - s["warmup_steps"]
        done = min(step, s["decay_steps"]) / s["decay_steps"]
        return float(top * ((1 - s["alpha"]) * 0.5 * (1 + cos(pi * done)) + s["alpha"]))


class LinearWarmup(LearningRateSchedule):
    """A linear climb over `warmup_steps` from the initial rate to `learning_rate`, which then stays."""

    name = "linear_warmup"

    def __init__(self, learning_rate: float, warmup_steps: int, initial_learning_rate: float = 0.0) -> None:
        super().__init__(
            learning_rate=learning_rate,
            warmup_steps=warmup_steps,
            initial_learning_rate=initial_learning_rate,
        )

    def __call__(self, step: int) -> float:
        """The rate after so many steps."""
        s = self.settings
        start, done = s["initial_learning_rate"], min(step, s["warmup_steps"]) / s["warmup_steps"]
        return float(start + (s["learning_rate"] - start) * done)
