"""Every op is tested by being in the table: what its record promises is held against its kernel."""

from __future__ import annotations

import inspect
import json
import pkgutil
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import engine.ops
from engine import arrays, dtypes
from engine.errors import DtypeMismatch
from engine.ir.attributes import FUNCTION, parse_attributes, to_json
from engine.ir.derivative import Accumulate
from engine.ir.no_gradient import NoGradient
from engine.ir.op import Op
from engine.ir.samples import Sample
from engine.ir.table import TABLE, F
from engine.ir.tape import Tape
from engine.ops.describe import describe
from engine.runtime.executors.numpy import run_tape
from tests.engine.records import altered
from tests.engine.sampling import (
    Array,
    Derivative,
    Scalars,
    arrays_of,
    bound_attributes,
    check_first,
    check_second,
    differentiable,
    named,
    record,
    run_checked,
    second_of,
    value_of,
)

GROUPS = {module.name for module in pkgutil.iter_modules(engine.ops.__path__)}
RECORDS = [op for op in TABLE.values() if op.group in GROUPS]  # the engine adds ops for its own use
CASES = [
    pytest.param(op, sample, id=f"{op.name}-{number}")
    for op in RECORDS
    for number, sample in enumerate(op.samples.cases)
]


def cases(applies: Callable[[Op], bool]) -> list[Any]:
    return [case for case in CASES if applies(case.values[0])]


def test_every_op_has_samples() -> None:
    """All but those that take functions, and what a pass makes of several ops: graphs test both."""
    fused = {"soft_log_likelihood", "class_log_likelihood", "logsumexp_and_softmax"}
    takes_functions = {op.name for op in RECORDS if any(a.kind is FUNCTION for a in op.attributes)}
    assert {op.name for op in RECORDS if not op.samples.cases} == takes_functions | fused


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64"])
@pytest.mark.parametrize(("op", "sample"), CASES)
def test_shapes_dtypes_and_views_are_as_inferred(op: Op, sample: Sample, dtype: str) -> None:
    given = arrays_of(op, sample, dtype)
    try:
        tape, _ = record(op, given, sample.attributes)
    except DtypeMismatch:
        assert dtype == "int64", "an op takes floats"
        return
    stepwise = run_checked(tape, named(given))
    for answer, checked in zip(run_tape(tape, named(given)), stepwise, strict=True):
        np.testing.assert_array_equal(answer, checked)


@pytest.mark.parametrize(("op", "sample"), CASES)
def test_first_derivative_is_that_of_finite_differences(op: Op, sample: Sample) -> None:
    check_first(op, arrays_of(op, sample), sample.attributes)


@pytest.mark.parametrize(("op", "sample"), cases(lambda op: op.derivative.second_order))
def test_second_derivative_is_that_of_finite_differences(op: Op, sample: Sample) -> None:
    second = check_second(op, arrays_of(op, sample), sample.attributes)
    run_checked(second.tape, second.inputs)


@pytest.mark.parametrize(("op", "sample"), CASES)
def test_derivatives_keep_the_dtype(op: Op, sample: Sample) -> None:
    given = arrays_of(op, sample, "float32")
    first = Derivative(op, given, sample.attributes)
    made = [variable for variable in first.cotangents.values() if variable is not None]
    first.tape.outputs = [variable.slot for variable in made]
    run_checked(first.tape, first.inputs)
    assert {variable.dtype for variable in made} <= {"float32"}


@pytest.mark.parametrize(("op", "sample"), cases(lambda op: op.derivative.second_order))
def test_second_derivatives_in_single_precision(op: Op, sample: Sample) -> None:
    """In the dtype, and as in float64 as far as that goes."""
    rough = arrays_of(op, sample, "float32")
    exact = [a.astype(np.float64) if a.dtype == np.float32 else a for a in rough]
    second, expected = (second_of(op, given, sample.attributes) for given in (rough, exact))
    for ours, theirs in zip(second, expected, strict=True):
        narrow = {"float64": "float32", "complex128": "complex64"}.get(theirs.dtype.name)
        assert ours.dtype.name == narrow or (ours.dtype == theirs.dtype and op.name == "astype")
        scale = max(1.0, float(np.abs(theirs).max(initial=0)))
        np.testing.assert_allclose(ours, theirs, rtol=5e-3, atol=5e-4 * scale)


@pytest.mark.parametrize(("op", "sample"), cases(lambda op: bool(op.derivative.linear_in)))
def test_linear_inputs_superpose(op: Op, sample: Sample) -> None:
    linear = [min(i, len(op.inputs) - 1) in op.derivative.linear_in for i in range(len(sample.inputs))]
    x = arrays_of(op, sample)
    y = [np.cos(a) if moves else a for a, moves in zip(x, linear, strict=True)]
    both = [2 * a - 3 * b if moves else a for a, b, moves in zip(x, y, linear, strict=True)]

    def values(given: list[Array]) -> list[Array]:
        return run_tape(record(op, given, {**sample.attributes, **op.derivative.linear_at})[0], named(given))

    for of_x, of_y, of_both in zip(values(x), values(y), values(both), strict=True):
        np.testing.assert_allclose(of_both, 2 * of_x - 3 * of_y, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("op", "sample"), cases(lambda op: op.kernel.scalar is not None))
def test_the_scalar_form_is_the_kernel(op: Op, sample: Sample) -> None:
    assert op.kernel.scalar is not None
    given = arrays_of(op, sample)
    expected = run_tape(record(op, given, sample.attributes)[0], named(given))[0]
    attributes = bound_attributes(op, given, sample)
    elements = zip(*(array.reshape(-1) for array in np.broadcast_arrays(*given)), strict=True)
    with np.errstate(all="ignore"):
        got = [op.kernel.scalar(Scalars(), *numbers, **attributes) for numbers in elements]
    np.testing.assert_allclose(got, expected.reshape(-1), rtol=1e-14)


@pytest.mark.parametrize(("op", "sample"), CASES)
def test_attributes_survive_json(op: Op, sample: Sample) -> None:
    parsed = parse_attributes(sample.attributes, op.attributes)
    wire = json.loads(json.dumps({name: to_json(value) for name, value in parsed.items()}, allow_nan=False))
    assert repr(parse_attributes(wire, op.attributes)) == repr(parsed)
    given = arrays_of(op, sample)
    once, again = (record(op, given, sample.attributes)[0] for _ in range(2))
    assert written(once) == written(again)


def written(tape: Tape) -> list[str]:
    """The attributes of every instruction, those of the functions that they hold too."""
    lines = []
    for step in tape.instructions:
        for name, value in step.attributes.items():
            lines += written(value) if isinstance(value, Tape) else [f"{step.op.name} {name}={value!r}"]
    return lines


@pytest.mark.parametrize("op", [pytest.param(op, id=op.name) for op in RECORDS])
def test_the_record_describes_itself(op: Op) -> None:
    described = json.loads(json.dumps(describe(op)))
    assert described["summary"].endswith(".")
    assert described["group"]
    assert len(described["inputs"]) == len(op.inputs)
    assert all(attribute["schema"] for attribute in described["attributes"].values())
    assert (op.kernel.forward is None) != (op.formula is None)
    namespace: dict[str, Any] = {"nan": np.nan, "inf": np.inf}
    signature = re.sub(r"\belse\b", "else_", op.signature)  # an attribute of cond, a keyword of Python
    exec(f"def {signature}: pass", namespace)
    declared = [name.removesuffix("_") for name in inspect.signature(namespace[op.name]).parameters]
    assert declared == [i.name for i in op.inputs] + [a.name for a in op.attributes]


@pytest.mark.parametrize(("op", "sample"), cases(lambda op: op.derivative.nonsmooth_at is not None))
def test_kinks_mark_elements(op: Op, sample: Sample) -> None:
    assert op.derivative.nonsmooth_at is not None
    given = arrays_of(op, sample)
    with np.errstate(all="ignore"):
        marked = op.derivative.nonsmooth_at(
            arrays.numpy_namespace(), *given, **bound_attributes(op, given, sample)
        )
    assert np.asarray(marked).dtype == np.bool_


# -- the checker -------------------------------------------------------------------------------------


def wrong_by_a_thousandth(op: Op, position: int) -> Op:
    """The op with one rule that answers 0.1 % too much: rules are linear in their cotangents."""
    if op.derivative.pullback is not None:
        right, single = op.derivative.pullback, position < len(op.inputs) - op.variadic

        def pulled(*args: Any, **attributes: Any) -> list[Any]:
            answers = list(right(*args, **attributes))
            places = [position] if single else range(position, len(answers))
            for place in places:
                answers[place] = _larger(answers[place])
            return answers

        return altered(op, pullback=pulled)
    parameter = op.inputs[position]
    rule = parameter.vjp
    assert callable(rule)
    first = int(parameter.variadic)  # the rule of a variadic input gets its place in front

    def wrong(*args: Any, **attributes: Any) -> Any:
        return rule(*args[:first], _larger(args[first]), *args[first + 1 :], **attributes)

    wronged = replace(parameter, vjp=wrong)
    return replace(op, inputs=(*op.inputs[:position], wronged, *op.inputs[position + 1 :]))


def _larger(g: Any) -> Any:
    if isinstance(g, tuple | list):
        return tuple(map(_larger, g))
    if isinstance(g, Accumulate):
        return Accumulate(lambda total: total + (g.add(total) - total) * 1.001)
    return None if g is None else g * 1.001 if dtypes.is_inexact(g.dtype) else g


RULES = [
    pytest.param(op, position, id=f"{op.name}-{position}")
    for op in RECORDS
    if op.samples.cases and op.kernel.forward is not None
    for position, parameter in enumerate(op.inputs)
    if not isinstance(parameter.vjp, NoGradient)
]


@pytest.mark.parametrize(("op", "position"), RULES)
def test_a_rule_that_is_wrong_by_a_thousandth_is_found(op: Op, position: int) -> None:
    """Every rule of the table, unless it has nothing to say at any sample."""
    wrong, says = wrong_by_a_thousandth(op, position), False
    for sample in op.samples.cases:
        given = arrays_of(op, sample)
        if len(given) <= position or not differentiable(op, position, given[position]):
            continue
        first = Derivative(op, given, sample.attributes)
        g = first.cotangents.get(f"x{position}")
        if g is None or not np.any(value_of(first.tape, g, first.inputs)):
            continue
        says = True
        try:
            check_first(wrong, given, sample.attributes)
        except AssertionError:
            return
    assert not says


def test_a_wrong_second_derivative_is_found() -> None:
    """A rule whose value is right and whose own derivative is not."""
    exp = TABLE["exp"]
    stopped = replace(exp.inputs[0], vjp=lambda g, y, x: g * (F.stop_gradient(0.001 * y) + 0.999 * y))
    op = replace(exp, inputs=(stopped,))
    sample = op.samples.cases[0]
    check_first(op, arrays_of(op, sample), sample.attributes)
    with pytest.raises(AssertionError, match="d/dx0"):
        check_second(op, arrays_of(op, sample), sample.attributes)


def test_a_wrong_shape_is_found() -> None:
    op = altered(TABLE["exp"], forward=lambda xp, x: xp.exp(x)[..., None], ufunc=None)
    given = [np.ones(3)]
    with pytest.raises(AssertionError, match="inferred"):
        run_checked(record(op, given, {})[0], named(given))


def test_an_undeclared_view_is_found() -> None:
    op = altered(TABLE["exp"], forward=lambda xp, x: x, ufunc=None)
    given = [np.ones(3)]
    with pytest.raises(AssertionError, match="shares memory"):
        run_checked(record(op, given, {})[0], named(given))


def test_a_kernel_that_writes_into_its_input_is_found() -> None:
    op = altered(TABLE["exp"], forward=lambda xp, x: xp.exp(x, out=x), ufunc=None)
    given = [np.ones(3)]
    with pytest.raises(ValueError, match="read-only"):
        run_checked(record(op, given, {})[0], named(given))


def test_differentiable_inputs_are_those_with_rules() -> None:
    assert differentiable(TABLE["getitem"], 0, np.ones(2))
    assert not differentiable(TABLE["getitem"], 1, np.ones(2))
