"""The backward walk: what it prunes, accumulates and refuses, whatever the rules of the ops."""

import numpy as np
import pytest

import engine.ops  # noqa: F401
from engine.dtypes import TensorType
from engine.ir.table import F
from engine.ir.tape import Tape
from engine.runtime.executors.numpy import run_tape
from engine.transforms.vjp import backward, ones


def tape_of(**shapes: tuple[int, ...]):
    tape = Tape()
    return tape, *(tape.input(name, TensorType(shape)) for name, shape in shapes.items())


def gradients(tape, target, *variables):
    adjoints = backward(tape, {target.slot: ones(tape, target)}, [v.slot for v in variables])
    return [adjoints.get(v.slot) for v in variables]


def test_a_tensor_used_twice_gathers_both_contributions():
    tape, x = tape_of(x=(3,))
    y = F.sum(x * x * x)
    (g,) = gradients(tape, y, x)
    tape.outputs = [g.slot]
    value = np.array([1.0, -2.0, 3.0])
    np.testing.assert_allclose(run_tape(tape, {"x": value})[0], 3 * value**2)


def test_broadcasting_is_undone_by_sums():
    tape, x, b, s = tape_of(x=(2, 3), b=(3,), s=())
    y = F.sum(x * b + s)
    tape.outputs = [g.slot for g in gradients(tape, y, b, s)]
    value = np.arange(6.0).reshape(2, 3)
    by_b, by_s = run_tape(tape, {"x": value, "b": np.zeros(3), "s": np.array(0.0)})
    np.testing.assert_allclose(by_b, value.sum(0))
    assert by_s.shape == ()
    assert by_s == 6.0


def test_what_wrt_does_not_need_is_not_recorded():
    tape, x, W = tape_of(x=(4, 5), W=(5, 3))
    y = F.sum(x @ W)
    before = len(tape.instructions)
    gradients(tape, y, W)
    names = [step.op.name for step in tape.instructions[before:]]
    assert names.count("matmul") == 1, "the product for x's gradient was recorded although nobody asked"


def test_no_path_leaves_the_variable_out():
    tape, x, unused = tape_of(x=(), unused=())
    y = x * 2
    g, nothing = gradients(tape, y, x, unused)
    assert nothing is None
    assert g.shape == ()


def test_a_second_walk_gives_the_second_derivative():
    tape, x = tape_of(x=(2,))
    (g,) = gradients(tape, F.sum(x**4), x)
    (h,) = gradients(tape, F.sum(g), x)
    tape.outputs = [h.slot]
    value = np.array([1.5, -0.5])
    np.testing.assert_allclose(run_tape(tape, {"x": value})[0], 12 * value**2)


def test_a_node_named_in_wrt_keeps_its_whole_adjoint():
    tape, x = tape_of(x=(3,))
    h = x * 2
    y = F.sum(h * h + h)
    g_h, g_x = gradients(tape, y, h, x)
    tape.outputs = [g_h.slot, g_x.slot]
    value = np.array([1.0, 2.0, 3.0])
    by_h, by_x = run_tape(tape, {"x": value})
    np.testing.assert_allclose(by_h, 2 * (2 * value) + 1)
    np.testing.assert_allclose(by_x, 2 * by_h)


def test_many_reads_of_one_tensor_accumulate_in_place():
    tape, x = tape_of(x=(50, 4))
    total = F.getitem(x, index=[0])
    for i in range(1, 50):
        total = total + F.getitem(x, index=[i]) * float(i)
    (g,) = gradients(tape, F.sum(total), x)
    tape.outputs = [g.slot]
    names = [step.op.name for step in tape.instructions]
    assert names.count("index_add") == 50
    expected = np.repeat(np.arange(50.0), 4).reshape(50, 4)
    expected[0] = 1
    np.testing.assert_allclose(run_tape(tape, {"x": np.ones((50, 4))})[0], expected)


def test_integers_and_booleans_carry_nothing():
    tape = Tape()
    x, k = tape.input("x", TensorType((3,))), tape.input("k", TensorType((3,), "int64"))
    y = F.sum(x * k)
    g, nothing = gradients(tape, y, x, k)
    assert nothing is None
    assert g.dtype == "float64"


def test_a_real_tensor_that_meets_complex_ones_takes_the_real_part():
    tape = Tape()
    x, z = tape.input("x", TensorType((2,))), tape.input("z", TensorType((3, 2), "complex128"))
    y = F.sum(F.real(x * z))
    found = gradients(tape, y, x, z)
    assert [g.type for g in found] == [x.type, z.type]
    tape.outputs = [g.slot for g in found]
    values = {"x": np.array([0.5, 2.0]), "z": np.arange(6).reshape(3, 2) * (1 + 2j)}
    by_x, by_z = run_tape(tape, values)
    np.testing.assert_array_equal(by_x, values["z"].real.sum(axis=0))
    np.testing.assert_array_equal(by_z, np.broadcast_to(values["x"], (3, 2)))


def test_real_walks_record_nothing_about_complex_numbers():
    tape, x = tape_of(x=(3,))
    gradients(tape, F.sum(F.exp(x) * x / (1 + F.square(x))), x)
    assert not {step.op.name for step in tape.instructions} & {"conj", "real", "imag", "complex", "astype"}


def test_a_long_chain_is_walked_without_recursion():
    tape, x = tape_of(x=())
    y = x
    for _ in range(5000):
        y = y * 1.0001
    (g,) = gradients(tape, y, x)
    tape.outputs = [g.slot]
    assert run_tape(tape, {"x": np.array(1.0)})[0] == pytest.approx(1.0001**5000)
