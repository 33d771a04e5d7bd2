"""custom_gradient: tangents through it, rows of it, and its own derivative kept through both."""

import numpy as np
import pytest

from engine import TensorType
from engine.errors import DerivativeNotImplemented, ShapeMismatch, WrongArity
from engine.ir.table import F
from engine.ir.tape import Tape
from engine.transforms.linearity import first_nonlinear
from tests.engine.asking import ask

RNG = np.random.default_rng(2)
TRIPLED = """
def f(x, w):
    return sum(x ** 2 * w), x * w
def g(x, w, s, y, ds, dy):
    return 3 * ds * x * w + dy @ diag(w), ds * x ** 2 + where(w > 0, dy, 0) * x
s, y = custom_gradient(f, g, x, w)
loss = sin(s) + sum(y ** 3)
"""
CLIPPED = """
def f(x):
    return x * 1
def g(x, y, dy):
    return clip(dy, -1, 1)
def h(x, y, t):
    return 5 * t
"""
VALUES = {"x": RNG.normal(size=3), "w": RNG.normal(size=3)}


def test_tangents_are_those_of_the_users_rule():
    moves = {name: RNG.normal(size=3) for name in VALUES}
    gradients = ask("gradient", TRIPLED, VALUES, targets=("loss",))["gradients"]
    pushed = ask("jvp", TRIPLED, VALUES, directions=moves, outputs=("loss",))["jvp"]["loss"]
    assert pushed == pytest.approx(sum(gradients[n] @ moves[n] for n in VALUES), rel=1e-12)


def test_second_derivatives_are_differences_of_the_users_gradient():
    honest = TRIPLED.replace("3 * ds", "2 * ds").replace("where(w > 0, dy, 0)", "dy")
    moves = {name: RNG.normal(size=3) for name in VALUES}
    products = ask("hvp", honest, VALUES, directions=moves, targets=("loss",))["hvp"]
    h = 1e-6
    ahead, behind = (
        ask("gradient", honest, {n: VALUES[n] + s * moves[n] for n in VALUES}, targets=("loss",))
        for s in (h, -h)
    )
    for name, product in products.items():
        slope = (ahead["gradients"][name] - behind["gradients"][name]) / (2 * h)
        np.testing.assert_allclose(product, slope, rtol=1e-6, atol=1e-7)


def test_a_jacobian_forward_and_in_reverse_is_one():
    program = TRIPLED + "both = concat(reshape(s, [1]), y)"
    forward, reverse = (
        ask("jacobian", program, VALUES, outputs=("both",), method=method)["jacobian"]["both"]
        for method in ("forward", "reverse")
    )
    for name in VALUES:
        np.testing.assert_allclose(forward[name], reverse[name], rtol=1e-12)


def test_a_backward_that_is_not_linear_is_refused_with_a_cure():
    with pytest.raises(DerivativeNotImplemented, match="clip") as caught:
        ask("jvp", CLIPPED + "z = custom_gradient(f, g, x)", {"x": [1, 2]}, directions={"x": np.ones(2)})
    assert "jvp" in caught.value.hint
    assert caught.value.node == "z"
    values = ask("gradient", CLIPPED + "sum(9 * custom_gradient(f, g, x))", {"x": [1, 2]})
    np.testing.assert_array_equal(values["gradients"]["x"], [1, 1])


def test_a_given_jvp_is_taken():
    program = CLIPPED + "z = custom_gradient(f, g, x, jvp=h)"
    pushed = ask("jvp", program, {"x": [1, 2]}, directions={"x": np.array([1.0, 10])})
    np.testing.assert_array_equal(pushed["jvp"]["z"], [5, 50])
    rows = ask("jvp", program, {"x": [[1, 2], [3, 4]]}, directions={"x": np.ones((2, 2))}, batch=("x",))
    np.testing.assert_array_equal(rows["jvp"]["z"], np.full((2, 2), 5))


def test_a_jvp_that_does_not_fit_is_refused():
    call = CLIPPED + "custom_gradient(f, g, x, jvp=h)"
    with pytest.raises(WrongArity, match="takes 2 inputs, expected 3"):
        ask("evaluate", call.replace("h(x, y, t)", "h(x, t)"), {"x": 1})
    with pytest.raises(ShapeMismatch, match="output 0"):
        ask("evaluate", call.replace("5 * t", "outer(t, t)"), {"x": [1, 2]})


MAPPED = """
def f(x, w):
    return sum(x ** 2) * w
def g(x, w, y, dy):
    return 3 * dy * x * w, 7 * dy * x[0]
def row(x, w):
    return custom_gradient(f, g, x, w) ** 2
"""


@pytest.mark.parametrize("shape", [(), (1,)])
def test_a_map_keeps_the_users_gradient(shape):
    """w is shared by the rows: its cotangents are summed."""
    values = {"xs": RNG.normal(size=(4, 3)), "w": RNG.normal(size=shape)}
    mapped = MAPPED + "loss = sum(map(row, xs, w))"
    written = MAPPED + "loss = sum(" + " + ".join(f"row(xs[{i}], w)" for i in range(4)) + ")"
    moves = {name: RNG.normal(size=v.shape) for name, v in values.items()}
    for kind, key, choices in [
        ("gradient", "gradients", {"targets": ("loss",)}),
        ("jvp", "jvp", {"directions": moves, "outputs": ("loss",)}),
        ("hvp", "hvp", {"directions": moves, "targets": ("loss",)}),
    ]:
        whole, parts = (ask(kind, program, values, **choices)[key] for program in (mapped, written))
        for name, expected in parts.items():
            np.testing.assert_allclose(whole[name], expected, rtol=1e-11)


def test_loops_in_rows_keep_the_users_gradient():
    program = (
        MAPPED
        + """
def step(c, x):
    c = c + custom_gradient(f, g, x, c)
    return c, c
def walk(xs, c):
    last, all = scan(step, c, xs)
    return last
loss = sum(map(walk, xs, c, mapped=2))
"""
    )
    values = {"xs": RNG.normal(size=(2, 3, 2)), "c": np.array([0.5, 0.25])}
    whole = ask("gradient", program, values, targets=("loss",))["gradients"]
    single = program.replace("loss = sum(map(walk, xs, c, mapped=2))", "loss = walk(xs, c)")
    for row in range(2):
        one = ask("gradient", single, {n: v[row] for n, v in values.items()}, targets=("loss",))["gradients"]
        for name in values:
            np.testing.assert_allclose(whole[name][row], one[name], rtol=1e-12)


def linear(formula):
    tape = Tape()
    x, d = (tape.input(name, TensorType((3,))) for name in ("x", "d"))
    tape.outputs = [formula(tape, x, d).slot]
    return first_nonlinear(tape, ["d"], [0]) is None


def test_what_is_shown_to_be_linear():
    assert linear(lambda tape, x, d: x * d + d / x)
    assert linear(lambda tape, x, d: F.where(x > 0, d, 0) * F.exp(x))
    assert linear(lambda tape, x, d: F.sum(F.matmul(F.outer(x, x), d)).broadcast_to((3,)))
    assert linear(lambda tape, x, d: F.zeros_like(x) * d - 0)
    assert not linear(lambda tape, x, d: d + 1)
    assert linear(lambda tape, x, d: F.pad(d, pad_width=[[1, 1]]))
    assert not linear(lambda tape, x, d: F.pad(d, pad_width=[[1, 1]], constant_values=1))
    assert not linear(lambda tape, x, d: F.pad(0 * d, pad_width=[[1, 1]], constant_values=1))
    assert not linear(lambda tape, x, d: d * d)
    assert not linear(lambda tape, x, d: x)
    assert not linear(lambda tape, x, d: F.abs(d))
    assert not linear(lambda tape, x, d: x / d)
    assert not linear(lambda tape, x, d: F.where(x > 0, d, x))
    assert not linear(lambda tape, x, d: F.where(d > 0, d, 0))
    assert not linear(lambda tape, x, d: F.stop_gradient(d))
