"""The learning rate of an optimiser, checked when it is set: a wrong one shows only as odd numbers later."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gradwire._notices import warn
from gradwire._tracing.operators import Operators
from gradwire.errors import OptimizerError, TrainingWarning

_DECAYED, _COMMON = 0.1, 1e-3  # of each weight in one step: what is told, and what the cure is
_DEAD, _FEWEST = 1e-4, 20  # of the highest rate; steps in a row

Rate = float | Callable[[int], float]


#: What PyTorch and Optax call the settings that have one name here.
_RESPELLED = {"lr": "learning_rate", "eps": "epsilon", "b1": "beta_1", "b2": "beta_2"}


def respelled(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of an optimiser under the names that they have here."""
    options: dict[str, Any] = {}
    for name, value in settings.items():
        if name == "betas" and isinstance(value, tuple | list) and len(value) == 2:
            options |= {"beta_1": value[0], "beta_2": value[1]}
        else:
            options[_RESPELLED.get(name, name)] = value
    return options


def are_variables(value: Any) -> bool:
    """Whether what stands in the place of a learning rate is variables, or a model that has some."""
    return isinstance(value, Operators | list | tuple | dict) or hasattr(value, "trainable_variables")


def read_rate(rate: Any) -> Rate:
    """A number of at least 0, or a function of the number of steps; raises OptimizerError for others."""
    if are_variables(rate):
        raise OptimizerError(
            f"expected a number as the learning rate, got {type(rate).__name__}: variables are given to "
            "apply_gradients(zip(grads, variables)), not to the optimiser"
        )
    if isinstance(rate, type):
        raise OptimizerError(f"expected a learning rate, got the class {rate.__name__}: call it first")
    if callable(rate):
        return rate  # type: ignore[no-any-return]  # a function of the user's
    if isinstance(rate, bool) or not isinstance(rate, int | float | np.number | np.ndarray):
        cure = ", for example 0.01"
        if isinstance(rate, str) and _is_number(rate):
            cure = f", which is text, as numbers of a YAML or command line may be: write float({rate!r})"
        raise OptimizerError(f"expected a number as the learning rate, got {rate!r}{cure}")
    if np.ndim(rate) or not math.isfinite(rate) or rate < 0:
        raise OptimizerError(
            f"expected a finite number of at least 0 as the learning rate, got {rate!r}; a step goes against "
            "the gradient already: to make something larger, minimise its negative"
        )
    return rate if isinstance(rate, int) else float(rate)


def warn_of_decay(rate: float, decay: float) -> None:
    """Warn, once a line, of a decay that takes a large part of every weight away at each step."""
    share = rate * decay
    if share < _DECAYED:
        return
    what = (
        f"takes {share:.0%} of every weight away" if share <= 1 else f"makes it {1 - share:.3g} times itself"
    )
    warn(
        TrainingWarning,
        f"learning_rate * weight_decay is {rate:g} * {decay:g} = {share:g}: each step first {what}, and "
        f"nothing that is learned stays. Write weight_decay={_COMMON / rate:.1g}, or leave it out; common "
        "decays lie between 0.0001 and 0.01",
        ("decay", decay),
    )


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


class SteppedRates:
    """The rates of a schedule so far: one that has become next to nothing is told."""

    def __init__(self) -> None:
        self._peak = 0.0
        self._dead = 0

    def note(self, rate: float, steps: int) -> None:
        """The rate of a step, the `steps`-th; warn once a line if nothing has moved for a while."""
        self._peak = max(self._peak, rate)
        self._dead = self._dead + 1 if rate <= _DEAD * self._peak else 0
        if self._dead == max(_FEWEST, steps // 5) and self._peak > 0:
            warn(
                TrainingWarning,
                f"the schedule has brought the learning rate from {self._peak:.3g} to {rate:.2g} in "
                f"{steps} steps, and variables hardly move any more. Schedules count steps, not epochs: for "
                "k epochs of n steps each write decay_steps=k * n",
                ("dead rate",),
            )
