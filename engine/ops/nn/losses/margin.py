"""Losses that require a margin between right and wrong classes."""

from __future__ import annotations

from typing import Any

from engine.ir.samples import Sample
from engine.ir.table import F
from engine.ops.nn.losses.shared import per_sample, pointwise

_LABELS = "Labels are -1 and 1; a label 0 counts as -1. On the margin the derivative is 0."
_SAMPLES = (Sample(([-1.0, 1.0, 1.0, -1.0], [0.3, 0.4, 1.7, -1.5])),)


def _short_of_margin(y_true: Any, y_pred: Any) -> Any:
    sign = F.where(y_true.equals(0), -1.0, y_true)
    return F.relu(1 - sign * y_pred)


hinge = pointwise(
    "hinge",
    summary="The mean of max(1 - y_true y_pred, 0).",
    formula=_short_of_margin,
    samples=_SAMPLES,
    conventions=_LABELS,
)

squared_hinge = pointwise(
    "squared_hinge",
    summary="The mean of max(1 - y_true y_pred, 0)².",
    formula=lambda y_true, y_pred: F.square(_short_of_margin(y_true, y_pred)),
    samples=_SAMPLES,
    conventions=_LABELS,
)


def _categorical_hinge(y_true: Any, y_pred: Any, *, axis: int) -> Any:
    right = F.sum(y_true * y_pred, axis=axis)
    wrong = F.max((1 - y_true) * y_pred, axis=axis)
    return F.relu(wrong - right + 1)


categorical_hinge = per_sample(
    "categorical_hinge",
    summary="The mean of max(1 + the best wrong class - the right class, 0), for one-hot y_true.",
    formula=_categorical_hinge,
    samples=(Sample(([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], [[0.3, 0.9, -0.4], [1.2, 0.1, 0.7]])),),
)
