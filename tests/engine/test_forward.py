"""Tangents against cotangents, for every op of the table: Re <J v, w> = Re <v, J'w>, without a conjugate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import engine.ops  # noqa: F401  # fills the table
from engine import dtypes
from engine.dtypes import TensorType
from engine.errors import EngineError
from engine.ir.op import Op
from engine.ir.samples import Sample
from engine.ir.table import TABLE, F
from engine.ir.tape import Tape
from engine.runtime.executors.numpy import run_tape
from engine.transforms.jvp import forward
from engine.transforms.vjp import backward
from tests.engine.sampling import Array, arrays_of, differentiable, named, record, run_checked

CASES = [
    pytest.param(op, sample, id=f"{op.name}-{number}")
    for op in TABLE.values()
    for number, sample in enumerate(op.samples.cases)
    if op.inputs
]
TOLERANCE = {"float64": 1e-11, "float32": 2e-4, "float16": 0.1, "complex128": 1e-11, "complex64": 2e-4}


class Pair:
    """An op's tape with tangents pushed through it and cotangents pulled back, in random directions.

    `moving` are the inputs that have tangents: all differentiable ones, or some.
    """

    def __init__(
        self,
        op: Op,
        given: Sequence[Array],
        attributes: Mapping[str, Any],
        moving: Sequence[int] | None = None,
    ) -> None:
        rng = np.random.default_rng(11)
        tape, outputs = record(op, given, attributes)
        steps = tuple(tape.instructions)
        self.tape = tape
        self.inputs = named(given)
        places = [i for i, a in enumerate(given) if differentiable(op, i, a)]
        self.moving = places if moving is None else [i for i in places if i in moving]
        floating = [v for v in outputs if dtypes.is_inexact(v.dtype)]

        def directions(prefix: str, types: Mapping[int, TensorType]) -> dict[int, Any]:
            made = {}
            for i, (slot, type) in enumerate(types.items()):
                values = rng.normal(size=type.shape)
                if dtypes.is_complex(type.dtype):
                    values = values + 1j * rng.normal(size=type.shape)
                self.inputs[f"{prefix}{i}"] = np.asarray(values, type.dtype)
                made[slot] = tape.input(f"{prefix}{i}", TensorType(type.shape, type.dtype))
            return made

        xs = {tape.inputs[f"x{i}"]: tape.types[tape.inputs[f"x{i}"]] for i in self.moving}
        self.tangents = directions("t", xs)
        self.cotangents = directions("c", {v.slot: v.type for v in floating})
        known = forward(tape, self.tangents, steps)
        pushed = [
            (v, known[v.slot], w)
            for v, w in zip(floating, self.cotangents.values(), strict=True)
            if v.slot in known
        ]
        pulled = backward(tape, self.cotangents, list(xs))
        for variable, tangent, _ in pushed:
            assert (tangent.shape, tangent.dtype) == (variable.shape, variable.dtype)
        self.pushed = [(t, w) for _, t, w in pushed]
        self.pulled = [(pulled[slot], v) for slot, v in self.tangents.items() if slot in pulled]

    def products(self) -> tuple[float, float, float]:
        """<J v, w>, <v, J'w>, and the scale of the terms that they sum."""
        sides = []
        scale = 0.0
        for pairs in (self.pushed, self.pulled):
            self.tape.outputs = [v.slot for pair in pairs for v in pair]
            values = [np.asarray(v, np.result_type(v, float)) for v in run_tape(self.tape, self.inputs)]
            terms = [(a * b).real for a, b in zip(values[::2], values[1::2], strict=True)]
            sides.append(float(sum(term.sum() for term in terms)))
            scale += sum(float(np.abs(term).sum()) for term in terms)
        return sides[0], sides[1], scale

    def check(self, dtype: str = "float64") -> None:
        left, right, scale = self.products()
        assert left == pytest.approx(right, rel=0, abs=TOLERANCE[dtype] * max(scale, 1e-3))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("op", "sample"), CASES)
def test_tangents_and_cotangents_are_adjoint(op: Op, sample: Sample, dtype: str) -> None:
    given = arrays_of(op, sample, dtype)
    pair = Pair(op, given, sample.attributes)
    pair.check(dtype)
    pair.tape.outputs = [t.slot for t, _ in pair.pushed]
    run_checked(pair.tape, pair.inputs)


@pytest.mark.parametrize(("op", "sample"), [c for c in CASES if len(c.values[1].inputs) > 1])
def test_inputs_move_alone(op: Op, sample: Sample) -> None:
    given = arrays_of(op, sample)
    for place in range(len(given)):
        Pair(op, given, sample.attributes, moving=[place]).check()


# pad_adjoint is only ever given what pad made: never fewer elements than its borders have
@pytest.mark.parametrize(("op", "sample"), [c for c in CASES if c.values[0].name != "pad_adjoint"])
def test_no_rows_at_all(op: Op, sample: Sample) -> None:
    """Every axis that is free to be empty is: what an op takes, its derivatives take too."""
    empty = [
        np.empty((0, *a.shape[1:]), a.dtype) if isinstance(shape, tuple) and a.ndim else a
        for a, shape in zip(arrays_of(op, sample), sample.inputs, strict=True)
    ]
    try:
        tape, _ = record(op, empty, sample.attributes)
        values = run_tape(tape, named(empty))
    except EngineError:
        return  # this op, or this sample's attributes, need elements
    pair = Pair(op, empty, sample.attributes)
    left, right, _ = pair.products()
    if any(np.isnan(value).any() for value in values if value.dtype.kind == "f"):
        assert right == 0  # the mean of nothing is NaN, and so is how it moves; nothing is pulled back
    else:
        assert left == pytest.approx(right, rel=1e-11, abs=1e-14)


def test_a_rule_that_is_wrong_by_a_thousandth_is_found() -> None:
    """Where the tangents do not come from the rule itself: of a linear op, or one with a pushforward."""
    total = TABLE["sum"]
    rule = total.inputs[0].vjp
    assert callable(rule)
    wrong = replace(total.inputs[0], vjp=lambda *args, **attributes: rule(*args, **attributes) * 1.001)
    op = replace(total, inputs=(wrong,))
    with pytest.raises(AssertionError):
        Pair(op, arrays_of(op, op.samples.cases[0]), {}).check()


def test_what_does_not_move_pushes_nothing() -> None:
    tape = Tape()
    x, y = (tape.input(name, TensorType((2,))) for name in "xy")
    z, still = x * y, F.sin(y)
    known = forward(tape, {x.slot: tape.input("t", TensorType((2,)))}, tuple(tape.instructions))
    assert z.slot in known
    assert still.slot not in known
