"""Focal cross-entropies (Lin et al. 2017), generalised cross-entropy, overlaps of masks (Dice, Tversky)."""

from __future__ import annotations

from typing import Any

from engine.errors import InvalidAttribute
from engine.ir.attributes import BOOLEAN, NUMBER, Attribute
from engine.ir.derivative import JOINT
from engine.ir.families import composite
from engine.ir.no_gradient import NoGradient
from engine.ir.samples import Domain, Sample
from engine.ir.shapes import normalize_axis
from engine.ir.table import F
from engine.ops.nn.losses.entropy import LOGITS
from engine.ops.nn.losses.shared import (
    CLASSES,
    EPSILON,
    REDUCTION,
    SMOOTHING,
    log_of,
    per_sample,
    pointwise,
    reduce,
    same_shape,
    smoothed,
)

_PROBABILITY = Domain(0.1, 0.9)
_ALPHA = Attribute("alpha", NUMBER, 0.25, "the weight of a loss")
_GAMMA = Attribute("gamma", NUMBER, 2.0, "how little easy samples count")
_LABEL = NoGradient("nondifferentiable", "to_integer", "a label is an integer")


def _binary_focal(
    y_true: Any,
    y_pred: Any,
    *,
    alpha: float,
    gamma: float,
    apply_class_balancing: bool,
    from_logits: bool,
    label_smoothing: float,
    epsilon: float,
) -> Any:
    labels = smoothed(y_true, label_smoothing, 2)
    probability = F.sigmoid(y_pred) if from_logits else y_pred
    if from_logits:
        entropy = F.sigmoid_cross_entropy(labels, y_pred)
    else:
        entropy = -(labels * log_of(y_pred, epsilon) + (1 - labels) * log_of(1 - y_pred, epsilon))
    right = labels * probability + (1 - labels) * (1 - probability)
    loss = F.pow(F.clip(1 - right, min=0), gamma) * entropy
    return loss * (labels * alpha + (1 - labels) * (1 - alpha)) if apply_class_balancing else loss


binary_focal_crossentropy = pointwise(
    "binary_focal_crossentropy",
    summary="The mean of (1 - p)^gamma times the binary cross-entropy, p the probability of the label.",
    formula=_binary_focal,
    attributes=(
        _ALPHA,
        _GAMMA,
        Attribute("apply_class_balancing", BOOLEAN, False, "weigh labels 1 by alpha and 0 by 1 - alpha"),
        LOGITS,
        SMOOTHING,
        EPSILON,
    ),
    domain=_PROBABILITY,
    samples=(
        Sample(((4, 2), (4, 2))),
        Sample(
            ((3,), (3, 1)),
            {
                "from_logits": True,
                "label_smoothing": 0.1,
                "reduction": "none",
                "apply_class_balancing": True,
                "alpha": 0.4,
                "gamma": 1.5,
            },
        ),
    ),
    conventions="Alpha counts with apply_class_balancing only, as in Keras.",
)


def _categorical_focal(
    y_true: Any,
    y_pred: Any,
    *,
    axis: int,
    alpha: float,
    gamma: float,
    from_logits: bool,
    label_smoothing: float,
    epsilon: float,
) -> Any:
    labels = smoothed(y_true, label_smoothing, y_pred.shape[axis])
    if from_logits:
        logs = F.log_softmax(y_pred, axis=axis)
        probability = F.exp(logs)
    else:
        probability = y_pred / F.sum(y_pred, axis=axis, keepdims=True)
        logs = log_of(probability, epsilon)
    return F.sum(-alpha * F.pow(F.clip(1 - probability, min=0), gamma) * labels * logs, axis=axis)


categorical_focal_crossentropy = per_sample(
    "categorical_focal_crossentropy",
    summary="The mean of -alpha sum((1 - y_pred)^gamma y_true log(y_pred)) over the classes.",
    formula=_categorical_focal,
    attributes=(_ALPHA, _GAMMA, LOGITS, SMOOTHING, EPSILON),
    domain=_PROBABILITY,
    samples=(
        Sample(((2, 3), (2, 3))),
        Sample(
            ((3, 2), (3, 2)),
            {"axis": 0, "from_logits": True, "label_smoothing": 0.1, "alpha": 1.0, "gamma": 1.5},
        ),
    ),
)


def _generalized(y_true: Any, y_pred: Any, *, q: float, axis: int, reduction: str) -> Any:
    if not 0 < q <= 1:
        raise InvalidAttribute(f"expected 'q' above 0 and up to 1, got {q}")
    chosen = F.pick_class(y_pred, y_true, axis=normalize_axis(axis, y_pred.ndim))
    return reduce((1 - F.pow(chosen, q)) * (1 / q), reduction)


categorical_generalized_cross_entropy = composite(
    "categorical_generalized_cross_entropy",
    summary="The mean of (1 - y_pred[y_true]^q) / q, for integer labels (Zhang and Sabuncu 2018).",
    formula=_generalized,
    vjp=(_LABEL, JOINT),
    kinds=("integer", "real_floating"),
    promote=(False, True),
    attributes=(
        Attribute("q", NUMBER, 0.5, "1 is the mean absolute error; towards 0 it is the cross-entropy"),
        CLASSES,
        REDUCTION,
    ),
    domain=_PROBABILITY,
    samples=(
        Sample(([0, 2], (2, 3))),
        Sample(([1, 0], (3, 2)), {"axis": 0, "q": 0.7, "reduction": "none"}),
    ),
    conventions="y_pred are probabilities.",
)

_SMALL = Attribute("epsilon", NUMBER, 1e-7, "added to the divisor")


def _tversky(y_true: Any, y_pred: Any, *, alpha: float, beta: float, epsilon: float, reduction: str) -> Any:
    same_shape(y_true, y_pred)
    both = F.sum(y_true * y_pred)
    missed, false = F.sum(y_true * (1 - y_pred)), F.sum((1 - y_true) * y_pred)
    return reduce(1 - both / (both + beta * missed + alpha * false + epsilon), reduction)


tversky = composite(
    "tversky",
    summary="1 - I / (I + alpha F + beta M): overlap I of masks, what is false F and what is missed M.",
    formula=_tversky,
    kinds="real_floating",
    attributes=(
        Attribute("alpha", NUMBER, 0.5, "the weight of what is false"),
        Attribute("beta", NUMBER, 0.5, "the weight of what is missed"),
        _SMALL,
        REDUCTION,
    ),
    domain=_PROBABILITY,
    samples=(
        Sample(((4, 2), (4, 2))),
        Sample(((3,), (3,)), {"alpha": 0.3, "beta": 0.8, "epsilon": 0.01, "reduction": "sum"}),
    ),
    conventions="One number for the whole batch, as in Keras.",
)


def _dice(y_true: Any, y_pred: Any, *, epsilon: float, reduction: str) -> Any:
    same_shape(y_true, y_pred)
    whole = F.sum(y_true) + F.sum(y_pred) + epsilon
    return reduce(1 - 2 * F.sum(y_true * y_pred) / whole, reduction)


dice = composite(
    "dice",
    summary="1 - 2 sum(y_true y_pred) / (sum(y_true) + sum(y_pred)): how little two masks overlap.",
    formula=_dice,
    kinds="real_floating",
    attributes=(_SMALL, REDUCTION),
    domain=_PROBABILITY,
    samples=(Sample(((4, 2), (4, 2))), Sample(((3,), (3,)), {"epsilon": 0.01, "reduction": "sum"})),
    conventions="One number for the whole batch, as in Keras.",
)
