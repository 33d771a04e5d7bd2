"""Losses under Keras's names: called as loss(y_true, y_pred), they record one number on the tape.

The functions of the same names, `mean_squared_error(y_true, y_pred)` and so on, are ops; like the
classes they answer the mean over the whole batch unless `reduction` says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from gradwire._names.counterparts import LOSSES
from gradwire._names.own import own_class
from gradwire._names.refusals import names_of
from gradwire._names.strict import Strict
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
from gradwire._tracing.tensor import Tensor
from gradwire.keras.naming import snake_case

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

_REDUCTIONS = {"sum_over_batch_size": "mean", "mean": "mean", "sum": "sum", "none": "none"}


class Loss(Strict):
    """A loss with its settings; `reduction` is "sum_over_batch_size" (the mean), "sum" or "none"."""

    _role: ClassVar[str] = "loss"
    _cures: ClassVar[Mapping[str, str]] = {
        "name": "histories call a loss 'loss': leave it out",
        "dtype": "a model has one dtype: Sequential(dtype=…)",
        "ignore_class": "leave those rows out, or weight them in a loop of your own",
    }

    def __init__(self, reduction: str = "sum_over_batch_size") -> None:
        if reduction not in _REDUCTIONS:
            raise ValueError(f"expected one of {', '.join(_REDUCTIONS)} as reduction, got {reduction!r}")
        self.reduction = _REDUCTIONS[reduction]

    def document(self) -> dict[str, Any]:
        """As a job's `loss`; raises ValueError where it is not the mean, or classes are not last.

        Raises NotTraced for a class of the user's own.
        """
        kind = own_class(self, "loss")
        settings = {key: value for key, value in vars(self).items() if not key.startswith("_")}
        given = {key: value for key, value in settings.items() if key not in ("reduction", "axis")}
        if self.reduction != "mean" or getattr(self, "axis", -1) != -1:
            raise ValueError("expected a loss that is a mean, with classes last: a job trains no other")
        return {"name": snake_case(kind), **given}

    def __call__(self, y_true: Any, y_pred: Any) -> Tensor:
        """The loss of predictions."""
        raise NotImplementedError


class MeanSquaredError(Loss):
    """The mean of (y_true − y_pred)²."""

    def __call__(self, y_true: Any, y_pred: Any) -> Tensor:
        """The loss of predictions shaped like the targets."""
        return mean_squared_error(y_true, y_pred, reduction=self.reduction)


class MeanAbsoluteError(Loss):
    """The mean of |y_true − y_pred|."""

    def __call__(self, y_true: Any, y_pred: Any) -> Tensor:
        """The loss of predictions shaped like the targets."""
        return mean_absolute_error(y_true, y_pred, reduction=self.reduction)


class BinaryCrossentropy(Loss):
    """Cross-entropy of probabilities, or of logits, against 0 and 1."""

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        reduction: str = "sum_over_batch_size",
    ) -> None:
        super().__init__(reduction)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing

    def __call__(self, y_true: Any, y_pred: Any) -> Tensor:
        """The loss of predictions shaped like the labels."""
        return binary_crossentropy(
            y_true,
            y_pred,
            from_logits=self.from_logits,
            label_smoothing=self.label_smoothing,
            reduction=self.reduction,
        )


class CategoricalCrossentropy(Loss):
    """Cross-entropy of probabilities, or of logits, against one-hot rows or distributions."""

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

    def __call__(self, y_true: Any, y_pred: Any) -> Tensor:
        """The loss of predictions shaped like the labels, classes along `axis`."""
        return categorical_crossentropy(
            y_true,
            y_pred,
            from_logits=self.from_logits,
            label_smoothing=self.label_smoothing,
            axis=self.axis,
            reduction=self.reduction,
        )


class SparseCategoricalCrossentropy(Loss):
    """Cross-entropy of probabilities, or of logits, against the integer index of the class."""

    def __init__(
        self, from_logits: bool = False, axis: int = -1, reduction: str = "sum_over_batch_size"
    ) -> None:
        super().__init__(reduction)
        self.from_logits = from_logits
        self.axis = axis

    def __call__(self, y_true: Any, y_pred: Any) -> Tensor:
        """The loss of predictions with classes along `axis`, labels without that axis."""
        return sparse_categorical_crossentropy(
            y_true, y_pred, from_logits=self.from_logits, axis=self.axis, reduction=self.reduction
        )


# -- losses that are one op of the server, called with their settings ---------------------------------


class _OpLoss(Loss):
    """What these share: the op that a class names."""

    _op: ClassVar[Callable[..., Tensor]]

    def __call__(self, y_true: Any, y_pred: Any) -> Tensor:
        """The loss of predictions shaped like the targets."""
        settings = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        return type(self)._op(y_true, y_pred, **settings)


class _ClassLoss(_OpLoss):
    """A loss over vectors along `axis`."""

    def __init__(self, axis: int = -1, reduction: str = "sum_over_batch_size") -> None:
        super().__init__(reduction)
        self.axis = axis


class MeanAbsolutePercentageError(_OpLoss):
    """100 times the mean of |y_true − y_pred| / max(|y_true|, 1e-7)."""

    _op = staticmethod(mean_absolute_percentage_error)


class MeanSquaredLogarithmicError(_OpLoss):
    """The mean of (log(1 + y_true) − log(1 + y_pred))²."""

    _op = staticmethod(mean_squared_logarithmic_error)


class Huber(_OpLoss):
    """The mean of e²/2 if the error |e| is at most delta, else of delta·(|e| − delta/2)."""

    _op = staticmethod(huber)

    def __init__(self, delta: float = 1.0, reduction: str = "sum_over_batch_size") -> None:
        super().__init__(reduction)
        self.delta = delta


class LogCosh(_OpLoss):
    """The mean of log(cosh(y_pred − y_true))."""

    _op = staticmethod(log_cosh)


class KLDivergence(_OpLoss):
    """The mean of Σ y_true·log(y_true / y_pred) over the classes, which are last."""

    _op = staticmethod(kl_divergence)


class Poisson(_OpLoss):
    """The mean of y_pred − y_true·log(y_pred)."""

    _op = staticmethod(poisson)


class Hinge(_OpLoss):
    """The mean of max(1 − y_true·y_pred, 0) for labels −1 and 1; a label 0 counts as −1."""

    _op = staticmethod(hinge)


class SquaredHinge(_OpLoss):
    """The mean of max(1 − y_true·y_pred, 0)² for labels −1 and 1; a label 0 counts as −1."""

    _op = staticmethod(squared_hinge)


class CategoricalHinge(_ClassLoss):
    """The mean of max(1 + the best wrong score − the right score, 0), for one-hot labels."""

    _op = staticmethod(categorical_hinge)


class CosineSimilarity(_ClassLoss):
    """Minus the cosine of the angle between y_true and y_pred."""

    _op = staticmethod(cosine_similarity_loss)


if not TYPE_CHECKING:  # else every name would have a type
    __getattr__ = names_of(__name__, globals(), LOSSES)
