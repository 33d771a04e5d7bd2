"""The convolution without padding and its two derivatives: each one's derivatives are the other two."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from engine.dtypes import ITEMSIZE, TensorType
from engine.errors import ShapeMismatch
from engine.ir.attributes import INT, INTS, Attribute
from engine.ir.cost import Cost, moved
from engine.ir.dependence import Numbers, Reach
from engine.ir.dependence_rules import TypedStep, numbers
from engine.ir.families import LINALG, define
from engine.ir.samples import Sample
from engine.ir.table import F
from engine.ops.nn.convolution import kernels
from engine.ops.nn.geometry import Sizes, check_counts, counts, places, reads

# -- shapes ------------------------------------------------------------------------------------------


def _check(channels: int, out: int, w: Sizes, groups: int) -> None:
    """Raise ShapeMismatch unless a kernel of shape `w` takes `channels` in `groups` and gives `out`."""
    own = w[-2]
    if 0 in w[:-2]:
        raise ShapeMismatch(f"a kernel of shape {w}", hint="a window has an element along each axis")
    if groups < 1 or own * groups != channels or out % groups:
        raise ShapeMismatch(
            f"{channels} channels in {groups} groups, and a kernel that takes {own} in each and gives {out}",
            hint="the kernel takes channels / groups, and the groups divide its outputs; "
            "data_format says where the channels are",
        )


def _infer(types: Sequence[TensorType], *, stride: Sizes, dilation: Sizes, groups: int) -> Any:
    x, w = types
    n = len(w.shape) - 2
    _check(x.shape[-1], w.shape[-1], w.shape, groups)
    count = counts(x.shape[-n - 1 : -1], w.shape[:n], stride, dilation)
    return (TensorType((*x.shape[: -n - 1], *count, w.shape[-1]), x.dtype),)


def _infer_input(
    types: Sequence[TensorType], *, stride: Sizes, dilation: Sizes, groups: int, size: Sizes
) -> Any:
    g, w = types
    n = len(size)
    _check(w.shape[n] * groups, g.shape[-1], w.shape, groups)
    if g.shape[-1] != w.shape[-1]:
        raise ShapeMismatch(
            f"{g.shape[-1]} channels, and a kernel that takes {w.shape[-1]}",
            hint="the kernel of a transposed convolution has the channels that it takes last, and first "
            "with data_format='channels_first'",
        )
    check_counts(g.shape[-n - 1 : -1], size, w.shape[:n], stride, dilation)
    return (TensorType((*g.shape[: -n - 1], *size, w.shape[n] * groups), g.dtype),)


def _infer_kernel(
    types: Sequence[TensorType], *, stride: Sizes, dilation: Sizes, groups: int, window: Sizes
) -> Any:
    x, g = types
    n = len(window)
    check_counts(g.shape[-n - 1 : -1], x.shape[-n - 1 : -1], window, stride, dilation)
    return (TensorType((*window, x.shape[-1] // groups, g.shape[-1]), x.dtype),)


# -- cost --------------------------------------------------------------------------------------------


def _cost(
    types: Sequence[TensorType],
    outputs: Sequence[TensorType],
    faces: tuple[TensorType, TensorType, TensorType],
    groups: int,
    face: int,
) -> Cost:
    """Two operations for each product; the block of gathered windows beside the result.

    `faces` are x, w and g, whichever is the result: `face` counts them.
    """
    x, w, g = faces
    n = len(w.shape) - 2
    window, channels = prod(w.shape[:n]), x.shape[-1]
    count = g.shape[-n - 1 : -1]
    size, out = ITEMSIZE[x.dtype], g.shape[-1]
    flops = 2 * g.size * window * (channels // max(groups, 1))
    samples = prod(g.shape[: -n - 1])
    positions = samples * prod(count)
    if kernels.is_depthwise(channels, groups):
        scratch = positions * out * (1 if face == 1 else 1 + (face == 0) * channels // max(out, 1))
        return Cost(flops, moved(types, outputs), scratch * size, flops)
    some, lines = kernels.block_of(samples, count, window * channels)
    here = some * lines * prod(count[1:])
    gathered = here * window * channels
    product = {0: 0, 1: w.size, 2: here * out}[face]
    turned = 0 if groups == 1 else w.size * (face != 1) + here * out
    return Cost(flops, moved(types, outputs), (gathered + product + turned) * size)


def _cost_of(face: int) -> Any:
    """The cost rule of the op that gives x (0), w (1) or g (2)."""

    def cost(types: Sequence[TensorType], outputs: Sequence[TensorType], *, groups: int, **_: Any) -> Cost:
        first, second = types
        faces = {
            0: (outputs[0], second, first),
            1: (first, outputs[0], second),
            2: (first, second, outputs[0]),
        }[face]
        return _cost(types, outputs, faces, groups, face)

    return cost


# -- batching ----------------------------------------------------------------------------------------


def _into_channels(x: Any, batched: bool, n: int) -> Any:
    """The batch axis joined to the last one, in front of it."""
    x = x if batched else x.broadcast_to((n, *x.shape))
    turned = F.permute_dims(x, axes=(*range(1, x.ndim - 1), 0, x.ndim - 1))
    return turned.reshape((*turned.shape[:-2], n * x.shape[-1]))


def _out_of_channels(y: Any, n: int) -> Any:
    parts = y.reshape((*y.shape[:-1], n, y.shape[-1] // n))
    return F.permute_dims(parts, axes=(y.ndim - 1, *range(y.ndim - 1), y.ndim))


def _batch(
    op: Any, xs: Sequence[Any], batched: Sequence[bool], n: int, *, groups: int, **settings: Any
) -> Any:
    """Samples are more leading axes; kernels of their own are groups of their own."""
    if n == 0:
        return None
    tape, kernel = xs[0].tape, op is convolve_kernel
    if not batched[1] and not kernel:
        return tape.apply(op, xs, {"groups": groups, **settings})
    if op is convolve and not batched[0] and groups == 1:
        return _out_of_channels(
            tape.apply(op, [xs[0], _into_channels(xs[1], True, n)], {"groups": 1, **settings}), n
        )
    joined = [_into_channels(x, b, n) for x, b in zip(xs, batched, strict=True)]
    return _out_of_channels(tape.apply(op, joined, {"groups": n * groups, **settings}), n)


# -- dependence --------------------------------------------------------------------------------------


def _windows(x: Numbers, window: Sizes, count: Sizes, stride: Sizes, dilation: Sizes) -> Numbers:
    """What each position reads: (samples, *count, window, channels)."""
    parts = [
        x[(slice(None), *reads(place, count, stride, dilation), slice(None))] for place in places(window)
    ]
    return np.stack(parts, axis=-2)


def _reach(step: TypedStep, i: int) -> Reach | None:
    """The positions that a sum goes over, at the places of a window, within each group of channels."""
    name, settings = step.op.name, step.attributes
    one, two, out = (t.shape for t in (*step.inputs, step.output))
    x, w, g = {
        "valid_convolution": (one, two, out),
        "valid_convolution_input": (out, two, one),
        "valid_convolution_kernel": (one, out, two),
    }[name]
    n, groups = len(w) - 2, settings["groups"]
    window, count = w[:n], g[-n - 1 : -1]
    samples, own = prod(x[: -n - 1]), w[-2]
    operand, gives = (
        {"valid_convolution": "xwg", "valid_convolution_input": "gwx", "valid_convolution_kernel": "xgw"}[
            name
        ][i],
        name,
    )
    if operand == "w" or (operand == "g" and gives == "valid_convolution_kernel"):
        if gives == "valid_convolution_input":  # x[s, c] reads the kernels of its group and place within it
            into = np.broadcast_to(np.arange(own)[:, None], (*window, own, w[-1]))
            group = np.broadcast_to(np.arange(w[-1]) // (w[-1] // groups), into.shape)
            into = into + group * own
            read = np.broadcast_to(np.arange(groups * own), out)
            return Reach(into=into.reshape(-1), groups=groups * own, read=read.reshape(-1))
        last = step.inputs[i].shape[-1]
        into = np.broadcast_to(np.arange(last), step.inputs[i].shape)
        return Reach(
            into=into.reshape(-1), groups=last, read=np.broadcast_to(np.arange(last), out).reshape(-1)
        )
    stride, dilation = settings["stride"], settings["dilation"]
    places = _windows(
        numbers((samples, *x[-n - 1 : -1], groups * own)), window, count, stride, dilation
    ).reshape((samples, prod(count), prod(window), groups, own))
    if gives == "valid_convolution":  # y[t, o] reads x at all places and the channels of its group
        sums = numbers((samples, prod(count), groups))
        read = np.repeat(sums, w[-1] // groups, axis=-1)
        into = np.broadcast_to(sums[:, :, None, :, None], places.shape)
        return Reach(take=places.reshape(-1), into=into.reshape(-1), groups=sums.size, read=read.reshape(-1))
    if gives == "valid_convolution_kernel":  # w[k, c, o] reads x of channel c at place k of every position
        channels = groups * own
        sums = numbers((prod(window), channels)).reshape((1, 1, prod(window), groups, own))
        into = np.broadcast_to(sums, places.shape)
        channel = (np.arange(w[-1]) // (w[-1] // groups))[None, :] * own + np.arange(own)[:, None]
        read = np.arange(prod(window))[:, None, None] * channels + channel
        return Reach(
            take=places.reshape(-1),
            into=into.reshape(-1),
            groups=prod(window) * channels,
            read=read.reshape(-1),
        )
    # x[s, c] reads g of its group at the positions whose windows hold s
    of_g = numbers((samples, prod(count), groups, w[-1] // groups))
    place = places[..., 0] // own  # (samples, count, window, groups): sample, element and group
    take = np.broadcast_to(of_g[:, :, None], (*place.shape, w[-1] // groups))
    into = np.broadcast_to(place[..., None], take.shape)
    read = np.repeat(numbers((samples * prod(x[-n - 1 : -1]), groups)), own, axis=-1)
    return Reach(
        take=take.reshape(-1), into=into.reshape(-1), groups=read.size // max(own, 1), read=read.reshape(-1)
    )


# -- records -----------------------------------------------------------------------------------------

_STEPS = (Attribute("stride", INTS), Attribute("dilation", INTS), Attribute("groups", INT))


def _record(name: str, face: int, **fields: Any) -> Any:
    attributes = (*_STEPS, *fields.pop("attributes", ()))
    return define(
        name,
        family=LINALG,
        kinds="floating",
        attributes=attributes,
        batch=_batch,
        dependence=_reach,
        cost=_cost_of(face),
        linear_in=frozenset({0}),
        bilinear=True,
        zero_reason="zero_operand",
        internal=True,
        **fields,
    )


def _size(x: Any, n: int) -> Sizes:
    return tuple(x.shape[-n - 1 : -1])


convolve = _record(
    "valid_convolution",
    2,
    summary="The sum over windows of x, channels last, times a kernel (*window, channels / groups, outputs).",
    forward=kernels.convolve,
    infer=_infer,
    vjp=(
        lambda g, y, x, w, **s: F.valid_convolution_input(g, w, size=_size(x, w.ndim - 2), **s),
        lambda g, y, x, w, **s: F.valid_convolution_kernel(x, g, window=w.shape[: w.ndim - 2], **s),
    ),
    samples=(
        Sample(((2, 5, 3), (2, 3, 2)), {"stride": [1], "dilation": [1], "groups": 1}),
        Sample(((1, 4, 5, 8), (2, 2, 8, 3)), {"stride": [2, 1], "dilation": [1, 2], "groups": 1}),
        Sample(((5, 4, 4), (2, 3, 2, 6)), {"stride": [1, 1], "dilation": [2, 1], "groups": 2}),
        Sample(((2, 5, 3), (3, 1, 6)), {"stride": [2], "dilation": [1], "groups": 3}),
    ),
)

convolve_input = _record(
    "valid_convolution_input",
    0,
    summary="The derivative of valid_convolution by its input, which is the transposed convolution.",
    forward=kernels.convolve_input,
    infer=_infer_input,
    vjp=(
        lambda g, y, x, w, size, **s: F.valid_convolution(g, w, **s),
        lambda g, y, x, w, size, **s: F.valid_convolution_kernel(g, x, window=w.shape[: w.ndim - 2], **s),
    ),
    attributes=(Attribute("size", INTS),),
    samples=(
        Sample(((2, 2, 3), (2, 4, 3)), {"stride": [2], "dilation": [1], "groups": 1, "size": [4]}),
        Sample(
            ((2, 2, 4), (2, 2, 3, 4)), {"stride": [1, 2], "dilation": [2, 1], "groups": 2, "size": [4, 5]}
        ),
        Sample(((1, 2, 4), (2, 1, 4)), {"stride": [1], "dilation": [1], "groups": 2, "size": [3]}),
    ),
)

convolve_kernel = _record(
    "valid_convolution_kernel",
    1,
    summary="The derivative of valid_convolution by its kernel.",
    forward=kernels.convolve_kernel,
    infer=_infer_kernel,
    vjp=(
        lambda g, y, x, w, window, **s: F.valid_convolution_input(w, g, size=_size(x, len(window)), **s),
        lambda g, y, x, w, window, **s: F.valid_convolution(x, g, **s),
    ),
    attributes=(Attribute("window", INTS),),
    samples=(
        Sample(((2, 5, 3), (2, 4, 2)), {"stride": [1], "dilation": [1], "groups": 1, "window": [2]}),
        Sample(((5, 5, 4), (2, 3, 6)), {"stride": [2, 1], "dilation": [1, 2], "groups": 2, "window": [2, 2]}),
        Sample(((2, 3, 2), (2, 2, 4)), {"stride": [1], "dilation": [1], "groups": 2, "window": [2]}),
    ),
)
