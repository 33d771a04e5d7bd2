"""A reshape copies exactly if its record says so: views of views are followed, and copies are estimated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import engine.ops  # noqa: F401  # fills the table
from engine import arrays
from engine.dtypes import TensorType
from engine.ir.table import F
from engine.ir.tape import Tape
from engine.ops.shaping.layout import in_c_order
from engine.runtime.executors.numpy import run_tape
from engine.runtime.plan import make_plan

VIEWS = (
    F.permute_dims,
    lambda x: F.expand_dims(x, axis=0),
    F.squeeze,
    lambda x: F.flip(x, axis=0),
    lambda x: F.broadcast_to(x, shape=(2, *x.shape)),
    lambda x: F.getitem(x, index=(slice(0, 1),)),
    lambda x: F.getitem(x, index=(0,)),
    lambda x: F.getitem(x, index=(..., slice(0, 1))),
    lambda x: F.getitem(x, index=(slice(None, None, -1),)),
    lambda x: F.swapaxes(x, axis1=0, axis2=-1),
    F.diagonal,
    lambda x: x.reshape((x.size,)),
    lambda x: x.reshape((x.size, 1)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(VIEWS), max_size=6), st.sampled_from([(2, 3, 4), (1, 3), (2, 1, 2), (3, 3)]))
def test_what_is_known_of_the_order_is_true(views: list[Any], shape: tuple[int, ...]) -> None:
    tape = Tape()
    x = tape.input("x", TensorType(shape))
    for view in views:
        while x.ndim < 2:
            x = F.expand_dims(x, axis=0)
        x = view(x)
    reshaped = x.reshape((x.size, 1, 1))
    tape.outputs = [x.slot, reshaped.slot]
    values = run_kernels(tape, np.arange(np.prod(shape), dtype=float).reshape(shape))
    array, flat = values[x.slot], values[reshaped.slot]
    if in_c_order(x):
        assert array.flags.c_contiguous
    copies = tape.instructions[-1].attributes.get("copy", False)
    if array.size > 1 and reshaped is not x:
        assert np.shares_memory(array, flat) == (not copies)


def run_kernels(tape: Tape, x: Any) -> dict[int, Any]:
    values = {tape.inputs["x"]: x}
    for step in tape.instructions:
        assert step.op.kernel.forward is not None
        operands = [values[slot] for slot in step.inputs]
        values[step.outputs[0]] = np.asarray(
            step.op.kernel.forward(arrays.numpy_namespace(), *operands, **step.attributes)
        )
    return values


@pytest.mark.parametrize("shape", [(10**5, 10**5), (10**4, 10**6)])
def test_the_copy_of_a_broadcast_is_in_the_estimate(shape: tuple[int, int]) -> None:
    tape = Tape()
    x = tape.input("x", TensorType((1,)))
    tape.outputs = [F.sum(x.broadcast_to(shape).reshape((10**10,))).slot]
    assert make_plan(tape).estimate.peak_bytes >= 8 * 10**10


def test_a_reshape_of_what_lies_in_order_is_free() -> None:
    tape = Tape()
    x = tape.input("x", TensorType((1000, 1000)))
    y = F.getitem(x * 2.0, index=(slice(10, 20),)).reshape((100, 100))
    tape.outputs = [F.sum(y).slot]
    step = next(step for step in tape.instructions if step.op.name == "reshape")
    assert step.op.kernel.is_view(step.attributes)
    np.testing.assert_array_equal(run_tape(tape, {"x": np.ones((1000, 1000))}), [20000])


def test_a_copy_can_be_asked_for() -> None:
    tape = Tape()
    x = tape.input("x", TensorType((2, 3)))
    y = F.reshape(x, shape=(6,), copy=True)
    tape.outputs = [y.slot]
    values = run_kernels(tape, np.zeros((2, 3)))
    assert not np.shares_memory(values[x.slot], values[y.slot])
