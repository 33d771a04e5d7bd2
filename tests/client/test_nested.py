"""Tapes within tapes: gradients that are recorded, and differentiated again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradwire as gw
from gradwire.errors import TapeError

pytestmark = pytest.mark.usefixtures("client")


def test_a_second_derivative_by_two_tapes() -> None:
    x = gw.Variable(3.0)
    with gw.GradientTape() as outer:
        with gw.GradientTape() as inner:
            y = x**3
        slope = inner.gradient(y, x)
    assert float(outer.gradient(slope, x)) == 18.0
    assert float(slope) == 27.0


def test_third_derivatives() -> None:
    x = gw.Variable(2.0)
    with gw.GradientTape() as first:
        with gw.GradientTape() as second:
            with gw.GradientTape() as third:
                y = x**4
            d1 = third.gradient(y, x)
        d2 = second.gradient(d1, x)
    assert float(first.gradient(d2, x)) == 48.0


def test_a_gradient_goes_on_in_the_outer_loss() -> None:
    """The penalty on a gradient's length that Wasserstein networks are trained with."""
    w, x = gw.Variable([2.0, 3.0], name="w"), gw.constant([1.0, 4.0])
    with gw.GradientTape() as outer:
        with gw.GradientTape() as inner:
            inner.watch(x)
            score = gw.sum((w * x) ** 2)
        slope = inner.gradient(score, x)
        loss = gw.sum(slope**2)
    np.testing.assert_allclose(outer.gradient(loss, w), 16 * np.array([2.0, 3.0]) ** 3 * [1.0, 16.0])
    np.testing.assert_allclose(slope, [8.0, 72.0])


def test_the_outer_tape_sees_what_the_inner_one_recorded() -> None:
    x = gw.Variable(3.0)
    with gw.GradientTape() as outer:
        with gw.GradientTape() as inner:
            y = x * x
        z = y * y
    assert float(inner.gradient(y, x)) == 6.0
    assert float(outer.gradient(z, x)) == 108.0


def test_what_the_inner_tape_does_not_know_is_a_constant_to_it_alone() -> None:
    x = gw.Variable(2.0)
    with gw.GradientTape() as outer:
        factor = x * 3.0
        with gw.GradientTape() as inner:
            y = factor * x
        slope = inner.gradient(y, x)
    assert float(slope) == 6.0
    assert float(outer.gradient(slope, x)) == 3.0


def test_a_value_read_between_keeps_its_place_on_the_outer_tape() -> None:
    x = gw.Variable(2.0)
    with gw.GradientTape() as outer:
        with gw.GradientTape() as inner:
            y = x**3
        slope = inner.gradient(y, x)
        assert float(slope) == 12.0
        z = slope * y
    assert float(outer.gradient(z, x)) == pytest.approx(15 * 16.0)


def test_a_persistent_tape_asked_in_its_own_block_records_the_gradient() -> None:
    w = gw.Variable(3.0)
    with gw.GradientTape(persistent=True) as tape:
        y = w * w
        inner = tape.gradient(y, w)
        z = y + inner**2
    assert float(inner) == 6.0
    assert float(tape.gradient(z, w)) == 30.0


def test_a_tape_that_is_asked_in_its_own_block_stops_recording() -> None:
    w = gw.Variable(3.0)
    with gw.GradientTape() as tape:
        y = w * w
        slope = tape.gradient(y, w)
        assert slope * w is not None
    assert float(slope) == 6.0
    with pytest.raises(TapeError, match="persistent=True"):
        tape.gradient(y, w)
    with gw.GradientTape() as another:
        z = w * slope
    assert float(another.gradient(z, w)) == 6.0


def test_structures_missing_gradients_and_variables_assigned_on_the_way() -> None:
    w, idle = gw.Variable(2.0), gw.Variable([1.0, 2.0])
    with gw.GradientTape() as outer:
        with gw.GradientTape(persistent=True) as inner:
            y = w * 3.0
            w.assign(5.0)
            y = y + w * w
            square = y * y
        found = inner.gradient(y, {"w": w, "idle": [idle]})
        zeros = inner.gradient(y, idle, unconnected_gradients="zero")
        by_y = inner.gradient(square, [y, w])
    assert found["idle"] == [None]
    assert float(found["w"]) == 13.0
    np.testing.assert_array_equal(zeros, [0.0, 0.0])
    assert [float(g) for g in by_y] == [62.0, 62.0 * 13.0]
    with pytest.warns(UserWarning, match="2 values"):
        assert float(outer.gradient(found["w"], w)) == 2.0


def test_output_gradients_and_targets_of_several_elements() -> None:
    w = gw.Variable([1.0, 2.0])
    with gw.GradientTape():
        with gw.GradientTape(persistent=True) as inner:
            y = w**3
        whole = inner.gradient(y, w)
        weighed = inner.gradient(y, w, output_gradients=[1.0, 10.0])
    np.testing.assert_array_equal(whole, [3.0, 12.0])
    np.testing.assert_array_equal(weighed, [3.0, 120.0])


def test_a_tape_cannot_be_entered_twice_at_once() -> None:
    tape = gw.GradientTape(persistent=True)
    with tape, pytest.raises(TapeError, match="recording already"), tape:
        pass
    with tape:
        y = gw.Variable(1.0) * 2.0
    assert tape.gradient(y, []) == []


def test_grad_of_grad() -> None:
    assert gw.grad(gw.grad(lambda x: x**3))(2.0) == 12.0

    def f(x: Any, y: Any) -> Any:
        return x**2 * y

    mixed = gw.grad(lambda x, y: gw.grad(f, argnums=(0, 1))(x, y)[1])
    assert mixed(3.0, 5.0) == 6.0
    value, slope = gw.value_and_grad(lambda x: gw.value_and_grad(lambda z: z**3)(x)[1] * x)(2.0)
    assert (value, slope) == (24.0, 36.0)


def test_grad_inside_a_tape() -> None:
    w = gw.Variable(2.0)
    with gw.GradientTape() as tape:
        y = gw.grad(lambda x: x**2 * w)(w * 1.0)
    assert float(y) == 8.0
    assert float(tape.gradient(y, w)) == 8.0


def test_a_tape_inside_a_function_with_a_gradient_of_its_own() -> None:
    @gw.custom_gradient
    def energy(x: Any) -> Any:
        with gw.GradientTape() as tape:
            tape.watch(x)
            y = x**3
        return tape.gradient(y, x), lambda dy: dy * 100.0

    x = gw.Variable(2.0)
    with gw.GradientTape() as tape:
        y = energy(x)
    assert float(tape.gradient(y, x)) == 100.0
    assert float(y) == 12.0


def test_jacobian_of_a_tape() -> None:
    x, a = gw.Variable([1.0, 2.0]), gw.Variable([[1.0, 2.0], [3.0, 4.0]])
    idle = gw.Variable([1.0, 2.0, 3.0])
    with gw.GradientTape(persistent=True) as tape:
        y = a @ x
    by_x, by_a, by_idle = tape.jacobian(y, [x, a, idle])
    np.testing.assert_array_equal(by_x, [[1.0, 2.0], [3.0, 4.0]])
    assert by_a.shape == (2, 2, 2)
    assert by_idle is None
    assert tape.jacobian(y, idle, unconnected_gradients="zero").shape == (2, 3)
    with gw.GradientTape(), pytest.raises(TapeError, match="sparse Jacobian"):
        tape.jacobian(y, x, sparse=True)


def test_a_jacobian_is_recorded_by_an_outer_tape() -> None:
    x, idle = gw.Variable([1.0, 2.0]), gw.Variable([1.0, 2.0, 3.0])
    with gw.GradientTape(persistent=True) as outer:
        with gw.GradientTape(persistent=True) as inner:
            y = gw.stack([x[0] * x[1], x[0] ** 3, gw.sum(x)])
        by_x, by_idle = inner.jacobian(y, [x, idle])
        none = inner.jacobian(y, idle, unconnected_gradients="zero")
        size = gw.sum(by_x**2)
    np.testing.assert_array_equal(by_x.numpy(), [[2.0, 1.0], [3.0, 0.0], [1.0, 1.0]])
    assert by_idle is None
    np.testing.assert_array_equal(none.numpy(), np.zeros((3, 3)))
    np.testing.assert_array_equal(outer.gradient(size, x), [2.0 + 36.0, 4.0])


def test_the_hessian_as_tensorflow_writes_it() -> None:
    x = gw.Variable([1.0, 2.0])
    with gw.GradientTape() as outer:
        with gw.GradientTape() as inner:
            y = gw.sum(x**3) + x[0] * x[1]
        slope = inner.gradient(y, x)
    np.testing.assert_array_equal(outer.jacobian(slope, x), [[6.0, 1.0], [1.0, 12.0]])
