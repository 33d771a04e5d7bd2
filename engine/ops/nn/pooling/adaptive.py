"""Pools to a given size, and over whole axes."""

from __future__ import annotations

from typing import Any

from engine.errors import ShapeMismatch
from engine.ir.attributes import BOOLEAN, REQUIRED, Attribute
from engine.ir.families import composite
from engine.ir.op import Op
from engine.ir.samples import Sample
from engine.ir.table import F
from engine.ops.nn.geometry import DATA_FORMAT, LAYOUT, STEPS, as_before, channels_last, sizes_of

_SIZE = Attribute("size", STEPS, REQUIRED, "the result's size: one for all axes, or one for each")


def _parts(size: int, count: int) -> list[tuple[int, int]]:
    """Where each of `count` parts of an axis begins and ends; parts may overlap."""
    return [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]


def _averaged(x: Any, axis: int, count: int) -> Any:
    """The means of the parts of an axis: a product with a matrix that is known beforehand."""
    size = x.shape[axis]
    shape = (*x.shape[:axis], count, size // max(count, 1), *x.shape[axis + 1 :])
    if size % count == 0:
        return F.mean(x.reshape(shape), axis=axis + 1)
    rows = [
        [1 / (end - start) if start <= k < end else 0.0 for k in range(size)]
        for start, end in _parts(size, count)
    ]
    matrix = x.tape.constant(rows, x.dtype)
    turned = F.moveaxis(x, source=axis, destination=-1)
    return F.moveaxis(F.matmul(turned, F.permute_dims(matrix)), source=-1, destination=axis)


def _largest(x: Any, axis: int, count: int) -> Any:
    """The largest elements of the parts of an axis; a shorter part repeats its last element."""
    size, parts = x.shape[axis], _parts(x.shape[axis], count)
    if size % count == 0:
        return F.max(x.reshape((*x.shape[:axis], count, size // count, *x.shape[axis + 1 :])), axis=axis + 1)
    longest = max(end - start for start, end in parts)
    places = [[min(start + k, end - 1) for k in range(longest)] for start, end in parts]
    return F.max(F.take(x, x.tape.constant(places, "int64"), axis=axis), axis=axis + 1)


def _adaptive(n: int, along: Any) -> Any:
    def pool(x: Any, *, size: Any, data_format: str) -> Any:
        x = channels_last(x, n, data_format)
        counts = sizes_of(size, n, "size")
        lead = x.ndim - n - 1
        if 0 in x.shape[lead:-1]:
            raise ShapeMismatch(f"axes of shape {x.shape[lead:-1]}: there is nothing to pool")
        for k, count in enumerate(counts):
            x = along(x, lead + k, count)
        return as_before(x, n, data_format)

    return pool


def _global(reduce: str) -> Any:
    def pool(x: Any, *, keepdims: bool, data_format: str) -> Any:
        if x.ndim < 3:
            raise ShapeMismatch(
                f"expected samples, at least one axis to pool over, and channels, got shape {x.shape}",
                hint="mean and max reduce any axes",
            )
        first = 1 if data_format == "channels_last" else 2
        axes = tuple(range(first, first + x.ndim - 2))
        return getattr(F, reduce)(x, axis=axes, keepdims=keepdims)

    return pool


def _pool_over_all(name: str, *aliases: str, reduce: str, what: str, conventions: str = "") -> Op:
    return composite(
        name,
        *aliases,
        summary=f"The {what} over all axes but the first, of samples, and the channels.",
        formula=_global(reduce),
        kinds="real_floating",
        attributes=(Attribute("keepdims", BOOLEAN, False, "keep the axes with size 1"), DATA_FORMAT),
        samples=(
            Sample(((2, 3, 2),)),
            Sample(((2, 2, 3, 1),), {"keepdims": True, "data_format": "channels_first"}),
        ),
        conventions=conventions,
    )


_TIES = "Elements of a part that tie share the gradient; PyTorch gives it to the first."
_SIZES = {1: (5,), 2: (3, 4), 3: (2, 3, 1)}
_COUNTS = {1: [3], 2: [2, 2], 3: [2, 2, 1]}

for _n in (1, 2, 3):
    _samples = (
        Sample(((2, *_SIZES[_n], 2),), {"size": _COUNTS[_n]}),
        Sample(((2, *_SIZES[_n]),), {"size": 1, "data_format": "channels_first"}),
    )
    composite(
        f"adaptive_average_pool{_n}d",
        f"adaptive_avg_pool{_n}d",
        summary="The means of as many parts of each axis as `size` says.",
        formula=_adaptive(_n, _averaged),
        kinds="real_floating",
        attributes=(_SIZE, DATA_FORMAT),
        samples=_samples,
        conventions="Part i of k parts of an axis of s elements is [floor(i s / k), ceil((i + 1) s / k)). "
        f"{LAYOUT}",
    )
    composite(
        f"adaptive_max_pool{_n}d",
        summary="The largest elements of as many parts of each axis as `size` says.",
        formula=_adaptive(_n, _largest),
        kinds="real_floating",
        attributes=(_SIZE, DATA_FORMAT),
        samples=_samples,
        conventions=f"The parts are those of adaptive_average_pool. {_TIES} {LAYOUT}",
    )

global_average_pool = _pool_over_all("global_average_pool", "global_avg_pool", reduce="mean", what="mean")
global_max_pool = _pool_over_all(
    "global_max_pool",
    reduce="max",
    what="largest element",
    conventions="Elements that tie share the gradient evenly.",
)
