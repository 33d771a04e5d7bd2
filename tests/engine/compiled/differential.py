"""A tape run three ways: compiled, by the NumPy plan, and without any optimisation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine import dtypes
from engine.ir.tape import Tape
from engine.passes import lower, optimize
from engine.runtime.executors.compiled.nodes import NumpyStep
from engine.runtime.executors.compiled.plans import CompiledPlan
from engine.runtime.executors.numpy import BoundPlan
from engine.runtime.plan import make_plan

Array = np.ndarray[Any, Any]


def close(ours: Array, theirs: Array, *, scale: float = 1.0) -> None:
    """Whether two results are the same up to rounding; dtypes, shapes, NaN and infinities to the letter."""
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    if not dtypes.is_inexact(theirs.dtype.name):
        np.testing.assert_array_equal(ours, theirs)
        return
    single = theirs.dtype in (np.float32, np.complex64)
    finite = np.abs(theirs[np.isfinite(theirs)])
    largest = float(finite.max()) if finite.size else 1.0
    rtol, atol = (2e-5, 2e-6) if single else (1e-12, 1e-13)
    np.testing.assert_allclose(ours, theirs, rtol=rtol * scale, atol=atol * scale * max(1.0, largest))


def check_three_ways(tape: Tape, inputs: Mapping[str, Array], *, scale: float = 1.0) -> CompiledPlan:
    """Run a tape compiled, planned and unoptimised, and compare; LLVM verifies the code."""
    optimized = optimize(tape)
    values = {name: inputs[name] for name in optimized.inputs}
    before = {name: array.copy() for name, array in values.items()}
    compiled = CompiledPlan(make_plan(optimized), verify=True)
    with np.errstate(all="ignore"):
        planned = BoundPlan(make_plan(optimized)).run(values)
        unoptimised = BoundPlan(make_plan(lower(tape))).run({name: inputs[name] for name in tape.inputs})
        for _ in range(2):  # the second run meets memory that the first has used
            answers = compiled.run(values)
            for ours, theirs, plain in zip(answers, planned, unoptimised, strict=True):
                close(ours, theirs, scale=scale)
                close(ours, plain, scale=10 * scale)
                assert ours.flags.carray
                assert not any(np.may_share_memory(ours, array) for array in values.values())
    for name, array in values.items():
        np.testing.assert_array_equal(array, before[name])
    return compiled


def numpy_ops(compiled: CompiledPlan) -> list[str]:
    """The ops that NumPy computes."""
    program = compiled._program
    calls = [call for call in program.code.calls if isinstance(call, NumpyStep)]
    return [program.plan.steps[call.index].instruction.op.name for call in calls]
