"""Log-likelihoods of classes under a softmax of scores, together with their derivative.

What `engine.passes.entropy` writes for a log_softmax of which only the labels' elements are summed up: the
exponentials are taken once for the value and for its derivative by the scores, labels - softmax.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

from engine.dtypes import ITEMSIZE, TensorType
from engine.ir.attributes import AXES, AXIS, BOOLEAN, Attribute
from engine.ir.cost import Cost, per_element
from engine.ir.families import CONTROL, KEEPDIMS, axes_of_input, define
from engine.ir.no_gradient import stop
from engine.ir.shapes import reduced
from engine.ops.nn.losses.entropy import check_labels

_OUTPUTS = ("likelihoods", "slopes", "probabilities")
_AFTER = stop("passes come after the walks")
_AXIS = Attribute("axis", AXIS, -1, "the axis of the classes")


def _cost(types: Sequence[TensorType], outputs: Sequence[TensorType], *, axis: int, **_: Any) -> Cost:
    """Beside the outputs, of which one is made where the exponentials lie, a few numbers of each row."""
    scores = types[0]
    rows = ITEMSIZE[scores.dtype] * prod(outputs[0].shape)
    return replace(per_element(18)(types, outputs), workspace=6 * rows)


def _likelihoods(
    xp: Any, scores: Any, labels: Any, *, axis: int, masked: bool, needed: Sequence[bool]
) -> tuple[Any, Any, Any]:
    """`masked` rules out: a label of 0 at a score of -inf adds 0, not NaN."""
    z = scores - xp.max(scores, axis=axis, keepdims=True)
    mass = xp.sum(labels, axis=axis, keepdims=True)
    chosen = xp.vecdot(labels, z, axis=axis) if needed[0] else None
    if masked and needed[0] and (xp.on_device or not xp.all(xp.isfinite(chosen))):
        chosen = xp.sum(xp.where(labels == 0, 0, labels * z), axis=axis)
    e = xp.exp(z, out=z)
    total = xp.sum(e, axis=axis, keepdims=True)
    likelihoods = chosen - xp.squeeze(mass * xp.log(total), axis=axis) if needed[0] else None
    if not (needed[1] or needed[2]):
        return likelihoods, None, None
    probabilities = xp.divide(e, total, out=e) if needed[2] else None
    slopes = None
    if needed[1]:
        scaled = e * mass if needed[2] else xp.multiply(e, mass / total, out=e)
        slopes = xp.subtract(labels, scaled, out=scaled)
    return likelihoods, slopes, probabilities


def _infer(types: Sequence[TensorType], *, axis: int, **_: Any) -> tuple[TensorType, ...]:
    scores = types[0]
    rows = (*scores.shape[:axis], *scores.shape[axis + 1 :])
    whole = TensorType(scores.shape, scores.dtype)
    return TensorType(rows, scores.dtype), whole, whole


soft_log_likelihood = define(
    "soft_log_likelihood",
    family=CONTROL,
    summary="sum(labels * log_softmax(scores)), and its derivative by the scores.",
    forward=_likelihoods,
    infer=_infer,
    vjp=_AFTER,
    kinds="real_floating",
    attributes=(_AXIS, Attribute("masked", BOOLEAN, False, "whether a label of 0 at a score of -inf adds 0")),
    cost=_cost,
    takes_needed=True,
    outputs=_OUTPUTS,
    internal=True,
)


def _of_classes(
    xp: Any, scores: Any, classes: Any, *, axis: int, strict: bool, guarded: bool, needed: Sequence[bool]
) -> tuple[Any, Any, Any]:
    """A class out of range is an error, one that counts from the end if `strict`.

    `guarded` rows with an infinite maximum are as in logsumexp, others as in log_softmax: NaN throughout.
    """
    size = scores.shape[axis]
    if strict:
        classes = check_labels(xp, classes, size)
    else:
        xp.watch_indices(classes, size)
    places = xp.expand_dims(classes, axis=axis)
    top = xp.max(scores, axis=axis, keepdims=True)
    if guarded:
        top = xp.where(xp.isfinite(top), top, 0)
    e = scores - top
    e = xp.exp(e, out=e)
    total = xp.sum(e, axis=axis, keepdims=True)
    chosen = xp.take_along_axis(scores, places, axis=axis)
    likelihoods = xp.squeeze((chosen - top) - xp.log(total), axis=axis) if needed[0] else None
    if not needed[1]:
        return likelihoods, None, None
    e /= -total
    return likelihoods, xp.put_along_axis_add(e, xp.astype(places, xp.int64, copy=False), 1, axis), None


class_log_likelihood = define(
    "class_log_likelihood",
    family=CONTROL,
    summary="log_softmax(scores) at the classes, and its derivative by the scores.",
    forward=_of_classes,
    infer=_infer,
    vjp=_AFTER,
    kinds=("real_floating", "integer"),
    promote=(True, False),
    attributes=(
        _AXIS,
        Attribute("strict", BOOLEAN, True, "whether classes may not count from the end"),
        Attribute("guarded", BOOLEAN, False, "whether infinite maxima are treated as in logsumexp"),
    ),
    cost=_cost,
    takes_needed=True,
    outputs=_OUTPUTS,
    internal=True,
)


def _summed(
    xp: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool, needed: Sequence[bool]
) -> tuple[Any, Any]:
    top = xp.max(x, axis=axis, keepdims=True)
    top = xp.where(xp.isfinite(top), top, 0)
    e = xp.asarray(x - top)  # of a scalar there would be no array to write into
    e = xp.exp(e, out=e)
    total = xp.sum(e, axis=axis, keepdims=True)
    answer = top + xp.log(total)
    if not keepdims:
        answer = xp.squeeze(answer, axis=axis)
    return answer, xp.divide(e, total, out=e) if needed[1] else None


def _infer_summed(
    types: Sequence[TensorType], *, axis: tuple[int, ...], keepdims: bool
) -> tuple[TensorType, ...]:
    (x,) = types
    return TensorType(reduced(x.shape, axis, keepdims), x.dtype), TensorType(x.shape, x.dtype)


def _summed_cost(
    types: Sequence[TensorType], outputs: Sequence[TensorType], *, axis: tuple[int, ...], **_: Any
) -> Cost:
    rows = ITEMSIZE[types[0].dtype] * prod(reduced(types[0].shape, axis, True))
    return replace(per_element(17)(types, outputs), workspace=3 * rows)


logsumexp_and_softmax = define(
    "logsumexp_and_softmax",
    family=CONTROL,
    summary="log(sum(exp(x))), and its derivative by x.",
    forward=_summed,
    infer=_infer_summed,
    normalize=axes_of_input,
    vjp=_AFTER,
    kinds="real_floating",
    attributes=(Attribute("axis", AXES, (-1,), "the axes to reduce over"), KEEPDIMS),
    cost=_summed_cost,
    takes_needed=True,
    outputs=("result", "softmax"),
    internal=True,
)
