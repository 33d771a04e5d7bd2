"""Smooth activations."""

from __future__ import annotations

import math
from typing import Any

from engine.ir.attributes import BOOLEAN, Attribute
from engine.ir.families import composite, elementwise
from engine.ir.samples import Sample
from engine.ir.table import F

_SAMPLES = (Sample(((2, 3),)), Sample(((),)))


def _sigmoid_into(m: Any, out: Any, x: Any) -> None:
    one = 1 if m.on_device else _one(m, out.dtype)
    m.negative(x, out=out)
    m.exp(out, out=out)
    m.add(one, out, out=out)
    m.divide(one, out, out=out)


def _one(m: Any, dtype: Any) -> Any:
    """1 as an array of a dtype, which a universal function takes in half the time that a number takes."""
    one = _ONES.get(dtype)
    if one is None:
        one = _ONES[dtype] = m.ones((), dtype=dtype)
    return one


_ONES: dict[Any, Any] = {}  # of the host, by dtype


sigmoid = elementwise(
    "sigmoid",
    "expit",
    "logistic",
    summary="1 / (1 + exp(-x)).",
    forward=lambda m, x: 1 / (1 + m.exp(-x)),
    forward_into=_sigmoid_into,
    vjp=lambda g, y, x: g * (y * (1 - y)),
    flops=13,
    zero_reason="saturated",
)

log_sigmoid = elementwise(
    "log_sigmoid",
    "logsigmoid",
    summary="log(sigmoid(x)), exact in both tails.",
    forward=lambda m, x: m.minimum(x, 0) - m.log1p(m.exp(-m.abs(x))),
    kinds="real_floating",
    vjp=lambda g, y, x: g * F.sigmoid(-x),
    flops=25,
    zero_reason="saturated",
)

softplus = elementwise(
    "softplus",
    summary="log(1 + exp(x)), exact in both tails.",
    forward=lambda m, x: m.maximum(x, 0) + m.log1p(m.exp(-m.abs(x))),
    kinds="real_floating",
    vjp=lambda g, y, x: g * F.sigmoid(x),
    flops=25,
    zero_reason="saturated",
)

softsign = elementwise(
    "softsign",
    summary="x / (1 + |x|).",
    forward=lambda m, x: x / (1 + m.abs(x)),
    kinds="real_floating",
    vjp=lambda g, y, x: g / F.square(1 + F.abs(x)),
    flops=3,
    zero_reason="saturated",
)

tanhshrink = elementwise(
    "tanhshrink",
    "tanh_shrink",
    summary="x - tanh(x).",
    forward=lambda m, x: x - m.tanh(x),
    kinds="real_floating",
    vjp=lambda g, y, x: g * F.square(F.tanh(x)),
    flops=16,
)


def _gelu(x: Any, *, approximate: bool) -> Any:
    if not approximate:
        return x * F.ndtr(x)
    # (1 + tanh(u)) / 2 = sigmoid(2 u), which keeps the left tail
    return x * F.sigmoid((2 * math.sqrt(2 / math.pi)) * (x + 0.044715 * (x * x * x)))


gelu = composite(
    "gelu",
    summary="x ndtr(x): x times the normal distribution function.",
    formula=_gelu,
    kinds="real_floating",
    attributes=(Attribute("approximate", BOOLEAN, False, "use the tanh approximation"),),
    samples=(*_SAMPLES, Sample(((3,),), {"approximate": True})),
)

silu = composite(
    "silu",
    "swish",
    summary="x sigmoid(x).",
    formula=lambda x: x * F.sigmoid(x),
    kinds="real_floating",
    samples=_SAMPLES,
)

mish = composite(
    "mish",
    summary="x tanh(softplus(x)).",
    formula=lambda x: x * F.tanh(F.softplus(x)),
    kinds="real_floating",
    samples=_SAMPLES,
)
