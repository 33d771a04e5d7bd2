"""The softmax family, over the last axis by default; and glu, which halves an axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

from engine.dtypes import ITEMSIZE, TensorType
from engine.errors import ShapeMismatch
from engine.ir import batch_rules, dependence_rules
from engine.ir.attributes import AXES, AXIS, Attribute
from engine.ir.cost import Cost, per_element
from engine.ir.families import KEEPDIMS, REDUCTION, axes_of_input, composite, define, infer_reduction
from engine.ir.op import Family, Op
from engine.ir.samples import Sample
from engine.ir.shapes import normalize_axis, reduced, spread
from engine.ir.table import F

_FAMILY = Family(
    "softmax", jvp="double_vjp", batch=batch_rules.along_axis, dependence=dependence_rules.along_axis
)
_AXIS = Attribute("axis", AXES, (-1,), "the axes to reduce over; null: all of them", nullable=True)
_SAMPLES = (
    Sample(((2, 3),)),
    Sample(((3, 2),), {"axis": 0}),
    Sample(((2, 3, 2),), {"axis": [0, -1]}),
    Sample(((2, 2),), {"axis": None}),
    Sample(((1,),)),
)


def _shifted(xp: Any, x: Any, axis: tuple[int, ...]) -> Any:
    """X less its maximum, so that exp cannot overflow."""
    return x - xp.max(x, axis=axis, keepdims=True) if x.size else x


def _softmax(xp: Any, x: Any, *, axis: tuple[int, ...]) -> Any:
    e = xp.exp(_shifted(xp, x, axis))
    return e / xp.sum(e, axis=axis, keepdims=True)


def _softmax_into(xp: Any, out: Any, x: Any, *, axis: tuple[int, ...]) -> None:
    """The same steps, in the memory of the result."""
    if not x.size:
        return
    xp.subtract(x, xp.max(x, axis=axis, keepdims=True), out=out)
    xp.exp(out, out=out)
    xp.divide(out, xp.sum(out, axis=axis, keepdims=True), out=out)


def _log_softmax(xp: Any, x: Any, *, axis: tuple[int, ...]) -> Any:
    z = _shifted(xp, x, axis)
    return z - xp.log(xp.sum(xp.exp(z), axis=axis, keepdims=True))


def _log_softmax_into(xp: Any, out: Any, x: Any, *, axis: tuple[int, ...]) -> None:
    """The same steps, with the exponentials beside the result."""
    if not x.size:
        return
    xp.subtract(x, xp.max(x, axis=axis, keepdims=True), out=out)
    xp.subtract(out, xp.log(xp.sum(xp.exp(out), axis=axis, keepdims=True)), out=out)


def _logsumexp(xp: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    if x.size == 0:
        return xp.log(xp.sum(x, axis=axis, keepdims=keepdims))
    top = xp.max(x, axis=axis, keepdims=True)
    top = xp.where(xp.isfinite(top), top, 0)
    answer = top + xp.log(xp.sum(xp.exp(x - top), axis=axis, keepdims=True))
    return answer if keepdims else xp.squeeze(answer, axis=axis)


def _lower_shifted(k: Any, x: Any, axis: tuple[int, ...]) -> Any:
    return k.map(lambda m, v, top: v - top, x, k.reduce("max", x, axis, True))


def _lower_softmax(k: Any, x: Any, *, axis: tuple[int, ...]) -> Any:
    e = k.map(lambda m, z: m.exp(z), _lower_shifted(k, x, axis))
    return k.map(lambda m, v, total: v / total, e, k.reduce("add", e, axis, True))


def _lower_log_softmax(k: Any, x: Any, *, axis: tuple[int, ...]) -> Any:
    z = _lower_shifted(k, x, axis)
    total = k.reduce("add", k.map(lambda m, v: m.exp(v), z), axis, True)
    return k.map(lambda m, v, log: v - log, z, k.map(lambda m, v: m.log(v), total))


def _lower_logsumexp(k: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    top = k.reduce("max", x, axis, True)
    top = k.map(lambda m, v: m.where(m.isfinite(v), v, 0), top)
    total = k.reduce("add", k.map(lambda m, v, t: m.exp(v - t), x, top), axis, True)
    return k.reshape(k.map(lambda m, t, v: t + m.log(v), top, total), reduced(k.shape(x), axis, keepdims))


def _cost(types: Sequence[TensorType], outputs: Sequence[TensorType], *, axis: tuple[int, ...]) -> Cost:
    """Beside the answer a few numbers of each slice."""
    x = types[0]
    slices = ITEMSIZE[x.dtype] * prod(reduced(x.shape, axis, True))
    return replace(per_element(15)(types, outputs), workspace=2 * slices)


def _cost_of_log(types: Sequence[TensorType], outputs: Sequence[TensorType], **attributes: Any) -> Cost:
    """The exponentials too."""
    cost = _cost(types, outputs, **attributes)
    return replace(cost, workspace=cost.workspace + types[0].nbytes)


def _normalised(name: str, *aliases: str, **fields: Any) -> Op:
    return define(
        name,
        *aliases,
        family=_FAMILY,
        infer=lambda types, **_: (TensorType(types[0].shape, types[0].dtype),),
        normalize=axes_of_input,
        kinds="real_floating",
        attributes=(_AXIS,),
        samples=_SAMPLES,
        zero_reason="saturated",
        **fields,
    )


softmax = _normalised(
    "softmax",
    summary="exp(x) / sum(exp(x)), without overflow.",
    forward=_softmax,
    forward_into=_softmax_into,
    cost=_cost,
    lowering=_lower_softmax,
    vjp=lambda g, y, x, axis: y * (g - F.sum(g * y, axis=axis, keepdims=True)),
    conventions="A slice that is -inf throughout, or holds inf, gives NaN.",
)

log_softmax = _normalised(
    "log_softmax",
    summary="log(softmax(x)), exact where softmax vanishes.",
    forward=_log_softmax,
    forward_into=_log_softmax_into,
    cost=_cost_of_log,
    lowering=_lower_log_softmax,
    vjp=lambda g, y, x, axis: g - F.exp(y) * F.sum(g, axis=axis, keepdims=True),
    conventions="A slice that is -inf throughout, or holds inf, gives NaN.",
)


def _logsumexp_rule(g: Any, y: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    return spread(g, x, axis) * F.exp(x - spread(y, x, axis))


logsumexp = define(
    "logsumexp",
    family=REDUCTION,
    summary="log(sum(exp(x))), without overflow.",
    forward=_logsumexp,
    lowering=_lower_logsumexp,
    infer=infer_reduction(),
    normalize=axes_of_input,
    kinds="real_floating",
    vjp=_logsumexp_rule,
    attributes=(_AXIS, KEEPDIMS),
    cost=per_element(15, workspace=2),
    samples=(*_SAMPLES, Sample(((2, 3),), {"axis": -1, "keepdims": True})),
    zero_reason="saturated",
    conventions="Of nothing, and of -inf throughout, it is -inf. Where it is infinite the derivative is NaN.",
)


def _glu(x: Any, *, axis: int) -> Any:
    axis = normalize_axis(axis, x.ndim)
    size = x.shape[axis]
    if size % 2:
        raise ShapeMismatch(f"axis {axis} of shape {x.shape} has odd size {size}", hint="glu halves the axis")
    before = (slice(None),) * axis
    left = F.getitem(x, index=(*before, slice(None, size // 2)))
    right = F.getitem(x, index=(*before, slice(size // 2, None)))
    return left * F.sigmoid(right)


glu = composite(
    "glu",
    summary="The first half of an axis times the sigmoid of its second half.",
    formula=_glu,
    kinds="real_floating",
    attributes=(Attribute("axis", AXIS, -1),),
    samples=(Sample(((2, 4),)), Sample(((2, 3),), {"axis": 0})),
)
