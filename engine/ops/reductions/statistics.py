"""Weighted means, covariances and correlations."""

from __future__ import annotations

from typing import Any

from engine.errors import ShapeMismatch, WrongArity
from engine.ir.attributes import BOOLEAN, NUMBER, Attribute
from engine.ir.families import AXIS_OR_ALL, KEEPDIMS, composite
from engine.ir.samples import Sample
from engine.ir.shapes import normalize_axes
from engine.ir.table import F
from engine.ops.linalg.matmul import adjoint


def _average(x: Any, *weights: Any, axis: tuple[int, ...] | None, keepdims: bool) -> Any:
    if not weights:
        return F.mean(x, axis=axis, keepdims=keepdims)
    if len(weights) > 1:
        raise WrongArity(f"expected x and at most one tensor of weights, got {len(weights) + 1} inputs")
    (weight,) = weights
    axes = normalize_axes(axis, x.ndim)
    if weight.shape != x.shape:
        if weight.shape != tuple(x.shape[a] for a in axes):
            raise ShapeMismatch(
                f"weights of shape {weight.shape} for a tensor of shape {x.shape} over axes {axes}",
                hint="weights have the shape of x, or that of the axes that are averaged",
            )
        weight = weight.reshape(tuple(s if a in axes else 1 for a, s in enumerate(x.shape)))
        weight = weight.broadcast_to(x.shape)
    total = F.sum(weight, axis=axes, keepdims=keepdims)
    return F.sum(x * weight, axis=axes, keepdims=keepdims) / total


average = composite(
    "average",
    summary="The mean, weighted if weights are given: sum(x * weights) / sum(weights).",
    formula=_average,
    kinds="floating",
    variadic=True,
    minimum=0,
    attributes=(AXIS_OR_ALL, KEEPDIMS),
    samples=(
        Sample(((2, 3),)),
        Sample(((2, 3), [0.5, 2.0, 1.0]), {"axis": 1}),
        Sample(((2, 3), [[1.0, 2.0, 0.5], [0.25, 1.5, 3.0]]), {"keepdims": True}),
    ),
    conventions="Weights have the shape of x, or that of the axes that are averaged.",
)


def _rows(x: Any, rowvar: bool) -> Any:
    """A variable in each row, in a floating dtype."""
    if x.ndim > 2:
        raise ShapeMismatch(
            f"expected a vector or a matrix of observations, got shape {x.shape}",
            hint="map goes over a stack of matrices",
        )
    if x.ndim < 2:
        return x.reshape((1, x.size))
    return x if rowvar else F.matrix_transpose(x)


_CORRECTION = (
    Attribute("correction", NUMBER, 1, "what is subtracted from the number of observations in the divisor"),
    Attribute("ddof", NUMBER, None, "NumPy's name for `correction`"),
)


def _cov(x: Any, *y: Any, rowvar: bool, correction: float, ddof: float | None) -> Any:
    if len(y) > 1:
        raise WrongArity(f"expected x and at most one y, got {len(y) + 1} inputs")
    parts = [_rows(part, rowvar) for part in (x, *y)]
    if y and parts[0].shape[1] != parts[1].shape[1]:
        raise ShapeMismatch(
            f"{parts[0].shape[1]} observations in x, {parts[1].shape[1]} in y: expected as many"
        )
    rows = F.concat(*parts, axis=0) if y else parts[0]
    free = rows.shape[1] - (correction if ddof is None else ddof)
    away = rows - F.mean(rows, axis=1, keepdims=True)
    answer = F.matmul(away, adjoint(away)) * (1 / free if free > 0 else float("nan"))
    return answer.reshape(()) if answer.shape == (1, 1) else answer


cov = composite(
    "cov",
    summary="The covariance of variables, one in each row, over their observations.",
    formula=_cov,
    holomorphic=False,
    kinds="floating",
    variadic=True,
    minimum=0,
    attributes=(
        Attribute("rowvar", BOOLEAN, True, "a variable in each row; in each column when false"),
        *_CORRECTION,
    ),
    samples=(
        Sample(((2, 4),)),
        Sample(((4, 2),), {"rowvar": False, "correction": 0}),
        Sample(((4,), (4,)), {"ddof": 0}),
        Sample(((4,),)),
    ),
    conventions="NaN where the divisor is not positive. Of complex variables the second is conjugated.",
)


def _corrcoef(x: Any, *y: Any, rowvar: bool) -> Any:
    answer = F.cov(x, *y, rowvar=rowvar)
    if answer.ndim == 0:
        return answer / answer
    scale = F.sqrt(F.diagonal(answer).real())
    return answer / F.expand_dims(scale, axis=1) / F.expand_dims(scale, axis=0)


corrcoef = composite(
    "corrcoef",
    summary="The correlation of variables, one in each row, over their observations.",
    formula=_corrcoef,
    holomorphic=False,
    kinds="floating",
    variadic=True,
    minimum=0,
    attributes=(Attribute("rowvar", BOOLEAN, True, "a variable in each row; in each column when false"),),
    samples=(
        Sample(((2, 4),)),
        Sample(((4, 2),), {"rowvar": False}),
        Sample(((4,), (4,))),
    ),
    conventions="NaN for a variable that is constant.",
)
