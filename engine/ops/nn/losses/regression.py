"""Losses of predicted numbers."""

from __future__ import annotations

import math
from typing import Any

from engine.errors import InvalidAttribute
from engine.ir.attributes import NUMBER, Attribute
from engine.ir.families import elementwise
from engine.ir.samples import Domain, Sample
from engine.ir.table import F
from engine.ops.nn.losses.shared import EPSILON, log_of, per_sample, pointwise

mean_squared_error = pointwise(
    "mean_squared_error",
    "mse",
    "mse_loss",
    summary="The mean of (y_true - y_pred)².",
    formula=lambda y_true, y_pred: F.squared_difference(y_pred, y_true),
)

mean_absolute_error = pointwise(
    "mean_absolute_error",
    "mae",
    "l1_loss",
    summary="The mean of |y_true - y_pred|.",
    formula=lambda y_true, y_pred: F.abs(y_pred - y_true),
    conventions="Where they are equal the derivative is 0.",
)

mean_absolute_percentage_error = pointwise(
    "mean_absolute_percentage_error",
    "mape",
    summary="100 times the mean of |y_true - y_pred| / max(|y_true|, epsilon).",
    formula=lambda y_true, y_pred, epsilon: (
        100 * F.abs((y_pred - y_true) / F.maximum(F.abs(y_true), epsilon))
    ),
    attributes=(Attribute("epsilon", NUMBER, 1e-7, "the least |y_true| that an error is divided by"),),
    domain=(Domain(0.5, 2.0), Domain()),
)

mean_squared_logarithmic_error = pointwise(
    "mean_squared_logarithmic_error",
    "msle",
    summary="The mean of (log(1 + y_true) - log(1 + y_pred))².",
    formula=lambda y_true, y_pred: F.squared_difference(F.log1p(y_pred), F.log1p(y_true)),
    domain=Domain(0.1, 2.0),
    conventions="Both are above -1; Keras raises them to 1e-7 first.",
)


def _huber(y_true: Any, y_pred: Any, *, delta: float) -> Any:
    """With the error e clipped to c: c (e - c/2), a parabola inside and a line outside, without a branch."""
    if not delta > 0:
        raise InvalidAttribute(f"expected a positive 'delta', got {delta}")
    error = y_pred - y_true
    clipped = F.clip(error, min=-delta, max=delta)
    return clipped * (error - 0.5 * clipped)


huber = pointwise(
    "huber",
    "huber_loss",
    summary="The mean of e²/2 where the error |e| is at most delta, else delta (|e| - delta/2).",
    formula=_huber,
    attributes=(Attribute("delta", NUMBER, 1.0, "where the parabola becomes a line"),),
    samples=(
        Sample(([0.0, 0.2, 1.0], [0.4, 2.5, -1.3])),
        Sample(((4, 2), (4, 2)), {"delta": 10.0, "reduction": "sum"}),
    ),
)


def _log_cosh(m: Any, x: Any) -> Any:
    s = m.sinh(m.minimum(m.abs(x), 1))
    tail = m.abs(x) + m.log1p(m.exp(-2 * m.abs(x))) - math.log(2)
    return m.where(m.abs(x) < 1, 0.5 * m.log1p(s * s), tail)


log_of_cosh = elementwise(
    "log_of_cosh",
    summary="log(cosh(x)), exact near 0 and in the tails.",
    forward=_log_cosh,
    kinds="real_floating",
    vjp=lambda g, y, x: g * F.tanh(x),
    flops=60,
    internal=True,
)

log_cosh = pointwise(
    "log_cosh",
    "logcosh",
    summary="The mean of log(cosh(y_pred - y_true)).",
    formula=lambda y_true, y_pred: F.log_of_cosh(y_pred - y_true),
)

poisson = pointwise(
    "poisson",
    summary="The mean of y_pred - y_true log(y_pred): Poisson counts y_true of rate y_pred.",
    formula=lambda y_true, y_pred, epsilon: y_pred - y_true * log_of(y_pred, epsilon),
    attributes=(EPSILON,),
    domain=(Domain(0.0, 3.0), Domain(0.3, 3.0)),
    conventions="A rate below epsilon counts as epsilon inside the logarithm; Keras adds epsilon instead.",
)

cosine_similarity_loss = per_sample(
    "cosine_similarity_loss",
    "cosine_loss",
    summary="Minus the cosine of the angle between y_true and y_pred.",
    formula=lambda y_true, y_pred, axis: -F.cosine_similarity(y_true, y_pred, axis=axis),
    conventions="With a zero vector it is 0.",
)
