"""A resident plan returns what a plan for queries returns, and writes only its own arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import engine.ops  # noqa: F401
from engine.dtypes import TensorType
from engine.errors import IndexOutOfRange, Origin
from engine.ir.table import F
from engine.ir.tape import Tape, Variable
from engine.passes import lower
from engine.runtime.executors.blocks import BLOCK
from engine.runtime.executors.numpy import run_tape
from engine.runtime.executors.resident import ResidentPlan
from engine.runtime.plan import make_plan

LONG = 5 * BLOCK // 8 + 3  # float64: five blocks and a little


def checked(
    build: Callable[..., list[Variable]], sizes: dict[str, tuple[int, ...]], donated: dict[int, str]
) -> ResidentPlan:
    """Build, run twice both ways, compare bits; `donated` sends places among the outputs to inputs."""
    tape = Tape()
    variables = [tape.input(name, TensorType(shape)) for name, shape in sizes.items()]
    tape.outputs = [variable.slot for variable in build(*variables)]
    rng = np.random.default_rng(0)
    arrays = {name: rng.uniform(0.5, 1.5, shape) for name, shape in sizes.items()}
    expected = {name: array.copy() for name, array in arrays.items()}
    lowered = lower(tape)
    moves = {lowered.outputs[place]: lowered.inputs[name] for place, name in donated.items()}
    resident = ResidentPlan(make_plan(lowered), arrays, moves)
    for _ in range(2):
        answers = run_tape(tape, expected)
        free = [answer for place, answer in enumerate(answers) if place not in donated]
        for ours, theirs in zip(resident.run(), free, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        for place, name in donated.items():
            expected[name] = answers[place]
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, expected[name], err_msg=name)
    return resident


def adam(w: Any, m: Any, v: Any, g: Any, rate: Any) -> list[Any]:
    m = m + (g - m) * 0.1
    v = v + (F.square(g) - v) * 0.01
    return [w - rate * m / (F.sqrt(v) + 1e-7), m, v, F.sum(g)]


@pytest.mark.parametrize("size", [3, LONG])
def test_an_update_in_place_is_the_update(size: int) -> None:
    sizes = {"w": (size,), "m": (size,), "v": (size,), "g": (size,), "rate": ()}
    resident = checked(adam, sizes, {0: "w", 1: "m", 2: "v"})
    assert resident.copied == 0


def test_an_input_that_is_read_after_its_replacement_is_made_keeps_its_value_until_the_end() -> None:
    resident = checked(lambda w: [w * 2.0, F.sum(w)], {"w": (LONG,)}, {0: "w"})
    assert resident.copied == 1


@pytest.mark.parametrize("size", [3, LONG])
def test_a_rectified_update_is_written_in_place(size: int) -> None:
    resident = checked(lambda w, g: [F.relu(w - g * 2.0), F.sum(g)], {"w": (size,), "g": (size,)}, {0: "w"})
    assert resident.copied == 0


def test_whole_numbers_are_replaced_by_a_kernel_that_has_no_function_for_them() -> None:
    tape = Tape()
    count = tape.input("count", TensorType((3,), "int64"))
    tape.outputs = [F.floor(count + 1).slot]
    arrays = {"count": np.array([1, 2, 3])}
    lowered = lower(tape)
    plan = ResidentPlan(make_plan(lowered), arrays, {lowered.outputs[0]: lowered.inputs["count"]})
    for _ in range(2):
        plan.run()
    assert arrays["count"].tolist() == [3, 4, 5]


def test_inputs_may_change_places() -> None:
    checked(lambda a, b: [F.identity(b), F.identity(a)], {"a": (4,), "b": (4,)}, {0: "a", 1: "b"})


def test_a_replacement_may_read_its_input_back_to_front() -> None:
    checked(lambda w, g: [F.flip(w) + g], {"w": (LONG,), "g": (LONG,)}, {0: "w"})


def test_work_that_reads_another_works_result_back_to_front_is_not_done_in_blocks() -> None:
    checked(lambda a, b: [F.sum((F.flip(a * b) + a) * b)], {"a": (LONG,), "b": (LONG,)}, {})


def test_parts_of_a_concatenation_are_made_in_their_place() -> None:
    def build(a: Any, b: Any, c: Any) -> list[Any]:
        product = a @ b
        parts = [
            product.reshape((product.size,)),
            F.sum(c, axis=0),
            (c * 2.0).reshape((c.size,)),
            F.exp(F.getitem(c, index=(0,))),
        ]
        flat = F.concat(*parts)
        return [flat * flat, F.sum(product)]

    checked(build, {"a": (6, 3), "b": (3, 4), "c": (5, 2)}, {})


def test_a_part_used_twice_is_in_both_places() -> None:
    def build(a: Any, b: Any) -> list[Any]:
        part = a * b
        return [F.exp(F.concat(part, b, part))]

    checked(build, {"a": (4,), "b": (4,)}, {})


def test_a_reshape_that_has_to_copy_is_done_at_each_run() -> None:
    checked(lambda a: [F.permute_dims(a).reshape((12,)) + 1.0, a * 2.0], {"a": (3, 4)}, {1: "a"})


def test_an_error_names_the_users_node() -> None:
    tape = Tape()
    x, i = tape.input("x", TensorType((4,))), tape.input("i", TensorType((2,), "int64"))
    with tape.at(Origin("picked", "gather")):
        tape.outputs = [F.sum(F.gather(x * 2.0, i)).slot]
    arrays = {"x": np.ones(4), "i": np.array([0, 9])}
    plan = ResidentPlan(make_plan(lower(tape)), arrays, {})
    with pytest.raises(IndexOutOfRange) as caught:
        plan.run()
    assert caught.value.node == "picked"
    arrays["i"][1] = 3
    assert plan.run()[0] == 4
