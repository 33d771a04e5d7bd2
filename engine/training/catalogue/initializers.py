"""What parameters start from, under Keras's names, arguments and defaults.

Each record is a formula of a stream of random numbers and a shape; numbers are made in float64 and cast.
Sources: Glorot and Bengio 2010 (glorot), He et al. 2015 (he), LeCun et al. 1998 (lecun), Saxe et al. 2014
(orthogonal).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod, sqrt
from typing import Any

import numpy as np

from engine.arrays.philox import SEEDS, Stream
from engine.arrays.types import Array
from engine.errors import ShapeMismatch
from engine.ir.attributes import Attribute, Kind, choice
from engine.training.catalogue.registry import Choice, Registry, camel, number, whole

Shape = tuple[int, ...]
Fill = Callable[..., Array]

SEED = Attribute("seed", whole(0, SEEDS - 1), None, "in place of the job's seed")
TRUNCATED_DEVIATION = 0.87962566103423978  # of a standard normal cut at two deviations


@dataclass(frozen=True, slots=True)
class Initializer:
    """One record, from which the SDK's class and the row in docs/training.md follow.

    `fill(stream, shape, **settings)` returns float64 values, `summary` says what they are; `axes` are the
    fewest and most of a shape.
    """

    name: str
    summary: str
    fill: Fill
    attributes: tuple[Attribute, ...] = ()
    aliases: tuple[str, ...] = ()
    axes: tuple[int, int | None] = (0, None)

    @property
    def class_name(self) -> str:
        """What Keras calls the class."""
        return camel(self.name)


def initial(chosen: Choice[Initializer], *, seed: int, name: str, shape: Shape, dtype: str) -> Array:
    """The first value of the parameter `name`: a function of the seed, the name and the initialiser alone."""
    settings = dict(chosen.settings)
    own = settings.pop("seed", None)
    stream = Stream(seed if own is None else own, "initialize", name)
    values = chosen.record.fill(stream, shape, **settings)
    with np.errstate(over="ignore"):  # the first step says so, with the parameter's name
        return np.ascontiguousarray(values, dtype=dtype)


def check_shape(chosen: Choice[Initializer], shape: Shape, path: str) -> None:
    """Raise ShapeMismatch if the initialiser has no values of this shape."""
    least, most = chosen.record.axes
    if len(shape) < least or (most is not None and len(shape) > most):
        expectation = f"{least} axes" if most == least else f"at least {least} axes"
        raise ShapeMismatch(
            f"the initializer '{chosen.record.name}' is for {expectation}, got the shape {list(shape)}",
            path=path,
            hint="choose another, such as glorot_uniform, zeros or random_normal",
        )


def fans(shape: Shape) -> tuple[float, float]:
    """How many values feed one output, and one input feeds: as Keras counts them."""
    if len(shape) < 2:
        size = shape[0] if shape else 1
        return size, size
    field = prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


def _scaled(stream: Stream, shape: Shape, *, scale: float, mode: str, distribution: str) -> Array:
    into, out = fans(shape)
    fan = {"fan_in": into, "fan_out": out, "fan_avg": (into + out) / 2}[mode]
    variance = scale / max(1.0, fan)
    if distribution == "uniform":
        return sqrt(3 * variance) * (2 * stream.uniform(shape) - 1)
    if distribution == "untruncated_normal":
        return sqrt(variance) * stream.normal(shape)
    return sqrt(variance) / TRUNCATED_DEVIATION * stream.truncated_normal(shape)


def _orthogonal(stream: Stream, shape: Shape, *, gain: float) -> Array:
    rows, columns = prod(shape[:-1]), shape[-1]
    q, r = np.linalg.qr(stream.normal((max(rows, columns), min(rows, columns))))
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)
    return gain * (q if rows >= columns else q.T).reshape(shape)


def _identity(stream: Stream, shape: Shape, *, gain: float) -> Array:
    rows, columns = shape
    return gain * np.eye(rows, columns)


def _uniform(stream: Stream, shape: Shape, *, minval: float, maxval: float) -> Array:
    return minval + (maxval - minval) * stream.uniform(shape)


def _variance_scaling(name: str, summary: str, scale: float, mode: str, distribution: str) -> Initializer:
    def fill(stream: Stream, shape: Shape) -> Array:
        return _scaled(stream, shape, scale=scale, mode=mode, distribution=distribution)

    return Initializer(name, summary, fill, (SEED,))


_MEAN = Attribute("mean", number(), 0.0)
_DEVIATION = Attribute("stddev", number(0.0), 0.05)
_GAIN = Attribute("gain", number(), 1.0)

INITIALIZERS = Registry(
    "initializer",
    (
        Initializer("zeros", "Zeros everywhere.", lambda stream, shape: np.zeros(shape), aliases=("zero",)),
        Initializer("ones", "Ones everywhere.", lambda stream, shape: np.ones(shape), aliases=("one",)),
        Initializer(
            "constant",
            "One value everywhere.",
            lambda stream, shape, value: np.full(shape, value),
            (Attribute("value", number(), 0.0),),
        ),
        Initializer(
            "random_normal",
            "Normal draws.",
            lambda stream, shape, mean, stddev: mean + stddev * stream.normal(shape),
            (_MEAN, _DEVIATION, SEED),
            ("normal",),
        ),
        Initializer(
            "random_uniform",
            "Uniform draws from an interval.",
            _uniform,
            (Attribute("minval", number(), -0.05), Attribute("maxval", number(), 0.05), SEED),
            ("uniform",),
        ),
        Initializer(
            "truncated_normal",
            "Normal draws, cut at two deviations.",
            lambda stream, shape, mean, stddev: mean + stddev * stream.truncated_normal(shape),
            (_MEAN, _DEVIATION, SEED),
        ),
        Initializer(
            "variance_scaling",
            "Draws whose variance is `scale` divided by how many numbers go in, come out, or their mean.",
            _scaled,
            (
                Attribute("scale", number(0.0, above=True), 1.0),
                Attribute("mode", choice("fan_in", "fan_out", "fan_avg"), "fan_in"),
                Attribute(
                    "distribution",
                    choice("truncated_normal", "untruncated_normal", "uniform"),
                    "truncated_normal",
                ),
                SEED,
            ),
        ),
        _variance_scaling(
            "glorot_uniform",
            "Uniform, by the mean of both fans (Glorot and Bengio 2010).",
            1.0,
            "fan_avg",
            "uniform",
        ),
        _variance_scaling(
            "glorot_normal",
            "Truncated normal, by the mean of both fans (Glorot and Bengio 2010).",
            1.0,
            "fan_avg",
            "truncated_normal",
        ),
        _variance_scaling(
            "he_uniform",
            "Uniform, twice the variance, by what goes in (He et al. 2015).",
            2.0,
            "fan_in",
            "uniform",
        ),
        _variance_scaling(
            "he_normal",
            "Truncated normal, twice the variance, by what goes in (He et al. 2015).",
            2.0,
            "fan_in",
            "truncated_normal",
        ),
        _variance_scaling(
            "lecun_uniform", "Uniform, by what goes in (LeCun et al. 1998).", 1.0, "fan_in", "uniform"
        ),
        _variance_scaling(
            "lecun_normal",
            "Truncated normal, by what goes in (LeCun et al. 1998).",
            1.0,
            "fan_in",
            "truncated_normal",
        ),
        Initializer(
            "orthogonal",
            "A random matrix with orthonormal rows or columns, times `gain` (Saxe et al. 2014).",
            _orthogonal,
            (_GAIN, SEED),
            ("orthogonal_initializer",),
            (2, None),
        ),
        Initializer(
            "unit_forget_bias",
            "Zeros, and ones in the second quarter: an LSTM's forget gate starts open.",
            lambda stream, shape: np.repeat([0.0, 1.0, 0.0, 0.0], -(-shape[0] // 4))[: shape[0]],
            axes=(1, 1),
        ),
        Initializer("identity", "The identity matrix, times `gain`.", _identity, (_GAIN,), ("eye",), (2, 2)),
    ),
)


def _read(value: Any) -> Choice[Initializer]:
    return INITIALIZERS.read(value, "")


INITIALIZER = Kind(
    "initializer",
    "the name of an initializer, or an object with a name and settings",
    _read,
    {"anyOf": [{"type": "string"}, {"type": "object"}]},
    "str | Mapping[str, Any]",
)


def initializer(name: str, default: str) -> Attribute:
    """A setting that takes an initialiser."""
    return Attribute(name, INITIALIZER, INITIALIZERS.read(default, ""))


def described(chosen: Choice[Initializer]) -> str | Mapping[str, Any]:
    """As JSON: the bare name where every setting is at its default."""
    if chosen == INITIALIZERS.read(chosen.record.name, ""):
        return chosen.record.name
    return chosen.document()
