"""The remedies for quotients whose divisor is 0 or out of range."""

from __future__ import annotations

from collections.abc import Sequence

from engine.diagnosis.remedies.conditions import (
    at_zero,
    nonnegative,
    one_number,
    pole,
    pole_of_data,
    pole_of_literal,
    pole_of_variable,
    whole,
)
from engine.diagnosis.remedies.cosines import COSINES, NX, RX
from engine.diagnosis.remedies.table import (
    EDGE,
    Remedy,
)

QUOTIENT_REMEDIES: Sequence[Remedy] = (
    *(
        Remedy(
            (f"y / ({above})",),
            frozenset({"overflow", "domain"}),
            (form,),
            "it is the same quotient with both sides multiplied by exp(-{x}), which cannot overflow",
        )
        for above, form in (
            ("exp(x) - 1", "y * exp(-x) / -expm1(-x)"),
            ("expm1(x)", "y * exp(-x) / -expm1(-x)"),
            ("exp(x) + 1", "y * sigmoid(-x)"),
        )
    ),
    Remedy(
        COSINES,
        EDGE,
        ("cosine_similarity(x, y)",),
        "it is 0 where one of the vectors is",
        right=True,
        when=whole,
    ),
    Remedy(
        (f"x / {NX}", f"x / {RX}", "x / sqrt(matmul(x, x))"),
        EDGE,
        ("normalize(x, axis=A)", "normalize(x)"),
        "it is 0 for the zero vector, which has no direction",
        right=True,
    ),
    Remedy(
        ("y / std(x, axis=A, keepdims=K, correction=C)",),
        EDGE,
        ("y / sqrt(var(x, axis=A, keepdims=K, correction=C) + 1e-6)",),
        "it is finite where all values of {x} are the same",
    ),
    Remedy(
        ("y / sqrt(x)",),
        EDGE,
        ("y / sqrt(x + 1e-12)", "y / sqrt(x + 1e-6)"),
        "it keeps away from 0",
        when=at_zero,
    ),
    Remedy(("sin(x) / x",), EDGE, ("sinc(x / pi)",), "it is 1 at 0, and smooth there"),
    Remedy(("sin(pi * x) / (pi * x)",), EDGE, ("sinc(x)",), "it is 1 at 0, and smooth there"),
    *(
        Remedy(
            (f"{op}(x) / x",),
            EDGE,
            (f"{op}(x + 1e-6) / (x + 1e-6)",),
            "at 0 it is 0 / 0, and its limit close by",
        )
        for op in ("tanh", "atan", "log1p", "expm1", "sinh", "tan", "asin", "erf")
    ),
    Remedy(
        ("(exp(x) - 1) / x",),
        EDGE,
        ("expm1(x + 1e-6) / (x + 1e-6)",),
        "at 0 it is 0 / 0, and its limit close by",
    ),
    Remedy(
        ("(1 - cos(x)) / x ** 2",),
        EDGE,
        ("0.5 * sinc(x / (2 * pi)) ** 2",),
        "it is 0.5 at 0, and smooth there",
    ),
    Remedy(
        ("atan(x / y)",), EDGE, ("atan2(x, y)",), "it is the angle of the point, defined for a divisor of 0"
    ),
    Remedy(
        ("x / y",),
        EDGE,
        ("x / (y + 1e-12)", "x / (y + 1e-6)"),
        "it keeps away from a divisor of 0",
        when=one_number,
        alone=True,
    ),
    Remedy(
        ("x / y",),
        EDGE,
        plain="{node} divides by the number 0: write another one, or leave the division out",
        when=pole_of_literal,
        final=True,
    ),
    Remedy(
        ("x / y",),
        EDGE,
        plain="{node} is undefined, as {y} is 0{because}: leave the division out and use {x}, or give values "
        "for which {y} is not 0; divide_no_nan({x}, {y}) would count it as 0, without a gradient",
        when=pole_of_data,
        final=True,
    ),
    Remedy(
        ("x / y",),
        EDGE,
        plain="{node} is undefined, as {y} is 0{because}: start from values for which {y} is not 0; "
        "divide_no_nan({x}, {y}) would count it as 0, without a gradient",
        when=pole_of_variable,
        final=True,
    ),
    Remedy(
        ("x / y",),
        EDGE,
        ("divide_no_nan(x, y)",),
        "it counts as 0, without a gradient, where the divisor is 0",
        when=pole,
        alone=True,
    ),
    Remedy(
        ("x / y",),
        EDGE,
        ("x / (y + 1e-12)", "x / (y + 1e-6)"),
        "it keeps away from a divisor of 0",
        when=nonnegative,
        alone=True,
    ),
    Remedy(
        ("x / y",),
        EDGE,
        ("x / where(y == 0, 1e-12, y)", "divide_no_nan(x, y)"),
        "it keeps away from a divisor of 0",
        alone=True,
    ),
    Remedy(
        ("reciprocal(x)",), EDGE, ("divide_no_nan(1, x)", "1 / (x + 1e-12)"), "it is 0 where the divisor is 0"
    ),
)
