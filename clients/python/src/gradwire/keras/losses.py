"""Losses under Keras's names, called as loss(y_true, y_pred).

Generated from the server's records by clients/python/generate.py; do not edit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradwire._names.counterparts import LOSSES
from gradwire._names.refusals import names_of
from gradwire._tracing.ops import (
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_generalized_cross_entropy,
    categorical_hinge,
    cosine_similarity_loss,
    dice,
    hinge,
    hinge_embedding_loss,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    multi_margin_loss,
    multilabel_soft_margin_loss,
    nll_loss,
    poisson,
    poisson_nll_loss,
    smooth_l1_loss,
    soft_margin_loss,
    sparse_categorical_crossentropy,
    squared_hinge,
    tversky,
)
from gradwire.keras.loss import Loss, OpLoss

__all__ = [
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalGeneralizedCrossEntropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "Dice",
    "Hinge",
    "HingeEmbedding",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "MultiMargin",
    "MultilabelSoftMargin",
    "Nll",
    "Poisson",
    "PoissonNll",
    "SmoothL1",
    "SoftMargin",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "Tversky",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "categorical_hinge",
    "dice",
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
    "tversky",
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


class BinaryFocalCrossentropy(OpLoss):
    """The mean of (1 - p)^gamma times the binary cross-entropy, p the probability of the label.

    `alpha`: the weight of a loss.
    `gamma`: how little easy samples count.
    `apply_class_balancing`: weigh labels 1 by alpha and 0 by 1 - alpha.
    `from_logits`: whether y_pred are logits, else probabilities.
    `label_smoothing`: the share of each label spread evenly, from 0 to 1.
    """

    _wire_name = "binary_focal_crossentropy"
    _op = staticmethod(binary_focal_crossentropy)

    def __init__(
        self,
        alpha: float = 0.25,
        gamma: float = 2.0,
        apply_class_balancing: bool = False,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        reduction: str = "sum_over_batch_size",
    ) -> None:
        super().__init__(reduction)
        self.alpha = alpha
        self.gamma = gamma
        self.apply_class_balancing = apply_class_balancing
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


class CategoricalFocalCrossentropy(OpLoss):
    """The mean of -alpha sum((1 - y_pred)^gamma y_true log(y_pred)) over the classes.

    `alpha`: the weight of a loss.
    `gamma`: how little easy samples count.
    `from_logits`: whether y_pred are logits, else probabilities.
    `label_smoothing`: the share of each label spread evenly, from 0 to 1.
    `axis`: the axis of the classes.
    """

    _wire_name = "categorical_focal_crossentropy"
    _op = staticmethod(categorical_focal_crossentropy)

    def __init__(
        self,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str = "sum_over_batch_size",
    ) -> None:
        super().__init__(reduction)
        self.alpha = alpha
        self.gamma = gamma
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis


class CategoricalGeneralizedCrossEntropy(OpLoss):
    """The mean of (1 - y_pred[y_true]^q) / q, for integer labels (Zhang and Sabuncu 2018).

    `q`: 1 is the mean absolute error; towards 0 it is the cross-entropy.
    `axis`: the axis of the classes.
    """

    _wire_name = "categorical_generalized_cross_entropy"
    _op = staticmethod(categorical_generalized_cross_entropy)

    def __init__(self, q: float = 0.5, axis: int = -1, reduction: str = "sum_over_batch_size") -> None:
        super().__init__(reduction)
        self.q = q
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


class Dice(OpLoss):
    """1 - 2 sum(y_true y_pred) / (sum(y_true) + sum(y_pred)): how little two masks overlap."""

    _wire_name = "dice"
    _op = staticmethod(dice)


class Hinge(OpLoss):
    """The mean of max(1 - y_true y_pred, 0)."""

    _wire_name = "hinge"
    _op = staticmethod(hinge)


class HingeEmbedding(OpLoss):
    """The mean of y_pred where y_true is 1, of max(margin - y_pred, 0) where it is -1.

    `margin`: how far right has to be ahead of wrong.
    """

    _wire_name = "hinge_embedding"
    _op = staticmethod(hinge_embedding_loss)

    def __init__(self, margin: float = 1.0, reduction: str = "sum_over_batch_size") -> None:
        super().__init__(reduction)
        self.margin = margin


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


class MultiMargin(OpLoss):
    """The mean over the wrong classes of max(margin - the right score + the wrong one, 0).

    `ord`: 1, or 2 for squares.
    `margin`: how far right has to be ahead of wrong.
    `axis`: the axis of the classes.
    """

    _wire_name = "multi_margin"
    _op = staticmethod(multi_margin_loss)

    def __init__(
        self, ord: float = 1, margin: float = 1.0, axis: int = -1, reduction: str = "sum_over_batch_size"
    ) -> None:
        super().__init__(reduction)
        self.ord = ord
        self.margin = margin
        self.axis = axis


class MultilabelSoftMargin(OpLoss):
    """The mean over classes of the binary cross-entropy of logits.

    `axis`: the axis of the classes.
    """

    _wire_name = "multilabel_soft_margin"
    _op = staticmethod(multilabel_soft_margin_loss)

    def __init__(self, axis: int = -1, reduction: str = "sum_over_batch_size") -> None:
        super().__init__(reduction)
        self.axis = axis


class Nll(OpLoss):
    """The mean of -y_pred[y_true], where y_pred are logarithms of probabilities.

    `axis`: the axis of the classes.
    """

    _wire_name = "nll"
    _op = staticmethod(nll_loss)

    def __init__(self, axis: int = -1, reduction: str = "sum_over_batch_size") -> None:
        super().__init__(reduction)
        self.axis = axis


class Poisson(OpLoss):
    """The mean of y_pred - y_true log(y_pred): Poisson counts y_true of rate y_pred."""

    _wire_name = "poisson"
    _op = staticmethod(poisson)


class PoissonNll(OpLoss):
    """The mean of exp(y_pred) - y_true y_pred: Poisson counts y_true, y_pred the rate's logarithm.

    `log_input`: whether y_pred are logarithms of rates, else rates.
    `full`: whether Stirling's term for log(y_true!) is added.
    """

    _wire_name = "poisson_nll"
    _op = staticmethod(poisson_nll_loss)

    def __init__(
        self, log_input: bool = True, full: bool = False, reduction: str = "sum_over_batch_size"
    ) -> None:
        super().__init__(reduction)
        self.log_input = log_input
        self.full = full


class SmoothL1(OpLoss):
    """The mean of e² / (2 beta) where the error |e| is below beta, else |e| - beta / 2.

    `beta`: where the parabola becomes a line; 0: the absolute error.
    """

    _wire_name = "smooth_l1"
    _op = staticmethod(smooth_l1_loss)

    def __init__(self, beta: float = 1.0, reduction: str = "sum_over_batch_size") -> None:
        super().__init__(reduction)
        self.beta = beta


class SoftMargin(OpLoss):
    """The mean of log(1 + exp(-y_true y_pred)), for labels -1 and 1."""

    _wire_name = "soft_margin"
    _op = staticmethod(soft_margin_loss)


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


class Tversky(OpLoss):
    """1 - I / (I + alpha F + beta M): overlap I of masks, what is false F and what is missed M.

    `alpha`: the weight of what is false.
    `beta`: the weight of what is missed.
    """

    _wire_name = "tversky"
    _op = staticmethod(tversky)

    def __init__(self, alpha: float = 0.5, beta: float = 0.5, reduction: str = "sum_over_batch_size") -> None:
        super().__init__(reduction)
        self.alpha = alpha
        self.beta = beta


if not TYPE_CHECKING:  # else every name would have a type
    __getattr__ = names_of(__name__, globals(), LOSSES)
