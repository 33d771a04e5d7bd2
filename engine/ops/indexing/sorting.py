"""Sorted elements, and the indices that they came from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.dtypes import TensorType
from engine.errors import ShapeMismatch
from engine.ir import batch_rules, dependence_rules
from engine.ir.attributes import AXIS, BOOLEAN, SIZE, Attribute
from engine.ir.cost import Cost, moved
from engine.ir.families import INDEXING, composite, define
from engine.ir.indices import along
from engine.ir.no_gradient import NoGradient
from engine.ir.samples import Sample
from engine.ir.shapes import normalize_axis
from engine.ir.table import F

_ATTRIBUTES = (
    Attribute("axis", AXIS, -1, "the axis to sort along; null: of the flattened tensor", nullable=True),
    Attribute("descending", BOOLEAN, False),
    Attribute("stable", BOOLEAN, True, "whether equal elements keep their order"),
)
_SAMPLES = (
    Sample(((5,),)),
    Sample(((4, 3),), {"axis": 0, "descending": True}),
    Sample(((2, 0),)),
)


def _normalize(types: Sequence[TensorType], *, axis: int, **_: Any) -> dict[str, Any]:
    return {"axis": normalize_axis(axis, types[0].ndim)}


def _cost(
    types: Sequence[TensorType], outputs: Sequence[TensorType], *, axis: int, descending: bool, **_: Any
) -> Cost:
    x, (y,) = types[0], outputs
    turned = y.nbytes if descending else 0
    return Cost(x.size * max(1, x.shape[axis].bit_length()), moved(types, outputs), turned)


def _by_place(g: Any, y: Any, x: Any, axis: int, descending: bool, stable: bool) -> Any:
    order = F.argsort(x, axis=axis, descending=descending)
    return F.read_along_axis(g, F.argsort(order, axis=axis), axis=axis)  # the inverse permutation


sort = define(
    "sort",
    family=INDEXING,
    batch=batch_rules.along_axis,
    dependence=dependence_rules.along_axis,
    summary="The elements in order along an axis.",
    forward=lambda xp, x, *, axis, descending, stable: xp.sort(
        x, axis=axis, descending=descending, stable=stable
    ),
    normalize=_normalize,
    infer=lambda types, **_: (TensorType(types[0].shape, types[0].dtype),),
    vjp=_by_place,
    kinds="real",
    flattens=True,
    attributes=_ATTRIBUTES,
    cost=_cost,
    nonsmooth_at=lambda xp, x, *, axis, **_: xp.diff(xp.sort(x, axis=axis), axis=axis) == 0,
    samples=_SAMPLES,
    conventions="NaN comes last, first when descending.",
)

argsort = define(
    "argsort",
    family=INDEXING,
    batch=batch_rules.along_axis,
    summary="The places of the elements, in the elements' order along an axis.",
    forward=lambda xp, x, *, axis, descending, stable: xp.argsort(
        x, axis=axis, descending=descending, stable=stable
    ),
    normalize=_normalize,
    infer=lambda types, **_: (TensorType(types[0].shape, "int64"),),
    vjp=NoGradient("nondifferentiable", "to_integer", "the place of an element is an integer"),
    kinds="real",
    flattens=True,
    attributes=_ATTRIBUTES,
    cost=_cost,
    samples=_SAMPLES,
)


def _top_k(x: Any, *, k: int, axis: int, largest: bool) -> tuple[Any, Any]:
    place = normalize_axis(axis, x.ndim)
    if k > x.shape[place]:
        raise ShapeMismatch(
            f"{k} elements of an axis of size {x.shape[place]}", hint="k is no larger than the axis"
        )
    order = F.argsort(x, axis=place, descending=largest)
    chosen = F.getitem(order, index=along(place, slice(0, k)))
    return F.take_along_axis(x, chosen, axis=place), chosen


top_k = composite(
    "top_k",
    "topk",
    summary="The k largest elements along an axis in order, and their indices.",
    formula=_top_k,
    kinds="real",
    outputs=("values", "indices"),
    attributes=(
        Attribute("k", SIZE),
        Attribute("axis", AXIS, -1),
        Attribute("largest", BOOLEAN, True, "the smallest when false"),
    ),
    samples=(
        Sample(((5,),), {"k": 2}),
        Sample(((4, 3),), {"k": 3, "axis": 0, "largest": False}),
    ),
    conventions="Of equal elements the first.",
)
