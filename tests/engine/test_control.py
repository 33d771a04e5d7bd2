"""Loops, branches, maps, checkpoints and derivatives inside graphs: values and every kind of derivative,
against the same computation written out, or finite differences."""

import numpy as np
import pytest

from engine import Compiler, Query, TensorType, parse_program
from engine.errors import DtypeMismatch, InvalidTarget, OverLimit, ShapeMismatch, WrongArity
from tests.engine.asking import ask

RNG = np.random.default_rng(11)


SCAN = """
def step(h, x, W, u):
    n = tanh(W @ h + u * x)
    return n, sum(n * n)
hs, es = scan(step, h0, xs, W, u)
loss = sum(hs) + mean(es ** 2)
"""
SCAN_WRITTEN_OUT = "\n".join(
    ["h = h0", "e = 0"]
    + [f"h = tanh(W @ h + u * xs[{i}])\ne = e + sum(h * h) ** 2 / 5" for i in range(5)]
    + ["loss = sum(h) + e"]
)
WHILE = """
def going(x, a):
    return abs(x * x - a) > 1e-10
def newton(x, a):
    return x - (x * x - a) / (2 * x)
loss = while_loop(going, newton, x0, a, max_steps=50)
"""
COND = """
def left(x, w):
    return sum(sin(x) * w)
def right(x, w):
    return sum(x ** 3) * 2
loss = cond(left, right, sum(x) > 0, x, w)
"""
MAP = """
def f(x, w):
    return tanh(x @ w) * x
loss = sum(map(f, xs, w) ** 2)
"""
CHECKPOINT = """
def f(x, w):
    h = tanh(x @ w)
    return sum(h * h), h
s, h = checkpoint(f, x, w)
loss = s + sum(h ** 3)
"""
GRADIENT = """
def f(x, w):
    return sum(tanh(w * x) ** 2)
g = gradient(f, x, w, wrt=[0])
loss = sum(g * g)
"""

PROGRAMS = {
    "scan": (SCAN, {"h0": RNG.normal(size=3), "xs": RNG.normal(size=5), "W": RNG.normal(size=(3, 3)),
                    "u": RNG.normal(size=3)}),
    "while": (WHILE, {"x0": np.array(1.5), "a": np.array(2.0)}),
    "cond-then": (COND, {"x": np.array([1.0, 0.5]), "w": np.array([2.0, 3.0])}),
    "cond-else": (COND, {"x": np.array([-1.0, 0.5]), "w": np.array([2.0, 3.0])}),
    "map": (MAP, {"xs": RNG.normal(size=(4, 3)), "w": RNG.normal(size=(3, 3))}),
    "checkpoint": (CHECKPOINT, {"x": RNG.normal(size=(2, 3)), "w": RNG.normal(size=(3, 3))}),
    "gradient": (GRADIENT, {"x": RNG.normal(size=3), "w": RNG.normal(size=3)}),
}  # fmt: skip


def moved(values, moves, h):
    return {name: values[name] + h * moves[name] for name in values}


@pytest.mark.parametrize("name", PROGRAMS)
def test_gradients_agree_with_differences(name):
    program, values = PROGRAMS[name]
    gradients = ask("gradient", program, values, targets=("loss",))["gradients"]
    moves = {n: RNG.normal(size=v.shape) for n, v in values.items()}
    h = 1e-6
    ahead, behind = (
        ask("evaluate", program, moved(values, moves, s), outputs=("loss",))["outputs"]["loss"]
        for s in (h, -h)
    )
    slope = sum(np.vdot(gradients[n], moves[n]) for n in values if gradients[n] is not None)
    assert slope == pytest.approx((ahead - behind) / (2 * h), rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("name", PROGRAMS)
def test_tangents_agree_with_gradients(name):
    program, values = PROGRAMS[name]
    moves = {n: RNG.normal(size=v.shape) for n, v in values.items()}
    gradients = ask("gradient", program, values, targets=("loss",))["gradients"]
    pushed = ask("jvp", program, values, directions=moves, outputs=("loss",))["jvp"]["loss"]
    slope = sum(np.vdot(gradients[n], moves[n]) for n in values if gradients[n] is not None)
    assert pushed == pytest.approx(slope, rel=1e-10)


@pytest.mark.parametrize("name", PROGRAMS)
def test_second_derivatives_agree_with_differences_of_gradients(name):
    program, values = PROGRAMS[name]
    moves = {n: RNG.normal(size=v.shape) for n, v in values.items()}
    products = ask("hvp", program, values, directions=moves, targets=("loss",))["hvp"]
    h = 1e-5
    ahead, behind = (
        ask("gradient", program, moved(values, moves, s), targets=("loss",), unconnected="zero")["gradients"]
        for s in (h, -h)
    )
    for n, product in products.items():
        np.testing.assert_allclose(product, (ahead[n] - behind[n]) / (2 * h), rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize("name", PROGRAMS)
def test_batches_agree_with_loops(name):
    program, values = PROGRAMS[name]
    for batched in [tuple(values), tuple(values)[:1], tuple(values)[-1:]]:
        rows = {n: np.stack([v, v * 1.1, v * 0.7]) if n in batched else v for n, v in values.items()}
        whole = ask("gradient", program, rows, targets=("loss",), batch=batched, unconnected="zero")
        for k in range(3):
            one = {n: v[k] if n in batched else v for n, v in rows.items()}
            part = ask("gradient", program, one, targets=("loss",), unconnected="zero")
            np.testing.assert_allclose(whole["value"][k], part["value"], rtol=1e-9)
            for n, gradient in part["gradients"].items():
                np.testing.assert_allclose(whole["gradients"][n][k], gradient, rtol=1e-7, atol=1e-9)


def test_a_scan_is_the_loop_written_out():
    values = PROGRAMS["scan"][1]
    looped = ask("gradient", SCAN, values, targets=("loss",))
    written = ask("gradient", SCAN_WRITTEN_OUT, values, targets=("loss",))
    assert looped["value"] == pytest.approx(written["value"], rel=1e-12)
    for name, gradient in written["gradients"].items():
        np.testing.assert_allclose(looped["gradients"][name], gradient, rtol=1e-10)


def test_a_scan_is_planned_once_whatever_its_length():
    program = "def f(c, x): c = c * 0.99 + sin(x); return c, c\nc, ys = scan(f, 0, xs)\nloss = sum(ys)"
    nodes = []
    for steps in (2000, 1000):
        query = Query(
            graph=parse_program(program.replace("; ", "\n    ").replace(": c", ":\n    c")),
            kind="gradient",
            inputs={"xs": TensorType((steps,))},
            targets=("loss",),
        )
        compiled = Compiler().compile(query)
        nodes.append(compiled.estimate.nodes)
    assert nodes[0] == nodes[1]
    xs = np.linspace(0, 1, 1000)
    answer = compiled.run({"xs": xs})
    weights = np.array([(1 - 0.99 ** (1000 - t)) / 0.01 for t in range(1000)])
    np.testing.assert_allclose(answer["gradients"]["xs"], np.cos(xs) * weights, rtol=1e-9)


def test_newtons_method_is_differentiated_in_reverse():
    answer = ask("gradient", WHILE, PROGRAMS["while"][1], targets=("loss",))
    assert answer["value"] == pytest.approx(np.sqrt(2))
    assert answer["gradients"]["a"] == pytest.approx(0.5 / np.sqrt(2), rel=1e-6)


def test_running_out_of_steps_is_an_error_at_the_node():
    with pytest.raises(OverLimit, match="after 3 steps") as caught:
        ask("evaluate", WHILE.replace("max_steps=50", "max_steps=3"), {"x0": 100.0, "a": 2.0})
    assert caught.value.node == "loss"


def test_only_the_branch_taken_runs():
    """The other branch would read beyond its bounds."""
    program = """
def read(x, i):
    return x[i]
def none(x, i):
    return sum(x)
loss = cond(read, none, i < 2, x, i)
"""
    x = np.array([1.0, 5.0])
    for i, expected in ((1, 5.0), (7, 6.0)):
        query = Query(
            graph=parse_program(program),
            kind="evaluate",
            inputs={"x": TensorType((2,)), "i": TensorType((), "int64")},
        )
        answer = Compiler().compile(query).run({"x": x, "i": np.array(i)})
        assert answer["outputs"]["loss"] == expected


def test_derivatives_nest_inside_graphs():
    program = """
def f(x):
    return sum(x ** 4)
def g(x):
    return sum(gradient(f, x))
h = gradient(g, x)
H = hessian(f, x)
t = jvp(f, x, v)
p = vjp(f, x, c)
"""
    x = np.array([1.0, 2.0])
    answer = ask("evaluate", program, {"x": x, "v": [1.0, 0.5], "c": 3.0}, outputs=("h", "H", "t", "p"))
    np.testing.assert_allclose(answer["outputs"]["h"], 12 * x**2)
    np.testing.assert_allclose(answer["outputs"]["H"], np.diag(12 * x**2))
    np.testing.assert_allclose(answer["outputs"]["t"], 4 * x**3 @ [1.0, 0.5])
    np.testing.assert_allclose(answer["outputs"]["p"], 12 * x**3)


def test_nothing_to_differentiate_by_is_refused():
    program = "def f(x):\n    return sum(x)\nvjp(f, x, 1)"
    query = Query(graph=parse_program(program), kind="evaluate", inputs={"x": TensorType((2,), "int64")})
    with pytest.raises(DtypeMismatch, match="none of the inputs is floating"):
        Compiler().compile(query)


@pytest.mark.parametrize(
    ("error", "given", "program", "words"),
    [
        (WrongArity, ["x", "xs"], "def f(c):\n    return c\nscan(f, x, xs)", "takes 1 input"),
        (ShapeMismatch, ["x", "xs"], "def f(c, x):\n    return xs0 + c\nscan(f, x, xs)", "carried"),
        (DtypeMismatch, ["x"], "def f(x):\n    return x\ndef g(x):\n    return x\ncond(f, g, x, x)", "bool"),
        (InvalidTarget, ["xs"], "def f(x):\n    return x * 2\ngradient(f, xs)", "real floating number"),
    ],
)
def test_functions_that_do_not_fit_are_refused_with_the_place(error, given, program, words):
    program = program.replace("xs0 + c", "concat([reshape(c, [1]), reshape(x, [1])])")
    values = {name: {"x": 1.0, "xs": [1.0, 2.0]}[name] for name in given}
    with pytest.raises(error, match=words) as caught:
        ask("evaluate", program, values)
    assert caught.value.hint
