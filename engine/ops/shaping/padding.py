"""Tensors extended beyond their borders, and the adjoint that folds the borders back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

from engine.dtypes import ITEMSIZE, TensorType
from engine.errors import InvalidAttribute, ShapeMismatch
from engine.ir import batch_rules, dependence_rules
from engine.ir.attributes import NUMBER, PAIRS, Attribute, choice
from engine.ir.cost import Cost
from engine.ir.indices import along
from engine.ir.samples import Sample
from engine.ir.table import F
from engine.ops.creation import value_of
from engine.ops.shaping.common import copied, mover

Pairs = tuple[tuple[int, int], ...]

_MODES = ("constant", "edge", "reflect", "symmetric", "wrap")


def _sources(mode: str, size: int, before: int, after: int) -> tuple[slice, slice]:
    """Where along an axis of `size` the borders are read from; reflect and symmetric flip what they read."""
    return {
        "edge": (slice(0, 1), slice(size - 1, size)),
        "reflect": (slice(1, before + 1), slice(size - 1 - after, size - 1)),
        "symmetric": (slice(0, before), slice(size - after, size)),
        "wrap": (slice(size - before, size), slice(0, after)),
    }[mode]


def _normalize_pad(
    types: Sequence[TensorType], *, pad_width: Pairs, mode: str, constant_values: float
) -> dict[str, Any]:
    x = types[0]
    if len(pad_width) == 1:
        pad_width = pad_width * x.ndim
    if len(pad_width) != x.ndim:
        raise InvalidAttribute(
            f"expected {x.ndim} pairs for 'pad_width', one for each axis, got {len(pad_width)}"
        )
    if any(width < 0 for pair in pad_width for width in pair):
        raise InvalidAttribute(f"expected widths of 0 or more for 'pad_width', got {pad_width}")
    for axis, (size, pair) in enumerate(zip(x.shape, pad_width, strict=True)):
        limit = {"constant": None, "edge": None if size else 0, "reflect": size - 1}.get(mode, size)
        if limit is not None and max(pair) > max(limit, 0):
            raise ShapeMismatch(
                f"axis {axis} of size {size} cannot be continued by {max(pair)} in mode '{mode}'",
                hint=f"at most {max(limit, 0)} elements can be mirrored or wrapped there",
            )
    constant_values = value_of(x.dtype, constant_values, "constant_values")
    return {"pad_width": pad_width, "constant_values": constant_values}


def _infer_pad(types: Sequence[TensorType], *, pad_width: Pairs, **_: Any) -> tuple[TensorType, ...]:
    sizes = zip(types[0].shape, pad_width, strict=True)
    return (TensorType(tuple(before + size + after for size, (before, after) in sizes), types[0].dtype),)


def _pad(xp: Any, x: Any, *, pad_width: Pairs, mode: str, constant_values: float) -> Any:
    if mode == "constant":
        sizes = list(zip(x.shape, pad_width, strict=True))
        answer = xp.full(
            [b + size + a for size, (b, a) in sizes], constant_values, dtype=x.dtype, device=x.device
        )
        answer[tuple(slice(b, b + size) for size, (b, _) in sizes)] = x
        return answer
    for axis, (before, after) in enumerate(pad_width):
        if before or after:
            head, tail = (x[along(axis, s)] for s in _sources(mode, x.shape[axis], before, after))
            if mode == "edge":
                head, tail = xp.repeat(head, before, axis=axis), xp.repeat(tail, after, axis=axis)
            elif mode != "wrap":
                head, tail = xp.flip(head, axis=axis), xp.flip(tail, axis=axis)
            x = xp.concat([head, x, tail], axis=axis)
    return x if any(map(any, pad_width)) else xp.asarray(x, copy=True)


def _pad_cost(
    types: Sequence[TensorType], outputs: Sequence[TensorType], *, pad_width: Pairs, mode: str, **_: Any
) -> Cost:
    """A new tensor for each axis that is continued, made from the one before and what edges repeat."""
    plain = copied(types, outputs)
    if mode == "constant":
        return plain
    shape, most, before = list(types[0].shape), 0, 0
    for axis, widths in enumerate(pad_width):
        if any(widths):
            border = sum(widths) * prod(shape[:axis] + shape[axis + 1 :]) if mode == "edge" else 0
            shape[axis] += sum(widths)
            most, before = max(most, before + border + prod(shape)), prod(shape)
    return replace(plain, workspace=max(0, most - outputs[0].size) * ITEMSIZE[outputs[0].dtype])


def _pad_rule(g: Any, y: Any, x: Any, pad_width: Pairs, mode: str, constant_values: float) -> Any:
    if mode == "constant":
        sizes = zip(x.shape, pad_width, strict=True)
        return F.getitem(g, index=tuple(slice(b, b + size) for size, (b, _) in sizes))
    return F.pad_adjoint(g, pad_width=pad_width, mode=mode)


pad = mover(
    "pad",
    batch=batch_rules.padded_attribute("pad_width", (0, 0)),
    summary="x continued beyond its borders.",
    forward=_pad,
    normalize=_normalize_pad,
    infer=_infer_pad,
    cost=_pad_cost,
    vjp=_pad_rule,
    attributes=(
        Attribute("pad_width", PAIRS, doc="[before, after] for each axis, or one pair for all"),
        Attribute("mode", choice(*_MODES), "constant", "what lies beyond the border"),
        Attribute("constant_values", NUMBER, 0, "the number beyond the border in mode 'constant'"),
    ),
    samples=(
        Sample(((2, 3),), {"pad_width": [[1, 2], [0, 1]]}),
        Sample(((2, 3),), {"pad_width": [[1, 1]], "mode": "edge"}),
        Sample(((4, 3),), {"pad_width": [[2, 3], [0, 2]], "mode": "reflect"}),
        Sample(((4,),), {"pad_width": [[3, 4]], "mode": "symmetric"}),
        Sample(((2, 4),), {"pad_width": [[0, 2], [3, 1]], "mode": "wrap"}),
        Sample(((0, 2),), {"pad_width": [[1, 1], [0, 0]]}),
        Sample(((2, 3),), {"pad_width": [[0, 1], [2, 0]], "constant_values": 2}),
    ),
    linear_at={"constant_values": 0},
    conventions="A border is mirrored or wrapped once at most, so it is no wider than the axis.",
)


def _fold(xp: Any, g: Any, *, pad_width: Pairs, mode: str) -> Any:
    for axis, (before, after) in enumerate(pad_width):
        if not before and not after:
            continue
        size = g.shape[axis] - before - after
        head, tail = g[along(axis, slice(0, before))], g[along(axis, slice(before + size, None))]
        core = xp.asarray(g[along(axis, slice(before, before + size))], copy=True)
        for border, source in zip((head, tail), _sources(mode, size, before, after), strict=True):
            if border.shape[axis]:
                place = along(axis, source)
                core[place] = core[place] + _folded(xp, border, axis, mode)
        g = core
    return g if any(map(any, pad_width)) else xp.asarray(g, copy=True)


def _folded(xp: Any, border: Any, axis: int, mode: str) -> Any:
    if mode == "edge":
        return xp.sum(border, axis=axis, keepdims=True, dtype=border.dtype)
    return border if mode == "wrap" else xp.flip(border, axis=axis)


def _fold_cost(
    types: Sequence[TensorType], outputs: Sequence[TensorType], *, pad_width: Pairs, mode: str
) -> Cost:
    """A core for each axis that was continued, cut from the one before, and a border on its way into it."""
    plain = copied(types, outputs)
    shape, most, before = list(types[0].shape), 0, 0
    for axis, widths in enumerate(pad_width):
        if any(widths):
            shape[axis] -= sum(widths)
            border = (1 if mode == "edge" else max(widths)) * prod(shape[:axis] + shape[axis + 1 :])
            most, before = max(most, before + prod(shape) + 2 * border), prod(shape)
    return replace(plain, workspace=max(0, most - outputs[0].size) * ITEMSIZE[outputs[0].dtype])


def _infer_fold(types: Sequence[TensorType], *, pad_width: Pairs, mode: str) -> tuple[TensorType, ...]:
    sizes = zip(types[0].shape, pad_width, strict=True)
    return (TensorType(tuple(size - before - after for size, (before, after) in sizes), types[0].dtype),)


pad_adjoint = mover(
    "pad_adjoint",
    batch=batch_rules.padded_attribute("pad_width", (0, 0)),
    dependence=dependence_rules.folded,
    summary="The adjoint of pad: the borders added back to where they were read from.",
    forward=_fold,
    infer=_infer_fold,
    cost=_fold_cost,
    vjp=lambda g, y, x, pad_width, mode: F.pad(g, pad_width=pad_width, mode=mode),
    kinds="numeric",
    attributes=(Attribute("pad_width", PAIRS), Attribute("mode", choice(*_MODES[1:]))),
    internal=True,
    samples=(
        Sample(((4, 5),), {"pad_width": [[1, 1], [2, 1]], "mode": "edge"}),
        Sample(((7, 3),), {"pad_width": [[2, 1], [0, 0]], "mode": "reflect"}),
        Sample(((7,),), {"pad_width": [[1, 2]], "mode": "symmetric"}),
        Sample(((7,),), {"pad_width": [[2, 2]], "mode": "wrap"}),
    ),
)
