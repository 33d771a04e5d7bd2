"""Max, average and norm pools with windows, strides and padding, the places of maxima, and unpooling."""

from __future__ import annotations

from math import inf, prod
from typing import Any

from engine.errors import InvalidAttribute, ShapeMismatch
from engine.ir.attributes import BOOLEAN, NUMBER, REQUIRED, SHAPE, Attribute, InputIndex
from engine.ir.derivative import JOINT
from engine.ir.families import composite
from engine.ir.no_gradient import NoGradient
from engine.ir.samples import Domain, Sample
from engine.ir.table import F
from engine.ops.creation import made
from engine.ops.nn.geometry import (
    DATA_FORMAT,
    DILATION,
    LAYOUT,
    PADDING,
    STEPS,
    Pairs,
    Sizes,
    as_before,
    borders,
    channels_last,
    counts,
    extents,
    padded,
    sizes_of,
)

_WINDOW = Attribute("window", STEPS, REQUIRED, "the size of a window: one for all axes, or one for each")
_STRIDE = Attribute("stride", STEPS, None, "how far the window moves; the window's size when absent")
_PADDING = Attribute("padding", PADDING, "valid", "valid: none; same: ceil(size / stride) windows")
_CEIL = Attribute(
    "ceil_mode", BOOLEAN, False, "whether a last window may reach beyond the end, as in PyTorch"
)
_FIRST = "Of equal elements the first gets the gradient, as in PyTorch and TensorFlow."


class Windows:
    """How a pool's windows lie: the settings for each axis, and what is added around."""

    def __init__(
        self, x: Any, n: int, window: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
    ) -> None:
        self.window = sizes_of(window, n, "window")
        self.stride = self.window if stride is None else sizes_of(stride, n, "stride")
        self.dilation = sizes_of(dilation, n, "dilation")
        self.sizes: Sizes = tuple(x.shape[-n - 1 : -1])
        spans = extents(self.window, self.dilation)
        if padding == "causal":
            raise InvalidAttribute("padding 'causal' has no meaning for a pool")
        around = borders(padding, self.sizes, self.window, self.stride, self.dilation)
        #: What ceil_mode adds behind the padding.
        self.more = tuple(
            self._reach(size + sum(pair), size + pair[0], span, step) if ceil_mode else 0
            for size, pair, span, step in zip(self.sizes, around, spans, self.stride, strict=True)
        )
        self.around: Pairs = around
        self._check()

    def _check(self) -> None:
        """Raise ShapeMismatch if a window reads only padding, and so has no largest element and no mean."""
        wide = tuple(size + sum(pair) for size, pair in zip(self.sizes, self.borders, strict=True))
        for k, count in enumerate(counts(wide, self.window, self.stride, self.dilation)):
            for start in (i * self.stride[k] - self.around[k][0] for i in range(count)):
                inside = range(start, start + self.window[k] * self.dilation[k], self.dilation[k])
                if not any(0 <= at < self.sizes[k] for at in inside):
                    raise ShapeMismatch(
                        f"the window of {self.window[k]} elements at {start} of an axis of size "
                        f"{self.sizes[k]} reads nothing but padding",
                        hint="pad by half a window at most",
                    )

    @staticmethod
    def _reach(size: int, start: int, span: int, step: int) -> int:
        """How far a last window reaches beyond `size`; it begins before `start`."""
        count = -(-(size - span) // step) + 1
        if (count - 1) * step >= start:
            count -= 1
        return max(0, (count - 1) * step + span - size)

    @property
    def borders(self) -> Pairs:
        """All that is added around."""
        return tuple((a, b + m) for (a, b), m in zip(self.around, self.more, strict=True))

    @property
    def settings(self) -> dict[str, Sizes]:
        """The attributes of the ops on windows."""
        return {"window": self.window, "stride": self.stride, "dilation": self.dilation}


def _max_pool(n: int) -> Any:
    def max_pool(
        x: Any,
        *,
        window: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        ceil_mode: bool,
        data_format: str,
    ) -> Any:
        x = channels_last(x, n, data_format)
        lie = Windows(x, n, window, stride, padding, dilation, ceil_mode)
        y = F.window_max(padded(x, lie.borders, "constant", -inf), **lie.settings)
        return as_before(y, n, data_format)

    return max_pool


def _max_pool_with_indices(n: int) -> Any:
    def with_indices(
        x: Any,
        *,
        window: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        ceil_mode: bool,
        data_format: str,
    ) -> Any:
        x = channels_last(x, n, data_format)
        lie = Windows(x, n, window, stride, padding, dilation, ceil_mode)
        wide = padded(x, lie.borders, "constant", -inf)
        y = F.window_max(wide, **lie.settings)
        place = F.window_argmax(wide, y, **lie.settings).astype("int64")
        return as_before(y, n, data_format), as_before(_flat(place, lie), n, data_format)

    return with_indices


def _flat(place: Any, lie: Windows) -> Any:
    """The index in the flattened sizes of x of the element at a place of its window."""
    n = len(lie.window)
    total: Any = 0
    for k in range(n):
        within = F.remainder(F.floor_divide(place, prod(lie.window[k + 1 :])), lie.window[k])
        count = place.shape[place.ndim - n - 1 + k]
        start = made(place, "arange", start=count) * lie.stride[k] - lie.around[k][0]
        start = start.reshape((count, *(1,) * (n - k)))
        total = total + (start + within * lie.dilation[k]) * prod(lie.sizes[k + 1 :])
    return total


def _average_pool(n: int) -> Any:
    def average_pool(
        x: Any,
        *,
        window: Any,
        stride: Any,
        padding: Any,
        ceil_mode: bool,
        count_include_pad: bool,
        data_format: str,
    ) -> Any:
        x = channels_last(x, n, data_format)
        lie = Windows(x, n, window, stride, padding, 1, ceil_mode)
        sums = F.window_sum(padded(x, lie.borders, "constant"), **lie.settings)
        return as_before(_divided(sums, lie, n, count_include_pad), n, data_format)

    return average_pool


def _divided(sums: Any, lie: Windows, n: int, count_include_pad: bool) -> Any:
    """The sums over how many elements each window has, padding among them or not."""
    whole = not any(lie.more) and (count_include_pad or not any(map(any, lie.around)))
    if whole:
        return sums * (1.0 / prod(lie.window))
    for k in range(n):
        count, (before, after) = sums.shape[sums.ndim - n - 1 + k], lie.around[k]
        low, high = (-before, lie.sizes[k] + after) if count_include_pad else (0, lie.sizes[k])
        numbers = [
            min(i * lie.stride[k] - before + lie.window[k], high) - max(i * lie.stride[k] - before, low)
            for i in range(count)
        ]
        inverse = sums.tape.constant([1.0 / number for number in numbers], sums.dtype)
        sums = sums * inverse.reshape((count, *(1,) * (n - k)))
    return sums


def _lp_pool(n: int) -> Any:
    def lp_pool(x: Any, *, window: Any, ord: float, stride: Any, ceil_mode: bool, data_format: str) -> Any:
        if not ord > 0:
            raise InvalidAttribute(f"expected a positive 'ord', got {ord}")
        x = channels_last(x, n, data_format)
        lie = Windows(x, n, window, stride, "valid", 1, ceil_mode)
        powers = F.pow(F.abs(x), ord)
        sums = F.window_sum(padded(powers, lie.borders, "constant"), **lie.settings)
        none = sums.equals(0)
        root = F.pow(F.where(none, 1, sums), 1 / ord)
        return as_before(F.where(none, 0, root), n, data_format)

    return lp_pool


def _unpool(n: int) -> Any:
    def unpool(x: Any, indices: Any, *, size: Sizes, data_format: str) -> Any:
        if x.shape != indices.shape:
            raise ShapeMismatch(f"values of shape {x.shape} and indices of shape {indices.shape}")
        if len(size) != n or any(s < 1 for s in size):
            raise InvalidAttribute(f"expected {n} sizes of 1 or more for 'size', got {list(size)}")
        x, indices = channels_last(x, n, data_format), channels_last(indices, n, data_format)
        lead, count = x.shape[: -n - 1], prod(x.shape[-n - 1 : -1])
        flat = (prod(lead), count, x.shape[-1])
        zeros = x.tape.constant(0, x.dtype).broadcast_to((flat[0], prod(size), flat[2]))
        samples = made(x, "arange", start=flat[0]).reshape((flat[0], 1, 1))
        channels = made(x, "arange", start=flat[2])
        index = tuple(InputIndex(k) for k in (1, 2, 3))
        y = F.index_set(zeros, x.reshape(flat), samples, indices.reshape(flat), channels, index=index)
        return as_before(y.reshape((*lead, *size, x.shape[-1])), n, data_format)

    return unpool


_SHAPES = {1: (5,), 2: (4, 3), 3: (3, 2, 2)}


def _window(n: int, first: int = 2) -> list[int]:
    return [first, *(2, 1)[: n - 1]]


def _samples(n: int, *more: dict[str, Any]) -> tuple[Sample, ...]:
    """One at the defaults, and for each of `more` one in PyTorch's layout."""
    sizes = _SHAPES[n]
    return (
        Sample(((2, *sizes, 2),), {"window": _window(n)}),
        *(
            Sample(((2, *sizes),), {"window": _window(n), "data_format": "channels_first", **_cut(each, n)})
            for each in more
        ),
    )


def _nested(rows: list[list[int]], n: int, first: bool = False) -> Any:
    """Indices (2, 1, ..., channels), or (1, 1, 2, 1, ...) with the channels first."""
    if first:
        cells: Any = [row[0] for row in rows]
        for _ in range(n - 1):
            cells = [[cell] for cell in cells]
        return [[cells]]
    wrapped: Any = rows
    for _ in range(n - 1):
        wrapped = [[row] for row in wrapped]
    return wrapped


def _cut(settings: dict[str, Any], n: int) -> dict[str, Any]:
    """The settings with lists as long as there are axes."""
    return {name: value[:n] if isinstance(value, list) else value for name, value in settings.items()}


_ONE = [1, 1, 0]  # padding for windows that have one element along the third axis
_MAX = ({"stride": 1, "padding": _ONE, "dilation": 2}, {"stride": 3, "padding": "same", "ceil_mode": True})
_INDEX = NoGradient("nondifferentiable", "to_integer", "an index is an integer")

for _n in (1, 2, 3):
    _over = f"over {_n} {'axis' if _n == 1 else 'axes'}"
    composite(
        f"max_pool{_n}d",
        summary=f"The largest element of each window {_over}.",
        formula=_max_pool(_n),
        kinds="real_floating",
        attributes=(_WINDOW, _STRIDE, _PADDING, DILATION, _CEIL, DATA_FORMAT),
        samples=_samples(_n, *_MAX),
        conventions=f"{_FIRST} Padding is never the largest. {LAYOUT}",
    )
    composite(
        f"max_pool{_n}d_with_indices",
        summary=f"The largest element of each window {_over}, and its index in the flattened axes.",
        formula=_max_pool_with_indices(_n),
        kinds="real_floating",
        outputs=("values", "indices"),
        attributes=(_WINDOW, _STRIDE, _PADDING, DILATION, _CEIL, DATA_FORMAT),
        samples=_samples(_n, *_MAX),
        conventions=f"The indices are those of PyTorch's return_indices. {_FIRST} {LAYOUT}",
    )
    composite(
        f"average_pool{_n}d",
        f"avg_pool{_n}d",
        summary=f"The mean of each window {_over}.",
        formula=_average_pool(_n),
        kinds="floating",
        attributes=(
            _WINDOW,
            _STRIDE,
            _PADDING,
            _CEIL,
            Attribute("count_include_pad", BOOLEAN, False, "whether padding counts as elements"),
            DATA_FORMAT,
        ),
        samples=_samples(
            _n,
            {"stride": 1, "padding": _ONE},
            {"stride": 3, "padding": _ONE, "ceil_mode": True, "count_include_pad": True},
        ),
        conventions="Padding does not count among the elements, as in Keras; PyTorch's default is "
        f"count_include_pad=True. {LAYOUT}",
    )
    composite(
        f"lp_pool{_n}d",
        summary=f"The norm of each window {_over}: the root of the sum of |x| to the power `ord`.",
        formula=_lp_pool(_n),
        kinds="real_floating",
        attributes=(
            _WINDOW,
            Attribute("ord", NUMBER, 2, "the norm's order, positive"),
            _STRIDE,
            _CEIL,
            DATA_FORMAT,
        ),
        domain=Domain(away_from_zero=0.2),
        samples=_samples(_n, {"stride": 1, "ord": 3}, {"stride": 3, "ord": 1.5, "ceil_mode": True}),
        conventions="PyTorch does not take |x|, so that an odd order differs. The norm of zeros has "
        f"derivative 0. {LAYOUT}",
    )
    composite(
        f"max_unpool{_n}d",
        summary="Zeros with the elements of x at their indices in the flattened axes.",
        formula=_unpool(_n),
        vjp=(JOINT, _INDEX),
        kinds=("any", "integer"),
        promote=False,
        attributes=(Attribute("size", SHAPE, REQUIRED, "the sizes of the result's axes"), DATA_FORMAT),
        samples=(
            Sample(((*(2, 1, 1)[:_n], 2), _nested([[0, 1], [3, 2]], _n)), {"size": [4, 1, 1][:_n]}),
            Sample(
                ((1, 1, *(2, 1, 1)[:_n]), _nested([[0], [3]], _n, True)),
                {"size": [2, 3, 1][:_n] if _n > 1 else [4], "data_format": "channels_first"},
            ),
        ),
        conventions="The inverse of max_pool with its indices. Of several elements for one place the last "
        f"one counts. {LAYOUT}",
    )
