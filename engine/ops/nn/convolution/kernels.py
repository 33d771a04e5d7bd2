"""The three faces of one trilinear form, for channels last: Σ x[t·stride + k·dilation, c] w[k, c, o] g[t, o].

Summed by x and w it is the convolution, by g and w the derivative by x, by x and g that by w. Each is a
matrix product of windows that are gathered into rows a block at a time, so that a block stays in the cache;
no loop goes over samples or elements, only over blocks and over the places of a window. Few channels are
gathered with the positions last, which copies long runs; convolutions of single channels (depthwise) multiply
and add.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

from engine.ops.nn.geometry import Sizes, counts, places, reads

Indices = list[tuple[slice, ...]]
BLOCK = 1 << 18  # elements of gathered windows
BLOCK_ON_DEVICE = 1 << 24
_FEW = 8  # channels


def block_of(samples: int, count: Sizes, each: int, limit: int = BLOCK) -> tuple[int, int]:
    """How many samples, and positions of the first axis, are gathered at once: `each` elements a position."""
    line = max(1, prod(count[1:]) * each)
    rows = max(1, count[0] * line)
    if rows <= limit:
        return max(1, min(samples, limit // rows)), count[0]
    return 1, min(count[0], max(1, limit // line))


def _blocks(xp: Any, samples: int, count: Sizes, each: int) -> Iterator[tuple[slice, slice]]:
    limit = BLOCK_ON_DEVICE if xp.on_device else BLOCK
    some, lines = block_of(samples, count, each, limit)
    for start in range(0, samples, some):
        for line in range(0, count[0], lines):
            yield slice(start, min(start + some, samples)), slice(line, min(line + lines, count[0]))


def _part(index: tuple[slice, ...], lines: slice, step: int) -> tuple[slice, ...]:
    """Of what is read along the first spatial axis, the positions `lines`."""
    first = index[0]
    begin = first.start + lines.start * step
    return (slice(begin, begin + (lines.stop - lines.start - 1) * step + 1, step), *index[1:])


def _rows(xp: Any, x: Any, indices: Indices, block: Any, count: Sizes, step: int) -> Any:
    """The windows of a block: (positions, window · channels)."""
    some, lines = block
    own = (lines.stop - lines.start, *count[1:])
    channels = x.shape[-1]
    gathered = xp.empty(
        (some.stop - some.start, *own, len(indices), channels), dtype=x.dtype, device=x.device
    )
    for number, index in enumerate(indices):
        gathered[..., number, :] = x[(some, *_part(index, lines, step), slice(None))]
    return xp.reshape(gathered, (prod(gathered.shape[:-2]), len(indices) * channels))


def _columns(xp: Any, x: Any, indices: Indices, block: Any, count: Sizes, step: int, groups: int) -> Any:
    """The windows of a block by group, the positions last: (groups, window · channels, positions)."""
    some, lines = block
    own = (some.stop - some.start, lines.stop - lines.start, *count[1:])
    channels = x.shape[-1] // groups
    gathered = xp.empty((groups, len(indices), channels, *own), dtype=x.dtype, device=x.device)
    turned = xp.moveaxis(xp.reshape(x, (*x.shape[:-1], groups, channels)), (-2, -1), (0, 1))
    for number, index in enumerate(indices):
        gathered[:, number, ...] = turned[(slice(None), slice(None), some, *_part(index, lines, step))]
    return xp.reshape(gathered, (groups, len(indices) * channels, prod(own)))


def _samples(xp: Any, x: Any, n: int) -> Any:
    """All leading axes as one."""
    lead = x.shape[: x.ndim - n - 1]
    return xp.reshape(x, (prod(lead), *x.shape[x.ndim - n - 1 :]))


def _by_group(xp: Any, x: Any, groups: int) -> Any:
    """(positions, groups · channels) as (groups, positions, channels)."""
    return xp.permute_dims(xp.reshape(x, (prod(x.shape[:-1]), groups, x.shape[-1] // groups)), (1, 0, 2))


def is_depthwise(channels: int, groups: int) -> bool:
    """Whether each group has one input channel, and there are several."""
    return groups > 1 and channels == groups


def gathers_rows(channels: int, groups: int) -> bool:
    """Whether windows are gathered with the channels last."""
    return groups == 1 and channels >= _FEW


def convolve(xp: Any, x: Any, w: Any, *, stride: Sizes, dilation: Sizes, groups: int) -> Any:
    """The convolution without padding: y[t, o] = Σ x[t·stride + k·dilation, c] w[k, c, o]."""
    n = w.ndim - 2
    window, out = w.shape[:n], w.shape[-1]
    lead = x.shape[: x.ndim - n - 1]
    count = counts(x.shape[-n - 1 : -1], window, stride, dilation)
    x = _samples(xp, x, n)
    if is_depthwise(x.shape[-1], groups):
        y = xp.zeros((x.shape[0], *count, groups, out // groups), dtype=x.dtype, device=x.device)
        for place in places(window):
            read = x[(slice(None), *reads(place, count, stride, dilation), slice(None))]
            y += read[..., None] * xp.reshape(w[(*place, ...)], (groups, out // groups))
        return xp.reshape(y, (*lead, *count, out))
    y = xp.empty((x.shape[0], *count, out), dtype=x.dtype, device=x.device)
    matrix = _matrix(xp, w, groups)
    indices = [reads(place, count, stride, dilation) for place in places(window)]
    for block in _blocks(xp, x.shape[0], count, prod(window) * x.shape[-1]):
        some, lines = block
        if gathers_rows(x.shape[-1], groups):
            product = xp.matmul(_rows(xp, x, indices, block, count, stride[0]), matrix[0, ...])
        else:
            columns = _columns(xp, x, indices, block, count, stride[0], groups)
            product = xp.matmul(xp.matrix_transpose(columns), matrix)
            product = product[0, ...] if groups == 1 else xp.permute_dims(product, (1, 0, 2))
        y[some, lines, ...] = xp.reshape(product, y[some, lines, ...].shape)
    return xp.reshape(y, (*lead, *count, out))


def _matrix(xp: Any, w: Any, groups: int) -> Any:
    """The kernel by group: (groups, window · channels, outputs)."""
    each = w.shape[-1] // groups
    return xp.permute_dims(xp.reshape(w, (prod(w.shape[:-1]), groups, each)), (1, 0, 2))


def convolve_input(
    xp: Any, g: Any, w: Any, *, stride: Sizes, dilation: Sizes, groups: int, size: Sizes
) -> Any:
    """The derivative by x, of spatial size `size`: x[t·stride + k·dilation, c] gathers g[t, o] w[k, c, o]."""
    n = w.ndim - 2
    window, channels = w.shape[:n], w.shape[n]
    lead = g.shape[: g.ndim - n - 1]
    count = g.shape[-n - 1 : -1]
    g = _samples(xp, g, n)
    x = xp.zeros((g.shape[0], *size, groups, channels), dtype=g.dtype, device=g.device)
    if is_depthwise(groups * channels, groups):
        parts = xp.reshape(g, (*g.shape[:-1], groups, g.shape[-1] // groups))
        for place in places(window):
            matrix = xp.reshape(w[(*place, ...)], (groups, w.shape[-1] // groups))
            x[(slice(None), *reads(place, count, stride, dilation), slice(None), 0)] += xp.sum(
                parts * matrix, axis=-1
            )
        return xp.reshape(x, (*lead, *size, groups * channels))
    turned = xp.moveaxis(x, -2, 0)
    matrix = xp.matrix_transpose(_matrix(xp, w, groups))
    each = prod(window) * groups * channels
    indices = [reads(place, count, stride, dilation) for place in places(window)]
    for some, lines in _blocks(xp, g.shape[0], count, each):
        part = g[some, lines, ...]
        spread = xp.reshape(
            xp.matmul(_by_group(xp, part, groups), matrix),
            (groups, *part.shape[:-1], prod(window), channels),
        )
        for number, index in enumerate(indices):
            here = _part(index, lines, stride[0])
            turned[(slice(None), some, *here, slice(None))] += spread[..., number, :]
    return xp.reshape(x, (*lead, *size, groups * channels))


def convolve_kernel(
    xp: Any, x: Any, g: Any, *, stride: Sizes, dilation: Sizes, groups: int, window: Sizes
) -> Any:
    """The derivative by w, of the places `window`: w[k, c, o] gathers x[t·stride + k·dilation, c] g[t, o]."""
    n = len(window)
    channels, out = x.shape[-1] // groups, g.shape[-1]
    count = g.shape[-n - 1 : -1]
    x, g = _samples(xp, x, n), _samples(xp, g, n)
    if is_depthwise(x.shape[-1], groups):
        parts = xp.reshape(g, (*g.shape[:-1], groups, g.shape[-1] // groups))
        w = xp.empty((*window, 1, groups, out // groups), dtype=g.dtype, device=g.device)
        for place in places(window):
            read = x[(slice(None), *reads(place, count, stride, dilation), slice(None))]
            w[(*place, 0, ...)] = xp.sum(read[..., None] * parts, axis=tuple(range(n + 1)))
        return xp.reshape(w, (*window, 1, out))
    w = xp.zeros((groups, prod(window) * channels, out // groups), dtype=g.dtype, device=g.device)
    indices = [reads(place, count, stride, dilation) for place in places(window)]
    for block in _blocks(xp, x.shape[0], count, prod(window) * x.shape[-1]):
        part = _by_group(xp, g[(*block, ...)], groups)
        if gathers_rows(x.shape[-1], groups):
            rows = _rows(xp, x, indices, block, count, stride[0])
            w += xp.matmul(xp.matrix_transpose(rows), part)
        else:
            w += xp.matmul(_columns(xp, x, indices, block, count, stride[0], groups), part)
    return xp.reshape(xp.permute_dims(w, (1, 0, 2)), (*window, channels, out))
