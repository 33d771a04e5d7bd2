"""The remedies for gradients that are zero on the other side of a kink: rectifiers, extrema, clipping."""

from __future__ import annotations

from collections.abc import Sequence

from engine.diagnosis.remedies.conditions import (
    beyond_table,
    both,
    high,
    low,
    scale,
    symmetric,
    unit,
    zero_bound,
)
from engine.diagnosis.remedies.table import FLAT, Remedy

KINK_REMEDIES: Sequence[Remedy] = (
    Remedy(
        (
            "minimum(maximum(x - getitem(t, index=J), 0), getitem(t, index=L) - getitem(t, index=J))",
            (
                "minimum(maximum(x - minimum(getitem(t, index=J), getitem(t, index=L)), 0), "
                "abs(getitem(t, index=J) - getitem(t, index=L)))"
            ),
        ),
        FLAT,
        plain="Extend {t} and the values that belong to it, or bring {x} between the ends of {t}",
        says="{x} lies beyond the ends of {t}, where what is interpolated is constant",
        when=beyond_table,
    ),
    Remedy(("relu(x)",), FLAT, ("leaky_relu(x)", "softplus(x)"), why="it has a slope on both sides"),
    Remedy(
        ("maximum(x, y)", "maximum(y, x)", "fmax(x, y)", "fmax(y, x)"),
        FLAT,
        ("softplus(x)", "leaky_relu(x)"),
        why="it has a slope on both sides; if it is a penalty that is not active, the zero is right",
        when=zero_bound,
    ),
    Remedy(
        ("minimum(x, y)", "minimum(y, x)", "fmin(x, y)", "fmin(y, x)"),
        FLAT,
        ("-softplus(-x)", "-leaky_relu(-x)"),
        why="it has a slope on both sides; if the bound is meant, the zero is right",
        when=zero_bound,
    ),
    Remedy(
        ("maximum(x, y)", "fmax(x, y)"),
        FLAT,
        ("logaddexp(x, y)",),
        why="the smaller one counts a little, too; if it is not meant to, the zero is right",
    ),
    Remedy(
        ("minimum(x, y)", "fmin(x, y)"),
        FLAT,
        ("-logaddexp(-x, -y)",),
        why="the larger one counts a little, too; if it is not meant to, the zero is right",
    ),
    Remedy(
        ("max(x, axis=A, keepdims=K)",),
        FLAT,
        ("logsumexp(x, axis=A, keepdims=K)",),
        why="every element counts, the largest most; if the largest alone is meant to, the zero is right",
    ),
    Remedy(
        ("min(x, axis=A, keepdims=K)",),
        FLAT,
        ("-logsumexp(-x, axis=A, keepdims=K)",),
        why="every element counts, the smallest most; if the smallest alone is meant to, the zero is right",
    ),
    Remedy(
        ("clip(x, min=L, max=U)",),
        FLAT,
        ("sigmoid(x)", "sigmoid(x / S)"),
        "it stays between 0 and 1 with a slope everywhere",
        when=unit,
        words=scale,
    ),
    Remedy(
        ("clip(x, min=L, max=U)",),
        FLAT,
        ("tanh(x)", "tanh(x / S)"),
        "it stays between -1 and 1 with a slope everywhere",
        when=symmetric,
        words=scale,
    ),
    Remedy(
        ("clip(x, min=L, max=U)",),
        FLAT,
        ("L + (U - L) * sigmoid(x)", "L + (U - L) * sigmoid(x / S)"),
        "it keeps the bounds with a slope everywhere",
        when=both,
        words=scale,
    ),
    Remedy(
        ("clip(x, min=L, max=U)",),
        FLAT,
        ("L + softplus(x - L)", "L + softplus((x - L) / S)"),
        "it keeps the bound with a slope everywhere",
        when=low,
        words=scale,
    ),
    Remedy(
        ("clip(x, min=L, max=U)",),
        FLAT,
        ("U - softplus(U - x)", "U - softplus((U - x) / S)"),
        "it keeps the bound with a slope everywhere",
        when=high,
        words=scale,
    ),
    Remedy(
        ("hard_sigmoid(x)",), FLAT, ("sigmoid(x)", "sigmoid(x / S)"), "it has a slope everywhere", words=scale
    ),
    Remedy(("hard_tanh(x)",), FLAT, ("tanh(x)", "tanh(x / S)"), "it has a slope everywhere", words=scale),
)
