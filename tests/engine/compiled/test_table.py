"""Every op of the table, value and derivative, compiled against the NumPy plan."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import engine.ops  # noqa: F401  # fills the table
from engine import dtypes
from engine.errors import EngineError
from engine.ir.op import Op
from engine.ir.samples import Sample
from engine.ir.table import TABLE
from engine.runtime.executors.compiled.jit import is_available
from engine.transforms.vjp import backward
from tests.engine.compiled.differential import check_three_ways, numpy_ops
from tests.engine.sampling import Array, arrays_of, differentiable, named, record

pytestmark = pytest.mark.skipif(not is_available(), reason="the extra `compiled` is not installed")

CASES = [
    pytest.param(op, sample, id=f"{op.name}-{number}")
    for op in TABLE.values()
    for number, sample in enumerate(op.samples.cases)
]
HARD = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    1e-3,
    2.5,
    -3.5,
    30.0,
    -80.0,
    700.0,
    1e30,
    -1e30,
    1e-40,
    np.inf,
    -np.inf,
    np.nan,
]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("op", "sample"), CASES)
def test_value_and_gradient(op: Op, sample: Sample, dtype: str) -> None:
    arrays = arrays_of(op, sample, dtype)
    tape, outputs = record(op, arrays, sample.attributes)
    slots = [variable.slot for variable in outputs]
    rng = np.random.default_rng(7)
    seeds = {
        slot: tape.constant(rng.standard_normal(tape.types[slot].shape).astype(tape.types[slot].dtype))
        for slot in slots
        if dtypes.is_floating(tape.types[slot].dtype)
    }
    wrt = [tape.inputs[f"x{i}"] for i, array in enumerate(arrays) if differentiable(op, i, array)]
    if seeds and wrt:
        try:
            gradients = backward(tape, seeds, wrt)
            slots += [variable.slot for variable in gradients.values()]
        except EngineError:
            pass  # the op has no derivative
    tape.outputs = list(dict.fromkeys(slots))
    check_three_ways(tape, named(arrays))


ELEMENTWISE = [
    op for op in TABLE.values() if op.family.name == "elementwise" and op.kernel.scalar is not None
]


def _hard(op: Op, dtype: str) -> list[Array]:
    values = np.array(HARD, np.float64).astype(dtype)
    count = len(op.inputs)
    grid = np.meshgrid(*[values] * count) if count > 1 else [values]
    shaped: list[Any] = []
    for position, array in enumerate(grid):
        kind = op.input(position).kind
        shaped.append(array.ravel() > 0 if kind == "boolean" else array.ravel())
    return shaped


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("op", ELEMENTWISE, ids=lambda op: op.name)
def test_special_numbers(op: Op, dtype: str) -> None:
    """NaN, infinities, zeros, subnormals and huge numbers come out as in NumPy."""
    samples = [sample for sample in op.samples.cases if sample.attributes] or op.samples.cases
    if any(op.input(i).kind in ("index", "integer") for i in range(len(op.inputs))) or not samples:
        pytest.skip("takes integers")
    with np.errstate(all="ignore"):
        arrays = _hard(op, dtype)
    if len(op.inputs) > 2:
        arrays = [array[::7] for array in arrays]
    tape, outputs = record(op, arrays, samples[0].attributes)
    tape.outputs = [variable.slot for variable in outputs]
    check_three_ways(tape, named(arrays))


@pytest.mark.parametrize("op", ELEMENTWISE, ids=lambda op: op.name)
def test_integers_and_booleans(op: Op) -> None:
    for dtype in ("int64", "int32", "bool"):
        rng = np.random.default_rng(3)
        arrays = [rng.integers(0, 2 if dtype == "bool" else 9, (5, 7)).astype(dtype) for _ in op.inputs]
        try:
            tape, outputs = record(op, arrays, op.samples.cases[0].attributes)
        except EngineError:
            continue
        tape.outputs = [variable.slot for variable in outputs]
        check_three_ways(tape, named(arrays))


def test_most_elementwise_ops_are_compiled() -> None:
    """So that the other tests of this file do not compare NumPy with itself."""
    native = set()
    for op in ELEMENTWISE:
        arrays = arrays_of(op, op.samples.cases[0])
        tape, outputs = record(op, arrays, op.samples.cases[0].attributes)
        tape.outputs = [variable.slot for variable in outputs]
        if op.name not in numpy_ops(check_three_ways(tape, named(arrays))):
            native.add(op.name)
    assert len(native) > 80, sorted({op.name for op in ELEMENTWISE} - native)
