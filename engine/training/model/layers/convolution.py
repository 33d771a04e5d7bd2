"""Conv1D to Conv3D, their transposes and DepthwiseConv2D: channels last, as Keras has them by default."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.ir.attributes import BOOLEAN, Attribute, choice
from engine.ops.nn.geometry import STEPS, Sizes, borders, counts, sizes_of
from engine.training.catalogue.activations import ACTIVATION, Activation
from engine.training.catalogue.initializers import Initializer, initializer
from engine.training.catalogue.registry import Choice, whole
from engine.training.model.builder import GraphBuilder, Symbol
from engine.training.model.layers.layer import CHANNELS_LAST, Layer, needs_axis

_SIZE = whole(1, 2**31 - 1)


def windows(x: Symbol, n: int, window: Sizes, stride: Sizes, padding: str, dilation: Sizes) -> Sizes:
    """How many windows there are along each spatial axis of a row; raises ShapeMismatch."""
    sizes = x.shape[:n]
    around = borders(padding, sizes, window, stride, dilation)
    wide = tuple(size + sum(pair) for size, pair in zip(sizes, around, strict=True))
    return counts(wide, window, stride, dilation)


def _finish(
    scope: GraphBuilder,
    node: str,
    shape: Sizes,
    x: Symbol,
    use_bias: bool,
    bias_initializer: Choice[Initializer],
    activation: Activation,
) -> Symbol:
    if use_bias:
        node = scope.node("add", node, scope.weight("bias", shape[-1:], bias_initializer))
    return scope.activate(Symbol(node, shape, x.dtype), activation)


def _conv(n: int) -> Callable[..., Symbol]:
    def write(
        scope: GraphBuilder,
        x: Symbol,
        *,
        filters: int,
        kernel_size: Any,
        strides: Any,
        padding: str,
        dilation_rate: Any,
        groups: int,
        activation: Activation,
        use_bias: bool,
        kernel_initializer: Choice[Initializer],
        bias_initializer: Choice[Initializer],
    ) -> Symbol:
        needs_axis(x, f"Conv{n}D", n + 1)
        window, steps = sizes_of(kernel_size, n, "kernel_size"), sizes_of(strides, n, "strides")
        gaps = sizes_of(dilation_rate, n, "dilation_rate")
        kernel = scope.weight("kernel", (*window, x.shape[-1] // groups, filters), kernel_initializer)
        settings: dict[str, Any] = {
            "stride": list(steps),
            "padding": padding,
            "dilation": list(gaps),
            "groups": groups,
        }
        node = scope.node(f"conv{n}d", x.name, kernel, **settings)
        shape = (*windows(x, n, window, steps, padding, gaps), filters)
        return _finish(scope, node, shape, x, use_bias, bias_initializer, activation)

    return write


def _transposed(n: int) -> Callable[..., Symbol]:
    def write(
        scope: GraphBuilder,
        x: Symbol,
        *,
        filters: int,
        kernel_size: Any,
        strides: Any,
        padding: str,
        activation: Activation,
        use_bias: bool,
        kernel_initializer: Choice[Initializer],
        bias_initializer: Choice[Initializer],
    ) -> Symbol:
        needs_axis(x, f"Conv{n}DTranspose", n + 1)
        window, steps = sizes_of(kernel_size, n, "kernel_size"), sizes_of(strides, n, "strides")
        kernel = scope.weight("kernel", (*window, filters, x.shape[-1]), kernel_initializer)
        node = scope.node(f"conv{n}d_transpose", x.name, kernel, stride=list(steps), padding=padding)
        more = [
            max(size - step, 0) if padding == "valid" else 0 for size, step in zip(window, steps, strict=True)
        ]
        sizes = zip(x.shape[:n], steps, more, strict=True)
        shape = (*(size * step + behind for size, step, behind in sizes), filters)
        return _finish(scope, node, shape, x, use_bias, bias_initializer, activation)

    return write


def _depthwise(
    scope: GraphBuilder,
    x: Symbol,
    *,
    kernel_size: Any,
    strides: Any,
    padding: str,
    depth_multiplier: int,
    activation: Activation,
    use_bias: bool,
    depthwise_initializer: Choice[Initializer],
    bias_initializer: Choice[Initializer],
) -> Symbol:
    needs_axis(x, "DepthwiseConv2D", 3)
    window, steps = sizes_of(kernel_size, 2, "kernel_size"), sizes_of(strides, 2, "strides")
    channels = x.shape[-1]
    kernel = scope.weight("kernel", (*window, channels, depth_multiplier), depthwise_initializer)
    flat = scope.node("reshape", kernel, shape=[*window, 1, channels * depth_multiplier])
    node = scope.node("conv2d", x.name, flat, stride=list(steps), padding=padding, groups=channels)
    shape = (*windows(x, 2, window, steps, padding, (1, 1)), channels * depth_multiplier)
    return _finish(scope, node, shape, x, use_bias, bias_initializer, activation)


_KERNEL_SIZE = Attribute("kernel_size", STEPS, doc="the size of a window: one for all axes, or one for each")
_STRIDES = Attribute("strides", STEPS, 1, "how far the window moves")
_PADDING = Attribute("padding", choice("valid", "same"), "valid", "same: ceil(size / stride) windows")
_BIAS = (Attribute("use_bias", BOOLEAN, True),)
_INITIALIZERS = (
    initializer("kernel_initializer", "glorot_uniform"),
    initializer("bias_initializer", "zeros"),
)
_NO_LORA = {"lora_rank": "there is no LoRA", "quantization_config": "there is no quantisation"}


def _axes(n: int) -> str:
    return "one axis" if n == 1 else f"{n} axes"


LAYERS = (
    *(
        Layer(
            f"Conv{n}D",
            f"conv{n}d",
            f"activation(convolution + bias) over {_axes(n)} of rows (*sizes, channels).",
            _conv(n),
            (
                Attribute("filters", _SIZE),
                _KERNEL_SIZE,
                _STRIDES,
                _PADDING
                if n > 1
                else Attribute(
                    "padding",
                    choice("valid", "same", "causal"),
                    "valid",
                    "same: ceil(size / stride) windows; causal: none reads ahead",
                ),
                Attribute("dilation_rate", STEPS, 1, "the distance between the elements that a window reads"),
                Attribute("groups", _SIZE, 1, "groups of channels, each with kernels of its own"),
                ACTIVATION,
                *_BIAS,
                *_INITIALIZERS,
            ),
            aliases=(f"Convolution{n}D",),
            absent={"data_format": CHANNELS_LAST, **_NO_LORA},
        )
        for n in (1, 2, 3)
    ),
    *(
        Layer(
            f"Conv{n}DTranspose",
            f"conv{n}d_transpose",
            f"activation(transposed convolution + bias) over {_axes(n)} of rows (*sizes, channels).",
            _transposed(n),
            (
                Attribute("filters", _SIZE),
                _KERNEL_SIZE,
                _STRIDES,
                _PADDING,
                ACTIVATION,
                *_BIAS,
                *_INITIALIZERS,
            ),
            aliases=(f"Convolution{n}DTranspose",),
            absent={
                "data_format": CHANNELS_LAST,
                "output_padding": "the result has sizes times strides; the op conv2d_transpose takes others",
                "dilation_rate": "the op conv2d_transpose takes it",
                **_NO_LORA,
            },
        )
        for n in (1, 2, 3)
    ),
    Layer(
        "DepthwiseConv2D",
        "depthwise_conv2d",
        "activation(convolution + bias) with kernels of its own for each channel.",
        _depthwise,
        (
            _KERNEL_SIZE,
            _STRIDES,
            _PADDING,
            Attribute("depth_multiplier", _SIZE, 1, "how many kernels each channel has"),
            ACTIVATION,
            *_BIAS,
            initializer("depthwise_initializer", "glorot_uniform"),
            initializer("bias_initializer", "zeros"),
        ),
        absent={"data_format": CHANNELS_LAST, "dilation_rate": "the op conv2d takes it"},
    ),
)
