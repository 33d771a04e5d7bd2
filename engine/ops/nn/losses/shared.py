"""What the losses share: shapes that fit, the reduction, probabilities away from the logarithm's pole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.errors import InvalidAttribute, ShapeMismatch
from engine.ir.attributes import AXIS, NUMBER, Attribute, choice
from engine.ir.families import composite
from engine.ir.op import Op
from engine.ir.samples import Sample
from engine.ir.shapes import normalize_axis
from engine.ir.table import F

REDUCTION = Attribute(
    "reduction", choice("mean", "sum", "none"), "mean", "over all the losses; none: leave them"
)
CLASSES = Attribute("axis", AXIS, -1, "the axis of the classes")
EPSILON = Attribute("epsilon", NUMBER, 1e-7, "the least probability: smaller ones count as this")
SMOOTHING = Attribute("label_smoothing", NUMBER, 0.0, "the share of each label spread evenly, from 0 to 1")

PER_ELEMENT = "With reduction='none' there is one loss for each element."
PER_SAMPLE = "With reduction='none' there is one loss for each sample: `axis` is gone."


def aligned(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Both, without an extra last axis of size 1: (n, 1) against (n,) must not make (n, n)."""
    if y_pred.ndim == y_true.ndim + 1 and y_pred.shape == (*y_true.shape, 1):
        return y_true, y_pred.reshape(y_true.shape)
    if y_true.ndim == y_pred.ndim + 1 and y_true.shape == (*y_pred.shape, 1):
        return y_true.reshape(y_pred.shape), y_pred
    return y_true, y_pred


def same_shape(y_true: Any, y_pred: Any) -> None:
    """Raise ShapeMismatch unless labels and predictions have the same classes for the same samples."""
    if y_true.shape != y_pred.shape:
        raise ShapeMismatch(
            f"y_true has shape {y_true.shape}, y_pred has shape {y_pred.shape}",
            hint="give one number for each class, or class indices to sparse_categorical_crossentropy",
        )


def reduce(losses: Any, reduction: str) -> Any:
    """The losses' mean or sum, or themselves."""
    if reduction == "none":
        return losses
    return F.mean(losses) if reduction == "mean" else F.sum(losses)


def smoothed(y_true: Any, label_smoothing: float, classes: int) -> Any:
    """Labels with a share of their mass spread evenly over the classes."""
    if not 0 <= label_smoothing <= 1:
        raise InvalidAttribute(f"expected 'label_smoothing' from 0 to 1, got {label_smoothing}")
    if label_smoothing == 0:
        return y_true
    return y_true * (1 - label_smoothing) + label_smoothing / max(classes, 1)


def log_of(probability: Any, epsilon: float) -> Any:
    """log(max(p, epsilon))."""
    return F.log(F.clip(probability, min=epsilon))


def pointwise(
    name: str,
    *aliases: str,
    formula: Callable[..., Any],
    attributes: tuple[Attribute, ...] = (),
    **fields: Any,
) -> Op:
    """A loss of each element: `formula(y_true, y_pred, **attributes)`."""

    def loss(y_true: Any, y_pred: Any, *, reduction: str, **settings: Any) -> Any:
        return reduce(formula(*aligned(y_true, y_pred), **settings), reduction)

    conventions = " ".join(filter(None, [fields.pop("conventions", ""), PER_ELEMENT]))
    fields.setdefault("samples", (Sample(((4, 2), (4, 2))), Sample(((3,), (3, 1)), {"reduction": "none"})))
    return composite(
        name,
        *aliases,
        formula=loss,
        kinds="real_floating",
        attributes=(*attributes, REDUCTION),
        conventions=conventions,
        **fields,
    )


def per_sample(
    name: str,
    *aliases: str,
    formula: Callable[..., Any],
    attributes: tuple[Attribute, ...] = (),
    **fields: Any,
) -> Op:
    """A loss of each sample: `formula(y_true, y_pred, axis, **attributes)` takes the axis away."""

    def loss(y_true: Any, y_pred: Any, *, axis: int, reduction: str, **settings: Any) -> Any:
        same_shape(y_true, y_pred)
        axis = normalize_axis(axis, y_pred.ndim)
        return reduce(formula(y_true, y_pred, axis=axis, **settings), reduction)

    conventions = " ".join(filter(None, [fields.pop("conventions", ""), PER_SAMPLE]))
    fields.setdefault(
        "samples",
        (Sample(((2, 3), (2, 3))), Sample(((3, 2), (3, 2)), {"axis": 0, "reduction": "none"})),
    )
    return composite(
        name,
        *aliases,
        formula=loss,
        kinds="real_floating",
        attributes=(*attributes, CLASSES, REDUCTION),
        conventions=conventions,
        **fields,
    )
