"""Random numbers from explicit keys: the same key and shape give the same bits, everywhere and always.

There is no generator state. A key is an integer; what is drawn is a function of the key, the kind of draw
and the place in the shape (`engine.arrays.philox`, counter-based Philox), so gradients see draws as
constants, a loop over keys draws anew in each step, and a batch draws anew in each row only where the keys
are batched.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from engine import dtypes
from engine.dtypes import ITEMSIZE, TensorType
from engine.errors import DtypeMismatch, InvalidAttribute, ShapeMismatch
from engine.ir.attributes import DTYPE, NUMBER, SHAPE, SIZE, Attribute, choice
from engine.ir.cost import Cost
from engine.ir.families import CREATION, composite, define, elementwise
from engine.ir.no_gradient import NoGradient, not_implemented
from engine.ir.op import Op
from engine.ir.samples import Domain, Sample
from engine.ir.shapes import broadcast
from engine.ir.table import F

_KEY = NoGradient("nondifferentiable", "nondifferentiable", "a key only selects the draw")
_SAME = "The same key and shape give the same draw; use a key of your own for each draw."


def _infer_draw(types: Sequence[TensorType], *, kind: str, shape: tuple[int, ...]) -> tuple[TensorType, ...]:
    return (TensorType((*types[0].shape, *shape), "int64" if kind == "order" else "float64"),)


def _batched_draw(op: Any, xs: Sequence[Any], batched: Sequence[bool], n: int, **attributes: Any) -> Any:
    return xs[0].tape.apply(op, xs, attributes)


def _cost(
    types: Sequence[TensorType], outputs: Sequence[TensorType], *, kind: str, shape: tuple[int, ...]
) -> Cost:
    """The keys are drawn for one after the other: arrays on the way from raw words to a row."""
    arrays = 2 if kind == "order" else 3
    return Cost(30 * outputs[0].size, outputs[0].nbytes, arrays * ITEMSIZE[outputs[0].dtype] * prod(shape))


_KIND = Attribute("kind", choice("uniform", "normal", "order"))

keyed_draw = define(
    "keyed_draw",
    family=CREATION,
    summary="A draw for each key: even in (0, 1), standard normal, or an order of shape[0] places.",
    forward=lambda xp, key, *, kind, shape: xp.draw(key, kind, shape),
    infer=_infer_draw,
    batch=_batched_draw,
    vjp=_KEY,
    kinds="integer",
    attributes=(_KIND, Attribute("shape", SHAPE)),
    cost=_cost,
    internal=True,
    samples=(
        Sample((7,), {"kind": "uniform", "shape": [2, 3]}),
        Sample(([1, 2],), {"kind": "normal", "shape": [2]}),
        Sample((7,), {"kind": "order", "shape": [4]}),
    ),
)


def _draw(key: Any, kind: str, shape: tuple[int, ...]) -> Any:
    if key.ndim:
        raise ShapeMismatch(
            f"the key has shape {key.shape}, expected one integer",
            hint="use map over the keys, or one key and a larger shape",
        )
    return F.keyed_draw(key, kind=kind, shape=shape)


def _settled(shape: Any, dtype: str | None, *parameters: Any) -> tuple[tuple[int, ...], str]:
    """The draw's shape and dtype: those asked for, else those of the parameters."""
    own = broadcast(*(p.shape for p in parameters))
    size = own if shape is None else shape
    if broadcast(own, size) != size:
        raise ShapeMismatch(
            f"parameters of shape {own} for draws of shape {size}",
            hint="parameters broadcast to `shape`; leave it out to draw one number for each of them",
        )
    typed = [p.type for p in parameters if not p.type.weak]
    dtype = dtype or (dtypes.as_floating(dtypes.result_type(typed)[0]) if typed else dtypes.DEFAULT)
    if not dtypes.is_floating(dtype):
        raise DtypeMismatch(f"draws of {dtype} were asked for", hint="ask for a real floating dtype")
    return size, dtype


_SIZES = Attribute("shape", SHAPE, None, "that of the parameters when absent")
_DTYPE = Attribute("dtype", DTYPE, None, "that of the parameters when absent, float64 of bare numbers")
_PARAMETERS = ("integer", "real_floating", "real_floating")


def _random(name: str, formula: Any, summary: str, conventions: str, **fields: Any) -> Op:
    return composite(
        name,
        summary=summary,
        formula=formula,
        promote=False,
        conventions=f"{conventions} {_SAME}".strip(),
        **fields,
    )


def _uniform(key: Any, low: Any, high: Any, *, shape: Any, dtype: str | None) -> Any:
    shape, dtype = _settled(shape, dtype, low, high)
    numbers = _draw(key, "uniform", shape).astype(dtype)
    low, high = low.astype(dtype), high.astype(dtype)
    return low + (high - low) * numbers


random_uniform = _random(
    "random_uniform",
    _uniform,
    "Uniformly distributed between low and high.",
    "low + (high - low) u, differentiable by low and high. The bounds themselves are not drawn in float64.",
    kinds=_PARAMETERS,
    attributes=(_SIZES, _DTYPE),
    samples=(
        Sample((7, (2, 3), (3,))),
        Sample((7, (), ()), {"shape": [4]}),
    ),
)


def _normal(key: Any, loc: Any, scale: Any, *, shape: Any, dtype: str | None) -> Any:
    shape, dtype = _settled(shape, dtype, loc, scale)
    return loc.astype(dtype) + scale.astype(dtype) * _draw(key, "normal", shape).astype(dtype)


random_normal = _random(
    "random_normal",
    _normal,
    "Normally distributed with mean loc and standard deviation scale.",
    "loc + scale z, differentiable by both.",
    kinds=_PARAMETERS,
    attributes=(_SIZES, _DTYPE),
    samples=(Sample((7, (2, 3), (3,))), Sample((7, (), ()), {"shape": [2, 2]})),
)


def _bernoulli(key: Any, p: Any, *, shape: Any) -> Any:
    shape, _ = _settled(shape, None, p)
    return F.less(_draw(key, "uniform", shape), p)


random_bernoulli = _random(
    "random_bernoulli",
    _bernoulli,
    "true with probability p.",
    "Carries no gradient.",
    kinds=("integer", "real_floating"),
    attributes=(_SIZES,),
    samples=(Sample((7, [0.0, 0.5, 1.0])), Sample((7, 0.3), {"shape": [5]})),
)


def _categorical(key: Any, logits: Any, *, shape: tuple[int, ...]) -> Any:
    if not logits.ndim:
        raise ShapeMismatch("the logits have no axes", hint="the classes lie along the last axis")
    numbers = _draw(key, "uniform", (*shape, *logits.shape))
    return F.argmax(logits - F.log(-F.log(numbers)).astype(logits.dtype), axis=-1)


def _dropout(x: Any, key: Any, *, rate: float) -> Any:
    if not 0 <= rate < 1:
        raise InvalidAttribute(f"expected a 'rate' from 0 to below 1, got {rate}")
    mask = F.less(_draw(key, "uniform", x.shape), 1 - rate)
    return F.where(mask, x * (1 / (1 - rate)), 0)


dropout = _random(
    "dropout",
    _dropout,
    "x with each element 0 with probability `rate`, and the others divided by 1 - rate.",
    "The gradient passes where x is kept. While training only: leave it out to predict.",
    kinds=("floating", "integer"),
    attributes=(Attribute("rate", NUMBER, 0.5, "the probability of 0, below 1"),),
    samples=(Sample(((2, 3), 7)), Sample(((4,), 5), {"rate": 0.25})),
)


random_categorical = _random(
    "random_categorical",
    _categorical,
    "Indices along the last axis, with probabilities proportional to exp(logits).",
    "The largest of logits plus Gumbel noise. `shape` goes before the logits' other axes. No gradient.",
    kinds=("integer", "real_floating"),
    attributes=(Attribute("shape", SHAPE, (), "how many draws of each"),),
    samples=(Sample((7, (2, 3))), Sample((7, (3,)), {"shape": [4]})),
)

random_permutation = _random(
    "random_permutation",
    lambda key, *, n: _draw(key, "order", (n,)),
    "The integers from 0 to n - 1 in random order, each order equally likely.",
    "Rows of x in that order: x[random_permutation(key, n)].",
    kinds="integer",
    attributes=(Attribute("n", SIZE),),
    samples=(Sample((7,), {"n": 5}), Sample((7,), {"n": 0})),
)


# -- gamma -------------------------------------------------------------------------------------------

_SECOND = not_implemented("the second derivative of a gamma draw by its shape")

gamma_quantile_slope = elementwise(
    "gamma_quantile_slope",
    summary="The derivative of gamma_quantile by the distribution's shape.",
    forward=lambda xp, x1, x2: xp.astype(xp.gamma_quantile_slope(x1, x2), x1.dtype, copy=False),
    vjp=(_SECOND, _SECOND),
    kinds="real_floating",
    flops=3000,
    scratch=8,
    domain=(Domain(0.5, 3.0), Domain(0.1, 0.9)),
    internal=True,
    second_order=False,
)

gamma_quantile = elementwise(
    "gamma_quantile",
    summary="Where the gamma distribution of shape x1 and scale 1 reaches the probability x2.",
    forward=lambda xp, x1, x2: xp.astype(xp.gamma_quantile(x1, x2), x1.dtype, copy=False),
    vjp=(
        lambda g, y, x1, x2: g * F.gamma_quantile_slope(x1, x2),
        lambda g, y, x1, x2: g * F.exp(F.gammaln(x1) + (1 - x1) * F.log(y) + y),
    ),
    kinds="real_floating",
    flops=400,
    scratch=3,
    domain=(Domain(0.5, 3.0), Domain(0.1, 0.9)),
    internal=True,
    second_order=False,
)


def _gamma(key: Any, alpha: Any, *, shape: Any, dtype: str | None) -> Any:
    shape, dtype = _settled(shape, dtype, alpha)
    numbers = _draw(key, "uniform", shape)
    return F.gamma_quantile(alpha.astype("float64"), numbers).astype(dtype)


random_gamma = _random(
    "random_gamma",
    _gamma,
    "Gamma distributed with shape alpha and scale 1; divide by a rate or multiply by a scale.",
    "The quantile of a uniform draw, so differentiable by alpha: implicit reparameterisation "
    "(Figurnov et al. 2018). Once: a second derivative by alpha is refused.",
    kinds=("integer", "real_floating"),
    attributes=(_SIZES, _DTYPE),
    domain=(Domain(), Domain(0.5, 3.0)),
    second_order=False,
    samples=(Sample((7, (2, 3))), Sample((7, ()), {"shape": [4]})),
)
