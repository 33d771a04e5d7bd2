"""jvp, vjp, jacobian, hessian, hvp, gnvp and vmap of Python functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradwire as gw
from gradwire._tracing.structure import leaves
from gradwire.errors import InvalidTarget, TapeError

pytestmark = pytest.mark.usefixtures("client")

X = np.array([1.0, 2.0])


def rosenbrock(x: Any) -> Any:
    return gw.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def test_jvp_answers_value_and_tangent() -> None:
    value, tangent = gw.jvp(lambda x: x**2, (X,), (np.array([1.0, 0.0]),))
    assert isinstance(value, np.ndarray)
    np.testing.assert_array_equal(value, [1.0, 4.0])
    np.testing.assert_array_equal(tangent, [2.0, 0.0])
    value, tangent = gw.jvp(lambda x, y: {"p": x * y, "s": x + y}, (2.0, 3.0), (1.0, 10.0))
    assert value == {"p": 6.0, "s": 5.0}
    assert tangent == {"p": 23.0, "s": 11.0}


def test_vjp_pulls_back_as_often_as_wanted() -> None:
    value, pull = gw.vjp(lambda x, y: (x * y, gw.sum(x)), X, np.array([3.0, 4.0]))
    dx, dy = pull((np.array([1.0, 10.0]), 5.0))
    np.testing.assert_array_equal(dx, [8.0, 45.0])
    np.testing.assert_array_equal(dy, [1.0, 20.0])
    assert pull((np.zeros(2), 1.0))[0].tolist() == [1.0, 1.0]
    assert float(value[1]) == 3.0


def test_jacobian_blocks_have_both_shapes() -> None:
    a = np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(gw.jacobian(lambda x: a @ x)(X), a)
    np.testing.assert_array_equal(gw.jacobian(lambda x: a @ x, method="forward")(X), a)
    both = gw.jacobian(lambda x, y: {"z": x * y, "x": x}, argnums=(0, 1))(X, X)
    np.testing.assert_array_equal(both["z"][1], np.diag(X))
    np.testing.assert_array_equal(both["x"][1], np.zeros((2, 2)))


def test_hessian_of_arrays_and_structures() -> None:
    np.testing.assert_allclose(
        gw.hessian(rosenbrock)(X), [[1200.0 - 400 * 2.0 + 2.0, -400.0], [-400.0, 200.0]]
    )
    blocks = gw.hessian(lambda p: p["a"] ** 2 * gw.sum(p["b"]))({"a": np.float64(3.0), "b": X})
    assert blocks["a"]["a"] == 6.0
    np.testing.assert_array_equal(blocks["a"]["b"], [6.0, 6.0])
    np.testing.assert_array_equal(blocks["b"]["b"], np.zeros((2, 2)))


def test_products_with_hessians() -> None:
    v = np.array([1.0, -1.0])
    np.testing.assert_allclose(gw.hvp(rosenbrock)(X, v), gw.hessian(rosenbrock)(X) @ v)
    dx, dy = gw.hvp(lambda x, y: gw.sum(x**2 * y), argnums=(0, 1))(X, X, (v, v))
    np.testing.assert_allclose(dx, 2 * X * v + 2 * X * v)
    np.testing.assert_allclose(dy, 2 * X * v)
    a = np.arange(6.0).reshape(3, 2)
    np.testing.assert_allclose(gw.gnvp(lambda x: a @ x)(X, v), a.T @ a @ v)


def test_captured_variables_are_inputs_of_the_graph_and_not_differentiated_by() -> None:
    w = gw.Variable(3.0)
    for value in (3.0, 5.0):
        w.assign(value)
        np.testing.assert_array_equal(gw.jacobian(lambda x: w * x)(X), value * np.eye(2))


def test_second_order_of_several_numbers_is_refused() -> None:
    with pytest.raises(InvalidTarget):
        gw.hessian(lambda x: x**2)(X)


def test_products_are_recorded_inside_of_a_tape() -> None:
    w, v = gw.Variable([1.0, 2.0]), np.array([1.0, -1.0])
    with gw.GradientTape(persistent=True) as tape:
        _, moved = gw.jvp(lambda x: x**2 * w, (w,), (v,))
        _, pull = gw.vjp(lambda x: x**2, w)
        (pulled,) = pull(v)
        bent = gw.hvp(lambda x: gw.sum(x**3))(w, v)
        matrix = gw.hessian(lambda x: gw.sum(x**3))(w)
        normal = gw.gnvp(lambda x: x**2)(w, v)
    np.testing.assert_array_equal(moved, [2.0, -8.0])
    np.testing.assert_array_equal(tape.gradient(moved, w), 4 * w.numpy() * v)
    np.testing.assert_array_equal(tape.gradient(pulled, w), 2 * v)
    np.testing.assert_array_equal(tape.gradient(bent, w), 6 * v)
    np.testing.assert_array_equal(matrix, np.diag([6.0, 12.0]))
    np.testing.assert_array_equal(tape.gradient(matrix, w), [6.0, 6.0])
    np.testing.assert_array_equal(normal, [4.0, -16.0])
    with gw.GradientTape() as tape:
        both = gw.jacobian(lambda x, y: {"p": x * y, "s": gw.sum(x)}, argnums=(0, 1))(w, w)
        total = gw.sum(both["p"][0] ** 2) + gw.sum(both["s"][0])
    np.testing.assert_array_equal(both["p"][1], np.diag(w.numpy()))
    np.testing.assert_array_equal(both["s"][1], [0.0, 0.0])
    np.testing.assert_array_equal(tape.gradient(total, w), 2 * w.numpy())
    with gw.GradientTape(), pytest.raises(TapeError, match="sparse Jacobian"):
        gw.jacobian(lambda x: x, sparse=True)(X)
    with gw.GradientTape(), pytest.raises(TapeError, match="sparse Hessian"):
        gw.hessian(gw.sum, sparse=True)(X)


def test_a_hessian_of_structures_is_recorded_and_mapped() -> None:
    def f(p: Any, y: Any) -> Any:
        return p["a"] ** 2 * gw.sum(p["b"] * y)

    rows = np.arange(6.0).reshape(3, 2)
    blocks = gw.vmap(gw.hessian(f, argnums=(0, 1)))({"a": np.arange(3.0), "b": rows}, rows + 1)
    assert blocks[0]["a"][0]["b"].shape == (3, 2)
    assert blocks[1][0]["a"].shape == (3, 2)
    for k in range(3):
        alone = gw.hessian(f, argnums=(0, 1))({"a": np.float64(k), "b": rows[k]}, rows[k] + 1)
        for many, one in zip(leaves(blocks), leaves(alone), strict=True):
            np.testing.assert_allclose(many[k], one)


def test_vmap_of_a_function_and_of_its_gradient() -> None:
    rows, w = np.arange(6.0).reshape(3, 2), gw.Variable([1.0, 2.0])
    np.testing.assert_array_equal(gw.vmap(lambda x: gw.sum(x * w))(rows), rows @ [1.0, 2.0])
    np.testing.assert_array_equal(gw.vmap(gw.grad(lambda x: gw.sum(x**2 * w)))(rows), 2 * rows * [1.0, 2.0])
    blocks = gw.vmap(gw.hessian(rosenbrock))(rows)
    np.testing.assert_allclose(blocks[1], gw.hessian(rosenbrock)(rows[1]))


def test_vmap_along_other_axes() -> None:
    rows, shared = np.arange(6.0).reshape(2, 3), np.array([1.0, 10.0])
    found = gw.vmap(lambda x, y: x * y, in_axes=(1, None), out_axes=1)(rows, shared)
    np.testing.assert_array_equal(found, rows * shared[:, None])
    with pytest.raises(ValueError, match="an axis for each"):
        gw.vmap(lambda x, y: x, in_axes=(0,))(rows, shared)
    with pytest.raises(ValueError, match=r"`in_axes` among the axes .* \(2, 3\), got 2"):
        gw.vmap(lambda x: x, in_axes=2)(rows)
    with pytest.raises(ValueError, match=r"`out_axes` among the axes .* got 5"):
        gw.vmap(lambda x: x, out_axes=5)(rows)
    with gw.GradientTape() as tape:
        w = gw.Variable(shared)
        y = gw.vmap(lambda x: x * w, in_axes=1, out_axes=1)(rows)
    np.testing.assert_array_equal(tape.gradient(y, w), rows.sum(1))
    np.testing.assert_array_equal(y, rows * shared[:, None])


def test_vmap_of_vmap_is_an_outer_product() -> None:
    outer = gw.vmap(gw.vmap(lambda x, y: x * y, in_axes=(None, 0)), in_axes=(0, None))
    np.testing.assert_array_equal(outer(X, np.arange(3.0)), np.outer(X, np.arange(3.0)))


@pytest.mark.parametrize("transform", [gw.grad, gw.jacobian, gw.hessian])
@pytest.mark.parametrize("argnums", [1, -2, (0, 2)])
def test_arguments_that_are_not_there(transform: Any, argnums: Any) -> None:
    with pytest.raises(TypeError, match="`argnums` among 1 positional argument"):
        transform(rosenbrock, argnums)(X)


def test_arguments_from_the_end() -> None:
    last = gw.grad(lambda x, y: gw.sum(x * y**2), -1)(X, X)
    np.testing.assert_array_equal(last, 2 * X**2)
    np.testing.assert_array_equal(gw.hvp(lambda x, y: gw.sum(x * y**2), -1)(X, X, X), 2 * X * X)
