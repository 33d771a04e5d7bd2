"""The ops of networks as their definitions say them, in NumPy: windows are read one by one where that is
plainest, and the layout is PyTorch's or Keras's as the attributes say.
"""

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


def _over(axis: Any) -> Any:
    return axis if axis is None or isinstance(axis, int) else tuple(axis)


def _standardized(x: Any, axes: Any, epsilon: float) -> Any:
    if 0 in [x.shape[a] for a in (range(x.ndim) if axes is None else np.atleast_1d(axes).tolist())]:
        raise ValueError("nothing to take a mean of")
    mean = x.mean(axis=axes, keepdims=True)
    return (x - mean) / np.sqrt(((x - mean) ** 2).mean(axis=axes, keepdims=True) + x.dtype.type(epsilon))


def _rms(x: Any, *, axis: Any, epsilon: float) -> Any:
    return x / np.sqrt((x * x).mean(axis=_over(axis), keepdims=True) + x.dtype.type(epsilon))


def _batch_norm(x: Any, mean: Any, variance: Any, *, axis: int, epsilon: float) -> Any:
    return np.moveaxis((np.moveaxis(x, axis, -1) - mean) / np.sqrt(variance + epsilon), -1, axis)


def _batch_norm_training(x: Any, *, axis: int, epsilon: float) -> Any:
    others = tuple(np.delete(np.arange(x.ndim), axis).tolist())
    y = _standardized(x, others, epsilon)
    mean = x.mean(axis=others, keepdims=True)
    return y, mean.reshape(-1), ((x - mean) ** 2).mean(axis=others).reshape(-1)


def _group_norm(x: Any, *, groups: int, epsilon: float, data_format: str) -> Any:
    if x.ndim < 2:
        raise ValueError("too few axes")
    first = np.moveaxis(x, -1, 1) if data_format == "channels_last" else x
    parts = [_standardized(part, tuple(range(1, x.ndim)), epsilon) for part in np.split(first, groups, 1)]
    y = np.concatenate(parts, 1)
    return np.moveaxis(y, 1, -1) if data_format == "channels_last" else y


def _instance_norm(x: Any, *, epsilon: float, data_format: str) -> Any:
    if x.ndim < 3:
        raise ValueError("too few axes")
    return _standardized(
        x, tuple(range(1, x.ndim - 1)) if data_format == "channels_last" else tuple(range(2, x.ndim)), epsilon
    )


def _attention(q: Any, k: Any, v: Any, *mask: Any, causal: bool, scale: Any) -> Any:
    """Query by query."""
    if q.ndim > 2 and k.ndim > 2 and q.shape[-3] != k.shape[-3]:
        k, v = (np.repeat(x, q.shape[-3] // x.shape[-3], axis=-3) for x in (k, v))
    scores = np.einsum("...qd,...kd->...qk", q, k) * (q.shape[-1] ** -0.5 if scale is None else scale)
    scores = (
        sum((m.astype(scores.dtype) for m in mask), scores)
        if not mask or mask[0].dtype != bool
        else (np.where(mask[0], scores, -np.inf))
    )
    if causal:
        scores = np.where(np.tril(np.ones(scores.shape[-2:], bool)), scores, -np.inf)
    seen = (scores > -np.inf).any(-1, keepdims=True)
    e = np.exp(scores - np.where(seen, scores.max(-1, keepdims=True), 0))
    return np.einsum("...qk,...kd->...qd", np.where(seen, e / e.sum(-1, keepdims=True), 0), v)


def _embedding_bag(indices: Any, table: Any, *, mode: str, padding_idx: int | None) -> Any:
    y = np.zeros((*indices.shape[:-1], table.shape[1]), table.dtype)
    for place in np.ndindex(*indices.shape[:-1]):
        rows = [table[i] for i in indices[place] if padding_idx is None or (i - padding_idx) % len(table)]
        if rows:
            y[place] = getattr(np, mode)(np.array(rows), axis=0)
    return y


def _pdist(x: Any, *, ord: float) -> Any:
    if x.ndim < 2:
        raise ValueError("no rows")
    first, second = np.triu_indices(x.shape[-2], 1)
    return np.linalg.norm(x[..., first, :] - x[..., second, :], ord, axis=-1)


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


def reduced(losses: Any, reduction: str) -> Any:
    return {"none": losses, "mean": np.mean(losses), "sum": np.sum(losses)}[reduction]


def _loss(formula: Reference) -> Reference:
    """A loss of the last arguments' shapes, reduced; (n, 1) counts as (n,)."""

    def loss(*xs: Any, reduction: str, **settings: Any) -> Any:
        if len(xs) == 2 and xs[1].ndim > xs[0].ndim:
            xs = (xs[0], xs[1][..., 0])
        return reduced(formula(*xs, **settings), reduction)

    return loss


def _picked(p: Any, t: Any, axis: int) -> Any:
    return np.take_along_axis(p, np.expand_dims(t.astype(int), axis), axis).squeeze(axis)


def _softplus(z: Any) -> Any:
    return np.logaddexp(z, z.dtype.type(0))


def _binary_focal(
    t: Any,
    p: Any,
    *,
    alpha: float,
    gamma: float,
    apply_class_balancing: bool,
    from_logits: bool,
    label_smoothing: float,
    epsilon: float,
) -> Any:
    t = t * (1 - label_smoothing) + label_smoothing / 2
    if from_logits:
        entropy, p = t * _softplus(-p) + (1 - t) * _softplus(p), 1 / (1 + np.exp(-p))
    else:
        entropy = -t * np.log(np.maximum(p, epsilon)) - (1 - t) * np.log(np.maximum(1 - p, epsilon))
    right = t * p + (1 - t) * (1 - p)
    weight = t * alpha + (1 - t) * (1 - alpha) if apply_class_balancing else 1
    return weight * np.maximum(1 - right, 0) ** gamma * entropy


def _categorical_focal(
    t: Any,
    p: Any,
    *,
    axis: int,
    alpha: float,
    gamma: float,
    from_logits: bool,
    label_smoothing: float,
    epsilon: float,
) -> Any:
    t = t * (1 - label_smoothing) + label_smoothing / p.shape[axis]
    if from_logits:
        shifted = p - p.max(axis, keepdims=True)
        logs = shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))
        p = np.exp(logs)
    else:
        p = p / p.sum(axis, keepdims=True)
        logs = np.log(np.maximum(p, epsilon))
    return -(alpha * np.maximum(1 - p, 0) ** gamma * t * logs).sum(axis)


def _poisson_nll(t: Any, p: Any, *, log_input: bool, full: bool, epsilon: float) -> Any:
    loss = np.exp(p) - t * p if log_input else p - t * np.log(p + epsilon)
    above = np.where(t > 1, t, 2)
    term = above * np.log(above) - above + np.log(2 * np.pi * above) / 2
    return (loss + np.where(t > 1, term, 0) if full else loss).astype(np.result_type(t, p))


def _smooth_l1(t: Any, p: Any, *, beta: float) -> Any:
    e = np.abs(p - t)
    return np.where(e < beta, e * e / (2 * beta), e - beta / 2)


def _multi_margin(t: Any, p: Any, *, ord: float, margin: float, axis: int) -> Any:
    short = np.maximum(margin - np.expand_dims(_picked(p, t, axis), axis) + p, 0) ** ord
    np.put_along_axis(short, np.expand_dims(t.astype(int), axis), 0, axis)
    return short.sum(axis) / p.shape[axis]


def _triplet(a: Any, p: Any, n: Any, *, margin: float, ord: float, swap: bool, epsilon: float) -> Any:
    def distance(x: Any, y: Any) -> Any:
        return np.linalg.norm(x - y + epsilon, ord, axis=-1)

    far = np.minimum(distance(a, n), distance(p, n)) if swap else distance(a, n)
    return np.maximum(distance(a, p) - far + margin, 0)


def _cosine_embedding(a: Any, b: Any, y: Any, *, margin: float) -> Any:
    lengths = [np.maximum(np.linalg.norm(x, axis=-1), x.dtype.type(1e-6)) for x in (a, b)]
    cosine = (a / lengths[0][..., None] * (b / lengths[1][..., None])).sum(-1)
    return np.where(y > 0, 1 - cosine, np.maximum(cosine - margin, 0))


def _tversky(t: Any, p: Any, *, alpha: float, beta: float, epsilon: float, reduction: str) -> Any:
    both = (t * p).sum()
    return 1 - both / (both + beta * (t * (1 - p)).sum() + alpha * ((1 - t) * p).sum() + epsilon)


_LOSSES: Mapping[str, Reference] = {
    "binary_focal_crossentropy": _binary_focal,
    "categorical_focal_crossentropy": _categorical_focal,
    "poisson_nll_loss": _poisson_nll,
    "gaussian_nll_loss": lambda p, t, v, *, full, epsilon: (
        (np.log(np.maximum(v, epsilon)) + (p - t) ** 2 / np.maximum(v, epsilon)) / 2
        + (float(np.log(2 * np.pi)) / 2 if full else 0)
    ),
    "smooth_l1_loss": _smooth_l1,
    "soft_margin_loss": lambda t, p: _softplus(-t * p),
    "hinge_embedding_loss": lambda t, p, *, margin: np.where(t > 0, p, np.maximum(margin - p, 0)),
    "multilabel_soft_margin_loss": lambda t, p, *, axis: (t * _softplus(-p) + (1 - t) * _softplus(p)).mean(
        axis
    ),
    "margin_ranking_loss": lambda a, b, y, *, margin: np.maximum(margin - y * (a - b), 0),
    "triplet_margin_loss": _triplet,
    "cosine_embedding_loss": _cosine_embedding,
}
#: Losses of integer labels, which stay integers.
_OF_LABELS: Mapping[str, Reference] = {
    "nll_loss": lambda t, p, *, axis: -_picked(p, t, axis),
    "categorical_generalized_cross_entropy": lambda t, p, *, q, axis: (1 - _picked(p, t, axis) ** q) / q,
    "multi_margin_loss": _multi_margin,
}


def _sigmoid(z: Any) -> Any:
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-z))


def _rnn(step: Reference, states: int, sequence: bool) -> Reference:
    def rnn(x: Any, *given: Any, reverse: bool = False, **settings: Any) -> Any:
        first, weights = given[:states], given[states:]
        units = weights[1].shape[0]
        lead = x.shape[:-2] if sequence else x.shape[:-1]
        now = [np.broadcast_to(s, (*lead, units)).astype(x.dtype) for s in first]
        if not sequence:
            return step(x, now, *weights, **settings)
        order = range(x.shape[-2])
        found: dict[int, Any] = {}
        for t in reversed(order) if reverse else order:
            now = step(x[..., t, :], now, *weights, **settings)
            found[t] = now[0]
        return [np.stack([found[t] for t in order], -2), *now]

    return rnn


def _simple_step(x: Any, now: Any, w: Any, u: Any, b: Any, *, activation: str) -> Any:
    z = x @ w + b + now[0] @ u
    return [np.tanh(z) if activation == "tanh" else np.maximum(z, 0)]


def _lstm_step(x: Any, now: Any, w: Any, u: Any, b: Any) -> Any:
    i, f, g, o = np.split(x @ w + b + now[0] @ u, 4, -1)
    c = _sigmoid(f) * now[1] + _sigmoid(i) * np.tanh(g)
    return [_sigmoid(o) * np.tanh(c), c]


def _gru_step(x: Any, now: Any, w: Any, u: Any, b: Any, *, reset_after: bool) -> Any:
    (h,) = now
    own, back_bias = (b[0], b[1]) if reset_after else (b, np.zeros_like(b))
    xz, xr, xn = np.split(x @ w + own, 3, -1)
    hz, hr, hn = np.split(h @ u + back_bias, 3, -1)
    z, r = _sigmoid(xz + hz), _sigmoid(xr + hr)
    n = np.tanh(xn + (r * hn if reset_after else (r * h) @ np.split(u, 3, -1)[2]))
    return [z * h + (1 - z) * n]


_STEPS = {"simple_rnn": (_simple_step, 1), "lstm": (_lstm_step, 2), "gru": (_gru_step, 1)}


def floating(reference: Reference) -> Reference:
    """A function of floating numbers: integers and booleans are computed in float64."""

    def converted(*xs: Any, **attributes: Any) -> Any:
        return reference(*(x if x.dtype.kind in "fc" else x.astype(np.float64) for x in xs), **attributes)

    return converted


_FLOATING: Mapping[str, Reference] = {
    **{f"conv{n}d": _conv(n) for n in (1, 2, 3)},
    **{f"conv{n}d_transpose": _transposed(n) for n in (1, 2, 3)},
    **{f"max_pool{n}d": _pool(n, _largest) for n in (1, 2, 3)},
    **{f"max_pool{n}d_with_indices": _pool(n, _largest_and_index) for n in (1, 2, 3)},
    **{f"average_pool{n}d": _pool(n, _average) for n in (1, 2, 3)},
    **{f"lp_pool{n}d": _pool(n, _norm) for n in (1, 2, 3)},
    **{f"adaptive_average_pool{n}d": _adaptive(n, np.mean) for n in (1, 2, 3)},
    **{f"adaptive_max_pool{n}d": _adaptive(n, np.max) for n in (1, 2, 3)},
    **{name: _loss(loss) for name, loss in _LOSSES.items()},
    **{
        name: lambda *xs, reduction, loss=loss, **settings: reduced(loss(*xs, **settings), reduction)
        for name, loss in _OF_LABELS.items()
    },
    "tversky": _tversky,
    "dice": lambda t, p, *, epsilon, reduction: 1 - 2 * (t * p).sum() / (t.sum() + p.sum() + epsilon),
    **{f"{name}_cell": _rnn(step, states, False) for name, (step, states) in _STEPS.items()},
    **{name: _rnn(step, states, True) for name, (step, states) in _STEPS.items()},
    **{f"interpolate{n}d": _interpolate(n) for n in (1, 2, 3)},
    "fold": _fold,
    "grid_sample": _grid_sample,
    "affine_grid": _affine_grid,
    "layer_norm": lambda x, *, axis, epsilon: _standardized(x, _over(axis), epsilon),
    "rms_norm": _rms,
    "batch_norm": _batch_norm,
    "batch_norm_training": _batch_norm_training,
    "group_norm": _group_norm,
    "instance_norm": _instance_norm,
    "cdist": lambda a, b, *, ord: np.linalg.norm(a[..., :, None, :] - b[..., None, :, :], ord, axis=-1),
    "pdist": _pdist,
    "global_average_pool": _global(np.mean),
    "global_max_pool": _global(np.max),
}

NETWORK_REFERENCES: Mapping[str, Reference] = {
    **{name: floating(reference) for name, reference in _FLOATING.items()},
    **{f"max_unpool{n}d": _unpool(n) for n in (1, 2, 3)},
    "pixel_shuffle": _shuffle,
    "pixel_unshuffle": _unshuffle,
    "unfold": _unfold,
    "scaled_dot_product_attention": lambda *xs, **settings: _attention(
        *(x if x.dtype.kind == "f" or k == 3 else x.astype(np.float64) for k, x in enumerate(xs)), **settings
    ),
    "embedding_bag": lambda indices, table, **settings: _embedding_bag(
        indices, table if table.dtype.kind == "f" else table.astype(np.float64), **settings
    ),
}
