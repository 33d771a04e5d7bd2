"""Tensors and elements repeated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.dtypes import TensorType
from engine.errors import InvalidAttribute
from engine.ir import batch_rules
from engine.ir.attributes import AXIS, INTS, Attribute, InputIndex
from engine.ir.derivative import Accumulate
from engine.ir.indices import along
from engine.ir.samples import Sample
from engine.ir.shapes import normalize_axis
from engine.ir.table import F
from engine.ops.creation import made
from engine.ops.shaping.common import mover


def _not_negative(repeats: tuple[int, ...], name: str) -> None:
    if any(count < 0 for count in repeats):
        raise InvalidAttribute(f"expected counts of 0 or more for '{name}', got {repeats}")


def _normalize_tile(types: Sequence[TensorType], *, repetitions: tuple[int, ...]) -> dict[str, Any]:
    _not_negative(repetitions, "repetitions")
    missing = types[0].ndim - len(repetitions)
    return {"repetitions": (*(1,) * missing, *repetitions)}


def _aligned(shape: tuple[int, ...], repetitions: tuple[int, ...]) -> tuple[int, ...]:
    """The shape with leading axes of size 1, one size for each repetition."""
    return (*(1,) * (len(repetitions) - len(shape)), *shape)


def _infer_tile(types: Sequence[TensorType], *, repetitions: tuple[int, ...]) -> tuple[TensorType, ...]:
    sizes = zip(repetitions, _aligned(types[0].shape, repetitions), strict=True)
    return (TensorType(tuple(count * size for count, size in sizes), types[0].dtype),)


def _tile_rule(g: Any, y: Any, x: Any, repetitions: tuple[int, ...]) -> Any:
    pairs = zip(repetitions, _aligned(x.shape, repetitions), strict=True)
    tiles = g.reshape(tuple(size for pair in pairs for size in pair))
    return F.sum(tiles, axis=tuple(range(0, tiles.ndim, 2))).reshape(x.shape)


def _tile(xp: Any, x: Any, *, repetitions: tuple[int, ...]) -> Any:
    """One copy of one broadcast view, whatever the number of axes."""
    shape = _aligned(x.shape, repetitions)
    apart = tuple(size for own in shape for size in (1, own))
    pairs = tuple(size for pair in zip(repetitions, shape, strict=True) for size in pair)
    side_by_side = xp.broadcast_to(xp.reshape(x, apart), pairs)
    tiled = tuple(count * size for count, size in zip(repetitions, shape, strict=True))
    return xp.reshape(side_by_side, tiled, copy=True)


tile = mover(
    "tile",
    batch=batch_rules.tiled,
    summary="x laid side by side `repetitions` times along each axis.",
    forward=_tile,
    normalize=_normalize_tile,
    infer=_infer_tile,
    vjp=_tile_rule,
    attributes=(Attribute("repetitions", INTS, doc="a count for each of the last axes"),),
    samples=(
        Sample(((2, 3),), {"repetitions": [2, 2]}),
        Sample(((3,),), {"repetitions": [2, 1]}),
        Sample(((2, 3),), {"repetitions": 2}),
        Sample(((2, 3),), {"repetitions": [0, 1]}),
    ),
)


def _normalize_repeat(
    types: Sequence[TensorType], *, repeats: tuple[int, ...], axis: int | None
) -> dict[str, Any]:
    _not_negative(repeats, "repeats")
    x = types[0]
    place = None if axis is None else normalize_axis(axis, x.ndim)
    size = x.size if place is None else x.shape[place]
    if len(repeats) not in (1, size):
        raise InvalidAttribute(f"expected one count or {size}, one for each element, got {len(repeats)}")
    return {"axis": place}


def _infer_repeat(
    types: Sequence[TensorType], *, repeats: tuple[int, ...], axis: int | None
) -> tuple[TensorType, ...]:
    shape = list(types[0].shape) if axis is not None else [types[0].size]
    place = axis or 0
    shape[place] = shape[place] * repeats[0] if len(repeats) == 1 else sum(repeats)
    return (TensorType(tuple(shape), types[0].dtype),)


def _repeat(xp: Any, x: Any, *, repeats: tuple[int, ...], axis: int | None) -> Any:
    if len(repeats) == 1:
        return xp.repeat(x, repeats[0], axis=axis)
    return xp.repeat_each(x, repeats, axis)


def _repeat_rule(g: Any, y: Any, x: Any, repeats: tuple[int, ...], axis: int | None) -> Any:
    shape, place = (x.shape, axis) if axis is not None else ((x.size,), 0)
    if len(repeats) == 1:
        runs = g.reshape((*shape[: place + 1], repeats[0], *shape[place + 1 :]))
        return F.sum(runs, axis=place + 1).reshape(x.shape)
    sources = F.repeat(made(g, "arange", start=shape[place]), repeats=repeats)
    index = along(place, InputIndex(1))
    if axis is None:
        nothing = made(g, "zeros", shape=shape, dtype=g.dtype)
        return F.index_add(nothing, g, sources, index=index).reshape(x.shape)
    return Accumulate(lambda total: F.index_add(total, g, sources, index=index))


repeat = mover(
    "repeat",
    "repeat_interleave",
    batch=batch_rules.along_axis,
    summary="Each element repeated in place along an axis.",
    forward=_repeat,
    normalize=_normalize_repeat,
    infer=_infer_repeat,
    vjp=_repeat_rule,
    attributes=(
        Attribute("repeats", INTS, doc="one count for all elements, or one for each"),
        Attribute("axis", AXIS, None, "the flattened tensor is repeated when absent"),
    ),
    samples=(
        Sample(((2, 3),), {"repeats": 2}),
        Sample(((2, 3),), {"repeats": 3, "axis": 0}),
        Sample(((2, 3),), {"repeats": [2, 0, 1], "axis": -1}),
        Sample(((3,),), {"repeats": [1, 0, 2]}),
        Sample(((2, 3),), {"repeats": 0, "axis": 1}),
    ),
)
