"""Accuracies in place of losses: what to train on instead."""

from __future__ import annotations

from collections.abc import Sequence

from engine import dtypes
from engine.diagnosis.remedies.soft import SIDES, Soft, last
from engine.diagnosis.remedies.table import Scene
from engine.ir.tape import Instruction
from engine.passes.stable.patterns import Bound

_ACCURACY = (
    "an accuracy has no slope, and this loss is the one that it goes up with; report the accuracy beside it"
)
_PLACE = "argmax(x, axis=A, keepdims=K)"
_CLASS = "argmax(softmax(x, axis=C), axis=A, keepdims=K)"


def _whole_labels(scene: Scene, step: Instruction, bound: Bound) -> bool:
    return dtypes.is_integer(scene.type(bound["y"]).dtype)


def _floating_labels(scene: Scene, step: Instruction, bound: Bound) -> bool:
    return dtypes.is_floating(scene.type(bound["y"]).dtype)


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


SOFT_LOSSES: Sequence[Soft] = (
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
                when=last,
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
        ("round(sigmoid(x))", *(f"astype({op}(sigmoid(x), c), dtype=D)" for op in SIDES[0])),
        ("sigmoid(x)",),
        "the probability itself has a slope; round it only where it is reported",
    ),
)
