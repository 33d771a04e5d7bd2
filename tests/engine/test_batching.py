"""Batching agrees with a loop, for every op of the table: values, and gradients through the op."""

import itertools

import numpy as np
import pytest

import engine.ops  # noqa: F401
from engine import dtypes
from engine.dtypes import TensorType
from engine.ir.no_gradient import NoGradient
from engine.ir.samples import Sample
from engine.ir.table import TABLE
from engine.ir.tape import Tape
from engine.ops.describe import describe
from engine.passes import lower
from engine.runtime.executors.numpy import run_tape
from engine.transforms.vjp import backward
from engine.transforms.vmap import batch

N = 3


def arrays_of(op, sample, rng):
    arrays = []
    for position, given in enumerate(sample.inputs):
        kind = op.input(position).kind
        if isinstance(given, tuple):
            domain = op.samples.domain_of(position)
            array = rng.uniform(domain.low, domain.high, size=given)
            array = np.where(np.abs(array) < domain.away_from_zero, domain.high, array)
            if kind == "boolean":
                array = array > 0
            elif kind in ("integer", "index"):
                array = rng.integers(0, 2, size=given)
        else:
            array = np.asarray(given)
        arrays.append(array)
    return arrays


def tape_of(op, arrays, attributes):
    """The op and the adjoints of its floating inputs, with the arrays as inputs."""
    tape = Tape()
    inputs = [tape.input(f"x{i}", TensorType(a.shape, a.dtype.name)) for i, a in enumerate(arrays)]
    answer = tape.apply(op, inputs, attributes)
    outputs = list(answer) if isinstance(answer, tuple) else [answer]
    tape.outputs = [o.slot for o in outputs]
    seeds = {
        o.slot: tape.constant(np.cos(np.arange(o.size)).reshape(o.shape), o.dtype)
        for o in outputs
        if dtypes.is_floating(o.dtype)
    }
    rules = [op.input(i).vjp for i in range(len(inputs))]
    written = [not isinstance(rule, NoGradient) or rule.kind != "not_implemented" for rule in rules]
    wrt = [v.slot for v, rule in zip(inputs, written, strict=True) if rule and dtypes.is_floating(v.dtype)]
    if seeds and wrt:
        tape.outputs += [v.slot for v in backward(tape, seeds, wrt).values()]
    return lower(tape)


CASES = [
    pytest.param(op, sample, id=f"{op.name}-{k}")
    for op in TABLE.values()
    for k, sample in enumerate(op.samples.cases)
    if op.inputs and sample.inputs
]


@pytest.mark.parametrize(("op", "sample"), CASES)
def test_rows_agree_with_a_loop(op, sample: Sample):
    rng = np.random.default_rng(7)
    rows = [arrays_of(op, sample, rng) for _ in range(N)]
    if not rows[0]:
        pytest.skip("no inputs to batch")
    tape = tape_of(op, rows[0], sample.attributes)
    for choice in itertools.product([True, False], repeat=min(len(rows[0]), 3)):
        flags = [*choice, *[choice[-1]] * (len(rows[0]) - len(choice))]
        if not any(flags):
            continue
        names = {f"x{i}" for i, flag in enumerate(flags) if flag}
        together = {
            f"x{i}": np.stack([row[i] for row in rows]) if flag else rows[0][i]
            for i, flag in enumerate(flags)
        }
        answers = run_tape(batch(tape, names, N), together)
        for k in range(N):
            one = {f"x{i}": rows[k][i] if flag else rows[0][i] for i, flag in enumerate(flags)}
            for whole, part in zip(answers, run_tape(tape, one), strict=True):
                assert whole.dtype == part.dtype
                np.testing.assert_allclose(whole[k], part, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("op", "sample"), CASES)
def test_rows_in_single_precision(op, sample: Sample):
    rng = np.random.default_rng(8)
    rows = [
        [a.astype(np.float32) if a.dtype == np.float64 else a for a in arrays_of(op, sample, rng)]
        for _ in range(N)
    ]
    tape = tape_of(op, rows[0], sample.attributes)
    names = [f"x{i}" for i in range(len(rows[0]))]
    together = {name: np.stack([row[i] for row in rows]) for i, name in enumerate(names)}
    answers = run_tape(batch(tape, set(names), N), together)
    for k in range(N):
        one = dict(zip(names, rows[k], strict=True))
        for whole, part in zip(answers, run_tape(tape, one), strict=True):
            assert whole.dtype == part.dtype
            if whole.dtype.kind == "f":
                scale = 1 + np.abs(part).max(initial=0)
                np.testing.assert_allclose(whole[k], part, rtol=2e-5, atol=2e-6 * scale)


@pytest.mark.parametrize(("op", "sample"), CASES)
def test_no_rows_at_all(op, sample: Sample):
    row = arrays_of(op, sample, np.random.default_rng(9))
    tape = tape_of(op, row, sample.attributes)
    names = [f"x{i}" for i in range(len(row))]
    none = {name: np.empty((0, *a.shape), a.dtype) for name, a in zip(names, row, strict=True)}
    answers = run_tape(batch(tape, set(names), 0), none)
    expected = run_tape(tape, dict(zip(names, row, strict=True)))
    assert [(a.shape, a.dtype) for a in answers] == [((0, *e.shape), e.dtype) for e in expected]


def test_what_no_row_touches_is_done_once():
    tape = Tape()
    x, w = tape.input("x", TensorType((3,))), tape.input("w", TensorType((3, 3)))
    tape.outputs = [(x @ (w @ w)).slot]
    batched = batch(tape, {"x"}, 5)
    products = [step for step in batched.instructions if step.op.name == "matmul"]
    assert [batched.types[step.outputs[0]].shape for step in products] == [(3, 3), (5, 3)]


def test_batches_nest():
    tape = Tape()
    x, w = tape.input("x", TensorType((3,))), tape.input("w", TensorType((3,)))
    tape.outputs = [(x * w).slot]
    both = batch(batch(tape, {"x"}, 4), {"w"}, 5)
    xs, ws = np.random.default_rng(0).normal(size=(4, 3)), np.random.default_rng(1).normal(size=(5, 3))
    (answer,) = run_tape(both, {"x": xs, "w": ws})
    np.testing.assert_allclose(answer, xs[None] * ws[:, None])


@pytest.mark.parametrize(("op", "sample"), [case for case in CASES if not case.values[0].internal])
def test_no_public_op_runs_row_by_row(op, sample: Sample):
    row = arrays_of(op, sample, np.random.default_rng(10))
    tape = tape_of(op, row, sample.attributes)
    rows = batch(tape, {f"x{i}" for i in range(len(row))}, N)
    assert "rowwise" not in {step.op.name for step in rows.instructions}


def test_what_falls_back_says_so():
    assert [op.name for op in TABLE.public() if describe(op)["batching"] == "map"] == []
