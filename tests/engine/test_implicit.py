"""root and fixed_point: solutions, and derivatives of every kind against closed forms and differences."""

import numpy as np
import pytest

from engine.errors import DtypeMismatch, OverLimit, ShapeMismatch, WrongArity
from tests.engine.asking import ask

RNG = np.random.default_rng(4)
CUBE = "def f(x, a):\n    return x ** 3 - a\ny = root(f, 1.0, a)\n"
SYSTEM = """
def f(x, A, b):
    return A @ x + tanh(x) * 0.5 - b
x = root(f, x0, A, b)
loss = sum(x ** 2) + x[0]
"""
FIXED = """
def f(x, A, b):
    return tanh(A @ x) * 0.4 + b
x = fixed_point(f, x0, A, b)
loss = sum(x ** 2) + x[0]
"""
VALUES = {"x0": np.zeros(3), "A": np.eye(3) * 2 + 0.3 * RNG.normal(size=(3, 3)), "b": RNG.normal(size=3)}


def test_a_root_and_its_first_three_derivatives():
    program = CUBE + "def g(a):\n    return root(f, 1.0, a)\ndef h(a):\n    return gradient(g, a)\n"
    program += "d1 = gradient(g, a)\nd2 = gradient(h, a)\nd3 = jvp(h, a, 1.0)"
    outputs = ask("evaluate", program, {"a": 8}, outputs=("y", "d1", "d2", "d3"))["outputs"]
    assert outputs["y"] == pytest.approx(2, rel=1e-15)
    assert outputs["d1"] == pytest.approx(8 ** (-2 / 3) / 3, rel=1e-13)
    assert outputs["d2"] == outputs["d3"] == pytest.approx(-2 / 9 * 8 ** (-5 / 3), rel=1e-12)
    third = program.replace(
        "d2 = gradient(h, a)", "def k(a):\n    return gradient(h, a)\nd2 = gradient(k, a)"
    )
    outputs = ask("evaluate", third, {"a": 8}, outputs=("d2",))["outputs"]
    assert outputs["d2"] == pytest.approx(10 / 27 * 8 ** (-8 / 3), rel=1e-11)


@pytest.mark.parametrize("program", [SYSTEM, FIXED])
def test_every_kind_of_derivative_agrees_with_differences(program):
    moves = {"A": RNG.normal(size=(3, 3)), "b": RNG.normal(size=3)}

    def moved(h):
        return {**VALUES, **{n: VALUES[n] + h * v for n, v in moves.items()}}

    answer = ask("gradient", program, VALUES, targets=("loss",))
    slope = sum(np.vdot(answer["gradients"][n], v) for n, v in moves.items())
    h = 1e-5
    ahead, behind = (ask("gradient", program, moved(s), targets=("loss",)) for s in (h, -h))
    assert slope == pytest.approx((ahead["value"] - behind["value"]) / (2 * h), rel=1e-8)
    pushed = ask("jvp", program, VALUES, directions=moves, outputs=("loss",))["jvp"]["loss"]
    assert pushed == pytest.approx(slope, rel=1e-11)
    products = ask("hvp", program, VALUES, directions=moves, targets=("loss",))["hvp"]
    for n in moves:
        difference = (ahead["gradients"][n] - behind["gradients"][n]) / (2 * h)
        np.testing.assert_allclose(products[n], difference, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("program", [SYSTEM, FIXED])
@pytest.mark.parametrize("batched", [("b",), ("x0", "A", "b")])
def test_rows_are_solved_each_to_its_own_end(program, batched):
    rows = {
        n: np.stack([v, 1.2 * v, -v if n == "b" else v]) if n in batched else v for n, v in VALUES.items()
    }
    whole = ask("gradient", program, rows, targets=("loss",), batch=batched, wrt=("A", "b"))
    for k in range(3):
        one = {n: v[k] if n in batched else v for n, v in rows.items()}
        single = ask("gradient", program, one, targets=("loss",), wrt=("A", "b"))
        assert whole["value"][k] == pytest.approx(single["value"], rel=1e-12)
        for n in ("A", "b"):
            np.testing.assert_allclose(whole["gradients"][n][k], single["gradients"][n], rtol=1e-10)


def test_a_map_of_roots_has_the_gradient_of_each():
    program = CUBE.replace("y = ", "def g(a):\n    return ").replace("root(f, 1.0, a)", "root(f, 1.0, a)")
    answer = ask("gradient", program + "loss = sum(map(g, a))", {"a": [1.0, 8.0, 27.0]}, targets=("loss",))
    np.testing.assert_allclose(answer["gradients"]["a"], np.array([1.0, 8, 27]) ** (-2 / 3) / 3, rtol=1e-12)


def test_the_start_has_no_influence():
    answer = ask("gradient", SYSTEM, VALUES, targets=("loss",), unconnected="zero")
    np.testing.assert_array_equal(answer["gradients"]["x0"], np.zeros(3))


def test_equations_that_do_not_fit_are_refused():
    with pytest.raises(ShapeMismatch):
        ask("evaluate", "def f(x):\n    return sum(x)\nroot(f, x)", {"x": np.ones(2)})
    with pytest.raises(WrongArity, match="takes 1 input"):
        ask("evaluate", "def f(x):\n    return x\nroot(f, x, x)", {"x": 1})
    with pytest.raises(DtypeMismatch, match="int64"):
        ask("evaluate", "def f(x):\n    return x - x\nroot(f, astype(x, 'int64'))", {"x": 1})
    with pytest.raises(OverLimit, match="after 5 steps"):
        ask("evaluate", "def f(x):\n    return x + 1\nfixed_point(f, x, max_steps=5)", {"x": 1})
