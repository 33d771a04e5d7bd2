"""Losses as their definitions say them, in NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tests.engine.window_references import Reference


def reduced(losses: Any, reduction: str) -> Any:
    return {"none": losses, "mean": np.mean(losses), "sum": np.sum(losses)}[reduction]


def _loss(formula: Reference) -> Reference:
    """A loss of the last arguments' shapes, reduced; (n, 1) counts as (n,)."""

    def loss(*xs: Any, reduction: str, **settings: Any) -> Any:
        if len(xs) == 2 and xs[1].ndim > xs[0].ndim:
            xs = (xs[0], xs[1][..., 0])
        return reduced(formula(*xs, **settings), reduction)

    return loss


def _picked(p: Any, t: Any, axis: int) -> Any:
    return np.take_along_axis(p, np.expand_dims(t.astype(int), axis), axis).squeeze(axis)


def _softplus(z: Any) -> Any:
    return np.logaddexp(z, z.dtype.type(0))


def _binary_focal(
    t: Any,
    p: Any,
    *,
    alpha: float,
    gamma: float,
    apply_class_balancing: bool,
    from_logits: bool,
    label_smoothing: float,
    epsilon: float,
) -> Any:
    t = t * (1 - label_smoothing) + label_smoothing / 2
    if from_logits:
        entropy, p = t * _softplus(-p) + (1 - t) * _softplus(p), 1 / (1 + np.exp(-p))
    else:
        entropy = -t * np.log(np.maximum(p, epsilon)) - (1 - t) * np.log(np.maximum(1 - p, epsilon))
    right = t * p + (1 - t) * (1 - p)
    weight = t * alpha + (1 - t) * (1 - alpha) if apply_class_balancing else 1
    return weight * np.maximum(1 - right, 0) ** gamma * entropy


def _categorical_focal(
    t: Any,
    p: Any,
    *,
    axis: int,
    alpha: float,
    gamma: float,
    from_logits: bool,
    label_smoothing: float,
    epsilon: float,
) -> Any:
    t = t * (1 - label_smoothing) + label_smoothing / p.shape[axis]
    if from_logits:
        shifted = p - p.max(axis, keepdims=True)
        logs = shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))
        p = np.exp(logs)
    else:
        p = p / p.sum(axis, keepdims=True)
        logs = np.log(np.maximum(p, epsilon))
    return -(alpha * np.maximum(1 - p, 0) ** gamma * t * logs).sum(axis)


def _poisson_nll(t: Any, p: Any, *, log_input: bool, full: bool, epsilon: float) -> Any:
    loss = np.exp(p) - t * p if log_input else p - t * np.log(p + epsilon)
    above = np.where(t > 1, t, 2)
    term = above * np.log(above) - above + np.log(2 * np.pi * above) / 2
    return (loss + np.where(t > 1, term, 0) if full else loss).astype(np.result_type(t, p))


def _smooth_l1(t: Any, p: Any, *, beta: float) -> Any:
    e = np.abs(p - t)
    return np.where(e < beta, e * e / (2 * beta), e - beta / 2)


def _multi_margin(t: Any, p: Any, *, ord: float, margin: float, axis: int) -> Any:
    short = np.maximum(margin - np.expand_dims(_picked(p, t, axis), axis) + p, 0) ** ord
    np.put_along_axis(short, np.expand_dims(t.astype(int), axis), 0, axis)
    return short.sum(axis) / p.shape[axis]


def _triplet(a: Any, p: Any, n: Any, *, margin: float, ord: float, swap: bool, epsilon: float) -> Any:
    def distance(x: Any, y: Any) -> Any:
        return np.linalg.norm(x - y + epsilon, ord, axis=-1)

    far = np.minimum(distance(a, n), distance(p, n)) if swap else distance(a, n)
    return np.maximum(distance(a, p) - far + margin, 0)


def _cosine_embedding(a: Any, b: Any, y: Any, *, margin: float) -> Any:
    lengths = [np.maximum(np.linalg.norm(x, axis=-1), x.dtype.type(1e-6)) for x in (a, b)]
    cosine = (a / lengths[0][..., None] * (b / lengths[1][..., None])).sum(-1)
    return np.where(y > 0, 1 - cosine, np.maximum(cosine - margin, 0))


def _tversky(t: Any, p: Any, *, alpha: float, beta: float, epsilon: float, reduction: str) -> Any:
    both = (t * p).sum()
    return 1 - both / (both + beta * (t * (1 - p)).sum() + alpha * ((1 - t) * p).sum() + epsilon)


_BY_ELEMENT: Mapping[str, Reference] = {
    "binary_focal_crossentropy": _binary_focal,
    "categorical_focal_crossentropy": _categorical_focal,
    "poisson_nll_loss": _poisson_nll,
    "gaussian_nll_loss": lambda p, t, v, *, full, epsilon: (
        (np.log(np.maximum(v, epsilon)) + (p - t) ** 2 / np.maximum(v, epsilon)) / 2
        + (float(np.log(2 * np.pi)) / 2 if full else 0)
    ),
    "smooth_l1_loss": _smooth_l1,
    "soft_margin_loss": lambda t, p: _softplus(-t * p),
    "hinge_embedding_loss": lambda t, p, *, margin: np.where(t > 0, p, np.maximum(margin - p, 0)),
    "multilabel_soft_margin_loss": lambda t, p, *, axis: (t * _softplus(-p) + (1 - t) * _softplus(p)).mean(
        axis
    ),
    "margin_ranking_loss": lambda a, b, y, *, margin: np.maximum(margin - y * (a - b), 0),
    "triplet_margin_loss": _triplet,
    "cosine_embedding_loss": _cosine_embedding,
}
#: Losses of integer labels, which stay integers.
_OF_LABELS: Mapping[str, Reference] = {
    "nll_loss": lambda t, p, *, axis: -_picked(p, t, axis),
    "categorical_generalized_cross_entropy": lambda t, p, *, q, axis: (1 - _picked(p, t, axis) ** q) / q,
    "multi_margin_loss": _multi_margin,
}

LOSSES: Mapping[str, Reference] = {
    **{name: _loss(loss) for name, loss in _BY_ELEMENT.items()},
    **{
        name: lambda *xs, reduction, loss=loss, **settings: reduced(loss(*xs, **settings), reduction)
        for name, loss in _OF_LABELS.items()
    },
    "tversky": _tversky,
    "dice": lambda t, p, *, epsilon, reduction: 1 - 2 * (t * p).sum() / (t.sum() + p.sum() + epsilon),
}
