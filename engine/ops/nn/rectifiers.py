"""Piecewise activations. Their gradients are selected, never multiplied by a mask.

At a kink the derivative is that of the piece on the side of zero, as in PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from engine.dtypes import TensorType
from engine.errors import InvalidAttribute
from engine.ir.attributes import NUMBER, Attribute
from engine.ir.families import composite, elementwise
from engine.ir.samples import Sample
from engine.ir.table import F
from engine.ops.elementwise.arithmetic import POLE

_BOTH_SIDES = Sample(([-1.5, -0.4, 0.3, 1.2],))


def _between(g: Any, x: Any, low: float, high: float) -> Any:
    return F.where(F.logical_or(x <= low, x >= high), 0, g)


relu = elementwise(
    "relu",
    summary="max(x, 0).",
    forward=lambda m, x: m.maximum(x, 0),
    forward_into=lambda m, out, x: m.maximum(x, 0, out=out),
    kinds="real",
    vjp=lambda g, y, x: F.where(y <= 0, 0, g),
    domain=POLE,
    conventions="relu'(0) = 0.",
    nonsmooth_at=lambda xp, x: x == 0,
    zero_reason="unselected",
)

relu6 = elementwise(
    "relu6",
    summary="min(max(x, 0), 6).",
    forward=lambda m, x: m.minimum(m.maximum(x, 0), 6),
    kinds="real",
    vjp=lambda g, y, x: _between(g, x, 0, 6),
    flops=2,
    samples=(Sample(([-1.0, 0.5, 5.5, 7.0],)),),
    conventions="At 0 and 6 the derivative is 0.",
    nonsmooth_at=lambda xp, x: (x == 0) | (x == 6),
    zero_reason="unselected",
)

leaky_relu = elementwise(
    "leaky_relu",
    summary="x where x > 0, else alpha x.",
    forward=lambda m, x, *, alpha: m.where(x > 0, x, alpha * x),
    kinds="real_floating",
    vjp=lambda g, y, x, alpha: F.where(x > 0, g, alpha * g),
    attributes=(Attribute("alpha", NUMBER, 0.2, "the slope on the left"),),
    flops=2,
    domain=POLE,
    conventions="At 0 the derivative is alpha. The default is TensorFlow's; PyTorch and JAX have 0.01.",
    nonsmooth_at=lambda xp, x, *, alpha: x == 0,
)

prelu = elementwise(
    "prelu",
    summary="x where x > 0, else alpha x, with a slope that can be learned.",
    forward=lambda m, x, alpha: m.where(x > 0, x, alpha * x),
    kinds="real_floating",
    vjp=(
        lambda g, y, x, alpha: F.where(x > 0, g, alpha * g),
        lambda g, y, x, alpha: F.where(x > 0, 0, x * g),
    ),
    flops=2,
    domain=POLE,
    conventions="At 0 the derivative is alpha. alpha broadcasts as in NumPy, against the last axes.",
    nonsmooth_at=lambda xp, x, alpha: x == 0,
)

elu = elementwise(
    "elu",
    summary="x where x > 0, else alpha (exp(x) - 1).",
    forward=lambda m, x, *, alpha: m.where(x > 0, x, alpha * m.expm1(x)),
    kinds="real_floating",
    vjp=lambda g, y, x, alpha: F.where(x > 0, g, g * (alpha * F.exp(F.where(x > 0, 0, x)))),
    attributes=(Attribute("alpha", NUMBER, 1.0, "minus the limit on the left"),),
    flops=13,
    domain=POLE,
    conventions="At 0 the derivative is alpha.",
    nonsmooth_at=lambda xp, x, *, alpha: x == 0,
    zero_reason="saturated",
)

_SELU_SCALE = 1.0507009873554804934193349852946
_SELU_ALPHA = 1.6732632423543772848170429916717

selu = composite(
    "selu",
    summary="The self-normalising elu: 1.0507 elu(x, alpha=1.6733).",
    formula=lambda x: _SELU_SCALE * F.elu(x, alpha=_SELU_ALPHA),
    kinds="real_floating",
    domain=POLE,
    samples=(_BOTH_SIDES,),
)


def _celu(x: Any, *, alpha: float) -> Any:
    if alpha == 0 or not math.isfinite(alpha):
        raise InvalidAttribute(f"expected a finite 'alpha' other than 0, got {alpha}")
    return alpha * F.elu(x / alpha)


celu = composite(
    "celu",
    summary="x where x > 0, else alpha (exp(x / alpha) - 1): an elu with slope 1 at 0.",
    formula=_celu,
    kinds="real_floating",
    attributes=(Attribute("alpha", NUMBER, 1.0),),
    domain=POLE,
    samples=(_BOTH_SIDES, Sample(([-1.5, 1.2],), {"alpha": 0.5})),
)


def _hard_tanh(m: Any, x: Any) -> Any:
    lowest = 0 if m.isdtype(x.dtype, "unsigned integer") else -1  # the only -1 that a uint8 has is 255
    return m.minimum(m.maximum(x, lowest), 1)


hard_tanh = elementwise(
    "hard_tanh",
    "hardtanh",
    summary="x, but at least -1 and at most 1.",
    forward=_hard_tanh,
    kinds="real",
    vjp=lambda g, y, x: _between(g, x, -1, 1),
    flops=2,
    samples=(Sample(([-1.5, -0.4, 0.3, 1.2],)),),
    conventions="At -1 and 1 the derivative is 0, unlike clip's.",
    nonsmooth_at=lambda xp, x: (x == -1) | (x == 1),
    zero_reason="unselected",
)

hard_sigmoid = composite(
    "hard_sigmoid",
    "hardsigmoid",
    summary="relu6(x + 3) / 6.",
    formula=lambda x: F.relu6(x + 3) / 6,
    kinds="real_floating",
    samples=(Sample(([-4.0, -1.0, 0.5, 4.0],)),),
    conventions="At -3 and 3 the derivative is 0. Keras 2 used 0.2 x + 0.5.",
)

hard_swish = composite(
    "hard_swish",
    "hard_silu",
    "hardswish",
    summary="x relu6(x + 3) / 6.",
    formula=lambda x: x * (F.relu6(x + 3) / 6),
    kinds="real_floating",
    samples=(Sample(([-4.0, -1.0, 0.5, 4.0],)),),
    conventions="At -3 and 3 it is that of the formula: 0 and 1.",
)

_WIDTH = Attribute("threshold", NUMBER, 0.5, "half the width of the dead zone")


def _check_width(types: Sequence[TensorType], *, threshold: float) -> dict[str, Any]:
    if threshold < 0:
        raise InvalidAttribute(f"expected a 'threshold' of 0 or more, got {threshold}")
    return {}


soft_shrink = elementwise(
    "soft_shrink",
    "softshrink",
    summary="x moved towards 0 by `threshold`; 0 if |x| is at most `threshold`.",
    forward=lambda m, x, *, threshold: x - m.minimum(m.maximum(x, -threshold), threshold),
    kinds="real_floating",
    normalize=_check_width,
    vjp=lambda g, y, x, threshold: F.where(F.abs(x) <= threshold, 0, g),
    attributes=(_WIDTH,),
    flops=3,
    samples=(Sample(([-1.5, -0.2, 0.3, 1.2],)),),
    conventions="At the thresholds the derivative is 0.",
    nonsmooth_at=lambda xp, x, *, threshold: xp.abs(x) == threshold,
    zero_reason="unselected",
)

hard_shrink = elementwise(
    "hard_shrink",
    "hardshrink",
    summary="x, but 0 where |x| is at most `threshold`.",
    forward=lambda m, x, *, threshold: m.where(m.abs(x) <= threshold, 0, x),
    kinds="real_floating",
    vjp=lambda g, y, x, threshold: F.where(F.abs(x) <= threshold, 0, g),
    attributes=(_WIDTH,),
    flops=2,
    samples=(Sample(([-1.5, -0.2, 0.3, 1.2],)),),
    conventions="At the thresholds the derivative is 0.",
    nonsmooth_at=lambda xp, x, *, threshold: xp.abs(x) == threshold,
    zero_reason="unselected",
)

threshold = composite(
    "threshold",
    summary="x where x > threshold, else `value`.",
    formula=lambda x, *, threshold, value: F.where(x <= threshold, value, x),
    kinds="real_floating",
    attributes=(Attribute("threshold", NUMBER, 0.0), Attribute("value", NUMBER, 0.0)),
    samples=(Sample(([-1.5, 0.2, 1.2],), {"threshold": 0.7, "value": 0.1}),),
    conventions="At the threshold the derivative is 0.",
)
