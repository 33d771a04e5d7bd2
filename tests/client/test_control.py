"""Loops, branches, maps and checkpoints of Python functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradwire as gw
from gradwire.errors import TraceError

pytestmark = pytest.mark.usefixtures("client")


def test_scan_carries_and_stacks() -> None:
    last, sums = gw.scan(lambda total, x: (total + x, total), 0.0, np.array([1.0, 2.0, 3.0]))
    assert float(last) == 6.0
    np.testing.assert_array_equal(sums, [0.0, 1.0, 3.0])
    last, _ = gw.scan(lambda total, _: (total * 2.0, None), 1.0, length=5)
    assert float(last) == 32.0
    _, back = gw.scan(lambda total, x: (total + x, total), 0.0, np.array([1.0, 2.0, 3.0]), reverse=True)
    np.testing.assert_array_equal(back, [5.0, 3.0, 0.0])


def test_scan_of_structures_reaches_captured_variables() -> None:
    w, b = gw.Variable([[0.5, 0.1], [0.2, 0.3]], name="w"), gw.Variable([0.0, 1.0], name="b")
    xs = {"x": np.arange(6.0).reshape(3, 2) / 10, "scale": np.array([1.0, 0.5, 2.0])}

    def cell(state: Any, row: Any) -> Any:
        h, count = state
        h = gw.tanh(h @ w + row["x"] * row["scale"] + b)
        return (h, count + 1.0), {"h": h, "none": None}

    with gw.GradientTape() as tape:
        (h, count), ys = gw.scan(cell, (np.zeros(2), np.float64(0.0)), xs)
        loss = gw.sum(h) + gw.sum(ys["h"] ** 2)
    dw, db = tape.gradient(loss, [w, b])
    assert float(count) == 3.0
    assert ys["none"] is None
    assert ys["h"].shape == (3, 2)

    def by_hand(wv: Any, bv: Any) -> Any:
        h, total = np.zeros(2), 0.0
        for x, s in zip(xs["x"], xs["scale"], strict=True):
            h = np.tanh(h @ wv + x * s + bv)
            total += np.sum(h**2)
        return np.sum(h) + total

    step = 1e-6 * np.array([[0.0, 1.0], [0.0, 0.0]])
    slope = (by_hand(w.numpy() + step, b.numpy()) - by_hand(w.numpy() - step, b.numpy())) / 2e-6
    assert float(loss) == pytest.approx(by_hand(w.numpy(), b.numpy()))
    assert dw.numpy()[0, 1] == pytest.approx(slope, rel=1e-6)
    assert db.shape == (2,)


def test_newtons_method_in_a_while_loop() -> None:
    a = gw.Variable(2.0)

    def newton(state: Any) -> Any:
        x, _ = state
        new = 0.5 * (x + a / x)
        return new, gw.abs(new - x)

    with gw.GradientTape() as tape:
        root, _ = gw.while_loop(
            lambda state: state[1] > 1e-12, newton, (np.float64(1.0), np.float64(1.0)), max_steps=50
        )
    assert float(tape.gradient(root, a)) == pytest.approx(0.5 / np.sqrt(2.0))
    assert float(root) == pytest.approx(np.sqrt(2.0))


@pytest.mark.filterwarnings("ignore::gradwire.errors.GradientWarning")
def test_cond_runs_one_branch() -> None:
    w, v = gw.Variable(3.0), gw.Variable(5.0)
    for given, expected in ((2.0, [2.0, 0.0]), (-2.0, [0.0, -2.0])):
        x = gw.constant(given)
        with gw.GradientTape() as tape:
            y = gw.cond(x > 0.0, lambda z: z * w, lambda z: z * v, x)
        found = tape.gradient(y, [w, v], unconnected_gradients="zero")
        assert [float(g) for g in found] == expected


def test_cond_without_operands_is_tensorflows() -> None:
    x = gw.constant(4.0)
    y, z = gw.cond(x < 5.0, lambda: (x + 1.0, gw.sqrt(x)), lambda: (x - 1.0, x))
    assert (float(y), float(z)) == (5.0, 2.0)


def test_map_runs_over_rows() -> None:
    w = gw.Variable([1.0, 2.0])
    rows = np.arange(6.0).reshape(3, 2)
    with gw.GradientTape() as tape:
        y = gw.map(lambda row: gw.sum(row * w), rows)
        both = gw.map(lambda p: {"sum": p[0] + p[1]}, (rows, rows))
    np.testing.assert_array_equal(tape.gradient(y, w), rows.sum(0))
    np.testing.assert_array_equal(y, rows @ [1.0, 2.0])
    np.testing.assert_array_equal(both["sum"], 2 * rows)


def test_checkpoint_changes_no_number() -> None:
    w = gw.Variable([0.3, 0.4])

    @gw.checkpoint
    def block(x: Any, *, power: int) -> Any:
        return gw.sin(x * w) ** power

    with gw.GradientTape() as tape:
        y = gw.sum(block(block(np.array([1.0, 2.0]), power=2), power=2))
    plain = gw.grad(lambda u: gw.sum(gw.sin(gw.sin(np.array([1.0, 2.0]) * u) ** 2 * u) ** 2))(w.numpy())
    np.testing.assert_allclose(tape.gradient(y, w), plain)
    assert block.__name__ == "block"


def test_loops_nest_and_capture_through_each_other() -> None:
    w = gw.Variable(2.0)

    def outer(total: Any, x: Any) -> Any:
        inner, _ = gw.scan(lambda acc, _: (acc * w + x, None), total, length=2)
        return inner, inner

    with gw.GradientTape() as tape:
        last, _ = gw.scan(outer, np.float64(1.0), np.array([1.0, 3.0]))
    # ((1w + 1)w + 1) = 4 + 2 + 1 = 7, then (7w + 3)w + 3 = 28 + 6 + 3
    assert float(last) == 37.0
    assert float(tape.gradient(last, w)) == 28.0 + 3.0 + 4.0 * (4.0 + 1.0)


def test_a_gradient_inside_a_loop() -> None:
    """Gradient descent by scan, differentiated by its rate."""
    rate = gw.Variable(0.1)

    def step(x: Any, _: Any) -> Any:
        return x - rate * gw.grad(lambda z: z**2)(x), None

    with gw.GradientTape() as tape:
        x, _ = gw.scan(step, np.float64(1.0), length=3)
    assert float(x) == pytest.approx(0.8**3)
    assert float(tape.gradient(x, rate)) == pytest.approx(-2.0 * 3 * 0.8**2)


def test_equations_are_differentiated_at_their_solutions() -> None:
    a = gw.Variable(2.0)
    with gw.GradientTape(persistent=True) as tape:
        x = gw.root(lambda x: x**2 - a, np.float64(1.0))
        y = gw.fixed_point(lambda y: 0.5 * (y + a / y), np.float64(1.0), max_steps=50)
    assert float(x) == pytest.approx(np.sqrt(2.0))
    assert float(y) == pytest.approx(np.sqrt(2.0))
    assert float(tape.gradient(x, a)) == pytest.approx(0.5 / np.sqrt(2.0))
    assert float(tape.gradient(y, a)) == pytest.approx(0.5 / np.sqrt(2.0))
    with pytest.raises(TraceError, match="one array"):
        gw.root(lambda x: (x, x), 1.0)


def test_many_unknowns_are_solved_by_products() -> None:
    n = 600
    a = gw.Variable(np.linspace(1.0, 2.0, n))

    def f(x: Any) -> Any:
        left = gw.concatenate([gw.zeros([1]), x[:-1]], axis=0)
        return 2.0 * x + x**3 - left - a

    with gw.GradientTape(persistent=True) as tape:
        x = gw.root(f, np.zeros(n), linear_steps=300)
        y = gw.root(f, np.zeros(n), method="dense")
        z = gw.root(f, np.zeros(n), bandwidth=1)
        w = gw.fixed_point(lambda v: gw.cos(v) * 0.5 + a * 0.1, np.zeros(n), anderson=3, max_steps=40)
    np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=1e-10)
    np.testing.assert_allclose(z.numpy(), y.numpy(), rtol=1e-10)
    expected = tape.gradient(y, a).numpy()
    for solution in (x, z):
        np.testing.assert_allclose(tape.gradient(solution, a).numpy(), expected, rtol=1e-9)
    np.testing.assert_allclose(tape.gradient(w, a).numpy(), 0.1 / (1 + 0.5 * np.sin(w.numpy())), rtol=1e-10)


def test_functions_of_the_wrong_form_are_refused() -> None:
    with pytest.raises(TraceError, match="carry, y"):
        gw.scan(lambda c, x: c + x, 0.0, np.ones(3))
    with pytest.raises(TraceError, match="one structure"):
        gw.scan(lambda c, x: ((c, x), None), 0.0, np.ones(3))
    with pytest.raises(TraceError, match="one structure"):
        gw.cond(gw.constant(1.0) > 0.0, lambda: (gw.constant(1.0), None), lambda: gw.constant(1.0))
    with pytest.raises(TraceError, match="traced once for all values"):
        gw.map(lambda row: gw.constant(float(row)), np.ones(3))
