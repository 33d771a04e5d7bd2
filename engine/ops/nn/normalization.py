"""Normalisation by mean and variance: over axes, over the batch, over groups of channels; and by the root of
the mean square.

Scales and shifts are not part of them: multiply by gamma and add beta. Sources: Ioffe and Szegedy 2015; Ba et
al. 2016; Ulyanov et al. 2016; Wu and He 2018; Zhang and Sennrich 2019.
"""

from __future__ import annotations

from typing import Any

from engine.errors import InvalidAttribute, ShapeMismatch
from engine.ir.attributes import AXES, AXIS, INT, NUMBER, Attribute
from engine.ir.families import composite
from engine.ir.samples import Domain, Sample
from engine.ir.shapes import normalize_axes, normalize_axis
from engine.ir.table import F
from engine.ops.nn.geometry import DATA_FORMAT

_AFFINE = "Multiply by gamma and add beta where they are wanted."
_EPSILON = Attribute("epsilon", NUMBER, 1e-5, "added to the variance")
_AXIS = Attribute("axis", AXES, (-1,), "the axes to normalise over; null: all of them", nullable=True)


def _inverse_root(variance: Any, epsilon: float) -> Any:
    if not epsilon >= 0:
        raise InvalidAttribute(
            f"expected an 'epsilon' of 0 or more, got {epsilon}: a root is taken of the sum"
        )
    return F.rsqrt(variance + epsilon)


def _standardized(x: Any, axes: tuple[int, ...], epsilon: float) -> tuple[Any, Any, Any]:
    """(x - mean) / √(variance + ε), and the mean and the variance with their axes kept."""
    if 0 in (x.shape[axis] for axis in axes):
        raise ShapeMismatch(f"shape {x.shape} over axes {axes}: there is nothing to take a mean of")
    mean = F.mean(x, axis=axes, keepdims=True)
    centred = x - mean
    variance = F.mean(F.square(centred), axis=axes, keepdims=True)
    return centred * _inverse_root(variance, epsilon), mean, variance


def _layer_norm(x: Any, *, axis: Any, epsilon: float) -> Any:
    return _standardized(x, normalize_axes(axis, x.ndim), epsilon)[0]


layer_norm = composite(
    "layer_norm",
    "layer_normalization",
    summary="(x - mean(x)) / sqrt(var(x) + epsilon) over `axis`.",
    formula=_layer_norm,
    kinds="real_floating",
    attributes=(_AXIS, _EPSILON),
    samples=(
        Sample(((2, 3),)),
        Sample(((3, 2),), {"axis": 0, "epsilon": 1e-3}),
        Sample(((2, 3, 2),), {"axis": [1, 2]}),
        Sample(((2, 2),), {"axis": None}),
    ),
    conventions=f"Epsilon is PyTorch's; Keras's is 1e-3. {_AFFINE}",
)


def _rms_norm(x: Any, *, axis: Any, epsilon: float) -> Any:
    axes = normalize_axes(axis, x.ndim)
    return x * _inverse_root(F.mean(F.square(x), axis=axes, keepdims=True), epsilon)


rms_norm = composite(
    "rms_norm",
    "rms_normalization",
    summary="x / sqrt(mean(x²) + epsilon) over `axis`.",
    formula=_rms_norm,
    kinds="real_floating",
    attributes=(_AXIS, Attribute("epsilon", NUMBER, 1e-6, "added to the mean square")),
    samples=(Sample(((2, 3),)), Sample(((3, 2),), {"axis": 0, "epsilon": 1e-3})),
    conventions="Epsilon is Keras's; PyTorch's is the least number that 1 grows by. Multiply by gamma.",
)


def _batch_norm(x: Any, mean: Any, variance: Any, *, axis: int, epsilon: float) -> Any:
    shape = _along(x, axis, mean, variance)
    return (x - mean.reshape(shape)) * _inverse_root(variance, epsilon).reshape(shape)


def _along(x: Any, axis: int, *arrays: Any) -> tuple[int, ...]:
    """The shape in which numbers of the channels broadcast against x; raises ShapeMismatch."""
    place = normalize_axis(axis, x.ndim)
    for one in arrays:
        if one.shape != x.shape[place : place + 1]:
            raise ShapeMismatch(
                f"expected {x.shape[place]} numbers, one for each channel on axis {axis}, got {one.shape}"
            )
    return tuple(size if k == place else 1 for k, size in enumerate(x.shape))


batch_norm = composite(
    "batch_norm",
    "batch_normalization",
    summary="(x - mean) / sqrt(variance + epsilon) with a mean and a variance for each channel on `axis`.",
    formula=_batch_norm,
    kinds="real_floating",
    attributes=(Attribute("axis", AXIS, -1, "the axis of the channels"), _EPSILON),
    domain=(Domain(), Domain(), Domain(0.5, 2.0)),
    samples=(
        Sample(((2, 3), (3,), (3,))),
        Sample(((2, 2, 3), (2,), (2,)), {"axis": 1, "epsilon": 1e-3}),
    ),
    conventions="The form for predicting, with averages kept while training: batch_norm_training returns "
    f"those of a batch. The channels are last, as in Keras; PyTorch has axis=1. {_AFFINE}",
)


def _batch_norm_training(x: Any, *, axis: int, epsilon: float) -> tuple[Any, Any, Any]:
    place = normalize_axis(axis, x.ndim)
    others = tuple(k for k in range(x.ndim) if k != place)
    y, mean, variance = _standardized(x, others, epsilon)
    return y, mean.reshape((x.shape[place],)), variance.reshape((x.shape[place],))


batch_norm_training = composite(
    "batch_norm_training",
    summary="(x - mean) / sqrt(variance + epsilon) over all axes but `axis`, and the mean and the variance.",
    formula=_batch_norm_training,
    outputs=("result", "mean", "variance"),
    kinds="real_floating",
    attributes=(Attribute("axis", AXIS, -1, "the axis of the channels"), _EPSILON),
    samples=(Sample(((3, 2),)), Sample(((2, 2, 3),), {"axis": 1, "epsilon": 1e-3})),
    conventions="The variance is divided by the count, as Keras keeps it; PyTorch keeps count / (count - 1) "
    f"times that. Cut the averages that you keep with stop_gradient. {_AFFINE}",
)


def _over_sizes(x: Any, groups: int | None, epsilon: float, data_format: str) -> Any:
    """Normalised over the sizes, and over the channels of each of `groups` groups."""
    if x.ndim < 2 + (groups is None):
        raise ShapeMismatch(
            f"expected samples, channels and axes to normalise over, got shape {x.shape}",
            hint="layer_norm normalises over any axes",
        )
    place = x.ndim - 1 if data_format == "channels_last" else 1
    if groups is None:
        axes = tuple(k for k in range(1, x.ndim) if k != place)
        return _standardized(x, axes, epsilon)[0]
    channels = x.shape[place]
    if groups < 1 or channels % groups:
        raise ShapeMismatch(f"{channels} channels in {groups} groups", hint="groups divide the channels")
    split = (*x.shape[:place], groups, channels // groups, *x.shape[place + 1 :])
    axes = tuple(k for k in range(1, x.ndim + 1) if k != place)
    return _standardized(x.reshape(split), axes, epsilon)[0].reshape(x.shape)


def _group_norm(x: Any, *, groups: int, epsilon: float, data_format: str) -> Any:
    return _over_sizes(x, groups, epsilon, data_format)


group_norm = composite(
    "group_norm",
    summary="(x - mean) / sqrt(var + epsilon) of each sample over the sizes and the channels of a group.",
    formula=_group_norm,
    kinds="real_floating",
    attributes=(
        Attribute("groups", INT, doc="how many groups of channels"),
        _EPSILON,
        DATA_FORMAT,
    ),
    samples=(
        Sample(((2, 3, 4),), {"groups": 2}),
        Sample(((2, 4, 1, 2),), {"groups": 2, "data_format": "channels_first", "epsilon": 1e-3}),
    ),
    conventions=f"The first axis is that of samples. PyTorch has the channels first. {_AFFINE}",
)

instance_norm = composite(
    "instance_norm",
    summary="(x - mean) / sqrt(var + epsilon) of each channel of each sample.",
    formula=lambda x, *, epsilon, data_format: _over_sizes(x, None, epsilon, data_format),
    kinds="real_floating",
    attributes=(_EPSILON, DATA_FORMAT),
    samples=(
        Sample(((2, 3, 2),)),
        Sample(((2, 2, 3, 1),), {"data_format": "channels_first", "epsilon": 1e-3}),
    ),
    conventions=f"The first axis is that of samples. PyTorch has the channels first. {_AFFINE}",
)
