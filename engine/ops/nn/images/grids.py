"""Images read at points of a grid (Jaderberg et al. 2015), differentiable by the image and by the points."""

from __future__ import annotations

from typing import Any

from engine.errors import ShapeMismatch
from engine.ir.attributes import BOOLEAN, REQUIRED, SHAPE, Attribute, InputIndex, choice
from engine.ir.derivative import JOINT
from engine.ir.families import composite
from engine.ir.samples import Domain, Sample
from engine.ir.table import F
from engine.ops.creation import made
from engine.ops.nn.geometry import DATA_FORMAT, as_before, channels_last

_ALIGN = Attribute(
    "align_corners", BOOLEAN, False, "whether -1 and 1 are the centres of the outer pixels, not their edges"
)


def _in_pixels(at: Any, size: int, align_corners: bool) -> Any:
    """A coordinate from -1 to 1 as one in pixels."""
    return (at + 1) * ((size - 1) / 2) if align_corners else (at + 1) * (size / 2) - 0.5


def _reflected(at: Any, size: int, align_corners: bool) -> Any:
    """A coordinate mirrored at the image's borders as often as it takes."""
    low, high = (0.0, size - 1.0) if align_corners else (-0.5, size - 0.5)
    span = high - low
    if span <= 0:
        return at * 0
    folded = F.remainder(F.abs(at - low), 2 * span)
    return span - F.abs(folded - span) + low


def _grid_sample(
    x: Any, grid: Any, *, mode: str, padding_mode: str, align_corners: bool, data_format: str
) -> Any:
    x = channels_last(x, 2, data_format)
    if x.ndim != 4 or grid.ndim != 4 or grid.shape[0] != x.shape[0] or grid.shape[-1] != 2:
        raise ShapeMismatch(
            f"an image of shape {x.shape} (channels last) and a grid of shape {grid.shape}",
            hint="an image is (samples, height, width, channels), a grid (samples, rows, columns, 2)",
        )
    samples, height, width, _ = x.shape
    across, down = (F.getitem(grid, index=(..., k)) for k in (0, 1))
    places = []
    for at, size in ((down, height), (across, width)):
        pixel = _in_pixels(at, size, align_corners)
        if padding_mode == "reflection":
            pixel = _reflected(pixel, size, align_corners)
        places.append(pixel if padding_mode == "zeros" else F.clip(pixel, min=0, max=size - 1))
    sample = made(x, "arange", start=samples).reshape((samples, 1, 1))
    if mode == "nearest":
        return as_before(_read(x, sample, *(F.round(F.stop_gradient(p)) for p in places)), 2, data_format)
    lows = [F.floor(F.stop_gradient(place)) for place in places]
    total: Any = None
    for i in (0, 1):
        for j in (0, 1):
            weight = 1
            for place, low, step in zip(places, lows, (i, j), strict=True):
                weight = weight * ((place - low) if step else (low + 1 - place))
            term = F.expand_dims(weight, axis=-1) * _read(x, sample, lows[0] + i, lows[1] + j)
            total = term if total is None else total + term
    return as_before(total, 2, data_format)


def _read(x: Any, sample: Any, row: Any, column: Any) -> Any:
    """The pixels at whole coordinates; zeros beyond the image."""
    _, height, width, _ = x.shape
    inside = F.logical_and(
        F.logical_and(F.greater_equal(row, 0), F.less_equal(row, height - 1)),
        F.logical_and(F.greater_equal(column, 0), F.less_equal(column, width - 1)),
    )
    rows, columns = (F.where(inside, at, 0).astype("int64") for at in (row, column))
    index = tuple(InputIndex(k) for k in (1, 2, 3))
    pixels = F.getitem(x, sample, rows, columns, index=index)
    return F.where(F.expand_dims(inside, axis=-1), pixels, 0)


grid_sample = composite(
    "grid_sample",
    summary="The image at the points (x, y) of a grid, whose coordinates run from -1 to 1.",
    formula=_grid_sample,
    kinds="real_floating",
    attributes=(
        Attribute("mode", choice("linear", "nearest"), "linear", "how a point between pixels is computed"),
        Attribute("padding_mode", choice("zeros", "border", "reflection"), "zeros", "what lies beyond"),
        _ALIGN,
        DATA_FORMAT,
    ),
    domain=(Domain(), Domain(-1.4, 1.4)),
    samples=(
        Sample(((1, 3, 4, 2), (1, 2, 2, 2))),
        Sample(((1, 2, 3, 3), (1, 2, 1, 2)), {"padding_mode": "border", "data_format": "channels_first"}),
        Sample(((2, 3, 2, 1), (2, 1, 3, 2)), {"padding_mode": "reflection", "align_corners": True}),
        Sample(((1, 3, 4, 1), (1, 2, 2, 2)), {"mode": "nearest"}),
    ),
    conventions="PyTorch's grid_sample; 'linear' is its bilinear. Its last axis is (x, y), the column first. "
    "In mode 'nearest' the points have no gradient.",
)


def _affine_grid(theta: Any, *, size: tuple[int, ...], align_corners: bool) -> Any:
    if theta.ndim != 3 or theta.shape[1:] != (2, 3) or len(size) != 2:
        raise ShapeMismatch(
            f"maps of shape {theta.shape} for images of size {list(size)}",
            hint="theta is (samples, 2, 3), size a height and a width",
        )
    axes = []
    for count in size:
        if align_corners:
            line = [2 * i / (count - 1) - 1 if count > 1 else 0.0 for i in range(count)]
        else:
            line = [(2 * i + 1) / count - 1 for i in range(count)]
        axes.append(theta.tape.constant(line, theta.dtype))
    height, width = size
    column = axes[1].reshape((1, width, 1)).broadcast_to((height, width, 1))
    row = axes[0].reshape((height, 1, 1)).broadcast_to((height, width, 1))
    one = theta.tape.constant(1, theta.dtype).broadcast_to((height, width, 1))
    points = F.concat(column, row, one, axis=-1).reshape((height * width, 3))
    mapped = F.matmul(points, F.swapaxes(theta, axis1=-1, axis2=-2))
    return mapped.reshape((theta.shape[0], height, width, 2))


affine_grid = composite(
    "affine_grid",
    summary="The grid of points (x, y) that affine maps of (samples, 2, 3) take the pixels' centres to.",
    formula=_affine_grid,
    vjp=(JOINT,),
    kinds="real_floating",
    attributes=(Attribute("size", SHAPE, REQUIRED, "the height and the width of the grid"), _ALIGN),
    samples=(
        Sample(((2, 2, 3),), {"size": [2, 3]}),
        Sample(((1, 2, 3),), {"size": [3, 1], "align_corners": True}),
    ),
    conventions="PyTorch's affine_grid, with the size of one image without samples and channels.",
)
