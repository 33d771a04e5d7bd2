"""The loss of a model that returns the same for every sample: what training should at least beat."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engine.arrays.types import Array
from engine.training.catalogue.losses import LOSSES
from engine.training.job.spec import TrainingSpec
from engine.training.loop.data_findings import sampled
from engine.training.model.expand import LABELS

_MOST_ELEMENTS = 131_072  # of labels that are looked at


def constant_loss(spec: TrainingSpec, data: Mapping[str, Array]) -> float | None:
    """The least loss of a constant answer, from the labels; None if it is not known, or there is nothing to
    learn.
    """
    if "model" not in spec.source:
        return None
    chosen = LOSSES.read(spec.source["loss"], "$.loss")
    labels = sampled(np.asarray(data[LABELS][: spec.rows]), _MOST_ELEMENTS)
    if labels.dtype.kind not in "biuf" or not labels.size or labels[:1].size > _MOST_ELEMENTS:
        return None
    if chosen.settings.get("label_smoothing"):
        return None
    y = labels.astype(np.float64).reshape(len(labels), -1)
    if not np.isfinite(y).all():
        return None
    loss = _loss_of(chosen.record.name, y, sparse=chosen.record.labels is not None)
    return loss if loss is not None and np.isfinite(loss) and loss > 1e-12 else None


def _loss_of(name: str, y: Array, *, sparse: bool) -> float | None:  # one for each loss
    if sparse or name == "categorical_crossentropy":
        return _entropy(y, sparse=sparse)
    mean = y.mean(axis=0)
    match name:
        case "mean_squared_error":
            return float(y.var(axis=0).mean())
        case "mean_absolute_error":
            return float(np.abs(y - np.median(y, axis=0)).mean())
        case "mean_squared_logarithmic_error" if y.min() >= 0:
            return float(np.log1p(y).var(axis=0).mean())
        case "binary_crossentropy" if y.min() >= 0 and y.max() <= 1:
            return float(-(_xlogy(mean, mean) + _xlogy(1 - mean, 1 - mean)).mean())
        case "poisson" if y.min() >= 0:
            return float((mean - _xlogy(mean, mean)).mean())
        case _:
            return None


def _entropy(y: Array, *, sparse: bool) -> float | None:
    """That of the shares of classes."""
    if sparse:
        if y.shape[1] != 1 or y.min() < 0:
            return None
        shares = np.unique(y, return_counts=True)[1] / len(y)
    else:
        shares = y.mean(axis=0)
        if y.min() < 0 or abs(shares.sum() - 1) > 1e-3:
            return None
    return float(-_xlogy(shares, shares).sum())


def _xlogy(x: Array, y: Array) -> Array:
    return np.asarray(x * np.log(np.where(x > 0, y, 1.0)))
