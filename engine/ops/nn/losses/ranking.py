"""Losses of margins and orders, as PyTorch has them: which of two is larger, nearer, or the right class."""

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
from engine.ops.creation import made
from engine.ops.nn.losses.shared import (
    CLASSES,
    PER_ELEMENT,
    PER_SAMPLE,
    REDUCTION,
    per_sample,
    pointwise,
    reduce,
)

_MARGIN = Attribute("margin", NUMBER, 1.0, "how far right has to be ahead of wrong")
_NO_MARGIN = Attribute("margin", NUMBER, 0.0, "how far right has to be ahead of wrong")
_SIGNS = [1.0, -1.0]


def _smooth_l1(y_true: Any, y_pred: Any, *, beta: float) -> Any:
    if beta < 0:
        raise InvalidAttribute(f"expected 'beta' of 0 or more, got {beta}")
    error = y_pred - y_true
    if beta == 0:
        return F.abs(error)
    clipped = F.clip(error, min=-beta, max=beta)
    return clipped * (error - 0.5 * clipped) * (1 / beta)


smooth_l1_loss = pointwise(
    "smooth_l1_loss",
    summary="The mean of e² / (2 beta) where the error |e| is below beta, else |e| - beta / 2.",
    formula=_smooth_l1,
    attributes=(Attribute("beta", NUMBER, 1.0, "where the parabola becomes a line; 0: the absolute error"),),
    samples=(
        Sample(([0.0, 0.2, 1.0], [0.4, 2.5, -1.3])),
        Sample(((4, 2), (4, 2)), {"beta": 10.0, "reduction": "sum"}),
    ),
    conventions="It is huber / beta.",
)

soft_margin_loss = pointwise(
    "soft_margin_loss",
    summary="The mean of log(1 + exp(-y_true y_pred)), for labels -1 and 1.",
    formula=lambda y_true, y_pred: F.softplus(-(y_true * y_pred)),
)


def _hinge_embedding(y_true: Any, y_pred: Any, *, margin: float) -> Any:
    like = F.greater(y_true, 0)
    return F.where(like, y_pred, F.relu(margin - y_pred))


hinge_embedding_loss = pointwise(
    "hinge_embedding_loss",
    summary="The mean of y_pred where y_true is 1, of max(margin - y_pred, 0) where it is -1.",
    formula=_hinge_embedding,
    attributes=(_MARGIN,),
    samples=(
        Sample(([1.0, -1.0, -1.0], [0.4, 0.5, 1.3])),
        Sample(([1.0, -1.0], [0.4, 0.5]), {"margin": 0.7, "reduction": "none"}),
    ),
)


def _multilabel_soft(y_true: Any, y_pred: Any, *, axis: int) -> Any:
    return F.mean(F.sigmoid_cross_entropy(y_true, y_pred), axis=axis)


multilabel_soft_margin_loss = per_sample(
    "multilabel_soft_margin_loss",
    summary="The mean over classes of the binary cross-entropy of logits.",
    formula=_multilabel_soft,
    domain=(Domain(0.1, 0.9), Domain()),
)


def _multi_margin(y_true: Any, y_pred: Any, *, ord: float, margin: float, axis: int, reduction: str) -> Any:
    if ord not in (1, 2):
        raise InvalidAttribute(f"expected 1 or 2 for 'ord', got {ord}")
    axis = normalize_axis(axis, y_pred.ndim)
    classes = y_pred.shape[axis]
    right = F.expand_dims(F.pick_class(y_pred, y_true, axis=axis), axis=axis)
    short = F.relu(margin - right + y_pred)
    numbers = made(y_pred, "arange", start=classes)
    numbers = numbers.reshape(tuple(classes if k == axis else 1 for k in range(y_pred.ndim)))
    own = F.expand_dims(y_true, axis=axis).equals(numbers)
    short = F.where(own, 0, short if ord == 1 else F.square(short))
    return reduce(F.sum(short, axis=axis) * (1 / max(classes, 1)), reduction)


multi_margin_loss = composite(
    "multi_margin_loss",
    summary="The mean over the wrong classes of max(margin - the right score + the wrong one, 0).",
    formula=_multi_margin,
    vjp=(NoGradient("nondifferentiable", "to_integer", "a label is an integer"), JOINT),
    kinds=("integer", "real_floating"),
    promote=(False, True),
    attributes=(Attribute("ord", NUMBER, 1, "1, or 2 for squares"), _MARGIN, CLASSES, REDUCTION),
    samples=(
        Sample(([0, 2], [[0.3, 0.9, -0.4], [1.2, 0.1, 0.7]])),
        Sample(([1, 0], (3, 2)), {"axis": 0, "ord": 2, "margin": 4.5, "reduction": "none"}),
    ),
    conventions=f"Divided by the number of classes, as in PyTorch. {PER_SAMPLE}",
)


def _ranking(x1: Any, x2: Any, y: Any, *, margin: float, reduction: str) -> Any:
    return reduce(F.relu(margin - y * (x1 - x2)), reduction)


margin_ranking_loss = composite(
    "margin_ranking_loss",
    summary="The mean of max(margin - y (x1 - x2), 0): x1 is the larger where y is 1, x2 where it is -1.",
    formula=_ranking,
    kinds="real_floating",
    attributes=(_NO_MARGIN, REDUCTION),
    samples=(
        Sample(([0.3, 1.2, 0.9], [0.5, 0.1, 0.2], [1.0, -1.0, 1.0])),
        Sample(([0.3, 1.2], [0.5, 0.1], _SIGNS), {"margin": 0.4, "reduction": "none"}),
    ),
    conventions=PER_ELEMENT,
)


def _triplet(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    margin: float,
    ord: float,
    swap: bool,
    epsilon: float,
    reduction: str,
) -> Any:
    def distance(a: Any, b: Any) -> Any:
        return F.vector_norm(a - b + epsilon, ord=ord, axis=-1)

    far = distance(anchor, negative)
    if swap:
        far = F.minimum(far, distance(positive, negative))
    return reduce(F.relu(distance(anchor, positive) - far + margin), reduction)


triplet_margin_loss = composite(
    "triplet_margin_loss",
    summary="The mean of max(|anchor - positive| - |anchor - negative| + margin, 0) over rows.",
    formula=_triplet,
    kinds="real_floating",
    attributes=(
        _MARGIN,
        Attribute("ord", NUMBER, 2, "the norm of a difference"),
        Attribute("swap", BOOLEAN, False, "whether |positive - negative| counts if it is smaller"),
        Attribute("epsilon", NUMBER, 1e-6, "added to each difference"),
        REDUCTION,
    ),
    samples=(
        Sample(((2, 3), (2, 3), (2, 3)), {"margin": 5.0}),
        Sample(
            ((2, 3), (2, 3), (2, 3)),
            {"margin": 6.0, "ord": 3, "swap": True, "epsilon": 0.01, "reduction": "none"},
        ),
    ),
    conventions=PER_SAMPLE.replace("`axis`", "the last axis"),
)


def _cosine_embedding(x1: Any, x2: Any, y: Any, *, margin: float, reduction: str) -> Any:
    cosine = F.cosine_similarity(x1, x2, axis=-1)
    return reduce(F.where(F.greater(y, 0), 1 - cosine, F.relu(cosine - margin)), reduction)


cosine_embedding_loss = composite(
    "cosine_embedding_loss",
    summary="The mean of 1 - cos(x1, x2) where y is 1, of max(cos(x1, x2) - margin, 0) where it is -1.",
    formula=_cosine_embedding,
    kinds="real_floating",
    attributes=(_NO_MARGIN, REDUCTION),
    samples=(
        Sample(((2, 3), (2, 3), _SIGNS)),
        Sample(
            ([[1.0, 0.2], [0.3, 0.5]], [[0.9, 0.5], [0.4, 0.4]], _SIGNS), {"margin": 0.5, "reduction": "none"}
        ),
    ),
    conventions="x1 and x2 are rows, y a number for each.",
)
