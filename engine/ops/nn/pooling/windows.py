"""Windows over the spatial axes of x (samples, *sizes, channels), without padding: what pools are made of.

The kernels loop over the places of a window and never over elements. A window's largest element is read and
written by its place, the first of equals: window_pick and window_put are each other's adjoint, and so are
window_sum and window_spread.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from engine.dtypes import ITEMSIZE, TensorType
from engine.ir import batch_rules
from engine.ir.attributes import INTS, Attribute
from engine.ir.cost import Cost, moved
from engine.ir.dependence import Numbers, Reach
from engine.ir.dependence_rules import TypedStep, numbers
from engine.ir.families import define
from engine.ir.no_gradient import NoGradient
from engine.ir.op import Family
from engine.ir.samples import Sample
from engine.ir.table import F
from engine.ops.nn.geometry import Sizes, check_counts, counts, places, reads

_PLACE = NoGradient("nondifferentiable", "to_integer", "the place of an element is an integer")
_ATTRIBUTES = tuple(Attribute(name, INTS) for name in ("window", "stride", "dilation"))
_SIZE = Attribute("size", INTS)


def _sizes(x: Any, window: Sizes) -> Sizes:
    return tuple(x.shape[-len(window) - 1 : -1])


def _shape(x: Any, window: Sizes, stride: Sizes, dilation: Sizes) -> Sizes:
    """The shape of a tensor that has an element for each window."""
    count = counts(_sizes(x, window), window, stride, dilation)
    return (*x.shape[: -len(window) - 1], *count, x.shape[-1])


def _parts(x: Any, window: Sizes, stride: Sizes, dilation: Sizes, count: Sizes) -> list[Any]:
    """What all windows read at each place: views of x."""
    lead = (slice(None),) * (x.ndim - len(window) - 1)
    return [x[(*lead, *reads(place, count, stride, dilation), slice(None))] for place in places(window)]


def _parts_of(x: Any, window: Sizes, stride: Sizes, dilation: Sizes) -> list[Any]:
    return _parts(x, window, stride, dilation, counts(_sizes(x, window), window, stride, dilation))


# -- the largest -------------------------------------------------------------------------------------


def _max(xp: Any, x: Any, *, window: Sizes, stride: Sizes, dilation: Sizes) -> Any:
    first, *rest = _parts_of(x, window, stride, dilation)
    best = xp.asarray(first, copy=True)
    for part in rest:
        best = xp.maximum(best, part)
    return best


def _argmax(xp: Any, x: Any, y: Any, *, window: Sizes, stride: Sizes, dilation: Sizes) -> Any:
    parts = _parts_of(x, window, stride, dilation)
    place = xp.zeros(y.shape, dtype=xp.int32, device=x.device)
    for number in range(len(parts) - 1, -1, -1):  # the first of equals is written last
        part = parts[number]
        place = xp.where(
            (part == y) | xp.isnan(part), xp.full((), number, dtype=xp.int32, device=x.device), place
        )
    return place


def _pick(xp: Any, x: Any, place: Any, *, window: Sizes, stride: Sizes, dilation: Sizes) -> Any:
    chosen = xp.zeros(place.shape, dtype=x.dtype, device=x.device)
    for number, part in enumerate(_parts_of(x, window, stride, dilation)):
        chosen = xp.where(place == number, part, chosen)
    return chosen


def _put(xp: Any, g: Any, place: Any, *, window: Sizes, stride: Sizes, dilation: Sizes, size: Sizes) -> Any:
    x = xp.zeros((*g.shape[: -len(size) - 1], *size, g.shape[-1]), dtype=g.dtype, device=g.device)
    none = xp.zeros((), dtype=g.dtype, device=g.device)
    for number, part in enumerate(_parts(x, window, stride, dilation, _sizes(g, window))):
        part[...] = part + xp.where(place == number, g, none)
    return x


# -- the sum -----------------------------------------------------------------------------------------


def _sum(xp: Any, x: Any, *, window: Sizes, stride: Sizes, dilation: Sizes) -> Any:
    """Axis by axis: the sum of sums along one."""
    n = len(window)
    count = counts(_sizes(x, window), window, stride, dilation)
    for k in range(n):
        axis = x.ndim - n - 1 + k
        before = (slice(None),) * axis
        total = None
        for (index,) in (
            reads((at,), count[k : k + 1], stride[k : k + 1], dilation[k : k + 1]) for at in range(window[k])
        ):
            part = x[(*before, index, ...)]
            total = part if total is None else total + part
        x = total
    return xp.asarray(x, copy=True) if prod(window) == 1 else x


def _spread(xp: Any, g: Any, *, window: Sizes, stride: Sizes, dilation: Sizes, size: Sizes) -> Any:
    n = len(window)
    for k in range(n):
        axis = g.ndim - n - 1 + k
        before, count = (slice(None),) * axis, g.shape[axis : axis + 1]
        wide = xp.zeros((*g.shape[:axis], size[k], *g.shape[axis + 1 :]), dtype=g.dtype, device=g.device)
        for at in range(window[k]):
            (index,) = reads((at,), count, stride[k : k + 1], dilation[k : k + 1])
            wide[(*before, index, ...)] += g
        g = wide
    return g


# -- records -----------------------------------------------------------------------------------------


def _infer(types: Sequence[TensorType], *, window: Sizes, stride: Sizes, dilation: Sizes) -> Any:
    return (TensorType(_shape(types[0], window, stride, dilation), types[0].dtype),)


def _infer_wide(
    types: Sequence[TensorType], *, window: Sizes, stride: Sizes, dilation: Sizes, size: Sizes
) -> Any:
    shape = types[0].shape
    check_counts(_sizes(types[0], window), size, window, stride, dilation)
    return (TensorType((*shape[: -len(size) - 1], *size, shape[-1]), types[0].dtype),)


def _cost(scratch: Any) -> Any:
    """One operation for each place of each window; `scratch` bytes beside the result."""

    def cost(types: Sequence[TensorType], outputs: Sequence[TensorType], **attributes: Any) -> Cost:
        narrow = min(types[0].size, outputs[0].size)
        work = narrow * prod(attributes["window"])
        return Cost(work, moved(types, outputs), scratch(types, outputs, **attributes), 2 * work)

    return cost


def _summed_cost(types: Any, outputs: Any, *, window: Sizes, stride: Sizes, dilation: Sizes) -> Cost:
    """The two sums on the way of the first axis that is summed."""
    shape, most, work = list(types[0].shape), 0, 0
    before, count = 0, outputs[0].shape
    for k, places_ in enumerate(window):
        axis = len(shape) - len(window) - 1 + k
        shape[axis] = count[axis]
        size = prod(shape)
        sums = min(places_ - 1, 2) * size
        most, before = max(most, before + sums), size if places_ > 1 else before
        work += size * places_
    size = ITEMSIZE[outputs[0].dtype]
    return Cost(work, moved(types, outputs), max(0, most - outputs[0].size) * size, 2 * work)


def _spread_cost(types: Any, outputs: Any, *, window: Sizes, size: Sizes, **_: Any) -> Cost:
    shape, most, work, before = list(types[0].shape), 0, 0, 0
    for k, places_ in enumerate(window):
        shape[len(shape) - len(window) - 1 + k] = size[k]
        wide = prod(shape)
        most, before = max(most, before + wide), wide
        work += wide * places_
    each = ITEMSIZE[outputs[0].dtype]
    return Cost(work, moved(types, outputs), max(0, most - outputs[0].size) * each, 2 * work)


def _grouped(step: TypedStep, i: int) -> tuple[Numbers, Numbers]:
    """For each window and place, the wide tensor's element and the window's number."""
    wide = "size" in step.attributes
    narrow, source = (step.inputs[0], step.output) if wide else (step.output, step.inputs[0])
    window, stride, dilation = (step.attributes[name] for name in ("window", "stride", "dilation"))
    elements = np.stack(_parts_of(numbers(source.shape), window, stride, dilation), axis=-1)
    groups = np.broadcast_to(numbers(narrow.shape)[..., None], elements.shape)
    return elements.reshape(-1), groups.reshape(-1)


def _gathers(step: TypedStep, i: int) -> Reach | None:
    """Each window reads its elements."""
    elements, groups = _grouped(step, i)
    return Reach(take=elements, into=groups, groups=step.output.size)


def _scatters(step: TypedStep, i: int) -> Reach | None:
    """Each element reads the windows that it is in."""
    elements, groups = _grouped(step, i)
    return Reach(take=groups, into=elements, groups=step.output.size)


def _picks(step: TypedStep, i: int) -> Reach | None:
    """The element at the place, if that is known."""
    place = step.value(1)
    return _at_places(step, i, place) if place is not None else _gathers(step, i)


def _puts(step: TypedStep, i: int) -> Reach | None:
    place = step.value(1)
    return _at_places(step, i, place) if place is not None else _scatters(step, i)


def _at_places(step: TypedStep, i: int, place: Any) -> Reach:
    elements, groups = _grouped(step, i)
    window = prod(step.attributes["window"])
    chosen = (np.arange(window) == np.asarray(place)[..., None]).reshape(-1)
    elements, groups = elements[chosen], groups[chosen]
    if "size" in step.attributes:
        return Reach(take=groups, into=elements, groups=step.output.size)
    return Reach(take=elements, into=groups, groups=step.output.size)


_WINDOWS = Family("windows", jvp="double_vjp", batch=batch_rules.trailing)


def _record(name: str, **fields: Any) -> Any:
    attributes = (*_ATTRIBUTES, *fields.pop("attributes", ()))
    fields.setdefault("infer", _infer)
    return define(name, family=_WINDOWS, attributes=attributes, internal=True, **fields)


_TWO = {"window": [2, 2], "stride": [2, 1], "dilation": [1, 2]}
_ONE = {"window": [3], "stride": [1], "dilation": [1]}

window_max = _record(
    "window_max",
    summary="The largest element of each window.",
    forward=_max,
    kinds="real_floating",
    vjp=lambda g, y, x, **s: F.window_put(g, F.window_argmax(x, y, **s), size=_sizes(x, s["window"]), **s),
    cost=_cost(lambda types, outputs, window, **_: outputs[0].nbytes * min(1, prod(window) - 1)),
    dependence=_gathers,
    nonsmooth_at=lambda xp, x, **s: (
        xp.sum(
            xp.astype(xp.stack([part == _max(xp, x, **s) for part in _parts_of(x, **s)], axis=0), xp.int32),
            axis=0,
        )
        > 1
    ),
    zero_reason="unselected",
    conventions="Of equal elements the first gets the gradient.",
    samples=(Sample(((2, 4, 3, 2),), _TWO), Sample(((5, 2),), _ONE)),
)

window_argmax = _record(
    "window_argmax",
    summary="The place within its window of y, the largest element; the first of equals.",
    forward=_argmax,
    kinds="real_floating",
    infer=lambda types, **_: (TensorType(types[1].shape, "int32"),),
    vjp=(_PLACE, _PLACE),
    cost=_cost(lambda types, outputs, **_: outputs[0].nbytes + 3 * outputs[0].size),
    samples=(Sample(((2, 4, 3, 2), (2, 2, 1, 2)), _TWO), Sample(((5, 2), (3, 2)), _ONE)),
)

window_pick = _record(
    "window_pick",
    summary="The element of each window at a place.",
    forward=_pick,
    kinds=("numeric", "integer"),
    promote=(True, False),
    infer=lambda types, **_: (TensorType(types[1].shape, types[0].dtype),),
    vjp=(
        lambda g, y, x, place, **s: F.window_put(g, place, size=_sizes(x, s["window"]), **s),
        _PLACE,
    ),
    cost=_cost(lambda types, outputs, **_: outputs[0].nbytes + outputs[0].size),
    dependence=_picks,
    linear_in=frozenset({0}),
    zero_reason="unselected",
    samples=(
        Sample(((1, 4, 3, 2), [[[[0, 3]], [[1, 2]]]]), _TWO),
        Sample(((5, 2), [[0, 2], [1, 1], [2, 0]]), _ONE),
    ),
)

window_put = _record(
    "window_put",
    summary="The adjoint of window_pick: each element added at its place.",
    forward=_put,
    kinds=("numeric", "integer"),
    promote=(True, False),
    infer=_infer_wide,
    vjp=(lambda g, y, x, place, size, **s: F.window_pick(g, place, **s), _PLACE),
    attributes=(_SIZE,),
    cost=_cost(lambda types, outputs, **_: types[0].nbytes + types[0].size),
    dependence=_puts,
    linear_in=frozenset({0}),
    samples=(
        Sample(((1, 2, 1, 2), [[[[0, 3]], [[1, 2]]]]), {**_TWO, "size": [4, 3]}),
        Sample(((3, 2), [[0, 2], [1, 1], [2, 0]]), {**_ONE, "size": [5]}),
    ),
)

window_sum = _record(
    "window_sum",
    summary="The sum of each window.",
    forward=_sum,
    kinds="numeric",
    vjp=lambda g, y, x, **s: F.window_spread(g, size=_sizes(x, s["window"]), **s),
    cost=_summed_cost,
    dependence=_gathers,
    linear_in=frozenset({0}),
    samples=(Sample(((2, 4, 3, 2),), _TWO), Sample(((5, 2),), _ONE)),
)

window_spread = _record(
    "window_spread",
    summary="The adjoint of window_sum: each element added throughout its window.",
    forward=_spread,
    kinds="numeric",
    infer=_infer_wide,
    vjp=lambda g, y, x, size, **s: F.window_sum(g, **s),
    attributes=(_SIZE,),
    cost=_spread_cost,
    dependence=_scatters,
    linear_in=frozenset({0}),
    samples=(Sample(((2, 2, 1, 2),), {**_TWO, "size": [4, 3]}), Sample(((3, 2),), {**_ONE, "size": [5]})),
)
