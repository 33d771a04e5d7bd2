"""Comparisons, choices and rounding, which are piecewise constant: steps with a slope."""

from __future__ import annotations

from collections.abc import Sequence

from engine.diagnosis.remedies.soft import SIDES, Soft, cast

_STEP = "a soft step rises from 0 to 1 where the comparison changes, with a slope; a larger factor is steeper"
_THROUGH = "the value is the same, and the gradient passes straight through"

SOFT_STEPS: Sequence[Soft] = (
    # -- choices
    *(
        soft
        for ops, apart in ((SIDES[0], "(x - y)"), (SIDES[1], "(y - x)"))
        for op in ops
        for soft in (
            Soft(
                (f"any({op}(x, y), axis=A, keepdims=K)",),
                (f"max(sigmoid(k * {apart}), axis=A, keepdims=K)",),
                _STEP,
            ),
            Soft(
                (f"all({op}(x, y), axis=A, keepdims=K)",),
                (f"min(sigmoid(k * {apart}), axis=A, keepdims=K)",),
                _STEP,
            ),
            Soft(
                (f"where(any({op}(x, y), axis=A, keepdims=K), z, v)",),
                (f"v + (z - v) * max(sigmoid(k * {apart}), axis=A, keepdims=K)",),
                _STEP,
            ),
            Soft(
                (f"where(all({op}(x, y), axis=A, keepdims=K), z, v)",),
                (f"v + (z - v) * min(sigmoid(k * {apart}), axis=A, keepdims=K)",),
                _STEP,
            ),
            Soft((f"where({op}(x, y), 1, 0)",), (f"sigmoid(k * {apart})",), _STEP),
            Soft((f"where({op}(x, y), 0, 1)",), (f"sigmoid(-k * {apart})",), _STEP),
            Soft((f"where({op}(x, y), 1, -1)",), (f"tanh(k * {apart})",), _STEP),
            Soft((f"where({op}(x, y), z, 0)",), (f"z * sigmoid(k * {apart})",), _STEP),
            Soft((f"where({op}(x, y), 0, z)",), (f"z * sigmoid(-k * {apart})",), _STEP),
            Soft((f"where({op}(x, y), z, v)",), (f"v + (z - v) * sigmoid(k * {apart})",), _STEP),
            Soft((f"astype({op}(x, y), dtype=D)",), (f"sigmoid(k * {apart})",), _STEP),
            Soft((f"{op}(x, y)",), (f"sigmoid(k * {apart})",), _STEP),
        )
    ),
    *(
        Soft(
            (f"{both}({one}(x, y), {other}(z, v))", f"astype({both}({one}(x, y), {other}(z, v)), dtype=D)"),
            (form,),
            _STEP,
        )
        for both in ("bitwise_and", "logical_and")
        for one, other, form in (
            ("greater", "less", "sigmoid(k * (x - y)) * sigmoid(k * (v - z))"),
            ("greater_equal", "less", "sigmoid(k * (x - y)) * sigmoid(k * (v - z))"),
            ("greater_equal", "less_equal", "sigmoid(k * (x - y)) * sigmoid(k * (v - z))"),
            ("greater", "less_equal", "sigmoid(k * (x - y)) * sigmoid(k * (v - z))"),
            ("greater", "greater", "sigmoid(k * (x - y)) * sigmoid(k * (z - v))"),
            ("less", "less", "sigmoid(k * (y - x)) * sigmoid(k * (v - z))"),
            ("less", "greater", "sigmoid(k * (y - x)) * sigmoid(k * (z - v))"),
        )
    ),
    Soft(
        cast("equal(x, y)")[::-1],
        ("exp(-(k * (x - y)) ** 2)",),
        "it is 1 where both are equal, and falls off softly",
    ),
    Soft(
        cast("not_equal(x, y)")[::-1],
        ("1 - exp(-(k * (x - y)) ** 2)",),
        "it is 0 where both are equal, and rises softly",
    ),
    # -- steps
    Soft(("sign(x)",), ("tanh(k * x)",), "a soft sign has a slope; a larger factor makes it steeper"),
    Soft(
        ("heaviside(x, h)",), ("sigmoid(k * x)",), "a soft step has a slope; a larger factor makes it steeper"
    ),
    Soft(("floor_divide(x, y)",), ("x / y",), "a whole division is piecewise constant"),
    Soft(
        ("round(x, decimals=R)", "floor(x)", "ceil(x)", "trunc(x)"), ("x + stop_gradient(W - x)",), _THROUGH
    ),
    Soft(("astype(x, dtype=D)",), ("x",), "the floats end there, and with them the gradient"),
    Soft(("stop_gradient(x)",), ("x",), "it stops the gradient on purpose"),
)
