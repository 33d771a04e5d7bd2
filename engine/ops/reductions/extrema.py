"""Largest and smallest elements; elements that tie share the gradient evenly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import nan
from typing import Any

from engine.dtypes import TensorType
from engine.errors import ShapeMismatch
from engine.ir.attributes import AXIS, Attribute
from engine.ir.cost import Cost, per_element
from engine.ir.families import AXIS_OR_ALL, KEEPDIMS, REDUCTION, composite, define, infer_reduction, reduction
from engine.ir.no_gradient import NoGradient
from engine.ir.op import Op
from engine.ir.samples import Sample
from engine.ir.shapes import normalize_axes, normalize_axis, reduced, spread
from engine.ir.table import F
from engine.ops.reductions.totals import count

_EVENLY = "Elements that tie share the gradient evenly. NaN wins over every number, in the gradient too."
_POSITION = NoGradient(
    "nondifferentiable",
    "to_integer",
    "the place of an element is an integer",
    "Use the value (max, min), or a soft place: sum(softmax(k * x) * arange(size(x))).",
)


def some_elements(x: Any, axis: tuple[int, ...]) -> None:
    """Raise ShapeMismatch where a reduction without a neutral element would reduce nothing."""
    if count(x, axis) == 0:
        raise ShapeMismatch(
            f"a reduction of shape {x.shape} over axes {axis}: there is no element to choose from",
            hint="reduce over axes of size 1 or more",
        )


def _infer_extremum(types: Sequence[TensorType], **attributes: Any) -> tuple[TensorType, ...]:
    some_elements(types[0], attributes["axis"])
    return infer_reduction()(types, **attributes)


def _shared_by_ties(g: Any, y: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    chosen = F.equal(x, spread(y, x, axis))
    ties = F.sum(chosen, axis=axis, keepdims=keepdims)
    others = F.where(ties.equals(0), nan, 0).astype(g.dtype)  # nothing equals a NaN
    return F.where(chosen, spread(g / ties, x, axis), spread(others, x, axis))


def _extremum(name: str, *aliases: str, summary: str) -> Op:
    def forward(xp: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
        return getattr(xp, name)(x, axis=axis, keepdims=keepdims)

    def tied(xp: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
        chosen = xp.astype(x == getattr(xp, name)(x, axis=axis, keepdims=True), xp.int64)
        return (chosen == 1) & (xp.sum(chosen, axis=axis, keepdims=True) > 1)

    return reduction(
        name,
        *aliases,
        summary=summary,
        forward=forward,
        lowering=lambda k, x, *, axis, keepdims: k.reduce(name, x, axis, keepdims),
        infer=_infer_extremum,
        kinds="real",
        vjp=_shared_by_ties,
        nonsmooth_at=tied,
        zero_reason="unselected",
        conventions=_EVENLY,
    )


max = _extremum("max", "amax", "reduce_max", summary="The largest element.")
min = _extremum("min", "amin", "reduce_min", summary="The smallest element.")


def _ptp(x: Any, *, axis: tuple[int, ...] | None, keepdims: bool) -> Any:
    return F.max(x, axis=axis, keepdims=keepdims) - F.min(x, axis=axis, keepdims=keepdims)


ptp = composite(
    "ptp",
    summary="Peak to peak: the largest element less the smallest.",
    formula=_ptp,
    attributes=(AXIS_OR_ALL, KEEPDIMS),
    samples=(Sample(((2, 3),)), Sample(((2, 3),), {"axis": 0, "keepdims": True})),
    conventions=_EVENLY,
)


def _normalize_place(types: Sequence[Any], *, axis: int | None, **_: Any) -> dict[str, Any]:
    return {"axis": None if axis is None else normalize_axis(axis, types[0].ndim)}


def _infer_place(types: Sequence[TensorType], *, axis: int | None, keepdims: bool) -> tuple[TensorType, ...]:
    axes = normalize_axes(None if axis is None else (axis,), types[0].ndim)
    some_elements(types[0], axes)
    return (TensorType(reduced(types[0].shape, axes, keepdims), "int64"),)


def _place_cost(
    types: Sequence[TensorType], outputs: Sequence[TensorType], *, axis: int | None, keepdims: bool
) -> Cost:
    """NumPy searches a copy that has the axis last."""
    x = types[0]
    last = axis is None or axis == x.ndim - 1
    return replace(per_element(1)(types, outputs), workspace=0 if last else x.nbytes)


def _place(name: str, summary: str) -> Op:
    return define(
        name,
        family=REDUCTION,
        summary=summary,
        forward=lambda xp, x, *, axis, keepdims: getattr(xp, name)(x, axis=axis, keepdims=keepdims),
        normalize=_normalize_place,
        infer=_infer_place,
        kinds="real",
        vjp=_POSITION,
        attributes=(
            Attribute("axis", AXIS, -1, "the axis to search along; null: all elements", nullable=True),
            KEEPDIMS,
        ),
        cost=_place_cost,
        samples=(
            Sample(((2, 3),)),
            Sample(((2, 3),), {"axis": 0, "keepdims": True}),
            Sample(((2, 3),), {"axis": None}),
        ),
        conventions="The first of equals. The last axis by default; axis=None counts through all "
        "elements, as NumPy does by default.",
    )


argmax = _place("argmax", "The index of the largest element along an axis.")
argmin = _place("argmin", "The index of the smallest element along an axis.")
