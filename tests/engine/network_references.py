"""The ops of networks as their definitions say them, in NumPy, with their attributes' layout of axes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tests.engine.image_references import IMAGES, MOVES
from tests.engine.loss_references import LOSSES
from tests.engine.recurrent_references import RECURRENT
from tests.engine.window_references import UNPOOLS, WINDOWS, Reference


def _over(axis: Any) -> Any:
    return axis if axis is None or isinstance(axis, int) else tuple(axis)


def _standardized(x: Any, axes: Any, epsilon: float) -> Any:
    if 0 in [x.shape[a] for a in (range(x.ndim) if axes is None else np.atleast_1d(axes).tolist())]:
        raise ValueError("nothing to take a mean of")
    mean = x.mean(axis=axes, keepdims=True)
    return (x - mean) / np.sqrt(((x - mean) ** 2).mean(axis=axes, keepdims=True) + x.dtype.type(epsilon))


def _rms(x: Any, *, axis: Any, epsilon: float) -> Any:
    return x / np.sqrt((x * x).mean(axis=_over(axis), keepdims=True) + x.dtype.type(epsilon))


def _batch_norm(x: Any, mean: Any, variance: Any, *, axis: int, epsilon: float) -> Any:
    return np.moveaxis((np.moveaxis(x, axis, -1) - mean) / np.sqrt(variance + epsilon), -1, axis)


def _batch_norm_training(x: Any, *, axis: int, epsilon: float) -> Any:
    others = tuple(np.delete(np.arange(x.ndim), axis).tolist())
    y = _standardized(x, others, epsilon)
    mean = x.mean(axis=others, keepdims=True)
    return y, mean.reshape(-1), ((x - mean) ** 2).mean(axis=others).reshape(-1)


def _group_norm(x: Any, *, groups: int, epsilon: float, data_format: str) -> Any:
    if x.ndim < 2:
        raise ValueError("too few axes")
    first = np.moveaxis(x, -1, 1) if data_format == "channels_last" else x
    parts = [_standardized(part, tuple(range(1, x.ndim)), epsilon) for part in np.split(first, groups, 1)]
    y = np.concatenate(parts, 1)
    return np.moveaxis(y, 1, -1) if data_format == "channels_last" else y


def _instance_norm(x: Any, *, epsilon: float, data_format: str) -> Any:
    if x.ndim < 3:
        raise ValueError("too few axes")
    return _standardized(
        x, tuple(range(1, x.ndim - 1)) if data_format == "channels_last" else tuple(range(2, x.ndim)), epsilon
    )


def _attention(q: Any, k: Any, v: Any, *mask: Any, causal: bool, scale: Any) -> Any:
    """Query by query."""
    if q.ndim > 2 and k.ndim > 2 and q.shape[-3] != k.shape[-3]:
        k, v = (np.repeat(x, q.shape[-3] // x.shape[-3], axis=-3) for x in (k, v))
    scores = np.einsum("...qd,...kd->...qk", q, k) * (q.shape[-1] ** -0.5 if scale is None else scale)
    scores = (
        sum((m.astype(scores.dtype) for m in mask), scores)
        if not mask or mask[0].dtype != bool
        else (np.where(mask[0], scores, -np.inf))
    )
    if causal:
        scores = np.where(np.tril(np.ones(scores.shape[-2:], bool)), scores, -np.inf)
    seen = (scores > -np.inf).any(-1, keepdims=True)
    e = np.exp(scores - np.where(seen, scores.max(-1, keepdims=True), 0))
    return np.einsum("...qk,...kd->...qd", np.where(seen, e / e.sum(-1, keepdims=True), 0), v)


def _embedding_bag(indices: Any, table: Any, *, mode: str, padding_idx: int | None) -> Any:
    y = np.zeros((*indices.shape[:-1], table.shape[1]), table.dtype)
    for place in np.ndindex(*indices.shape[:-1]):
        rows = [table[i] for i in indices[place] if padding_idx is None or (i - padding_idx) % len(table)]
        if rows:
            y[place] = getattr(np, mode)(np.array(rows), axis=0)
    return y


def _pdist(x: Any, *, ord: float) -> Any:
    if x.ndim < 2:
        raise ValueError("no rows")
    first, second = np.triu_indices(x.shape[-2], 1)
    return np.linalg.norm(x[..., first, :] - x[..., second, :], ord, axis=-1)


def floating(reference: Reference) -> Reference:
    """A function of floating numbers: integers and booleans are computed in float64."""

    def converted(*xs: Any, **attributes: Any) -> Any:
        return reference(*(x if x.dtype.kind in "fc" else x.astype(np.float64) for x in xs), **attributes)

    return converted


_FLOATING: Mapping[str, Reference] = {
    **WINDOWS,
    **IMAGES,
    **LOSSES,
    **RECURRENT,
    "layer_norm": lambda x, *, axis, epsilon: _standardized(x, _over(axis), epsilon),
    "rms_norm": _rms,
    "batch_norm": _batch_norm,
    "batch_norm_training": _batch_norm_training,
    "group_norm": _group_norm,
    "instance_norm": _instance_norm,
    "cdist": lambda a, b, *, ord: np.linalg.norm(a[..., :, None, :] - b[..., None, :, :], ord, axis=-1),
    "pdist": _pdist,
}

NETWORK_REFERENCES: Mapping[str, Reference] = {
    **{name: floating(reference) for name, reference in _FLOATING.items()},
    **UNPOOLS,
    **MOVES,
    "scaled_dot_product_attention": lambda *xs, **settings: _attention(
        *(x if x.dtype.kind == "f" or k == 3 else x.astype(np.float64) for k, x in enumerate(xs)), **settings
    ),
    "embedding_bag": lambda indices, table, **settings: _embedding_bag(
        indices, table if table.dtype.kind == "f" else table.astype(np.float64), **settings
    ),
}
