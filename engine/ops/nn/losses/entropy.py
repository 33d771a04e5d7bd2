"""Losses of predicted probabilities: cross-entropies and divergences.

From logits they are exact in both tails. From probabilities the logarithm's argument, and nothing
else, is raised to `epsilon`: the loss is exactly 0 where the prediction is right and certain, and
finite (-log epsilon = 16.1) where it is wrong and certain; there the derivative is 0, as in Keras.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

from engine.dtypes import TensorType
from engine.errors import IndexOutOfRange, ShapeMismatch
from engine.ir import batch_rules
from engine.ir.attributes import AXIS, BOOLEAN, Attribute
from engine.ir.cost import Cost, moved
from engine.ir.derivative import JOINT
from engine.ir.families import INDEXING, composite, define, elementwise
from engine.ir.no_gradient import NoGradient
from engine.ir.samples import Domain, Sample
from engine.ir.shapes import normalize_axis
from engine.ir.table import F
from engine.ops.creation import made
from engine.ops.nn.losses.shared import (
    CLASSES,
    EPSILON,
    PER_SAMPLE,
    REDUCTION,
    SMOOTHING,
    log_of,
    per_sample,
    pointwise,
    reduce,
    smoothed,
)

LOGITS = Attribute("from_logits", BOOLEAN, False, "whether y_pred are logits, else probabilities")
_CLIPPED = "A probability below epsilon counts as epsilon inside the logarithm."
_PROBABILITY = Domain(0.1, 0.9)


def _sigmoid_cross_entropy(m: Any, labels: Any, logits: Any) -> Any:
    """|z| times how far the label is from what z says: 0 if z is right, an infinite z too. Then the tail."""
    wrong = m.where(logits > 0, 1 - labels, labels)
    return m.where(wrong == 0, 0, m.abs(logits) * wrong) + m.log1p(m.exp(-m.abs(logits)))


sigmoid_cross_entropy = elementwise(
    "sigmoid_cross_entropy",
    "sigmoid_cross_entropy_with_logits",
    summary="-labels log(sigmoid(logits)) - (1 - labels) log(1 - sigmoid(logits)), exact in the tails.",
    forward=_sigmoid_cross_entropy,
    kinds="real_floating",
    vjp=(
        lambda g, y, labels, logits: -g * logits,
        lambda g, y, labels, logits: g * ((1 - labels) * F.sigmoid(logits) - labels * F.sigmoid(-logits)),
    ),
    flops=30,
    domain=(_PROBABILITY, Domain()),
    zero_reason="saturated",
)


def _binary(y_true: Any, y_pred: Any, *, from_logits: bool, label_smoothing: float, epsilon: float) -> Any:
    labels = smoothed(y_true, label_smoothing, 2)
    if from_logits:
        return F.sigmoid_cross_entropy(labels, y_pred)
    return -(labels * log_of(y_pred, epsilon) + (1 - labels) * log_of(1 - y_pred, epsilon))


binary_crossentropy = pointwise(
    "binary_crossentropy",
    "bce",
    summary="The mean of -y_true log(y_pred) - (1 - y_true) log(1 - y_pred).",
    formula=_binary,
    attributes=(LOGITS, SMOOTHING, EPSILON),
    domain=_PROBABILITY,
    samples=(
        Sample(((4, 2), (4, 2))),
        Sample(((3,), (3, 1)), {"from_logits": True, "label_smoothing": 0.1, "reduction": "none"}),
    ),
    conventions=_CLIPPED,
)


def _categorical(
    y_true: Any, y_pred: Any, *, axis: int, from_logits: bool, label_smoothing: float, epsilon: float
) -> Any:
    labels = smoothed(y_true, label_smoothing, y_pred.shape[axis])
    if from_logits:
        logs = F.log_softmax(y_pred, axis=axis)
        ruled_out = F.logical_and(labels.equals(0), logs.equals(-inf))  # a logit of -Infinity masks its class
        logs = F.where(ruled_out, 0, logs)
    else:
        logs = log_of(y_pred / F.sum(y_pred, axis=axis, keepdims=True), epsilon)
    return -F.sum(labels * logs, axis=axis)


categorical_crossentropy = per_sample(
    "categorical_crossentropy",
    "categorical_cross_entropy",
    summary="The mean of -sum(y_true log(y_pred)) over the classes, for one-hot or soft labels.",
    formula=_categorical,
    attributes=(LOGITS, SMOOTHING, EPSILON),
    domain=_PROBABILITY,
    samples=(
        Sample(((2, 3), (2, 3))),
        Sample(((3, 2), (3, 2)), {"axis": 0, "from_logits": True, "label_smoothing": 0.1}),
    ),
    conventions="Probabilities are divided by their sum first, as in Keras. A class with the label 0 and the "
    "logit -Infinity adds 0. " + _CLIPPED,
)


def check_labels(xp: Any, y_true: Any, classes: int) -> Any:
    """Labels as places among `classes`; raises IndexOutOfRange for one that is none of them."""

    def outside(label: Any) -> IndexOutOfRange:
        return IndexOutOfRange(
            f"label {int(label)} is out of range for {classes} classes",
            hint=f"labels run from 0 to {classes - 1}",
        )

    xp.within(y_true, 0, classes, outside)
    return xp.astype(y_true, xp.int64, copy=False)


def _pick(xp: Any, x: Any, labels: Any, *, axis: int) -> Any:
    places = xp.expand_dims(check_labels(xp, labels, x.shape[axis]), axis=axis)
    return xp.squeeze(xp.take_along_axis(x, places, axis=axis), axis=axis)


def _infer_pick(types: Sequence[TensorType], *, axis: int) -> tuple[TensorType, ...]:
    x, labels = types
    if labels.shape != (*x.shape[:axis], *x.shape[axis + 1 :]):
        raise ShapeMismatch(
            f"labels of shape {labels.shape} do not fit scores of shape {x.shape}, whose classes are "
            f"along axis {axis}",
            hint="one label for each sample: the shape of the scores without the axis of the classes",
        )
    return (TensorType(labels.shape, x.dtype),)


def _pick_rule(g: Any, y: Any, x: Any, labels: Any, axis: int) -> Any:
    """G at the label's class, 0 at the others."""
    classes = x.shape[axis]
    across = tuple(classes if i == axis else 1 for i in range(x.ndim))
    numbers = made(x, "arange", start=classes).reshape(across)
    chosen = F.expand_dims(labels, axis=axis).equals(numbers)
    return F.where(chosen, F.expand_dims(g, axis=axis), 0)


pick_class = define(
    "pick_class",
    family=INDEXING,
    batch=batch_rules.along_axis,
    summary="The score of each sample's label; a label out of range is an error.",
    forward=_pick,
    infer=_infer_pick,
    normalize=lambda types, *, axis: {"axis": normalize_axis(axis, types[0].ndim)},
    vjp=(_pick_rule, NoGradient("nondifferentiable", "to_integer", "a label is an integer")),
    kinds=("real_floating", "integer"),
    promote=(True, False),
    attributes=(Attribute("axis", AXIS, -1),),
    cost=lambda types, outputs, **_: Cost(outputs[0].size, moved(types[1:], outputs) + outputs[0].nbytes),
    linear_in=frozenset({0}),
    internal=True,
    samples=(Sample(((2, 3), [0, 2])), Sample(((3, 2), [1, 1]), {"axis": 0})),
    zero_reason="unselected",
)


def _sparse(y_true: Any, y_pred: Any, *, axis: int, from_logits: bool, epsilon: float, reduction: str) -> Any:
    axis = normalize_axis(axis, y_pred.ndim)
    if y_true.ndim == y_pred.ndim and y_true.shape[axis] == 1:
        y_true = F.squeeze(y_true, axis=axis)
    chosen = F.pick_class(y_pred, y_true, axis=axis)
    if from_logits:
        losses = F.logsumexp(y_pred, axis=axis) - chosen
    else:
        losses = -log_of(chosen / F.sum(y_pred, axis=axis), epsilon)
    return reduce(losses, reduction)


sparse_categorical_crossentropy = composite(
    "sparse_categorical_crossentropy",
    "sparse_categorical_cross_entropy",
    summary="The mean of -log(y_pred[y_true]), for integer labels from 0 to the number of classes less one.",
    formula=_sparse,
    vjp=(NoGradient("nondifferentiable", "to_integer", "a label is an integer"), JOINT),
    kinds=("integer", "real_floating"),
    promote=(False, True),
    attributes=(LOGITS, EPSILON, CLASSES, REDUCTION),
    domain=_PROBABILITY,
    samples=(
        Sample(([0, 2], (2, 3))),
        Sample(([[1, 0]], (3, 2)), {"axis": 0, "from_logits": True, "reduction": "none"}),
    ),
    conventions="A label out of range is an error. Probabilities are divided by their sum first, as in "
    f"Keras. {_CLIPPED} {PER_SAMPLE}",
)


def _kl(y_true: Any, y_pred: Any, *, axis: int, epsilon: float) -> Any:
    return F.sum(F.xlogy(y_true, y_true) - y_true * log_of(y_pred, epsilon), axis=axis)


kl_divergence = per_sample(
    "kl_divergence",
    "kullback_leibler_divergence",
    "kld",
    summary="The mean of sum(y_true log(y_true / y_pred)) over the classes.",
    formula=_kl,
    attributes=(EPSILON,),
    domain=_PROBABILITY,
    conventions="A true probability of 0 adds exactly 0. " + _CLIPPED,
)
