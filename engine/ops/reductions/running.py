"""Running extrema, and the running logarithm of a sum of exponentials."""

from __future__ import annotations

from math import inf
from typing import Any

from engine.dtypes import TensorType
from engine.ir.attributes import AXIS, BOOLEAN, Attribute
from engine.ir.cost import per_element
from engine.ir.families import REDUCTION, composite, define
from engine.ir.indices import along
from engine.ir.no_gradient import NoGradient
from engine.ir.op import Op
from engine.ir.samples import Sample
from engine.ir.shapes import normalize_axis
from engine.ir.table import F

running_place = define(
    "running_place",
    family=REDUCTION,
    summary="The place of the largest element so far along an axis; of equal ones the last.",
    forward=lambda xp, x, *, axis, largest: xp.running_place(x, axis, largest),
    normalize=lambda types, *, axis, **_: {"axis": normalize_axis(axis, types[0].ndim)},
    infer=lambda types, **_: (TensorType(types[0].shape, "int64"),),
    kinds="real",
    vjp=NoGradient("nondifferentiable", "to_integer", "the place of an element is an integer"),
    attributes=(Attribute("axis", AXIS), Attribute("largest", BOOLEAN, True)),
    cost=per_element(4, workspace=2),
    internal=True,
    samples=(
        Sample(((2, 5),), {"axis": 1}),
        Sample(((4, 2),), {"axis": 0, "largest": False}),
        Sample(([1.0, 1.0, 0.0, 2.0],), {"axis": 0}),
    ),
)


def _extremum(name: str, summary: str, largest: bool) -> Op:
    def formula(x: Any, *, axis: int | None) -> Any:
        if axis is None:
            x, axis = x.reshape((x.size,)), 0
        place = normalize_axis(axis, x.ndim)
        return F.take_along_axis(x, F.running_place(x, axis=place, largest=largest), axis=place)

    return composite(
        name,
        summary=summary,
        formula=formula,
        kinds="real",
        attributes=(
            Attribute("axis", AXIS, None, "the axis to run along; the flattened tensor when absent"),
        ),
        samples=(Sample(((2, 4),), {"axis": 1}), Sample(((4, 2),), {"axis": 0}), Sample(((2, 3),))),
        conventions="Of elements that tie the last one has the gradient, as in PyTorch. NaN stays from where "
        "it comes.",
    )


cumulative_max = _extremum("cumulative_max", "The largest element so far along an axis.", True)
cumulative_min = _extremum("cumulative_min", "The smallest element so far along an axis.", False)


def _earlier(x: Any, axis: int) -> Any:
    """Each element's predecessor; the first for itself."""
    first = F.getitem(x, index=along(axis, slice(0, 1)))
    return F.concat(first, F.getitem(x, index=along(axis, slice(0, -1))), axis=axis)


def _cumulative_logsumexp(x: Any, *, axis: int | None) -> Any:
    """Sums relative to the largest so far, rescaled as that grows: s_i = s_{i-1} exp(m_{i-1} - m_i) + …"""
    if axis is None:
        x, axis = x.reshape((x.size,)), 0
    place = normalize_axis(axis, x.ndim)
    if not x.shape[place]:
        return F.positive(x)
    best = F.stop_gradient(F.cumulative_max(x, axis=place))  # the result does not depend on it
    top = F.where(F.isfinite(best), best, 0)
    began = F.where(_earlier(best, place).equals(-inf), 0, 1).astype(x.dtype)  # nothing is rescaled before
    growth = F.exp(F.where(began.equals(0), 0, _earlier(top, place) - top)) * began
    total = F.linear_recurrence(growth, F.exp(x - top), axis=place)
    nothing = total.equals(0)
    return F.where(nothing, -inf, top + F.log(F.where(nothing, 1, total)))


cumulative_logsumexp = composite(
    "cumulative_logsumexp",
    "logcumsumexp",
    summary="The running log(sum(exp(x))) along an axis, without overflow.",
    formula=_cumulative_logsumexp,
    kinds="real_floating",
    attributes=(Attribute("axis", AXIS, None, "the axis to run along; the flattened tensor when absent"),),
    samples=(Sample(((2, 4),), {"axis": 1}), Sample(((4, 2),), {"axis": 0}), Sample(((2, 3),))),
    conventions="Of -Infinity alone it is -Infinity, with derivative 0.",
)
