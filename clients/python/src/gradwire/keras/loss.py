"""What losses share: called as loss(y_true, y_pred), they record one number on the tape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from gradwire._names.own import own_class
from gradwire._names.strict import Strict
from gradwire._tracing.tensor import Tensor
from gradwire.keras import cures

_REDUCTIONS = {"sum_over_batch_size": "mean", "mean": "mean", "sum": "sum", "none": "none"}


class Loss(Strict):
    """A loss with its settings; `reduction` is "sum_over_batch_size" (the mean), "sum" or "none"."""

    _role: ClassVar[str] = "loss"
    _wire_name: ClassVar[str] = ""
    _cures: ClassVar[Mapping[str, str]] = cures.LOSS

    def __init__(self, reduction: str = "sum_over_batch_size") -> None:
        if reduction not in _REDUCTIONS:
            raise ValueError(f"expected one of {', '.join(_REDUCTIONS)} as reduction, got {reduction!r}")
        self.reduction = _REDUCTIONS[reduction]

    def document(self) -> dict[str, Any]:
        """As a job's `loss`; raises ValueError if it is not the mean, or classes are not last.

        Raises NotTraced for a class of the user's own.
        """
        name = own_class(self, "loss")._wire_name
        settings = {key: value for key, value in vars(self).items() if not key.startswith("_")}
        attributes = {key: value for key, value in settings.items() if key not in ("reduction", "axis")}
        if self.reduction != "mean" or getattr(self, "axis", -1) != -1:
            raise ValueError("expected a loss that is a mean, with classes last: a job trains no other")
        return {"name": name, **attributes}

    def __call__(self, y_true: Any, y_pred: Any) -> Tensor:
        """The loss of predictions."""
        raise NotImplementedError


class OpLoss(Loss):
    """A loss that is one op of the server, called with its settings."""

    _op: ClassVar[Callable[..., Tensor]]

    def __call__(self, y_true: Any, y_pred: Any) -> Tensor:
        """The loss of predictions shaped like the targets; indices of classes lack the axis of classes."""
        settings = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        return type(self)._op(y_true, y_pred, **settings)
