"""interpolate1d, interpolate2d, interpolate3d: an axis at a time, a product with a matrix known beforehand.

Positions are those of PyTorch: centres of pixels at half numbers, unless `align_corners` lays the first and
last centres onto each other. Cubic weights have Keys' parameter -0.75, as in PyTorch.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.errors import InvalidAttribute, ShapeMismatch
from engine.ir.attributes import BOOLEAN, REQUIRED, Attribute, choice
from engine.ir.families import composite
from engine.ir.samples import Sample
from engine.ir.table import F
from engine.ops.nn.geometry import DATA_FORMAT, LAYOUT, STEPS, as_before, channels_last, sizes_of

_MODES = ("nearest", "linear", "cubic", "area")


def _positions(size: int, count: int, align_corners: bool) -> Any:
    """Where along an axis of `size` each of `count` results lies, in elements."""
    if align_corners:
        return np.arange(count) * ((size - 1) / (count - 1) if count > 1 else 0.0)
    return (np.arange(count) + 0.5) * (size / count) - 0.5


def _weights(size: int, count: int, mode: str, align_corners: bool) -> Any:
    """The matrix (count, size) that gives the results along an axis."""
    weights = np.zeros((count, size))
    rows = np.arange(count)
    if mode == "area":
        for i in range(count):
            start, end = i * size // count, -(-(i + 1) * size // count)
            weights[i, start:end] = 1 / (end - start)
        return weights
    at = _positions(size, count, align_corners)
    if mode == "linear":
        at = np.maximum(at, 0.0)
        low = np.minimum(np.floor(at).astype(int), size - 1)
        np.add.at(weights, (rows, low), 1 - (at - low))
        np.add.at(weights, (rows, np.minimum(low + 1, size - 1)), at - low)
        return weights
    low = np.floor(at).astype(int)
    for k in (-1, 0, 1, 2):
        np.add.at(weights, (rows, np.clip(low + k, 0, size - 1)), _cubic(np.abs(at - low - k)))
    return weights


def _cubic(distance: Any) -> Any:
    a = -0.75
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = a * (((distance - 5) * distance + 8) * distance - 4)
    return np.where(distance <= 1, near, far)


def _along(x: Any, axis: int, count: int, mode: str, align_corners: bool) -> Any:
    size = x.shape[axis]
    if mode == "nearest":
        places = [min(i * size // count, size - 1) for i in range(count)]
        return F.take(x, x.tape.constant(places, "int64"), axis=axis)
    if count == size and mode != "cubic":
        return x
    matrix = x.tape.constant(_weights(size, count, mode, align_corners).tolist(), x.dtype)
    if axis == x.ndim - 2:
        return F.matmul(matrix, x)
    before, after = x.shape[:axis], x.shape[axis + 1 :]
    flat = F.matmul(matrix, x.reshape((*before, size, math.prod(after))))
    return flat.reshape((*before, count, *after))


def _interpolate(n: int) -> Any:
    def interpolate(x: Any, *, size: Any, mode: str, align_corners: bool, data_format: str) -> Any:
        x = channels_last(x, n, data_format)
        counts = sizes_of(size, n, "size")
        if align_corners and mode not in ("linear", "cubic"):
            raise InvalidAttribute(
                f"align_corners has no meaning in mode '{mode}'", hint="leave it out, or take 'linear'"
            )
        lead = x.ndim - n - 1
        if 0 in x.shape[lead:-1]:
            raise ShapeMismatch(f"axes of shape {x.shape[lead:-1]}: there is nothing to interpolate")
        for k, count in enumerate(counts):
            x = _along(x, lead + k, count, mode, align_corners)
        return as_before(x, n, data_format)

    return interpolate


_SIZES = {1: (4,), 2: (3, 2), 3: (2, 3, 1)}

for _n in (1, 2, 3):
    _to = [5, 3, 2][:_n]
    _x = (2, *_SIZES[_n], 2)
    composite(
        f"interpolate{_n}d",
        summary=f"x in another size along {_n} {'axis' if _n == 1 else 'axes'}.",
        formula=_interpolate(_n),
        kinds="real_floating",
        attributes=(
            Attribute("size", STEPS, REQUIRED, "the result's size: one for all axes, or one for each"),
            Attribute("mode", choice(*_MODES), "nearest", "how elements in between are computed"),
            Attribute("align_corners", BOOLEAN, False, "whether the outer elements stay where they are"),
            DATA_FORMAT,
        ),
        samples=(
            Sample((_x,), {"size": _to}),
            Sample((_x,), {"size": _to, "mode": "linear", "align_corners": True}),
            Sample(((2, *_SIZES[_n]),), {"size": _to, "mode": "linear", "data_format": "channels_first"}),
            Sample((_x,), {"size": 2, "mode": "cubic"}),
            Sample((_x,), {"size": 1, "mode": "area"}),
        ),
        conventions="PyTorch's interpolate with a size; 'linear' is its bilinear and trilinear, 'cubic' its "
        f"bicubic, without antialiasing. {LAYOUT}",
    )
