"""The remedies for powers and roots."""

from __future__ import annotations

from collections.abc import Sequence

from engine.diagnosis.remedies.conditions import (
    at_zero,
    cube_root,
    is_odd_root,
    negative,
    negative_whole,
    power_below,
)
from engine.diagnosis.remedies.table import (
    ANY,
    DOMAIN,
    EDGE,
    STEEP,
    Remedy,
)

_NOT_NEGATIVE = (
    "{node} is not defined for negative numbers: start from values for which {x} is positive, or compute it "
    "in a way that keeps it so, as softplus and squares do; what stands for it there depends on what is meant"
)
_CONSTANT_BELOW = "below 1e-12 it is constant, without a slope"
_IMAGINARY = (
    "the root of a negative number is imaginary, and there {1} is {0}: it is the same function, continued"
)

POWER_REMEDIES: Sequence[Remedy] = (
    # -- imaginary frequencies
    Remedy(
        ("cos(sqrt(x))",),
        DOMAIN,
        ("where(x > 0, cos(sqrt(where(x > 0, x, 1))), cosh(sqrt(where(x > 0, 1, -x))))",),
        _IMAGINARY.format("cosh", "cos"),
        when=negative,
    ),
    Remedy(
        ("cos(y * sqrt(x))",),
        DOMAIN,
        ("where(x > 0, cos(y * sqrt(where(x > 0, x, 1))), cosh(y * sqrt(where(x > 0, 1, -x))))",),
        _IMAGINARY.format("cosh", "cos"),
        when=negative,
    ),
    Remedy(
        ("sin(y * sqrt(x)) / sqrt(x)",),
        DOMAIN,
        (
            (
                "where(x > 0, sin(y * sqrt(where(x > 0, x, 1))) / sqrt(where(x > 0, x, 1)), "
                "sinh(y * sqrt(where(x > 0, 1, -x))) / sqrt(where(x > 0, 1, -x)))"
            ),
        ),
        _IMAGINARY.format("sinh(t) / t", "sin(t) / t"),
        when=negative,
    ),
    # -- powers and roots
    Remedy(
        ("sqrt(mean(x ** 2, axis=A, keepdims=K) - mean(x, axis=A, keepdims=K) ** 2)",),
        ANY,
        ("std(x, axis=A, keepdims=K)",),
        "the difference of the two loses all digits, and can be negative",
        right=True,
    ),
    Remedy(
        ("sqrt(mean(x, axis=A, keepdims=K) ** 2)",),
        ANY,
        ("sqrt(mean(x ** 2, axis=A, keepdims=K))",),
        "it is the root mean square; the root of a squared mean is its absolute value, in which errors of "
        "opposite sign cancel",
        known=True,
        keeps=True,
        right=True,
    ),
    Remedy(("pow(x, y)",), DOMAIN, ("cbrt(x)",), "it is defined for negative numbers", when=cube_root),
    Remedy(
        ("pow(x, y)",),
        DOMAIN,
        ("sign(x) * abs(x) ** y",),
        "it is the odd root of negative numbers, too",
        when=is_odd_root,
    ),
    Remedy(
        ("pow(x, y)",),
        EDGE,
        ("(x + 1e-12) ** y", "(x + 1e-6) ** y"),
        "it keeps away from the base 0",
        when=at_zero,
    ),
    Remedy(
        ("pow(x, y)",),
        DOMAIN,
        ("divide_no_nan(1, x ** E)",),
        "it is 0 where the base is 0",
        when=negative_whole,
        words=power_below,
    ),
    Remedy(
        ("pow(x, y)",),
        EDGE,
        ("maximum(x, 1e-12) ** y",),
        f"a broken power is defined for positive numbers; {_CONSTANT_BELOW}",
        plain=_NOT_NEGATIVE,
    ),
    Remedy(
        ("sqrt(x)",),
        STEEP,
        ("sqrt(x + 1e-12)",),
        "it keeps away from 0, where the slope is infinite",
        right=True,
    ),
    Remedy(
        ("sqrt(x)",),
        DOMAIN,
        ("sqrt(maximum(x, 1e-12))",),
        f"it is defined for positive numbers; {_CONSTANT_BELOW}",
        plain=_NOT_NEGATIVE,
    ),
    Remedy(("rsqrt(x)",), EDGE, ("rsqrt(x + 1e-12)",), "it keeps away from 0", when=at_zero),
    Remedy(
        ("rsqrt(x)",),
        EDGE,
        ("rsqrt(maximum(x, 1e-12))",),
        f"it is defined for positive numbers; {_CONSTANT_BELOW}",
        plain=_NOT_NEGATIVE,
    ),
    Remedy(("cbrt(x)",), EDGE, ("cbrt(x + 1e-12)",), "it keeps away from 0, where the slope is infinite"),
)
