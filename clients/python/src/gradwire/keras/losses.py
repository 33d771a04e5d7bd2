"""Losses under Keras's names, called as loss(y_true, y_pred).

Generated from the server's records by clients/python/generate.py; do not edit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradwire._names.counterparts import LOSSES
from gradwire._names.refusals import names_of
from gradwire._tracing.ops import (
    binary_crossentropy,
    categorical_crossentropy,
    categorical_hinge,
    cosine_similarity_loss,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from gradwire.keras.loss import Loss, OpLoss

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "binary_crossentropy",
    "categorical_crossentropy",
    "categorical_hinge",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "poisson",
    "sparse_categorical_crossentropy",
    "squared_hinge",
]


class BinaryCrossentropy(OpLoss):
    """The mean of -y_true log(y_pred) - (1 - y_true) log(1 - y_pred).

    `from_logits`: whether y_pred are logits, else probabilities.
    `label_smoothing`: the share of each label spread evenly, from 0 to 1.
    """

    _wire_name = "binary_crossentropy"
    _op = staticmethod(binary_crossentropy)

    def __init__(
        self, from_logits: bool = False, label_smoothing: float = 0.0, reduction: str = "sum_over_batch_size"
    ) -> None:
        super().__init__(reduction)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing


class CategoricalCrossentropy(OpLoss):
    """The mean of -sum(y_true log(y_pred)) over the classes, for one-hot or soft labels.

    `from_logits`: whether y_pred are logits, else probabilities.
    `label_smoothing`: the share of each label spread evenly, from 0 to 1.
    `axis`: the axis of the classes.
    """

    _wire_name = "categorical_crossentropy"
    _op = staticmethod(categorical_crossentropy)

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str = "sum_over_batch_size",
    ) -> None:
        super().__init__(reduction)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis


class CategoricalHinge(OpLoss):
    """The mean of max(1 + the best wrong class - the right class, 0), for one-hot y_true.

    `axis`: the axis of the classes.
    """

    _wire_name = "categorical_hinge"
    _op = staticmethod(categorical_hinge)

    def __init__(self, axis: int = -1, reduction: str = "sum_over_batch_size") -> None:
        super().__init__(reduction)
        self.axis = axis


class CosineSimilarity(OpLoss):
    """Minus the cosine of the angle between y_true and y_pred.

    `axis`: the axis of the classes.
    """

    _wire_name = "cosine_similarity"
    _op = staticmethod(cosine_similarity_loss)

    def __init__(self, axis: int = -1, reduction: str = "sum_over_batch_size") -> None:
        super().__init__(reduction)
        self.axis = axis


class Hinge(OpLoss):
    """The mean of max(1 - y_true y_pred, 0)."""

    _wire_name = "hinge"
    _op = staticmethod(hinge)


class Huber(OpLoss):
    """The mean of e²/2 where the error |e| is at most delta, else delta (|e| - delta/2).

    `delta`: where the parabola becomes a line.
    """

    _wire_name = "huber"
    _op = staticmethod(huber)

    def __init__(self, delta: float = 1.0, reduction: str = "sum_over_batch_size") -> None:
        super().__init__(reduction)
        self.delta = delta


class KLDivergence(OpLoss):
    """The mean of sum(y_true log(y_true / y_pred)) over the classes.

    `axis`: the axis of the classes.
    """

    _wire_name = "kl_divergence"
    _op = staticmethod(kl_divergence)

    def __init__(self, axis: int = -1, reduction: str = "sum_over_batch_size") -> None:
        super().__init__(reduction)
        self.axis = axis


class LogCosh(OpLoss):
    """The mean of log(cosh(y_pred - y_true))."""

    _wire_name = "log_cosh"
    _op = staticmethod(log_cosh)


class MeanAbsoluteError(OpLoss):
    """The mean of |y_true - y_pred|."""

    _wire_name = "mean_absolute_error"
    _op = staticmethod(mean_absolute_error)


class MeanAbsolutePercentageError(OpLoss):
    """100 times the mean of |y_true - y_pred| / max(|y_true|, epsilon)."""

    _wire_name = "mean_absolute_percentage_error"
    _op = staticmethod(mean_absolute_percentage_error)


class MeanSquaredError(OpLoss):
    """The mean of (y_true - y_pred)²."""

    _wire_name = "mean_squared_error"
    _op = staticmethod(mean_squared_error)


class MeanSquaredLogarithmicError(OpLoss):
    """The mean of (log(1 + y_true) - log(1 + y_pred))²."""

    _wire_name = "mean_squared_logarithmic_error"
    _op = staticmethod(mean_squared_logarithmic_error)


class Poisson(OpLoss):
    """The mean of y_pred - y_true log(y_pred): Poisson counts y_true of rate y_pred."""

    _wire_name = "poisson"
    _op = staticmethod(poisson)


class SparseCategoricalCrossentropy(OpLoss):
    """The mean of -log(y_pred[y_true]), for integer labels from 0 to the number of classes less one.

    `from_logits`: whether y_pred are logits, else probabilities.
    `axis`: the axis of the classes.
    """

    _wire_name = "sparse_categorical_crossentropy"
    _op = staticmethod(sparse_categorical_crossentropy)

    def __init__(
        self, from_logits: bool = False, axis: int = -1, reduction: str = "sum_over_batch_size"
    ) -> None:
        super().__init__(reduction)
        self.from_logits = from_logits
        self.axis = axis


class SquaredHinge(OpLoss):
    """The mean of max(1 - y_true y_pred, 0)²."""

    _wire_name = "squared_hinge"
    _op = staticmethod(squared_hinge)


if not TYPE_CHECKING:  # else every name would have a type
    __getattr__ = names_of(__name__, globals(), LOSSES)
