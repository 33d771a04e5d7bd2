"""Products, and running sums and products; exact where factors are zero, at every order.

The derivative of a running product is itself a linear recurrence, s_i = b_i + a_i s_{i-1}, so nothing
is ever divided by a factor. `linear_recurrence` is closed under differentiation: its adjoint is the
transposed recurrence.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.dtypes import TensorType
from engine.ir.attributes import AXIS, BOOLEAN, Attribute
from engine.ir.cost import Cost, moved, per_element
from engine.ir.families import REDUCTION, define, reduction
from engine.ir.indices import along
from engine.ir.op import Op
from engine.ir.samples import Sample
from engine.ir.shapes import cast_back, normalize_axis, spread
from engine.ir.table import F
from engine.ops.reductions.totals import (
    ACCUMULATOR,
    WIDENS,
    accumulator,
    axes_and_accumulator,
    gathered,
    infer_total,
    scattered,
)


def _prod(xp: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool, dtype: str) -> Any:
    return xp.prod(x, axis=axis, keepdims=keepdims, dtype=getattr(xp, dtype))


def _others(x: Any, axis: tuple[int, ...]) -> Any:
    """For each element the product of the others that are reduced with it."""
    flat = gathered(x, axis)
    before = F.cumulative_prod(flat, axis=-1, exclusive=True)
    after = F.cumulative_prod(flat, axis=-1, exclusive=True, reverse=True)
    return scattered(before * after, x, axis)


prod = reduction(
    "prod",
    "reduce_prod",
    summary="The product.",
    forward=_prod,
    normalize=axes_and_accumulator,
    infer=infer_total,
    attributes=(ACCUMULATOR,),
    kinds="any",
    vjp=lambda g, y, x, axis, keepdims, dtype: spread(cast_back(g, x), x, axis) * _others(x, axis),
    zero_reason="zero_operand",
    samples=(
        Sample(((2, 3),)),
        Sample(((2, 3),), {"axis": 0}),
        Sample(((2, 3, 2),), {"axis": [0, -1], "keepdims": True}),
        Sample(((),)),
        Sample(([2.0, 0.0, 3.0],)),
        Sample(([[0.0, 0.0, 3.0], [1.0, 0.0, 2.0]],), {"axis": 1}),
    ),
    conventions=f"The product of no elements is 1. Derivatives are exact where factors are zero. {WIDENS}",
)


# -- running -----------------------------------------------------------------------------------------


def _axis_and_accumulator(
    types: Sequence[Any], *, axis: int | None, dtype: str | None, **_: Any
) -> dict[str, Any]:
    place = None if axis is None else normalize_axis(axis, types[0].ndim)
    return {"axis": place, "dtype": accumulator(types[0].dtype, dtype)}


def _infer_running(
    types: Sequence[TensorType], *, axis: int | None, dtype: str, **_: Any
) -> tuple[TensorType, ...]:
    return (TensorType((types[0].size,) if axis is None else types[0].shape, dtype),)


def _running(function: str, neutral: int) -> Any:
    def forward(xp: Any, x: Any, *, axis: int | None, exclusive: bool, reverse: bool, dtype: str) -> Any:
        if axis is None:
            x, axis = xp.reshape(x, (-1,)), 0
        x = xp.astype(x, getattr(xp, dtype), copy=False)
        if reverse:
            x = xp.flip(x, axis=axis)
        if exclusive:
            first = xp.full(
                (*x.shape[:axis], 1, *x.shape[axis + 1 :]), neutral, dtype=x.dtype, device=x.device
            )
            shifted = xp.concat([first, x[along(axis, slice(0, -1))]], axis=axis)
            x = shifted[along(axis, slice(0, x.shape[axis]))]  # of an empty axis nothing
        y = getattr(xp, function)(x, axis=axis, dtype=x.dtype)
        return xp.flip(y, axis=axis) if reverse else y

    return forward


def _running_cost(
    types: Sequence[TensorType], outputs: Sequence[TensorType], *, exclusive: bool, dtype: str, **_: Any
) -> Cost:
    prepared = exclusive or types[0].dtype != dtype  # shifted by one, or converted
    return per_element(1, workspace=int(prepared))(types, outputs)


def _running_op(name: str, short: str, summary: str, neutral: int, rule: Any, **fields: Any) -> Op:
    return define(
        name,
        short,
        family=REDUCTION,
        summary=summary,
        forward=_running(name, neutral),
        normalize=_axis_and_accumulator,
        infer=_infer_running,
        kinds="any",
        vjp=rule,
        attributes=(
            Attribute("axis", AXIS, None, "the axis to run along; the flattened tensor when absent"),
            Attribute("exclusive", BOOLEAN, False, "leave out the element itself"),
            Attribute("reverse", BOOLEAN, False, "run from the end"),
            ACCUMULATOR,
        ),
        cost=_running_cost,
        may_alias=lambda *, reverse, **_: reverse,
        samples=(
            Sample(((2, 3),), {"axis": -1}),
            Sample(((2, 3),)),
            Sample(((3, 2),), {"axis": 0, "exclusive": True}),
            Sample(((4,),), {"axis": 0, "reverse": True}),
            Sample(((2, 4),), {"axis": 1, "exclusive": True, "reverse": True}),
            Sample(([[1.5, 0.0, 2.0, -1.0, 0.0, 0.5]],), {"axis": 1}),
            Sample(([0.0, 2.0, 0.0, 3.0, 1.5],), {"axis": 0, "exclusive": True}),
        ),
        conventions=f"`exclusive` and `reverse` are TensorFlow's. {WIDENS}",
        **fields,
    )


def _sum_rule(g: Any, y: Any, x: Any, axis: int | None, exclusive: bool, reverse: bool, dtype: str) -> Any:
    place = 0 if axis is None else axis
    back = F.cumulative_sum(cast_back(g, x), axis=place, exclusive=exclusive, reverse=not reverse)
    return back.reshape(x.shape)


def _prod_rule(g: Any, y: Any, x: Any, axis: int | None, exclusive: bool, reverse: bool, dtype: str) -> Any:
    shape, g = x.shape, cast_back(g, x)
    if axis is None:
        x, axis = x.reshape((x.size,)), 0
    if reverse:
        x, g = F.flip(x, axis=axis), F.flip(g, axis=axis)
    before = F.cumulative_prod(x, axis=axis, exclusive=True)
    if exclusive:
        tail = _later(F.linear_recurrence(_earlier(x, axis), g, axis=axis, reverse=True), axis)
    else:
        tail = F.linear_recurrence(x, g, axis=axis, reverse=True)
    answer = before * tail
    return (F.flip(answer, axis=axis) if reverse else answer).reshape(shape)


cumulative_sum = _running_op(
    "cumulative_sum", "cumsum", "The running sum along an axis.", 0, _sum_rule, linear_in=frozenset({0})
)

cumulative_prod = _running_op(
    "cumulative_prod",
    "cumprod",
    "The running product along an axis.",
    1,
    _prod_rule,
    zero_reason="zero_operand",
)


# -- the linear recurrence ---------------------------------------------------------------------------


def _earlier(x: Any, axis: int) -> Any:
    """Each element's predecessor; zero before the first."""
    zero = F.zeros_like(F.getitem(x, index=along(axis, slice(0, 1))))
    return F.concat(zero, F.getitem(x, index=along(axis, slice(0, -1))), axis=axis)


def _later(x: Any, axis: int) -> Any:
    """Each element's successor; zero after the last."""
    zero = F.zeros_like(F.getitem(x, index=along(axis, slice(0, 1))))
    return F.concat(F.getitem(x, index=along(axis, slice(1, None))), zero, axis=axis)


def _recurrence(xp: Any, a: Any, b: Any, *, axis: int, reverse: bool) -> Any:
    return xp.recurrence(a, b, axis, reverse=reverse)


def _recurrence_cost(
    types: Sequence[TensorType], outputs: Sequence[TensorType], *, axis: int, **_: Any
) -> Cost:
    own = outputs[0]
    steps = own.shape[axis] if own.shape else 1
    width = own.nbytes // max(1, own.size)
    # a look at the factors, and either one term of every row or the diagonals of one
    scratch = own.size + max(own.nbytes // max(1, steps), 2 * steps * width)
    return Cost(2 * own.size, 2 * moved(types, outputs), scratch)


def _by_factor(g: Any, y: Any, a: Any, b: Any, axis: int, reverse: bool) -> Any:
    back = F.linear_recurrence(a, g, axis=axis, reverse=not reverse)
    return _earlier(back, axis) * y if reverse else back * _earlier(y, axis)


linear_recurrence = define(
    "linear_recurrence",
    family=REDUCTION,
    summary="s_i = b_i + a_i s_{i-1} along an axis; its transpose, s_i = b_i + a_{i+1} s_{i+1}, in reverse.",
    forward=_recurrence,
    normalize=lambda types, *, axis, **_: {"axis": normalize_axis(axis, types[0].ndim)},
    infer=lambda types, **_: (types[1],),
    kinds="numeric",
    vjp=(
        _by_factor,
        lambda g, y, a, b, axis, reverse: F.linear_recurrence(a, g, axis=axis, reverse=not reverse),
    ),
    attributes=(Attribute("axis", AXIS), Attribute("reverse", BOOLEAN, False)),
    cost=_recurrence_cost,
    may_alias=lambda *, reverse, **_: reverse,
    linear_in=frozenset({1}),
    internal=True,
    samples=(
        Sample(((5,), (5,)), {"axis": 0}),
        Sample(((2, 6, 2), (2, 6, 2)), {"axis": 1, "reverse": True}),
        Sample(((1, 3), (1, 3)), {"axis": 0}),
    ),
)
