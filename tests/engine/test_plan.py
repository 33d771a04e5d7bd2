"""Plans: what lives where, what is reused, what is copied; and that passes change no bit."""

import numpy as np
import pytest

import engine.ops  # noqa: F401
from engine.arrays import numpy_namespace
from engine.dtypes import TensorType
from engine.ir.table import TABLE, F
from engine.ir.tape import Tape
from engine.passes import lower, optimize
from engine.runtime.executors.numpy import BoundPlan
from engine.runtime.plan import make_plan
from engine.transforms.vjp import backward, ones


def chain(length: int, shape: tuple[int, ...]) -> Tape:
    tape = Tape()
    x = tape.input("x", TensorType(shape))
    y = x
    for i in range(length):
        y = y * (1.0 + i)
    tape.outputs = [F.sum(y).slot]
    return tape


def test_a_chain_of_any_length_uses_one_buffer():
    plan = make_plan(lower(chain(40, (1000,))))
    assert len(plan.buffers) == 1
    assert plan.buffers[0] == 8000


def test_peak_bytes_hold_for_what_is_alive_and_not_for_what_was():
    short, long = (make_plan(lower(chain(n, (1000,)))).estimate for n in (5, 500))
    assert long.peak_bytes < short.peak_bytes + 500 * 8 * 2
    assert long.flops > 80 * short.flops


def test_answers_are_the_callers_own():
    tape = Tape()
    x = tape.input("x", TensorType((2, 3)))
    tape.outputs = [x.slot, F.permute_dims(x).slot, tape.constant(np.ones(3)).slot, (x + 1).slot]
    bound = BoundPlan(make_plan(lower(tape)))
    value = np.arange(6.0).reshape(2, 3)
    first = bound.run({"x": value})
    for answer in first:
        assert answer.flags.writeable
        assert answer.flags.c_contiguous
        assert not np.shares_memory(answer, value)
        answer[...] = -1
    second = bound.run({"x": value})
    np.testing.assert_array_equal(second[1], value.T)
    np.testing.assert_array_equal(second[2], np.ones(3))
    np.testing.assert_array_equal(value, np.arange(6.0).reshape(2, 3))


def test_inputs_are_never_written_even_by_in_place_kernels():
    tape = Tape()
    x, v = tape.input("x", TensorType((4, 2))), tape.input("v", TensorType((2,)))
    once = F.index_add(x, v, index=[1])
    twice = F.index_add(once, v, index=[1])
    tape.outputs = [twice.slot]
    value = np.zeros((4, 2))
    (answer,) = BoundPlan(make_plan(lower(tape))).run({"x": value, "v": np.ones(2)})
    assert not value.any()
    np.testing.assert_array_equal(answer[1], [2, 2])


def test_an_in_place_kernel_spares_a_value_that_is_read_later():
    tape = Tape()
    x, v = tape.input("x", TensorType((3,))), tape.input("v", TensorType(()))
    y = x * 2
    changed = F.index_add(y, v, index=[0])
    tape.outputs = [(y + changed).slot]
    (answer,) = BoundPlan(make_plan(lower(tape))).run({"x": np.ones(3), "v": np.array(5.0)})
    np.testing.assert_array_equal(answer, [9, 4, 4])


def test_a_buffer_lives_while_a_view_of_it_does():
    tape = Tape()
    x = tape.input("x", TensorType((2, 3)))
    base = x + 1
    view = F.permute_dims(base)
    others = x
    for i in range(6):
        others = others * float(i + 2)
    tape.outputs = [F.sum(F.permute_dims(view) * others).slot]
    value = np.arange(6.0).reshape(2, 3)
    (answer,) = BoundPlan(make_plan(lower(tape))).run({"x": value})
    assert answer == pytest.approx(np.sum((value + 1) * value * 5040))


def test_passes_change_no_bit():
    rng = np.random.default_rng(0)
    tape = Tape()
    x, W = tape.input("x", TensorType((5, 4))), tape.input("W", TensorType((4, 3)))
    h = x @ W
    y = F.mean((h * h + h * h) / (1.0 + h**2)) * 1.0
    adjoints = backward(tape, {y.slot: ones(tape, y)}, [x.slot, W.slot])
    tape.outputs = [y.slot, *(g.slot for g in adjoints.values())]
    values = {"x": rng.normal(size=(5, 4)), "W": rng.normal(size=(4, 3))}
    plain, optimized = lower(tape), optimize(tape)
    assert len(optimized.instructions) < len(plain.instructions)
    for a, b in zip(
        BoundPlan(make_plan(plain)).run(values), BoundPlan(make_plan(optimized)).run(values), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_a_large_buffer_that_dies_in_a_kernel_of_its_own_memory_is_there_again_in_the_next_run():
    tape = Tape()
    x = tape.input("x", TensorType((1000,)))
    tape.outputs = [F.sum(F.relu(x * 2.0)).slot]
    bound = BoundPlan(make_plan(lower(tape)))
    for k in (1.0, 2.0, 3.0):
        (answer,) = bound.run({"x": np.full(1000, k)})
        assert answer == 2000 * k


def test_a_bound_plan_serves_many_runs_and_threads():
    from concurrent.futures import ThreadPoolExecutor

    bound = BoundPlan(make_plan(lower(chain(10, (500,)))))
    expected = float(np.prod(np.arange(1.0, 11))) * 500

    def run(k: int) -> bool:
        (answer,) = bound.run({"x": np.full(500, float(k))})
        return bool(np.isclose(answer, expected * k))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(run, range(200)))


def test_what_a_record_calls_a_universal_function_is_one():
    """Else the plan gives it a buffer that the kernel cannot write into, and the estimate misses a copy."""
    named = {op.name: op.kernel.ufunc for op in TABLE.values() if op.kernel.ufunc}
    assert len(named) > 30
    assert [
        name for name, ufunc in named.items() if not isinstance(getattr(numpy_namespace(), ufunc), np.ufunc)
    ] == []


def test_an_in_place_kernel_writes_into_what_another_kernel_answered_as_a_scalar():
    """NumPy's kernels answer 0-d results as scalars, which do not take item assignment."""
    tape = Tape()
    x, v = tape.input("x", TensorType((3,))), tape.input("v", TensorType(()))
    total = F.sum(x)
    tape.outputs = [F.index_add(total, v, index=[]).slot, F.index_set(F.max(x), v, index=[]).slot]
    added, written = BoundPlan(make_plan(lower(tape))).run({"x": np.arange(3.0), "v": np.array(4.0)})
    assert (added, written) == (7.0, 4.0)
