"""Complex variables in Python: tapes, transforms and optimisers, with PyTorch's convention."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradwire as gw
from gradwire.errors import InvalidTarget, NotHolomorphic

pytestmark = pytest.mark.usefixtures("client")

Z = np.array([1 + 2j, 0.5 - 1j])
X = np.array([0.3, 2.0])


def length(z: Any) -> Any:
    return gw.sum(gw.abs(z) ** 2)


def test_a_tape_with_real_and_complex_variables() -> None:
    z, x = gw.Variable(Z, name="z"), gw.Variable(X, name="x")
    with gw.GradientTape(persistent=True) as tape:
        y = gw.complex(gw.real(z), x) * z
        loss = length(y)
    by_z, by_x = tape.gradient(loss, [z, x])
    assert by_z.dtype == np.complex128
    assert by_x.dtype == np.float64
    a, b = Z.real, Z.imag
    expected = 2 * a * (a * a + b * b) + (a * a + X * X) * 2 * (a + 1j * b)
    np.testing.assert_allclose(by_z.numpy(), expected)
    np.testing.assert_allclose(by_x.numpy(), 2 * X * np.abs(Z) ** 2)
    assert "z: ok" in str(tape.explain(loss, z))


def test_a_cotangent_of_a_complex_target() -> None:
    z, w = gw.Variable(Z), np.array([1j, 2 - 1j])
    with gw.GradientTape(persistent=True) as tape:
        y = gw.exp(z)
    np.testing.assert_allclose(tape.gradient(y, z, output_gradients=w).numpy(), np.exp(Z).conj() * w)
    with pytest.raises(InvalidTarget, match="complex128"):
        tape.gradient(gw.sum(y), z)


def test_tapes_within_tapes() -> None:
    z = gw.Variable(Z)
    with gw.GradientTape() as outer:
        with gw.GradientTape() as inner:
            loss = gw.sum(gw.abs(z) ** 4)
        slope = inner.gradient(loss, z)
        penalty = length(slope)
    np.testing.assert_allclose(outer.gradient(penalty, z).numpy(), 96 * np.abs(Z) ** 4 * Z)


def test_transforms() -> None:
    def f(z: Any) -> Any:
        return gw.sum(gw.abs(gw.exp(z)) ** 2)

    slope = 2 * np.exp(2 * Z.real)  # of exp(2 Re z)
    np.testing.assert_allclose(gw.grad(f)(Z), slope, atol=1e-12)
    rows = np.stack([Z, 2 * Z])
    np.testing.assert_allclose(gw.vmap(gw.grad(f))(rows), 2 * np.exp(2 * rows.real), atol=1e-11)
    v = np.array([1j, 1.0])
    np.testing.assert_allclose(gw.hvp(f)(Z, v), 2 * slope * v.real, atol=1e-12)
    value, pushed = gw.jvp(gw.exp, (Z,), (v,))
    np.testing.assert_allclose(pushed, value * v)
    _, pull = gw.vjp(gw.exp, Z)
    np.testing.assert_allclose(pull(v)[0], np.exp(Z).conj() * v)
    np.testing.assert_allclose(gw.jacobian(gw.exp)(Z), np.diag(np.exp(Z)), atol=1e-15)


def test_a_jacobian_for_each_row_and_inside_a_tape() -> None:
    rows = np.stack([Z, 2 * Z])
    expected = np.stack([np.diag(np.exp(row)) for row in rows])
    np.testing.assert_allclose(gw.vmap(gw.jacobian(gw.exp))(rows), expected, atol=1e-15)
    z = gw.Variable(Z)
    with gw.GradientTape() as tape:
        loss = gw.sum(gw.abs(gw.jacobian(gw.exp)(z)) ** 2)  # exp(2 Re z), summed
    np.testing.assert_allclose(tape.gradient(loss, z).numpy(), 2 * np.exp(2 * Z.real), atol=1e-12)


def test_what_has_no_complex_derivative_says_so_at_the_users_line() -> None:
    with pytest.raises(NotHolomorphic, match="conj is not holomorphic") as caught:
        gw.jacobian(lambda z: z * gw.conj(z))(Z)
    assert "test_complex.py" in str(caught.value)
    with pytest.raises(NotHolomorphic, match="hvp"):
        gw.hessian(length)(Z)


def test_a_custom_gradient_answers_the_conjugate() -> None:
    @gw.custom_gradient
    def squared(z: Any) -> Any:
        def grad(dy: Any) -> Any:
            return gw.conj(2 * z) * dy

        return z * z, grad

    np.testing.assert_allclose(gw.grad(lambda z: gw.real(gw.sum(squared(z))))(Z), (2 * Z).conj())


def test_a_complex_root() -> None:
    def energy(a: Any) -> Any:
        return gw.abs(gw.root(lambda z: z**3 - a, 1 + 0.5j)) ** 2

    a = np.array(2 - 1j)  # |a^(1/3)|² = |a|^(2/3)
    np.testing.assert_allclose(gw.grad(energy)(a), 2 / 3 * np.abs(a) ** (-4 / 3) * a)


@pytest.mark.parametrize("optimizer", [gw.optimizers.SGD, gw.optimizers.Adam, gw.optimizers.RMSprop])
def test_optimisers_step_real_and_imaginary_parts(optimizer: Any) -> None:
    start = np.array([3 - 1j, 0.5j])
    z, a, b = gw.Variable(start), gw.Variable(start.real), gw.Variable(start.imag)
    whole, parts = optimizer(0.05), optimizer(0.05)
    for _ in range(5):
        with gw.GradientTape(persistent=True) as tape:
            loss = length(z - (1 + 2j)) + gw.sum((a - 1) ** 2) + gw.sum((b - 2) ** 2)
        by_z, by_a, by_b = tape.gradient(loss, [z, a, b])
        whole.apply_gradients([(by_z, z)])
        parts.apply_gradients([(by_a, a), (by_b, b)])
    np.testing.assert_allclose(z.numpy(), a.numpy() + 1j * b.numpy(), rtol=1e-12)


def test_a_scalar_variable_descends() -> None:
    z, optimizer = gw.Variable(4 + 0j), gw.optimizers.SGD(0.2)
    for _ in range(60):
        with gw.GradientTape() as tape:
            loss = gw.abs(z - (1 - 2j)) ** 2
        optimizer.apply_gradients([(tape.gradient(loss, z), z)])
    np.testing.assert_allclose(z.numpy(), 1 - 2j, rtol=1e-6)
