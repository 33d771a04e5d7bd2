"""Resizing, shuffling, unfolding and sampling of images as their definitions say them, in NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from tests.engine.window_references import Reference, back, grid, last, several


def _cubic(t: Any) -> Any:
    """Keys' kernel of parameter -0.75."""
    t, a = abs(t), -0.75
    return (
        (a + 2) * t**3 - (a + 3) * t**2 + 1 if t <= 1 else a * (t**3 - 5 * t**2 + 8 * t - 4) if t < 2 else 0.0
    )


def _resized(x: Any, axis: int, count: int, mode: str, corners: bool) -> Any:
    """Result by result: each of them is a sum of elements nearby, which repeat at the borders."""
    x = np.moveaxis(x, axis, 0)
    size, rows = len(x), []
    for i in range(count):
        at = i * (size - 1) / max(count - 1, 1) if corners else (i + 0.5) * size / count - 0.5
        if mode == "nearest":
            rows.append(x[i * size // count])
            continue
        if mode == "area":
            rows.append(x[i * size // count : -(-(i + 1) * size // count)].mean(axis=0, dtype=x.dtype))
            continue
        kernel, reach = (_cubic, 2) if mode == "cubic" else (lambda t: max(0.0, 1 - abs(t)), 1)
        at = max(at, 0.0) if mode == "linear" else at
        near = range(int(np.floor(at)) - reach + 1, int(np.floor(at)) + reach + 1)
        weights = np.zeros(size)
        for k in near:
            weights[min(max(k, 0), size - 1)] += kernel(at - k)
        rows.append(np.tensordot(weights.astype(x.dtype), x, 1) if count != size or mode == "cubic" else x[i])
    return np.moveaxis(np.stack(rows), 0, axis)


def _interpolate(n: int) -> Reference:
    def interpolate(x: Any, *, size: Any, mode: str, align_corners: bool, data_format: str) -> Any:
        x, lead = last(x, n, data_format)
        if (align_corners and mode in ("nearest", "area")) or 0 in x.shape[1:-1]:
            raise ValueError("refused")
        for k, count in enumerate(several(size, n)):
            x = _resized(x, k + 1, count, mode, align_corners)
        return back(x, lead, n, data_format)

    return interpolate


def _shuffle(x: Any, *, factor: Any, data_format: str) -> Any:
    x, lead = last(x, 2, data_format)
    r, s = several(factor, 2)
    if x.shape[-1] % (r * s):
        raise ValueError("factors divide the channels")
    y = np.empty((x.shape[0], x.shape[1] * r, x.shape[2] * s, x.shape[3] // (r * s)), x.dtype)
    for i, j in np.ndindex(r, s):
        y[:, i::r, j::s] = x[..., i * s + j :: r * s]
    return back(y, lead, 2, data_format)


def _unshuffle(x: Any, *, factor: Any, data_format: str) -> Any:
    x, lead = last(x, 2, data_format)
    r, s = several(factor, 2)
    if x.shape[1] % r or x.shape[2] % s:
        raise ValueError("factors divide the sizes")
    y = np.empty((x.shape[0], x.shape[1] // r, x.shape[2] // s, x.shape[3] * r * s), x.dtype)
    for i, j in np.ndindex(r, s):
        y[..., i * s + j :: r * s] = x[:, i::r, j::s]
    return back(y, lead, 2, data_format)


def _unfold(x: Any, *, window: Any, stride: Any, padding: Any, dilation: Any, data_format: str) -> Any:
    x, lead = last(x, 2, data_format)
    window, stride, dilation, padding = (several(s, 2) for s in (window, stride, dilation, padding))
    x = np.pad(x, [(0, 0), *((w, w) for w in padding), (0, 0)])
    seen = np.moveaxis(grid(x, window, stride, dilation), -1, 3)
    seen = seen.reshape(*lead, prod(seen.shape[1:3]), prod(seen.shape[3:]))
    return np.swapaxes(seen, -1, -2) if data_format == "channels_first" else seen


def _fold(
    x: Any, *, size: Any, window: Any, stride: Any, padding: Any, dilation: Any, data_format: str
) -> Any:
    x = np.swapaxes(x, -1, -2) if data_format == "channels_first" else x
    size, window, stride, dilation, padding = (
        several(s, 2) for s in (size, window, stride, dilation, padding)
    )
    wide = [s + 2 * w for s, w in zip(size, padding, strict=True)]
    count = [
        (w - (k - 1) * d - 1) // s + 1 for w, k, d, s in zip(wide, window, dilation, stride, strict=True)
    ]
    if x.ndim < 2 or min(count) < 1 or x.shape[-2] != prod(count) or x.shape[-1] % prod(window):
        raise ValueError("no such patches")
    channels = x.shape[-1] // prod(window)
    y = np.zeros((*x.shape[:-2], *wide, channels), x.dtype)
    parts = x.reshape(*x.shape[:-2], *count, channels, *window)
    for t in np.ndindex(*count):
        for k in np.ndindex(*window):
            to = tuple(a * s + b * d for a, s, b, d in zip(t, stride, k, dilation, strict=True))
            y[(..., *to, slice(None))] += parts[(..., *t, slice(None), *k)]
    y = y[..., padding[0] : wide[0] - padding[0], padding[1] : wide[1] - padding[1], :]
    return np.moveaxis(y, -1, -3) if data_format == "channels_first" else y


def _grid_sample(
    x: Any, points: Any, *, mode: str, padding_mode: str, align_corners: bool, data_format: str
) -> Any:
    """Point by point."""
    x, _ = last(x, 2, data_format)
    y = np.zeros((*points.shape[:-1], x.shape[-1]), np.result_type(x, points))

    def place(at: Any, size: int) -> Any:
        at = (at + 1) * (size - 1) / 2 if align_corners else ((at + 1) * size - 1) / 2
        low, high = (0, size - 1) if align_corners else (-0.5, size - 0.5)
        if padding_mode == "reflection":
            at = (
                low + (high - low) - abs((at - low) % (2 * (high - low)) - (high - low))
                if high > low
                else 0.0
            )
        return at if padding_mode == "zeros" else np.minimum(np.maximum(at, 0), size - 1)

    for where in np.ndindex(*points.shape[:-1]):
        image, down, across = (
            x[where[0]],
            place(points[where][1], x.shape[1]),
            place(points[where][0], x.shape[2]),
        )
        if mode == "nearest":
            near = [(np.round(down), np.round(across), 1.0)]
        else:
            r, c = np.floor(down), np.floor(across)
            near = [
                (r + i, c + j, (down - r if i else r + 1 - down) * (across - c if j else c + 1 - across))
                for i, j in np.ndindex(2, 2)
            ]
        for r, c, weight in near:
            inside = 0 <= r < x.shape[1] and 0 <= c < x.shape[2]
            y[where] += weight * (image[int(r), int(c)] if inside else np.zeros(x.shape[-1]))
    return back(y, x.shape[:1], 2, data_format)


def _affine_grid(theta: Any, *, size: Any, align_corners: bool) -> Any:
    if theta.ndim != 3 or theta.shape[1:] != (2, 3):
        raise ValueError("no affine maps")
    lines = [
        np.linspace(-1, 1, s) if align_corners and s > 1 else (2 * np.arange(s) + 1) / s - 1 for s in size
    ]
    down, across = np.meshgrid(*lines, indexing="ij")
    points = np.stack([across, down, np.ones_like(down)], -1).astype(theta.dtype)
    return np.einsum("nij,hwj->nhwi", theta, points)


IMAGES: Mapping[str, Reference] = {
    **{f"interpolate{n}d": _interpolate(n) for n in (1, 2, 3)},
    "fold": _fold,
    "grid_sample": _grid_sample,
    "affine_grid": _affine_grid,
}
#: What moves elements, which keep their dtype.
MOVES: Mapping[str, Reference] = {"pixel_shuffle": _shuffle, "pixel_unshuffle": _unshuffle, "unfold": _unfold}
