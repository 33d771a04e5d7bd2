"""Pixels and channels exchanged (Shi et al. 2016), and images as columns of patches and back."""

from __future__ import annotations

from math import prod
from typing import Any

from engine.errors import ShapeMismatch
from engine.ir.attributes import REQUIRED, Attribute
from engine.ir.families import composite
from engine.ir.samples import Sample
from engine.ir.table import F
from engine.ops.nn.geometry import (
    DATA_FORMAT,
    DILATION,
    LAYOUT,
    STEPS,
    STRIDE,
    as_before,
    channels_last,
    counts,
    extents,
    padded,
    sizes_of,
)

_FACTOR = Attribute("factor", STEPS, REQUIRED, "how many times larger: one for both axes, or one for each")
_WINDOW = Attribute("window", STEPS, REQUIRED, "the size of a patch: one for both axes, or one for each")
_PADDING = Attribute("padding", STEPS, 0, "how many zeros are added on both sides")


def _shuffle(x: Any, *, factor: Any, data_format: str) -> Any:
    """Channel c·f1·f2 + i·f2 + j becomes pixel (i, j) of channel c."""
    x = channels_last(x, 2, data_format)
    rows, columns = sizes_of(factor, 2, "factor")
    *lead, height, width, channels = x.shape
    if channels % (rows * columns):
        raise ShapeMismatch(
            f"{channels} channels become {rows} x {columns} pixels each", hint="the factors divide them"
        )
    own, n = channels // (rows * columns), len(lead)
    parts = x.reshape((*lead, height, width, own, rows, columns))
    turned = F.permute_dims(parts, axes=(*range(n), n, n + 3, n + 1, n + 4, n + 2))
    return as_before(turned.reshape((*lead, height * rows, width * columns, own)), 2, data_format)


def _unshuffle(x: Any, *, factor: Any, data_format: str) -> Any:
    x = channels_last(x, 2, data_format)
    rows, columns = sizes_of(factor, 2, "factor")
    *lead, height, width, channels = x.shape
    if height % rows or width % columns:
        raise ShapeMismatch(
            f"{height} x {width} pixels in blocks of {rows} x {columns}", hint="the factors divide the sizes"
        )
    n = len(lead)
    parts = x.reshape((*lead, height // rows, rows, width // columns, columns, channels))
    turned = F.permute_dims(parts, axes=(*range(n), n, n + 2, n + 4, n + 1, n + 3))
    shape = (*lead, height // rows, width // columns, channels * rows * columns)
    return as_before(turned.reshape(shape), 2, data_format)


pixel_shuffle = composite(
    "pixel_shuffle",
    summary="Blocks of channels as blocks of pixels: larger images with fewer channels.",
    formula=_shuffle,
    attributes=(_FACTOR, DATA_FORMAT),
    samples=(
        Sample(((2, 2, 3, 8),), {"factor": 2}),
        Sample(((6, 1, 2),), {"factor": [3, 2], "data_format": "channels_first"}),
    ),
    conventions=f"The order of channels is PyTorch's in both layouts. {LAYOUT}",
)

pixel_unshuffle = composite(
    "pixel_unshuffle",
    summary="The inverse of pixel_shuffle: blocks of pixels as channels.",
    formula=_unshuffle,
    attributes=(_FACTOR, DATA_FORMAT),
    samples=(
        Sample(((2, 4, 2, 2),), {"factor": 2}),
        Sample(((1, 3, 4),), {"factor": [3, 2], "data_format": "channels_first"}),
    ),
    conventions=f"The order of channels is PyTorch's in both layouts. {LAYOUT}",
)


def _unfold(x: Any, *, window: Any, stride: Any, padding: Any, dilation: Any, data_format: str) -> Any:
    """Patches in PyTorch's order: the channel first, then the place within the window."""
    x = channels_last(x, 2, data_format)
    own, steps = sizes_of(window, 2, "window"), sizes_of(stride, 2, "stride")
    gaps, around = sizes_of(dilation, 2, "dilation"), sizes_of(padding, 2, "padding", 0)
    x = padded(x, tuple((w, w) for w in around), "constant")
    *lead, height, width, channels = x.shape
    count = counts((height, width), own, steps, gaps)
    for k in (0, 1):
        axis = len(lead) + 2 * k  # the window's axis goes behind that of the positions
        places = [[t * steps[k] + i * gaps[k] for i in range(own[k])] for t in range(count[k])]
        x = F.take(x, x.tape.constant(places, "int64"), axis=axis)
    n = len(lead)  # (*lead, rows, window rows, columns, window columns, channels)
    turned = F.permute_dims(x, axes=(*range(n), n, n + 2, n + 4, n + 1, n + 3))
    patches = turned.reshape((*lead, prod(count), channels * prod(own)))
    return patches if data_format == "channels_last" else F.swapaxes(patches, axis1=-1, axis2=-2)


def _fold(
    x: Any, *, size: Any, window: Any, stride: Any, padding: Any, dilation: Any, data_format: str
) -> Any:
    x = x if data_format == "channels_last" or x.ndim < 2 else F.swapaxes(x, axis1=-1, axis2=-2)
    own, steps = sizes_of(window, 2, "window"), sizes_of(stride, 2, "stride")
    gaps, around = sizes_of(dilation, 2, "dilation"), sizes_of(padding, 2, "padding", 0)
    wide = tuple(s + 2 * w for s, w in zip(sizes_of(size, 2, "size"), around, strict=True))
    count = counts(wide, own, steps, gaps)
    if x.ndim < 2 or x.shape[-2] != prod(count) or x.shape[-1] % prod(own):
        raise ShapeMismatch(
            f"patches of shape {x.shape}: expected {prod(count)} of a multiple of {prod(own)} elements",
            hint="patches come from unfold with the same settings",
        )
    lead, channels = x.shape[:-2], x.shape[-1] // prod(own)
    n = len(lead)
    parts = x.reshape((*lead, *count, channels, *own))
    # each place of the window is a channel that a kernel of zeros and a one puts where it belongs
    turned = F.permute_dims(parts, axes=(*range(n), n + 2, n, n + 1, n + 3, n + 4))
    # all leading axes as one, so that what has to be copied is copied here, where it is estimated
    flat = turned.reshape((prod(lead) * channels, *count, prod(own)))
    kernel = x.tape.constant(
        [
            [[[float(i * own[1] + j == k) for k in range(prod(own))]] for j in range(own[1])]
            for i in range(own[0])
        ],
        x.dtype,
    )
    spans = extents(own, gaps)
    whole = tuple((c - 1) * s + e for c, s, e in zip(count, steps, spans, strict=True))
    y = F.valid_convolution_input(flat, kernel, stride=steps, dilation=gaps, groups=1, size=whole)
    y = y.reshape((*lead, channels, *whole, 1))
    y = padded(y, tuple((0, w - e) for w, e in zip(wide, whole, strict=True)), "constant")
    index = [slice(w, total - w) for w, total in zip(around, wide, strict=True)]
    y = F.getitem(y, index=(..., *index, 0))
    return y if data_format == "channels_first" else F.moveaxis(y, source=-3, destination=-1)


unfold = composite(
    "unfold",
    "im2col",
    summary="The patches of an image, one for each position of a window: (..., positions, elements).",
    formula=_unfold,
    kinds="any",
    attributes=(_WINDOW, STRIDE, _PADDING, DILATION, DATA_FORMAT),
    samples=(
        Sample(((3, 4, 2),), {"window": 2}),
        Sample(
            ((2, 1, 4, 3),),
            {
                "window": [2, 1],
                "stride": [1, 2],
                "padding": 1,
                "dilation": 2,
                "data_format": "channels_first",
            },
        ),
    ),
    conventions="In a patch the channel comes first, then the place in the window, as in PyTorch. With "
    f"channels_first the patches are columns, as there. {LAYOUT}",
)

fold = composite(
    "fold",
    "col2im",
    summary="The adjoint of unfold: patches added up where they overlap.",
    formula=_fold,
    kinds="floating",
    attributes=(
        Attribute("size", STEPS, REQUIRED, "the image's height and width"),
        _WINDOW,
        STRIDE,
        _PADDING,
        DILATION,
        DATA_FORMAT,
    ),
    samples=(
        Sample(((6, 8),), {"size": [3, 4], "window": 2}),
        Sample(
            ((2, 4, 6),),
            {
                "size": [4, 3],
                "window": [2, 1],
                "stride": [1, 2],
                "padding": [0, 1],
                "dilation": 2,
                "data_format": "channels_first",
            },
        ),
    ),
    conventions=f"In a patch the channel comes first, then the place in the window, as in PyTorch. {LAYOUT}",
)
