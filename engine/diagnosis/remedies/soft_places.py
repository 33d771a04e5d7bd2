"""Counts and places, which are whole numbers: their soft counterparts."""

from __future__ import annotations

from collections.abc import Sequence

from engine.diagnosis.remedies.soft import Soft, cast, last, vector

_BELOW = "y[astype(stop_gradient(floor(x)), 'int64')]"
_ABOVE = "y[minimum(astype(stop_gradient(floor(x)), 'int64') + 1, M)]"

SOFT_PLACES: Sequence[Soft] = (
    # -- counts
    *(
        soft
        for inner in ("floor(x)", "astype(floor(x), dtype=D)", "trunc(x)", "astype(x, dtype=D)")
        for soft in (
            Soft(
                cast(f"equal({inner}, y)")[::-1],
                ("sigmoid(k * (x - y)) - sigmoid(k * (x - y - 1))",),
                "a soft bin has a slope at both of its ends",
            ),
        )
    ),
    Soft(
        (*cast("equal(round(x), y)")[::-1], *cast("equal(astype(round(x), dtype=D), y)")[::-1]),
        ("sigmoid(k * (x - y + 0.5)) - sigmoid(k * (x - y - 0.5))",),
        "a soft bin has a slope at both of its ends",
    ),
    Soft(
        ("count_nonzero(x, axis=A, keepdims=K)",),
        ("sum(1 - exp(-(k * x) ** 2), axis=A, keepdims=K)", "sum(abs(x), axis=A, keepdims=K)"),
        "it counts softly what is not 0; as a penalty, sum(abs(x)) makes elements 0",
    ),
    # -- places
    Soft(
        ("argsort(argsort(x, axis=A), axis=B)",),
        ("sum(sigmoid(k * (x[:, None] - x[None, :])), axis=1) - 0.5",),
        "it counts softly how many elements are smaller, which is the rank",
        when=vector,
    ),
    Soft(
        ("argsort(x, axis=A)",),
        ("sum(sigmoid(k * (x[:, None] - x[None, :])), axis=1) - 0.5",),
        "places have no slope; these are soft ranks, and sort(x) has the values in order",
        when=vector,
    ),
    Soft(
        (
            "getitem(y, argmax(x, axis=A), index=I)",
            "gather(y, argmax(x, axis=A), axis=B)",
            "take(y, argmax(x, axis=A), axis=B)",
        ),
        ("softmax(k * x) @ y",),
        "it weighs all rows, the one at the largest element most",
        when=vector,
    ),
    Soft(
        (
            "getitem(y, argmin(x, axis=A), index=I)",
            "gather(y, argmin(x, axis=A), axis=B)",
            "take(y, argmin(x, axis=A), axis=B)",
        ),
        ("softmax(-k * x) @ y",),
        "it weighs all rows, the one at the smallest element most",
        when=vector,
    ),
    *(
        Soft(
            (f"getitem(y, {place}, index=I)", f"gather(y, {place}, axis=B)", f"take(y, {place}, axis=B)"),
            (f"{_BELOW} + (x - stop_gradient(floor(x))) * ({_ABOVE} - {_BELOW})",),
            "an index has no slope, and a table that is interpolated has one",
        )
        for place in ("astype(round(x), dtype=D)", "astype(floor(x), dtype=D)", "astype(x, dtype=D)")
    ),
    Soft(
        ("argmax(x, axis=A)",),
        ("softmax(k * x) @ arange(N)",),
        "it is the mean place, weighed by softmax",
        when=last,
    ),
    Soft(
        ("argmin(x, axis=A)",),
        ("softmax(-k * x) @ arange(N)",),
        "it is the mean place, weighed by softmax",
        when=last,
    ),
    Soft(
        ("one_hot(argmax(x, axis=A, keepdims=K), num_classes=D, axis=B, dtype=E)",),
        ("softmax(x)", "softmax(k * x)"),
        "the probabilities have a slope, and the largest of them has none",
        when=last,
    ),
)
