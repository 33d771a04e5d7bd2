"""The remedies for angles, whose inverse functions are infinitely steep at both ends."""

from __future__ import annotations

from collections.abc import Sequence

from engine.diagnosis.remedies.conditions import below_one, beyond_one, of_three, whole
from engine.diagnosis.remedies.cosines import COSINES
from engine.diagnosis.remedies.table import ANY, DOMAIN, EDGE, STEEP, Remedy

_ACOSINES = tuple(f"acos({text})" for text in COSINES)
_CLIPPED = tuple(f"acos(clip({text}, min=L, max=U))" for text in ("matmul(x, y)", "sum(x * y, axis=A)"))
_ANGLE = "it keeps its digits where the two are parallel, where acos has an infinite slope"

ANGLE_REMEDIES: Sequence[Remedy] = (
    Remedy(_ACOSINES, ANY, ("atan2(norm(cross(x, y)), dot(x, y))",), _ANGLE, right=True, when=of_three),
    Remedy(
        _ACOSINES,
        ANY,
        ("2 * atan2(norm(x / norm(x) - y / norm(y)), norm(x / norm(x) + y / norm(y)))",),
        _ANGLE,
        right=True,
        when=whole,
    ),
    Remedy(
        ("acos(matmul(x, y))", "acos(sum(x * y, axis=A))", *_CLIPPED),
        ANY,
        ("2 * atan2(norm(x - y), norm(x + y))",),
        _ANGLE,
        right=True,
        when=whole,
    ),
    Remedy(
        ("acos(x)",),
        STEEP,
        ("acos(0.9999999 * x)",),
        "at -1 and 1 its slope is infinite; 1 - x orders angles alike, with a slope of -1",
    ),
    Remedy(("asin(x)",), STEEP, ("asin(0.9999999 * x)",), "at -1 and 1 its slope is infinite"),
    Remedy(
        ("atanh(x)",),
        EDGE,
        ("atanh(0.9999999 * x)", "atanh(clip(x, -0.9999999, 0.9999999))"),
        "it is defined between -1 and 1",
    ),
    *(
        Remedy(
            (f"{op}(x)",),
            DOMAIN,
            (f"{op}(clip(x, -0.9999999, 0.9999999))",),
            "it is defined from -1 to 1; beyond them it is constant, without a slope",
            plain="{node} is defined from -1 to 1: start from values for which {x} lies between them, or "
            "compute it in a way that keeps it there, as tanh does",
            when=beyond_one,
            final=True,
        )
        for op in ("acos", "asin")
    ),
    *(
        Remedy(
            (f"{op}(x)",),
            EDGE,
            (f"{op}(clip(x, -0.9999999, 0.9999999))", f"{op}(0.999999 * x)"),
            "it is defined from -1 to 1",
            right=True,
        )
        for op in ("acos", "asin")
    ),
    Remedy(
        ("acosh(x)",),
        DOMAIN,
        ("acosh(maximum(x, 1.0000001))",),
        "it is defined from 1 on; below it is constant, without a slope",
        plain="{node} is defined from 1 on: start from values for which {x} is larger, or compute it in a "
        "way that keeps it so, as 1 + softplus({x}) does",
        when=below_one,
        final=True,
    ),
    Remedy(
        ("acosh(x)",),
        EDGE,
        ("acosh(x + 1e-7)", "acosh(maximum(x, 1.0000001))"),
        "it is defined from 1 on",
        right=True,
    ),
)
