"""Logic on booleans, bits of integers, and tests of floating numbers."""

from __future__ import annotations

from typing import Any

from engine.ir.families import elementwise, predicate
from engine.ir.no_gradient import NoGradient
from engine.ir.op import Op

_WHY = "logic is piecewise constant"

logical_and = predicate(
    "logical_and", summary="Both are true.", ufunc="logical_and", inputs=2, why=_WHY, kinds="boolean"
)
logical_or = predicate(
    "logical_or", summary="At least one is true.", ufunc="logical_or", inputs=2, why=_WHY, kinds="boolean"
)
logical_xor = predicate(
    "logical_xor", summary="Exactly one is true.", ufunc="logical_xor", inputs=2, why=_WHY, kinds="boolean"
)
logical_not = predicate(
    "logical_not", summary="Not x.", ufunc="logical_not", inputs=1, why=_WHY, kinds="boolean"
)

_INTEGER = NoGradient("nondifferentiable", "to_integer", "integers carry no gradient")


def _bitwise(name: str, *aliases: str, inputs: int = 2, kinds: str = "index", **fields: Any) -> Op:
    return elementwise(name, *aliases, ufunc=name, vjp=(_INTEGER,) * inputs, kinds=kinds, **fields)


bitwise_and = _bitwise(
    "bitwise_and", summary="The bits set in both; on booleans logical_and (the operator &)."
)
bitwise_or = _bitwise(
    "bitwise_or", summary="The bits set in either; on booleans logical_or (the operator |)."
)
bitwise_xor = _bitwise("bitwise_xor", summary="The bits set in one; on booleans logical_xor.")
bitwise_invert = _bitwise(
    "bitwise_invert",
    "bitwise_not",
    "invert",
    inputs=1,
    summary="The bits flipped; on booleans logical_not (the operator ~).",
)
bitwise_left_shift = _bitwise(
    "bitwise_left_shift", "left_shift", kinds="integer", summary="x1's bits moved left by x2 places."
)
bitwise_right_shift = _bitwise(
    "bitwise_right_shift", "right_shift", kinds="integer", summary="x1's bits moved right by x2 places."
)

_FORM = "a question about the form of a number is piecewise constant"

isnan = predicate("isnan", "is_nan", summary="Whether x is NaN.", ufunc="isnan", inputs=1, why=_FORM)
isinf = predicate(
    "isinf", "is_inf", summary="Whether x is infinite, of either sign.", ufunc="isinf", inputs=1, why=_FORM
)
isfinite = predicate(
    "isfinite",
    "is_finite",
    summary="Whether x is neither infinite nor NaN.",
    ufunc="isfinite",
    inputs=1,
    why=_FORM,
)
signbit = predicate(
    "signbit",
    summary="Whether x is negative, -0.0 included.",
    ufunc="signbit",
    inputs=1,
    why=_FORM,
    kinds="real_floating",
)
