"""Convolutions and pools as their definitions say them, in NumPy; some read windows one by one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import numpy as np

Reference = Callable[..., Any]
_PADS = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def several(value: Any, n: int) -> tuple[Any, ...]:
    """One value for each axis."""
    value = value if isinstance(value, tuple) else (value,)
    return value * n if len(value) == 1 else value


def last(x: Any, n: int, data_format: str) -> Any:
    """(samples, *sizes, channels), and the shape of the samples' axes."""
    if x.ndim < n + 1:
        raise ValueError("too few axes")
    if data_format == "channels_first":
        x = np.moveaxis(x, -n - 1, -1)
    return x.reshape(prod(x.shape[: -n - 1]), *x.shape[-n - 1 :]), x.shape[: -n - 1]


def back(y: Any, lead: tuple[int, ...], n: int, data_format: str) -> Any:
    """The result with its samples' axes and its channels where they were."""
    y = y.reshape(*lead, *y.shape[1:])
    return np.moveaxis(y, -1, -n - 1) if data_format == "channels_first" else y


def widths(padding: Any, sizes: Any, spans: Any, stride: Any) -> list[tuple[int, int]]:
    """What padding adds before and behind each axis."""
    if padding == "same":
        total = [max((-(-a // s) - 1) * s + k - a, 0) for a, k, s in zip(sizes, spans, stride, strict=True)]
        return [(t // 2, t - t // 2) for t in total]
    if padding in ("valid", "causal"):
        return [(0 if padding == "valid" else spans[0] - 1, 0)] * len(sizes)
    return [w if isinstance(w, tuple) else (w, w) for w in several(padding, len(sizes))]


def grid(x: Any, window: Any, stride: Any, dilation: Any) -> Any:
    """(samples, *windows, *window, channels)."""
    n = len(window)
    spans = [(k - 1) * d + 1 for k, d in zip(window, dilation, strict=True)]
    seen = np.lib.stride_tricks.sliding_window_view(x, spans, axis=tuple(range(1, n + 1)))
    seen = seen[(slice(None), *(slice(None, None, s) for s in stride))]
    seen = seen[(..., *(slice(None, None, d) for d in dilation))]
    return np.moveaxis(seen, n + 1, -1)


def _conv(n: int) -> Reference:
    def conv(
        x: Any,
        kernel: Any,
        *,
        stride: Any,
        padding: Any,
        dilation: Any,
        groups: int,
        padding_mode: str,
        data_format: str,
    ) -> Any:
        x, lead = last(x, n, data_format)
        if data_format == "channels_first":
            kernel = np.moveaxis(kernel, (0, 1), (-1, -2))
        stride, dilation = several(stride, n), several(dilation, n)
        spans = [(k - 1) * d + 1 for k, d in zip(kernel.shape[:n], dilation, strict=True)]
        around = widths(padding, x.shape[1:-1], spans, stride)
        x = np.pad(x, [(0, 0), *around, (0, 0)], mode=_PADS[padding_mode])
        seen = grid(x, kernel.shape[:n], stride, dilation)
        parts = [
            np.tensordot(seen_part, kernel_part, n + 1)
            for seen_part, kernel_part in zip(
                np.split(seen, groups, -1), np.split(kernel, groups, -1), strict=True
            )
        ]
        return back(np.concatenate(parts, -1), lead, n, data_format)

    return conv


def _transposed(n: int) -> Reference:
    def transposed(
        x: Any,
        kernel: Any,
        *,
        stride: Any,
        padding: Any,
        output_padding: Any,
        dilation: Any,
        groups: int,
        data_format: str,
    ) -> Any:
        """Each element of x adds a copy of the kernel to the result."""
        x, lead = last(x, n, data_format)
        if data_format == "channels_first":
            kernel = np.moveaxis(kernel, (0, 1), (-1, -2))
        stride, dilation = several(stride, n), several(dilation, n)
        sizes, window = x.shape[1:-1], kernel.shape[:n]
        spans = [(k - 1) * d + 1 for k, d in zip(window, dilation, strict=True)]
        own, out = x.shape[-1] // groups, kernel.shape[-2]
        full = [(a - 1) * s + k for a, s, k in zip(sizes, stride, spans, strict=True)]
        y = np.zeros((x.shape[0], *(f + 8 for f in full), groups * out), np.result_type(x, kernel))
        for place in np.ndindex(*sizes):
            for at in np.ndindex(*window):
                to = tuple(p * s + k * d for p, s, k, d in zip(place, stride, at, dilation, strict=True))
                for g in range(groups):
                    inputs, outputs = slice(g * own, (g + 1) * own), slice(g * out, (g + 1) * out)
                    y[(slice(None), *to, outputs)] += (
                        x[(slice(None), *place, inputs)] @ kernel[at][:, inputs].T
                    )
        index = []
        for k, (size, step) in enumerate(zip(sizes, stride, strict=True)):
            cut, total = 0, max(full[k], size * step)
            if padding == "same" and output_padding is None:
                total, cut = size * step, max(spans[k] - step, 0) // 2
            elif output_padding is not None or padding not in ("valid", "same"):
                more = 0 if output_padding is None else several(output_padding, n)[k]
                both = (spans[k] // 2,) * 2 if padding == "same" else widths(padding, sizes, spans, stride)[k]
                cut, total = both[0], full[k] + more - sum(both)
            index.append(slice(cut, cut + total))
        return back(y[(slice(None), *index)], lead, n, data_format)

    return transposed


def _pool(n: int, reduce: Reference) -> Reference:
    """Window by window: `reduce(elements, how many padding has of them, settings)` along the first axis."""

    def pool(x: Any, *, window: Any, stride: Any, data_format: str, **settings: Any) -> Any:
        x, lead = last(x, n, data_format)
        window = several(window, n)
        stride = window if stride is None else several(stride, n)
        dilation, ceil = several(settings.get("dilation", 1), n), settings["ceil_mode"]
        spans = [(k - 1) * d + 1 for k, d in zip(window, dilation, strict=True)]
        around = widths(settings.get("padding", "valid"), x.shape[1:-1], spans, stride)
        count = []
        for size, (before, after), span, step in zip(x.shape[1:-1], around, spans, stride, strict=True):
            room = size + before + after - span
            windows = (-(-room // step) if ceil else room // step) + 1
            count.append(windows - (ceil and (windows - 1) * step >= size + before))
            if count[-1] < 1:
                raise ValueError("no window fits")
        answers: list[Any] = []
        for place in np.ndindex(*count):
            starts = [p * s - b for p, s, (b, _) in zip(place, stride, around, strict=True)]
            ranges = [range(a, a + k, d) for a, k, d in zip(starts, spans, dilation, strict=True)]
            inside = [[at for at in r if 0 <= at < a] for r, a in zip(ranges, x.shape[1:-1], strict=True)]
            elements = list(itertools.product(*inside))
            if not elements:
                raise ValueError("nothing but padding")
            padded = prod(
                sum(-b <= at < size + a for at in r)
                for r, size, (b, a) in zip(ranges, x.shape[1:-1], around, strict=True)
            )
            values = np.stack([x[(slice(None), *at)] for at in elements])
            answers.append(reduce(values, elements, padded, x.shape[1:-1], settings))
        several_answers = isinstance(answers[0], tuple)
        parts = list(zip(*answers, strict=True)) if several_answers else [answers]
        shaped = [
            back(np.stack(part, 1).reshape(x.shape[0], *count, x.shape[-1]), lead, n, data_format)
            for part in parts
        ]
        return shaped if several_answers else shaped[0].astype(x.dtype)

    return pool


def _largest(values: Any, *_: Any) -> Any:
    return values.max(axis=0)


def _largest_and_index(values: Any, elements: Any, _padded: int, sizes: Any, _settings: Any) -> Any:
    flat = np.array([np.ravel_multi_index(at, sizes) for at in elements])
    return values.max(axis=0), flat[values.argmax(axis=0)]


def _average(values: Any, _elements: Any, padded: int, _sizes: Any, settings: Any) -> Any:
    return values.sum(axis=0) / (padded if settings["count_include_pad"] else len(values))


def _norm(values: Any, _elements: Any, _padded: int, _sizes: Any, settings: Any) -> Any:
    return (np.abs(values) ** settings["ord"]).sum(axis=0) ** (1 / settings["ord"])


def _adaptive(n: int, reduce: Reference) -> Reference:
    def pool(x: Any, *, size: Any, data_format: str) -> Any:
        x, lead = last(x, n, data_format)
        size = several(size, n)
        y = np.zeros((x.shape[0], *size, x.shape[-1]), x.dtype)
        if 0 in x.shape[1:-1]:
            raise ValueError("nothing to pool")
        for place in np.ndindex(*size):
            index = [
                slice(p * a // k, -(-(p + 1) * a // k))
                for p, a, k in zip(place, x.shape[1:-1], size, strict=True)
            ]
            y[(slice(None), *place)] = reduce(x[(slice(None), *index)], axis=tuple(range(1, n + 1)))
        return back(y, lead, n, data_format)

    return pool


def _global(reduce: Reference) -> Reference:
    def pool(x: Any, *, keepdims: bool, data_format: str) -> Any:
        if x.ndim < 3:
            raise ValueError("no axis to pool over")
        first = 1 if data_format == "channels_last" else 2
        return reduce(x, axis=tuple(range(first, first + x.ndim - 2)), keepdims=keepdims)

    return pool


def _unpool(n: int) -> Reference:
    def unpool(x: Any, indices: Any, *, size: Any, data_format: str) -> Any:
        (x, lead), (indices, _) = last(x, n, data_format), last(indices, n, data_format)
        y = np.zeros((x.shape[0], prod(size), x.shape[-1]), x.dtype)
        if x.shape != indices.shape or len(size) != n:
            raise ValueError("one index for each element")
        for at in np.ndindex(*x.shape):
            y[at[0], indices[at], at[-1]] = x[at]
        return back(y.reshape(-1, *size, x.shape[-1]), lead, n, data_format)

    return unpool


WINDOWS: Mapping[str, Reference] = {
    **{f"conv{n}d": _conv(n) for n in (1, 2, 3)},
    **{f"conv{n}d_transpose": _transposed(n) for n in (1, 2, 3)},
    **{f"max_pool{n}d": _pool(n, _largest) for n in (1, 2, 3)},
    **{f"max_pool{n}d_with_indices": _pool(n, _largest_and_index) for n in (1, 2, 3)},
    **{f"average_pool{n}d": _pool(n, _average) for n in (1, 2, 3)},
    **{f"lp_pool{n}d": _pool(n, _norm) for n in (1, 2, 3)},
    **{f"adaptive_average_pool{n}d": _adaptive(n, np.mean) for n in (1, 2, 3)},
    **{f"adaptive_max_pool{n}d": _adaptive(n, np.max) for n in (1, 2, 3)},
    "global_average_pool": _global(np.mean),
    "global_max_pool": _global(np.max),
}
#: The values may be integers, which stay integers.
UNPOOLS: Mapping[str, Reference] = {f"max_unpool{n}d": _unpool(n) for n in (1, 2, 3)}
