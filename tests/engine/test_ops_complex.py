"""Every op that takes complex numbers is tested by being in the table, as the real ones are in `test_ops`.

Cotangents pair without a conjugate, as inside the walks: the target moves by Re(Σ g dy). Finite differences
in the real and in the imaginary direction are taken of that, so no rule of ours is believed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import engine.ops  # noqa: F401  # fills the table
from engine import arrays, dtypes
from engine.errors import DtypeMismatch
from engine.ir.op import Op
from engine.ir.samples import Sample
from engine.ir.table import TABLE, F
from engine.ops.describe import describe
from engine.runtime.executors.numpy import run_tape
from engine.transforms.jvp import forward
from tests.engine.records import altered
from tests.engine.sampling import (
    Array,
    Derivative,
    arrays_of,
    check_first,
    check_second,
    differentiable,
    named,
    record,
    run_checked,
    value_of,
)
from tests.engine.test_forward import Pair

WIDE = ("any", "numeric", "floating")


def takes_complex(op: Op, sample: Sample) -> bool:
    """Whether the op takes this sample with complex numbers in it."""
    given = arrays_of(op, sample, "complex128")
    if not any(array.dtype.kind == "c" for array in given):
        return False
    try:
        record(op, given, sample.attributes)
    except DtypeMismatch:
        return False
    return True


EVERY = [
    pytest.param(op, sample, id=f"{op.name}-{number}")
    for op in TABLE.values()
    for number, sample in enumerate(op.samples.cases)
    if op.inputs
]
CASES = [case for case in EVERY if takes_complex(*case.values)]  # type: ignore[arg-type]  # an op and a sample
TAKEN = {case.values[0].name for case in CASES}  # type: ignore[union-attr]  # an op


def cases(applies: Callable[[Op], bool]) -> list[Any]:
    return [case for case in CASES if applies(case.values[0])]  # type: ignore[arg-type]  # an op


def test_an_op_refuses_complex_numbers_by_its_inputs_alone() -> None:
    """What the record says it takes, it takes; only what orders numbers refuses them further inside."""
    said = {
        op.name
        for op in TABLE.values()
        if op.samples.cases and any(i.kind in WIDE and i.name != "condition" for i in op.inputs)
    }
    # The mask of an attention may be boolean, and no kind of input is "bool or real": it is refused inside.
    assert said - TAKEN == {"median", "quantile", "ptp", "scaled_dot_product_attention"}
    assert said >= TAKEN


@pytest.mark.parametrize("dtype", ["complex128", "complex64"])
@pytest.mark.parametrize(("op", "sample"), CASES)
def test_shapes_dtypes_and_views_are_as_inferred(op: Op, sample: Sample, dtype: str) -> None:
    given = arrays_of(op, sample, dtype)
    tape, _ = record(op, given, sample.attributes)
    stepwise = run_checked(tape, named(given))
    for answer, checked in zip(run_tape(tape, named(given)), stepwise, strict=True):
        np.testing.assert_array_equal(answer, checked)


@pytest.mark.parametrize(("op", "sample"), CASES)
def test_first_derivative_is_that_of_finite_differences(op: Op, sample: Sample) -> None:
    check_first(op, arrays_of(op, sample, "complex128"), sample.attributes)


@pytest.mark.parametrize(("op", "sample"), cases(lambda op: op.derivative.second_order))
def test_second_derivative_is_that_of_finite_differences(op: Op, sample: Sample) -> None:
    second = check_second(op, arrays_of(op, sample, "complex128"), sample.attributes)
    run_checked(second.tape, second.inputs)


@pytest.mark.parametrize(("op", "sample"), CASES)
def test_derivatives_keep_the_dtype(op: Op, sample: Sample) -> None:
    given = arrays_of(op, sample, "complex64")
    wide = arrays_of(op, sample, "complex128")
    first, exact = (Derivative(op, arrays, sample.attributes) for arrays in (given, wide))
    for name, variable in first.cotangents.items():
        if variable is None:
            continue
        assert variable.dtype == first.inputs[name].dtype
        expected = exact.cotangents[name]
        assert expected is not None
        wanted = value_of(exact.tape, expected, exact.inputs)
        scale = max(1.0, float(np.abs(wanted).max(initial=0)))
        np.testing.assert_allclose(
            value_of(first.tape, variable, first.inputs), wanted, rtol=1e-3, atol=2e-4 * scale
        )
    first.tape.outputs = [variable.slot for variable in first.cotangents.values() if variable is not None]
    run_checked(first.tape, first.inputs)


@pytest.mark.parametrize("dtype", ["complex128", "complex64"])
@pytest.mark.parametrize(("op", "sample"), CASES)
def test_tangents_and_cotangents_are_adjoint(op: Op, sample: Sample, dtype: str) -> None:
    pair = Pair(op, arrays_of(op, sample, dtype), sample.attributes)
    pair.check(dtype)
    pair.tape.outputs = [t.slot for t, _ in pair.pushed]
    run_checked(pair.tape, pair.inputs)


@pytest.mark.parametrize(("op", "sample"), [c for c in CASES if len(c.values[1].inputs) > 1])  # type: ignore[union-attr]  # a sample
def test_inputs_move_alone(op: Op, sample: Sample) -> None:
    given = arrays_of(op, sample, "complex128")
    for place in range(len(given)):
        Pair(op, given, sample.attributes, moving=[place]).check()


# -- holomorphic or not ------------------------------------------------------------------------------


def turned(op: Op, sample: Sample) -> bool | None:
    """Whether J(i t) = i J(t) at a sample; None where nothing complex moves, or nothing is moved."""
    given = arrays_of(op, sample, "complex128")
    tape, outputs = record(op, given, sample.attributes)
    steps = tuple(tape.instructions)
    rng = np.random.default_rng(5)
    slots = {
        i: tape.inputs[f"x{i}"]
        for i, a in enumerate(given)
        if a.dtype.kind == "c" and differentiable(op, i, a)
    }
    tangents = {slot: tape.input(f"t{i}", tape.types[slot]) for i, slot in slots.items()}
    pushed = forward(tape, tangents, steps)
    tape.outputs = [pushed[v.slot].slot for v in outputs if v.slot in pushed]
    if not tape.outputs:
        return None
    moves = {f"t{i}": rng.normal(size=given[i].shape) + 1j * rng.normal(size=given[i].shape) for i in slots}
    inputs = {**named(given), **moves}
    once = run_tape(tape, inputs)
    again = run_tape(tape, {**inputs, **{name: 1j * move for name, move in moves.items()}})
    return all(np.allclose(b, 1j * a, rtol=1e-9, atol=1e-12) for a, b in zip(once, again, strict=True))


@pytest.mark.parametrize("op", [pytest.param(TABLE[name], id=name) for name in sorted(TAKEN)])
def test_an_op_is_holomorphic_where_its_record_says_so(op: Op) -> None:
    told = [turned(op, case.values[1]) for case in CASES if case.values[0] is op]  # type: ignore[arg-type]  # a sample
    told = [answer for answer in told if answer is not None]
    if told:
        own = TABLE[op.derivative.complex_rule] if op.derivative.complex_rule else op
        assert all(told) == own.derivative.holomorphic


def test_the_record_tells_users_whether_it_is_holomorphic() -> None:
    told = {name: describe(TABLE[name])["holomorphic"] for name in ("exp", "abs", "sign", "max", "scan")}
    assert told == {"exp": True, "abs": False, "sign": False, "max": None, "scan": None}


# -- the checks are checked --------------------------------------------------------------------------


def with_rule(name: str, rule: Callable[..., Any]) -> Op:
    op = TABLE[name]
    return replace(op, inputs=(replace(op.inputs[0], vjp=rule), *op.inputs[1:]))


@pytest.mark.parametrize(
    "op",
    [
        with_rule("exp", lambda g, y, x: g * y.conj()),
        with_rule("conj", lambda g, y, x: g),
        with_rule("imag", lambda g, y, x: g * 1j),
        with_rule("abs", lambda g, y, x: g * F.sign(x)),
        with_rule("exp", lambda g, y, x: g * y * 1.001),
    ],
    ids=lambda op: op.name,
)
def test_a_rule_with_a_conjugate_too_many_or_too_few_is_found(op: Op) -> None:
    sample = op.samples.cases[0]
    with pytest.raises(AssertionError, match="d/dx0"):
        check_first(op, arrays_of(op, sample, "complex128"), sample.attributes)


def test_an_op_that_lies_about_being_holomorphic_is_found() -> None:
    op = altered(TABLE["direction"], holomorphic=True)
    with pytest.raises(AssertionError):
        Pair(op, arrays_of(op, op.samples.cases[0], "complex128"), {}).check()


def test_a_real_input_of_a_complex_answer_has_a_real_cotangent() -> None:
    op = TABLE["complex"]
    given: list[Array] = [np.array([0.5, -1.0]), np.array([2.0, 0.3])]
    first = check_first(op, given, {})
    assert [v.dtype for v in first.cotangents.values() if v is not None] == ["float64", "float64"]
    check_second(op, given, {})
    assert dtypes.is_complex(first.tape.types[first.forward[0]].dtype)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("axis", [0, 1])
def test_many_slices_add_up_as_one_by_one(dtype: str, axis: int) -> None:
    """Enough of them for the product with a sparse matrix to be taken."""
    rng = np.random.default_rng(7)
    shape = (5, 6, 3)
    places = rng.integers(-shape[axis], shape[axis], 100)
    x = (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(dtype)
    count = (*shape[:axis], 100, *shape[axis + 1 :])
    values = (rng.normal(size=count) + 1j * rng.normal(size=count)).astype(dtype)
    index = tuple(places if i == axis else slice(0, shape[i], 1) for i in range(3))
    got = arrays.numpy_namespace().index_add(x.copy(), index, values)
    expected = x.astype("complex128")
    np.add.at(expected, index, values)
    assert got.dtype == dtype
    np.testing.assert_allclose(got, expected, rtol=1e-4 if dtype == "complex64" else 1e-12, atol=1e-5)


def test_an_infinite_part_stays_where_it_is() -> None:
    given = [np.array([1.0, np.inf]), np.array([np.inf, -2.0])]
    (made,) = run_tape(record(TABLE["complex"], given, {})[0], named(given))
    np.testing.assert_array_equal([made.real, made.imag], given)
