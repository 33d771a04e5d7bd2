"""What convolutions and pools share: strides, padding, the order of axes, the windows along each axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

from engine.errors import InvalidAttribute, ShapeMismatch
from engine.ir.attributes import Attribute, Kind, choice, integer
from engine.ir.table import F

Sizes = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]

_WORDS = ("valid", "same", "causal")


def _padding(value: Any) -> str | int | tuple[Any, ...]:
    if value in _WORDS:
        return str(value)
    if isinstance(value, list | tuple):
        entries = tuple(_padding(entry) for entry in value)
        if any(isinstance(entry, str) for entry in entries):
            raise ValueError
        return entries
    width = integer(value)
    if width < 0:
        raise ValueError("a width is not negative")
    return width


_WIDTH = {"type": "integer", "minimum": 0}
PADDING = Kind(
    "padding",
    "'valid', 'same', 'causal', a width, or a width or a pair of widths for each axis",
    _padding,
    {
        "anyOf": [
            {"enum": list(_WORDS)},
            _WIDTH,
            {"type": "array", "items": {"anyOf": [_WIDTH, {"type": "array", "items": _WIDTH}]}},
        ]
    },
    "str | int | Sequence[int] | Sequence[Sequence[int]]",
)


def _steps(value: Any) -> int | tuple[int, ...]:
    return tuple(integer(item) for item in value) if isinstance(value, list | tuple) else integer(value)


STEPS = Kind(
    "steps",
    "an integer, or one for each axis",
    _steps,
    {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}]},
    "int | Sequence[int]",
)
STRIDE = Attribute("stride", STEPS, 1, "how far the window moves: one step, or one for each axis")
DILATION = Attribute("dilation", STEPS, 1, "the distance between the elements that a window reads")
DATA_FORMAT = Attribute(
    "data_format",
    choice("channels_last", "channels_first"),
    "channels_last",
    "where the channels are: behind the other axes as in Keras, or before them as in PyTorch",
)
LAYOUT = "Axes before the named ones are samples: any number of them, none too."


def sizes_of(value: int | Sequence[int], n: int, name: str, least: int = 1) -> Sizes:
    """One size for each of `n` axes; raises InvalidAttribute."""
    sizes = (value,) * n if isinstance(value, int) else tuple(value)
    sizes = sizes * n if len(sizes) == 1 else sizes
    if len(sizes) != n or any(size < least for size in sizes):
        raise InvalidAttribute(
            f"expected one integer of {least} or more for '{name}', or one for each of {n} axes, "
            f"got {list(sizes)}"
        )
    return sizes


def extents(window: Sizes, dilation: Sizes) -> Sizes:
    """How many elements a window spans along each axis."""
    return tuple((size - 1) * step + 1 for size, step in zip(window, dilation, strict=True))


def counts(sizes: Sizes, window: Sizes, stride: Sizes, dilation: Sizes) -> Sizes:
    """How many windows fit along each axis; raises ShapeMismatch if none does."""
    spans = extents(window, dilation)
    if any(span > size for size, span in zip(sizes, spans, strict=True)):
        raise ShapeMismatch(
            f"windows that span {list(spans)} do not fit into sizes {list(sizes)}",
            hint="take a smaller window or dilation, or more padding: padding='same' keeps the sizes",
        )
    return tuple((size - span) // step + 1 for size, span, step in zip(sizes, spans, stride, strict=True))


def check_counts(windows: Sizes, sizes: Sizes, window: Sizes, stride: Sizes, dilation: Sizes) -> None:
    """Raise ShapeMismatch unless as many windows fit along each axis as are given."""
    fit = counts(sizes, window, stride, dilation)
    if windows != fit:
        raise ShapeMismatch(f"{list(windows)} windows, and {list(fit)} fit into sizes {list(sizes)}")


def borders(padding: Any, sizes: Sizes, window: Sizes, stride: Sizes, dilation: Sizes) -> Pairs:
    """How many elements are added before and behind each axis; raises InvalidAttribute.

    `same` gives ceil(size / stride) windows, an odd element more behind, as in Keras and TensorFlow.
    """
    n = len(sizes)
    spans = extents(window, dilation)
    if padding == "valid":
        return ((0, 0),) * n
    if padding == "same":
        total = [
            max((-(-size // step) - 1) * step + span - size, 0)
            for size, span, step in zip(sizes, spans, stride, strict=True)
        ]
        return tuple((width // 2, width - width // 2) for width in total)
    if padding == "causal":
        if n != 1:
            raise InvalidAttribute(
                "padding 'causal' has a meaning along one axis only",
                hint="take 'same', or a pair for each axis",
            )
        return ((spans[0] - 1, 0),)
    entries = (padding,) * n if isinstance(padding, int) else padding
    entries = entries * n if len(entries) == 1 else entries
    if len(entries) != n or any(isinstance(e, tuple) and len(e) != 2 for e in entries):
        raise InvalidAttribute(
            f"expected a width for 'padding', or a width or a pair for each of {n} axes, got {padding}"
        )
    return tuple((e, e) if isinstance(e, int) else (e[0], e[1]) for e in entries)


def padded(x: Any, pairs: Pairs, mode: str, value: float = 0) -> Any:
    """`x`, channels last, continued along its spatial axes."""
    if not any(map(any, pairs)):
        return x
    lead = x.ndim - len(pairs) - 1
    return F.pad(x, pad_width=((0, 0),) * lead + pairs + ((0, 0),), mode=mode, constant_values=value)


def channels_last(x: Any, n: int, data_format: str) -> Any:
    """`x` of `n` spatial axes with its channels behind them; raises ShapeMismatch."""
    if x.ndim < n + 1:
        raise ShapeMismatch(
            f"expected {n} spatial axes and one of channels, got shape {x.shape}",
            hint="expand_dims or reshape can add an axis of one channel",
        )
    if data_format == "channels_last":
        return x
    lead = x.ndim - n - 1
    return F.permute_dims(x, axes=(*range(lead), *range(lead + 1, x.ndim), lead))


def as_before(y: Any, n: int, data_format: str) -> Any:
    """The result with its channels where those of the input were."""
    if data_format == "channels_last":
        return y
    lead = y.ndim - n - 1
    return F.permute_dims(y, axes=(*range(lead), y.ndim - 1, *range(lead, y.ndim - 1)))


def places(window: Sizes) -> Iterator[Sizes]:
    """The places within a window, in C order."""
    return product(*map(range, window))


def reads(place: Sizes, count: Sizes, stride: Sizes, dilation: Sizes) -> tuple[slice, ...]:
    """What all windows together read at one of their places: a slice for each spatial axis."""
    return tuple(
        slice(at * gap, at * gap + (number - 1) * step + 1, step)
        for at, number, step, gap in zip(place, count, stride, dilation, strict=True)
    )
