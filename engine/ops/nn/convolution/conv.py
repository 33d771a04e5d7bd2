"""conv1d, conv2d, conv3d and their transposes: padding, layouts and strides around the trilinear form.

With channels_last shapes are Keras's: x (samples, *sizes, channels), kernel (*window, channels / groups,
outputs). With channels_first they are PyTorch's: x (samples, channels, *sizes), kernel (outputs, channels /
groups, *window). A kernel is not turned round: this is what mathematics calls a correlation, as in both.
"""

from __future__ import annotations

from typing import Any

from engine.errors import InvalidAttribute, ShapeMismatch
from engine.ir.attributes import INT, Attribute, choice
from engine.ir.families import composite
from engine.ir.samples import Sample
from engine.ir.table import F
from engine.ops.nn.geometry import (
    DATA_FORMAT,
    DILATION,
    LAYOUT,
    PADDING,
    STEPS,
    STRIDE,
    Pairs,
    Sizes,
    as_before,
    borders,
    channels_last,
    extents,
    padded,
    sizes_of,
)

_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
_GROUPS = Attribute("groups", INT, 1, "groups of channels, each with kernels of its own")
_PADDING = Attribute("padding", PADDING, "valid", "valid: none; same: ceil(size / stride) positions")
_KERNEL = (
    "x (samples, *sizes, channels) and kernel (*window, channels / groups, outputs) as in Keras; with "
    "channels_first x (samples, channels, *sizes) and kernel (outputs, channels / groups, *window) as in "
    f"PyTorch. The kernel is not turned round. Add a bias with +. {LAYOUT}"
)


def _kernel_last(kernel: Any, n: int, data_format: str) -> Any:
    """A kernel as (*window, channels, outputs), which channels_first has as (outputs, channels, *window)."""
    if kernel.ndim != n + 2:
        raise ShapeMismatch(
            f"expected a kernel of {n + 2} axes, got shape {kernel.shape}",
            hint="its axes are the window's, the channels that it takes and those that it gives",
        )
    if data_format == "channels_last":
        return kernel
    return F.permute_dims(kernel, axes=(*range(2, n + 2), 1, 0))


def _conv(n: int) -> Any:
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
        x = channels_last(x, n, data_format)
        kernel = _kernel_last(kernel, n, data_format)
        steps, gaps = sizes_of(stride, n, "stride"), sizes_of(dilation, n, "dilation")
        around = borders(padding, x.shape[-n - 1 : -1], kernel.shape[:n], steps, gaps)
        x = padded(x, around, _MODES[padding_mode])
        y = F.valid_convolution(x, kernel, stride=steps, dilation=gaps, groups=groups)
        return as_before(y, n, data_format)

    return conv


def _crop(y: Any, around: Pairs, extra: Sizes) -> Any:
    """`y` without what padding added, and zeros behind it where it is too short."""
    n = len(around)
    if any(extra):
        y = padded(y, tuple((0, more) for more in extra), "constant")
    if not any(map(any, around)):
        return y
    index = [
        slice(before, size - after)
        for (before, after), size in zip(around, y.shape[-n - 1 : -1], strict=True)
    ]
    if any(part.start >= part.stop for part in index):
        raise ShapeMismatch(f"padding {around} leaves nothing of sizes {y.shape[-n - 1 : -1]}")
    return F.getitem(y, index=(..., *index, slice(None)))


def _transposed(n: int) -> Any:
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
        x = channels_last(x, n, data_format)
        kernel = _kernel_last(kernel, n, data_format)
        steps, gaps = sizes_of(stride, n, "stride"), sizes_of(dilation, n, "dilation")
        spans, sizes = extents(kernel.shape[:n], gaps), x.shape[-n - 1 : -1]
        around, extra = _transposed_borders(padding, output_padding, steps, spans)
        whole = tuple((size - 1) * step + span for size, step, span in zip(sizes, steps, spans, strict=True))
        y = F.valid_convolution_input(x, kernel, stride=steps, dilation=gaps, groups=groups, size=whole)
        return as_before(_crop(y, around, extra), n, data_format)

    return transposed


def _transposed_borders(
    padding: Any, output_padding: Any, stride: Sizes, spans: Sizes
) -> tuple[Pairs, Sizes]:
    """What is cut off around the full result, and how many zeros come behind it first."""
    n = len(stride)
    if padding == "causal":
        raise InvalidAttribute("padding 'causal' has no meaning for a transposed convolution")
    if output_padding is not None:
        extra = sizes_of(output_padding, n, "output_padding", 0)
        if padding == "same":
            return tuple((span // 2, span // 2) for span in spans), extra
        return borders(padding, stride, spans, stride, (1,) * n), extra
    gap = tuple(max(step - span, 0) for step, span in zip(stride, spans, strict=True))
    if padding == "same":  # the sizes times the stride, an odd element more cut off behind
        cut = [max(span - step, 0) for step, span in zip(stride, spans, strict=True)]
        return tuple((width // 2, width - width // 2) for width in cut), gap
    if padding == "valid":
        return ((0, 0),) * n, gap
    return borders(padding, stride, spans, stride, (1,) * n), (0,) * n


_SIZES = {1: (5,), 2: (4, 3), 3: (3, 2, 2)}


def _first(shape: Sizes, out: bool) -> Sizes:
    """The shape of a kernel, or of one sample with the axis of samples, as PyTorch has it."""
    return (shape[-1], shape[-2], *shape[:-2]) if out else (shape[0], shape[-1], *shape[1:-1])


def _samples(n: int) -> tuple[Sample, ...]:
    sizes, window = _SIZES[n], (2, *(1, 2)[: n - 1])
    x, kernel = (2, *sizes, 2), (*window, 2, 3)
    pairs = [[1, 0]] * n
    rest = [] if n > 1 else [Sample((x, kernel), {"padding": "causal"})]
    return (
        Sample((x, kernel)),
        Sample(((*sizes, 2), (*window, 1, 4)), {"stride": 2, "padding": "same", "groups": 2}),
        Sample(
            (_first(x, False), _first(kernel, True)),
            {"padding": pairs, "padding_mode": "reflect", "dilation": 2, "data_format": "channels_first"},
        ),
        Sample((x, kernel), {"padding": 1, "padding_mode": "circular", "stride": [2, *[1] * (n - 1)]}),
        *rest,
    )


def _transposed_samples(n: int) -> tuple[Sample, ...]:
    sizes, window = {1: (3,), 2: (2, 3), 3: (2, 1, 2)}[n], (2, *(3, 1)[: n - 1])
    x, kernel = (2, *sizes, 2), (*window, 3, 2)
    return (
        Sample((x, kernel)),
        Sample(((*sizes, 4), (*window, 1, 4)), {"stride": 2, "padding": "same", "groups": 2}),
        Sample(
            (_first(x, False), (2, 3, *window)),
            {"padding": 1, "stride": 3, "output_padding": 2, "data_format": "channels_first"},
        ),
        Sample((x, kernel), {"dilation": 2, "stride": [3, *[1] * (n - 1)]}),
    )


for _n in (1, 2, 3):
    composite(
        f"conv{_n}d",
        summary=f"The convolution over {_n} {'axis' if _n == 1 else 'axes'}.",
        formula=_conv(_n),
        kinds="floating",
        attributes=(
            STRIDE,
            _PADDING,
            DILATION,
            _GROUPS,
            Attribute("padding_mode", choice(*_MODES), "zeros", "what lies beyond the border"),
            DATA_FORMAT,
        ),
        samples=_samples(_n),
        conventions=f"{_KERNEL} Padding 'same' with a stride is Keras's; PyTorch refuses it.",
    )
    composite(
        f"conv{_n}d_transpose",
        f"conv_transpose{_n}d",
        summary=f"The transposed convolution over {_n} {'axis' if _n == 1 else 'axes'}: the derivative of "
        "a convolution by its input.",
        formula=_transposed(_n),
        kinds="floating",
        attributes=(
            STRIDE,
            Attribute("padding", PADDING, "valid", "what a convolution from the result to x would add"),
            Attribute("output_padding", STEPS, None, "how much longer the result is; null: as Keras has it"),
            DILATION,
            _GROUPS,
            DATA_FORMAT,
        ),
        samples=_transposed_samples(_n),
        conventions="x (samples, *sizes, channels) and kernel (*window, outputs / groups, channels) as in "
        "Keras; with channels_first x (samples, channels, *sizes) and kernel (channels, outputs / groups, "
        "*window) as in PyTorch. Padding 'same' gives sizes times stride, and 'valid' at least that, as in "
        f"Keras; numbers are PyTorch's, (size - 1) stride + span - 2 padding + output_padding. {LAYOUT}",
    )
