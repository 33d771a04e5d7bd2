"""MaxPooling and AveragePooling in one to three dimensions, GlobalAveragePooling and GlobalMaxPooling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.ir.attributes import BOOLEAN, Attribute, choice
from engine.ops.nn.geometry import STEPS, sizes_of
from engine.training.model.builder import GraphBuilder, Symbol
from engine.training.model.layers.convolution import windows
from engine.training.model.layers.layer import CHANNELS_LAST, Layer, needs_axis


def _pool(n: int, op: str, layer: str) -> Callable[..., Symbol]:
    def write(scope: GraphBuilder, x: Symbol, *, pool_size: Any, strides: Any, padding: str) -> Symbol:
        needs_axis(x, layer, n + 1)
        window = sizes_of(pool_size, n, "pool_size")
        steps = window if strides is None else sizes_of(strides, n, "strides")
        shape = (*windows(x, n, window, steps, padding, (1,) * n), x.shape[-1])
        settings: dict[str, Any] = {"window": list(window), "stride": list(steps), "padding": padding}
        return Symbol(scope.node(f"{op}_pool{n}d", x.name, **settings), shape, x.dtype)

    return write


def _global(n: int, op: str, layer: str) -> Callable[..., Symbol]:
    def write(scope: GraphBuilder, x: Symbol, *, keepdims: bool) -> Symbol:
        needs_axis(x, layer, n + 1)
        node = scope.node(op, x.name, axis=list(range(1, n + 1)), keepdims=keepdims)
        return Symbol(node, ((1,) * n if keepdims else ()) + x.shape[-1:], x.dtype)

    return write


_ABSENT = {"data_format": CHANNELS_LAST}
_KINDS = (("Max", "max", "largest element"), ("Average", "average", "mean"))

LAYERS = (
    *(
        Layer(
            f"{kind}Pooling{n}D",
            f"{op}_pooling{n}d",
            f"The {what} of each window of rows (*sizes, channels).",
            _pool(n, op, f"{kind}Pooling{n}D"),
            (
                Attribute("pool_size", STEPS, 2, "the size of a window: one for all axes, or one for each"),
                Attribute("strides", STEPS, None, "how far the window moves; pool_size when absent"),
                Attribute("padding", choice("valid", "same"), "valid", "same: ceil(size / stride) windows"),
            ),
            aliases=(f"{kind[:3]}Pool{n}D",),
            absent=_ABSENT,
        )
        for kind, op, what in _KINDS
        for n in (1, 2, 3)
    ),
    *(
        Layer(
            f"Global{kind}Pooling{n}D",
            f"global_{op}_pooling{n}d",
            f"The {what} of each channel of rows (*sizes, channels).",
            _global(n, {"max": "max", "average": "mean"}[op], f"Global{kind}Pooling{n}D"),
            (Attribute("keepdims", BOOLEAN, False, "keep the axes with size 1"),),
            aliases=(f"Global{kind[:3]}Pool{n}D",),
            absent=_ABSENT,
        )
        for kind, op, what in _KINDS
        for n in (1, 2, 3)
    ),
)
