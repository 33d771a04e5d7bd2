"""Comparisons. They return bool and have no gradient."""

from __future__ import annotations

from typing import Any

from engine.ir.attributes import BOOLEAN, NUMBER, Attribute
from engine.ir.families import predicate

_WHY = "a comparison is piecewise constant"

equal = predicate("equal", "eq", summary="x1 == x2.", ufunc="equal", inputs=2, why=_WHY)
not_equal = predicate("not_equal", "ne", summary="x1 != x2.", ufunc="not_equal", inputs=2, why=_WHY)
less = predicate("less", "lt", summary="x1 < x2.", ufunc="less", inputs=2, why=_WHY, kinds="real")
less_equal = predicate(
    "less_equal", "le", summary="x1 <= x2.", ufunc="less_equal", inputs=2, why=_WHY, kinds="real"
)
greater = predicate("greater", "gt", summary="x1 > x2.", ufunc="greater", inputs=2, why=_WHY, kinds="real")
greater_equal = predicate(
    "greater_equal", "ge", summary="x1 >= x2.", ufunc="greater_equal", inputs=2, why=_WHY, kinds="real"
)


def _isclose(m: Any, x1: Any, x2: Any, *, rtol: float, atol: float, equal_nan: bool) -> Any:
    near = m.isfinite(x2) & (m.abs(x1 - x2) <= atol + rtol * m.abs(x2))
    close = (x1 == x2) | near
    return close | (m.isnan(x1) & m.isnan(x2)) if equal_nan else close


isclose = predicate(
    "isclose",
    summary="|x1 - x2| <= atol + rtol |x2|; equal infinities are close.",
    forward=_isclose,
    kinds="floating",
    inputs=2,
    why=_WHY,
    attributes=(
        Attribute("rtol", NUMBER, 1e-5),
        Attribute("atol", NUMBER, 1e-8),
        Attribute("equal_nan", BOOLEAN, False, "whether NaN is close to NaN"),
    ),
    flops=4,
)
