"""Negative log-likelihoods: of classes, Poisson counts and normally distributed numbers."""

from __future__ import annotations

import math
from typing import Any

from engine.ir.attributes import BOOLEAN, NUMBER, Attribute
from engine.ir.derivative import JOINT
from engine.ir.families import composite
from engine.ir.no_gradient import NoGradient
from engine.ir.samples import Domain, Sample
from engine.ir.shapes import normalize_axis
from engine.ir.table import F
from engine.ops.nn.losses.shared import CLASSES, PER_ELEMENT, PER_SAMPLE, REDUCTION, pointwise, reduce

_LABEL = NoGradient("nondifferentiable", "to_integer", "a label is an integer")


def _nll(y_true: Any, y_pred: Any, *, axis: int, reduction: str) -> Any:
    return reduce(-F.pick_class(y_pred, y_true, axis=normalize_axis(axis, y_pred.ndim)), reduction)


nll_loss = composite(
    "nll_loss",
    summary="The mean of -y_pred[y_true], where y_pred are logarithms of probabilities.",
    formula=_nll,
    vjp=(_LABEL, JOINT),
    kinds=("integer", "real_floating"),
    promote=(False, True),
    attributes=(CLASSES, REDUCTION),
    samples=(Sample(([0, 2], (2, 3))), Sample(([1, 0], (3, 2)), {"axis": 0, "reduction": "none"})),
    conventions=f"sparse_categorical_crossentropy takes probabilities or logits. {PER_SAMPLE}",
)


def _poisson(y_true: Any, y_pred: Any, *, log_input: bool, full: bool, epsilon: float) -> Any:
    loss = F.exp(y_pred) - y_true * y_pred if log_input else y_pred - y_true * F.log(y_pred + epsilon)
    if not full:
        return loss
    above = F.where(F.greater(y_true, 1), y_true, 2.0)
    stirling = above * F.log(above) - above + 0.5 * F.log(2 * math.pi * above)
    return loss + F.where(F.greater(y_true, 1), stirling, 0)


poisson_nll_loss = pointwise(
    "poisson_nll_loss",
    summary="The mean of exp(y_pred) - y_true y_pred: Poisson counts y_true, y_pred the rate's logarithm.",
    formula=_poisson,
    attributes=(
        Attribute("log_input", BOOLEAN, True, "whether y_pred are logarithms of rates, else rates"),
        Attribute("full", BOOLEAN, False, "whether Stirling's term for log(y_true!) is added"),
        Attribute("epsilon", NUMBER, 1e-8, "added to a rate inside the logarithm"),
    ),
    domain=(Domain(1.2, 3.0), Domain(0.3, 2.0)),
    samples=(
        Sample(((4, 2), (4, 2))),
        Sample(((3,), (3, 1)), {"log_input": False, "full": True, "epsilon": 0.01, "reduction": "none"}),
    ),
)


def _gaussian(y_pred: Any, y_true: Any, variance: Any, *, full: bool, epsilon: float, reduction: str) -> Any:
    bounded = F.clip(variance, min=epsilon)
    loss = 0.5 * (F.log(bounded) + F.square(y_pred - y_true) / bounded)
    return reduce(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)


gaussian_nll_loss = composite(
    "gaussian_nll_loss",
    summary="The mean of (log(variance) + (y_pred - y_true)² / variance) / 2.",
    formula=_gaussian,
    kinds="real_floating",
    attributes=(
        Attribute("full", BOOLEAN, False, "whether log(2 pi) / 2 is added"),
        Attribute("epsilon", NUMBER, 1e-6, "the least variance"),
        REDUCTION,
    ),
    domain=(Domain(), Domain(), Domain(0.5, 2.0)),
    samples=(
        Sample(((3, 2), (3, 2), (3, 2))),
        Sample(((3,), (3,), (3,)), {"full": True, "reduction": "none", "epsilon": 0.01}),
    ),
    conventions=f"The prediction comes first, as in PyTorch. {PER_ELEMENT}",
)
