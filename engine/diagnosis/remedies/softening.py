"""The table of cuts whose cure is an expression: what has no slope, and what to write in its place.

As in `engine.diagnosis.remedies.table` patterns are matched against the tape, and forms tried in order. The
number k is how steep a soft step is: it is chosen by the values, so that the step has a slope all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from engine import dtypes
from engine.arrays.types import Array
from engine.diagnosis.remedies.table import Condition, Scene
from engine.ir.tape import Instruction
from engine.passes.stable.patterns import Bound, Call, parse


@dataclass(frozen=True)
class Soft:
    """What to write for any of `before`, or with `loss` in place of the whole target."""

    before: tuple[str, ...]
    forms: tuple[str, ...]
    why: str
    when: Condition | None = None
    loss: bool = False

    @cached_property
    def patterns(self) -> tuple[Call, ...]:
        """The expressions that are matched."""
        found = tuple(parse(text) for text in self.before)
        assert all(isinstance(pattern, Call) for pattern in found), self.before
        return found  # type: ignore[return-value]  # asserted in the line before


def words_of(scene: Scene, step: Instruction, bound: Bound) -> Mapping[str, str]:
    """The literals that a form may use: k, the number N of elements of x along A, the last place M in y."""
    shape = scene.type(bound["x"]).shape
    axis = bound.get("A", -1)
    size = shape[axis] if shape and isinstance(axis, int) else 1
    table = scene.type(bound["y"]).shape if isinstance(bound.get("y"), int) else ()
    return {
        "k": f"{steepness(scene, bound):g}",
        "N": f"{float(size)}",
        "M": f"{table[0] - 1 if table else 0}",
    }


def steepness(scene: Scene, bound: Bound) -> float:
    """A power of ten that makes the typical difference between x and y a few units."""
    x = np.asarray(scene.value(bound["x"]), float)
    y = np.asarray(scene.value(bound["y"]), float) if "y" in bound else np.zeros(())
    try:
        apart = np.abs(x - y)
    except ValueError:
        apart = np.abs(x)
    typical = _typical(apart)
    return float(10.0 ** np.clip(np.floor(np.log10(10 / typical)), -9, 9)) if typical > 0 else 10.0


def _typical(apart: Array) -> float:
    positive = apart[np.isfinite(apart) & (apart > 0)]
    return float(np.median(positive)) if positive.size else 0.0


# -- conditions ---------------------------------------------------------------------------------------------


def _whole_labels(scene: Scene, step: Instruction, bound: Bound) -> bool:
    return dtypes.is_integer(scene.type(bound["y"]).dtype)


def _floating_labels(scene: Scene, step: Instruction, bound: Bound) -> bool:
    return dtypes.is_floating(scene.type(bound["y"]).dtype)


def _vector(scene: Scene, step: Instruction, bound: Bound) -> bool:
    return scene.type(bound["x"]).ndim == 1


def _last(scene: Scene, step: Instruction, bound: Bound) -> bool:
    return bool(bound["A"] in (-1, scene.type(bound["x"]).ndim - 1))


def _hit(above: str) -> tuple[str, ...]:
    """Whether a prediction is right, and whether it is wrong."""
    return (f"equal({above}, y)", f"equal(y, {above})", f"not_equal({above}, y)", f"not_equal(y, {above})")


def _met(above: str) -> tuple[str, ...]:
    """A prediction compared with a label in any way."""
    return (
        *_hit(above),
        f"{above} - y",
        f"y - {above}",
        f"squared_difference({above}, y)",
        f"squared_difference(y, {above})",
    )


_ACCURACY = (
    "an accuracy has no slope, and this loss is the one that it goes up with; report the accuracy beside it"
)
_PLACE = "argmax(x, axis=A, keepdims=K)"
_CLASS = "argmax(softmax(x, axis=C), axis=A, keepdims=K)"
_THROUGH = "the value is the same, and the gradient passes straight through"
_STEP = "a soft step rises from 0 to 1 where the comparison changes, with a slope; a larger factor is steeper"
_BELOW = "y[astype(stop_gradient(floor(x)), 'int64')]"
_ABOVE = "y[minimum(astype(stop_gradient(floor(x)), 'int64') + 1, M)]"
_SIDES = ("greater", "greater_equal"), ("less", "less_equal")


def _cast(text: str) -> tuple[str, ...]:
    return text, f"astype({text}, dtype=D)"


SOFT: Sequence[Soft] = (
    # -- an accuracy in place of a loss
    *(
        soft
        for place in (_CLASS, f"astype({_CLASS}, dtype=D)", _PLACE, f"astype({_PLACE}, dtype=D)")
        for soft in (
            Soft(
                (
                    f"equal({place}, argmax(y, axis=B, keepdims=K))",
                    f"equal(argmax(y, axis=B, keepdims=K), {place})",
                    f"not_equal({place}, argmax(y, axis=B, keepdims=K))",
                ),
                ("categorical_crossentropy(y, x, from_logits=True)",),
                _ACCURACY,
                loss=True,
                when=_last,
            ),
            Soft(
                _met(place),
                ("sparse_categorical_crossentropy(y, x, from_logits=True)",),
                _ACCURACY,
                when=_whole_labels,
                loss=True,
            ),
            Soft(
                _met(place),
                ("sparse_categorical_crossentropy(astype(y, 'int64'), x, from_logits=True)",),
                _ACCURACY,
                when=_floating_labels,
                loss=True,
            ),
        )
    ),
    *(
        soft
        for inner, logits in (("sigmoid(x)", True), ("x", False))
        for outer in (
            f"round({inner})",
            f"greater({inner}, c)",
            f"greater_equal({inner}, c)",
            f"astype(greater({inner}, c), dtype=D)",
            f"astype(greater_equal({inner}, c), dtype=D)",
            f"astype(round({inner}), dtype=D)",
            f"where(greater({inner}, c), 1, 0)",
            f"where(greater_equal({inner}, c), 1, 0)",
            f"astype(where(greater({inner}, c), 1, 0), dtype=D)",
            f"astype(where(greater_equal({inner}, c), 1, 0), dtype=D)",
        )
        for form in (
            (
                (
                    "binary_crossentropy(y, x, from_logits=True)",
                    "binary_crossentropy(astype(y, 'float64'), x, from_logits=True)",
                )
                if logits or "greater" in outer
                else ("mean((x - y) ** 2)",)
            ),
        )
        for soft in (
            Soft(
                (
                    f"equal({outer}, greater(y, c))",
                    f"equal({outer}, greater_equal(y, c))",
                    f"equal({outer}, round(y))",
                ),
                form,
                _ACCURACY,
                loss=True,
            ),
            Soft(_hit(outer), form, _ACCURACY, loss=True),
        )
    ),
    Soft(
        ("round(sigmoid(x))", *(f"astype({op}(sigmoid(x), c), dtype=D)" for op in _SIDES[0])),
        ("sigmoid(x)",),
        "the probability itself has a slope; round it only where it is reported",
    ),
    # -- counts
    *(
        soft
        for inner in ("floor(x)", "astype(floor(x), dtype=D)", "trunc(x)", "astype(x, dtype=D)")
        for soft in (
            Soft(
                _cast(f"equal({inner}, y)")[::-1],
                ("sigmoid(k * (x - y)) - sigmoid(k * (x - y - 1))",),
                "a soft bin has a slope at both of its ends",
            ),
        )
    ),
    Soft(
        (*_cast("equal(round(x), y)")[::-1], *_cast("equal(astype(round(x), dtype=D), y)")[::-1]),
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
        when=_vector,
    ),
    Soft(
        ("argsort(x, axis=A)",),
        ("sum(sigmoid(k * (x[:, None] - x[None, :])), axis=1) - 0.5",),
        "places have no slope; these are soft ranks, and sort(x) has the values in order",
        when=_vector,
    ),
    Soft(
        (
            "getitem(y, argmax(x, axis=A), index=I)",
            "gather(y, argmax(x, axis=A), axis=B)",
            "take(y, argmax(x, axis=A), axis=B)",
        ),
        ("softmax(k * x) @ y",),
        "it weighs all rows, the one at the largest element most",
        when=_vector,
    ),
    Soft(
        (
            "getitem(y, argmin(x, axis=A), index=I)",
            "gather(y, argmin(x, axis=A), axis=B)",
            "take(y, argmin(x, axis=A), axis=B)",
        ),
        ("softmax(-k * x) @ y",),
        "it weighs all rows, the one at the smallest element most",
        when=_vector,
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
        when=_last,
    ),
    Soft(
        ("argmin(x, axis=A)",),
        ("softmax(-k * x) @ arange(N)",),
        "it is the mean place, weighed by softmax",
        when=_last,
    ),
    Soft(
        ("one_hot(argmax(x, axis=A, keepdims=K), num_classes=D, axis=B, dtype=E)",),
        ("softmax(x)", "softmax(k * x)"),
        "the probabilities have a slope, and the largest of them has none",
        when=_last,
    ),
    # -- choices
    *(
        soft
        for ops, apart in ((_SIDES[0], "(x - y)"), (_SIDES[1], "(y - x)"))
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
        _cast("equal(x, y)")[::-1],
        ("exp(-(k * (x - y)) ** 2)",),
        "it is 1 where both are equal, and falls off softly",
    ),
    Soft(
        _cast("not_equal(x, y)")[::-1],
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
