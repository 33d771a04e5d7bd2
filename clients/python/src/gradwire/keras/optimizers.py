"""Optimisers that step here, in NumPy, under Keras's names and defaults.

Generated from the server's records by clients/python/generate.py; do not edit.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gradwire._names.counterparts import OPTIMIZERS
from gradwire._names.refusals import names_of
from gradwire.keras import schedules
from gradwire.keras.optimizer import FormulaOptimizer, Optimizer, Schedule, within

__all__ = [
    "Adagrad",
    "Adam",
    "AdamW",
    "Optimizer",
    "RMSprop",
    "SGD",
    "schedules",
]


def _adagrad(
    w: Any, g: Any, slots: Mapping[str, Any], rates: Mapping[str, Any], *, epsilon: float, **_: Any
) -> tuple[Any, dict[str, Any]]:
    """A ← a + g²;  w - rate g / √(a + ε)."""
    a = slots["accumulator"] + np.square(g)
    return (w - rates["rate"] * g / np.sqrt(a + epsilon), {"accumulator": a})


def _only_rate(rate: float, step: int, **_: Any) -> dict[str, float]:
    return {"rate": rate}


def _adam(
    w: Any,
    g: Any,
    slots: Mapping[str, Any],
    rates: Mapping[str, Any],
    *,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    amsgrad: bool,
    **_: Any,
) -> tuple[Any, dict[str, Any]]:
    """m, v ← running means of g and g²;  w - scale m / (√v + ε)."""
    m = slots["m"] + (g - slots["m"]) * (1 - beta_1)
    v = slots["v"] + (np.square(g) - slots["v"]) * (1 - beta_2)
    new = {"m": m, "v": v}
    if amsgrad:
        v = new["largest"] = np.maximum(slots["largest"], v)
    return (w - rates["scale"] * m / (np.sqrt(v) + epsilon), new)


def _adam_rates(rate: float, step: int, *, beta_1: float, beta_2: float, **_: Any) -> dict[str, float]:
    """The scale is rate √(1-β₂ᵗ) / (1-β₁ᵗ), the bias correction of both means."""
    return {"rate": rate, "scale": rate * sqrt(1 - beta_2**step) / (1 - beta_1**step)}


def _rmsprop(
    w: Any,
    g: Any,
    slots: Mapping[str, Any],
    rates: Mapping[str, Any],
    *,
    rho: float,
    momentum: float,
    epsilon: float,
    centered: bool,
    **_: Any,
) -> tuple[Any, dict[str, Any]]:
    """V ← rho v + (1-rho) g², less the squared mean gradient if centered;  w - rate g / √(v + ε)."""
    v = rho * slots["v"] + (1 - rho) * np.square(g)
    new, spread = ({"v": v}, v)
    if centered:
        mean = new["mean"] = rho * slots["mean"] + (1 - rho) * g
        spread = v - np.square(mean)
    step = rates["rate"] * g / np.sqrt(spread + epsilon)
    if momentum:
        step = new["momentum"] = momentum * slots["momentum"] + step
    return (w - step, new)


def _sgd(
    w: Any,
    g: Any,
    slots: Mapping[str, Any],
    rates: Mapping[str, Any],
    *,
    momentum: float,
    nesterov: bool,
    **_: Any,
) -> tuple[Any, dict[str, Any]]:
    """V ← momentum v - rate g;  w + v, or with Nesterov w + momentum v - rate g."""
    step = rates["rate"] * g
    if not momentum:
        return (w - step, {})
    v = momentum * slots["momentum"] - step
    return (w + (momentum * v - step) if nesterov else w + v, {"momentum": v})


class Adagrad(FormulaOptimizer):
    """Gradients divided by the root of the sum of all their squares (Duchi et al. 2011).

    Formula: a ← a + g², w ← w - rate·g/√(a + ε).
    """

    _wire_name = "adagrad"
    slots = ("accumulator",)
    settings = ("initial_accumulator_value", "epsilon")
    starts: ClassVar[Mapping[str, str]] = {"accumulator": "initial_accumulator_value"}
    _formula = staticmethod(_adagrad)
    _rates = staticmethod(_only_rate)

    def __init__(
        self,
        learning_rate: float | Schedule = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-07,
        *,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
    ) -> None:
        super().__init__(
            learning_rate,
            weight_decay=weight_decay,
            clipnorm=clipnorm,
            clipvalue=clipvalue,
            global_clipnorm=global_clipnorm,
        )
        self.initial_accumulator_value = within(
            "initial_accumulator_value", initial_accumulator_value, low=0.0
        )
        self.epsilon = within("epsilon", epsilon, low=0.0)


class Adam(FormulaOptimizer):
    """Adaptive moments (Kingma and Ba 2015).

    Formula: m ← m + (1-β₁)(g-m), v ← v + (1-β₂)(g²-v), w ← w - rate·√(1-β₂ᵗ)/(1-β₁ᵗ) · m/(√v + ε).
    `beta_1`: how slowly the mean of g is forgotten.
    `beta_2`: how slowly the mean of g² is forgotten.
    `amsgrad`: divide by the largest mean of g² so far.
    """

    _wire_name = "adam"
    slots = ("m", "v", "largest")
    settings = ("beta_1", "beta_2", "epsilon", "amsgrad")
    _formula = staticmethod(_adam)
    _rates = staticmethod(_adam_rates)

    def __init__(
        self,
        learning_rate: float | Schedule = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-07,
        amsgrad: bool = False,
        *,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
    ) -> None:
        super().__init__(
            learning_rate,
            weight_decay=weight_decay,
            clipnorm=clipnorm,
            clipvalue=clipvalue,
            global_clipnorm=global_clipnorm,
        )
        self.beta_1 = within("beta_1", beta_1, low=0.0, high=1.0, below=True)
        self.beta_2 = within("beta_2", beta_2, low=0.0, high=1.0, below=True)
        self.epsilon = within("epsilon", epsilon, low=0.0)
        self.amsgrad = amsgrad


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019).

    Formula: Adam's.
    `weight_decay`: w is first made smaller by rate · weight_decay · w.
    `beta_1`: how slowly the mean of g is forgotten.
    `beta_2`: how slowly the mean of g² is forgotten.
    `amsgrad`: divide by the largest mean of g² so far.
    """

    _wire_name = "adamw"

    def __init__(
        self,
        learning_rate: float | Schedule = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-07,
        amsgrad: bool = False,
        *,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
    ) -> None:
        super().__init__(
            learning_rate,
            weight_decay=weight_decay,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            amsgrad=amsgrad,
            clipnorm=clipnorm,
            clipvalue=clipvalue,
            global_clipnorm=global_clipnorm,
        )


class RMSprop(FormulaOptimizer):
    """Gradients divided by a running root mean square (Hinton), with momentum or centred if asked for.

    Formula: v ← ρv + (1-ρ)g², w ← w - rate·g/√(v + ε); centered: less the square of the mean of g; with
    momentum the steps are summed up.
    """

    _wire_name = "rmsprop"
    slots = ("v", "mean", "momentum")
    settings = ("rho", "momentum", "epsilon", "centered")
    _formula = staticmethod(_rmsprop)
    _rates = staticmethod(_only_rate)

    def __init__(
        self,
        learning_rate: float | Schedule = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-07,
        centered: bool = False,
        *,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
    ) -> None:
        super().__init__(
            learning_rate,
            weight_decay=weight_decay,
            clipnorm=clipnorm,
            clipvalue=clipvalue,
            global_clipnorm=global_clipnorm,
        )
        self.rho = within("rho", rho, low=0.0, high=1.0)
        self.momentum = within("momentum", momentum, low=0.0, high=1.0)
        self.epsilon = within("epsilon", epsilon, low=0.0)
        self.centered = centered


class SGD(FormulaOptimizer):
    """Gradient descent, with momentum and Nesterov's look-ahead if asked for.

    Formula: w ← w - rate·g; with momentum μ: v ← μv - rate·g, w ← w + v, with Nesterov w ← w + μv -
    rate·g.
    """

    _wire_name = "sgd"
    slots = ("momentum",)
    settings = ("momentum", "nesterov")
    _formula = staticmethod(_sgd)
    _rates = staticmethod(_only_rate)

    def __init__(
        self,
        learning_rate: float | Schedule = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        *,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
    ) -> None:
        super().__init__(
            learning_rate,
            weight_decay=weight_decay,
            clipnorm=clipnorm,
            clipvalue=clipvalue,
            global_clipnorm=global_clipnorm,
        )
        self.momentum = within("momentum", momentum, low=0.0, high=1.0)
        self.nesterov = nesterov


if not TYPE_CHECKING:  # else every name would have a type
    __getattr__ = names_of(__name__, globals(), OPTIMIZERS)
