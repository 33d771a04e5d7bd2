"""Sparse Jacobians and Hessians: equal to the dense ones of the ordinary path, in few products."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from engine.errors import IndexOutOfRange, OverLimit, UnknownName, UnknownWrt
from engine.queries.compiler import Compiler
from engine.queries.sparse import KEPT_LAYOUTS, Layouts
from tests.engine.sparse_asking import (
    BUNDLE,
    CLOSE,
    RNG,
    ROSENBROCK,
    agree,
    dense,
    entries,
    plain,
    query_of,
    scene,
)

# -- structures --------------------------------------------------------------------------------------


def test_a_band_takes_as_many_products_as_it_is_wide() -> None:
    made = agree("hessian", ROSENBROCK, {"x": RNG.normal(size=50)})
    assert (made.colours, made.nonzeros) == (3, 148)
    made = agree("jacobian", "x[1:] * x[:-1]", {"x": RNG.normal(size=50)})
    assert (made.colours, made.nonzeros) == (2, 98)


def test_an_arrow_takes_two_products() -> None:
    made = agree("hessian", "sum((a * x - y) ** 2) + sum(x ** 4)", {
        "a": np.array(1.5), "x": RNG.normal(size=40), "y": RNG.normal(size=40),
    }, wrt=("a", "x"))  # fmt: skip
    assert made.colours == 2
    program = "sum(exp(w[0] * w[1:]))"
    assert agree("hessian", program, {"w": RNG.normal(size=40)}).colours == 2


def test_columns_or_rows_whichever_are_fewer() -> None:
    x = {"x": RNG.normal(size=30)}
    tall, made = entries("jacobian", "outer(sin(x), ones([5]))", x)
    assert (tall["method"], made.colours) == ("forward", 1)
    wide, made = entries("jacobian", "sum(reshape(sin(x), (5, 6)), axis=1)", x)
    assert (wide["method"], made.colours) == ("reverse", 1)
    for method in ("forward", "reverse"):
        agree("jacobian", "y = x[1:] * x[:-1]\nz = sum(x ** 2)", x, method=method, outputs=("y", "z"))


def test_indices_that_come_with_the_request_make_the_pattern() -> None:
    values = scene()
    made = agree("jacobian", BUNDLE, values, outputs=("r",), wrt=("cameras", "points"))
    assert made.nonzeros == 25 * 2 * (3 + 2)
    other = {**values, "i": (values["i"] + 1) % 4}
    compiler = Compiler()
    choices: dict[str, Any] = {"outputs": ("r",), "wrt": ("cameras", "points")}
    first, _ = entries("jacobian", BUNDLE, values, compiler, **choices)
    second, _ = entries("jacobian", BUNDLE, other, compiler, **choices)
    expected = plain("jacobian", BUNDLE, other, **choices)["jacobian"]["r"]
    for name in ("cameras", "points"):
        block = second["jacobian"]["r"][name]
        np.testing.assert_allclose(dense(block, expected[name].shape), expected[name], **CLOSE)
    assert (first["jacobian"]["r"]["cameras"]["cols"] != second["jacobian"]["r"]["cameras"]["cols"]).any()
    assert compiler.misses == 1  # one program serves both


def test_indices_computed_from_integers_are_known_and_others_are_not() -> None:
    values = {"x": RNG.normal(size=12), "i": np.arange(12)}
    assert agree("jacobian", "x[(i * 5 + 1) % 12] ** 2", values).nonzeros == 12
    assert agree("jacobian", "sin(sort(x))", values).nonzeros == 144
    assert agree("jacobian", "x[argsort(x)] * 2", values).nonzeros == 144


def test_without_values_an_index_may_be_any() -> None:
    values = {"x": RNG.normal(size=6), "i": np.array([3, 1, 1])}
    query = query_of("jacobian", "x[i] * 2", values, sparse=True)
    compiler = Compiler()
    made = compiler.compile(query)
    assert compiler.compile(query, values=values).run(values)["jacobian"]["result"]["x"]["values"].size == 3
    answer = made.run(values)["jacobian"]["result"]["x"]
    assert answer["values"].size == 18
    np.testing.assert_array_equal(dense(answer, (3, 6)), 2 * np.eye(6)[values["i"]])


def test_functions_loops_and_branches() -> None:
    x = {"x": RNG.uniform(0.5, 1.5, 12), "b": np.array(True)}
    head = "def f(v):\n    return tanh(v) * 2\ndef g(v):\n    return v ** 3\n"
    assert agree("jacobian", head + "y = cond(f, g, b, x)", x, outputs=("y",)).nonzeros == 12
    assert agree("jacobian", head + "y = checkpoint(f, x)[1:]", x, outputs=("y",)).nonzeros == 11
    assert agree("jacobian", head + "y = map(g, x)", x, outputs=("y",)).nonzeros == 12
    assert agree("hessian", head + "loss = sum(checkpoint(g, x))", x, targets=("loss",)).colours == 1
    assert agree("hessian", head + "loss = sum(cond(f, g, b, x))", x, targets=("loss",)).colours == 1
    loop = "def step(c, v):\n    return c * v, c + v\nlast, all = scan(step, 1.0, x)\ny = all * 2"
    agree("jacobian", loop, x, outputs=("y",))
    agree("hessian", loop + "\nloss = sum(y)", x, targets=("loss",))
    go = "def go(v):\n    return sum(v) < 40\ndef twice(v):\n    return v * 2\n"
    agree("jacobian", go + "y = while_loop(go, twice, x, max_steps=9)", x, outputs=("y",))
    solved = "def f(r, p):\n    return r ** 3 - p\ny = root(f, ones_like(x), x)\nloss = sum(y ** 2)"
    agree("jacobian", solved, x, outputs=("y",), method="reverse")
    agree("hessian", solved, x, targets=("loss",))


STENCIL = """
def step(u, b):
    n = u + 0.1 * (concat([u[1:], u[:1]]) - u) * b
    return n, n ** 2
last, all = scan(step, u, b%s)
loss = sum(last ** 3) + sum(all)
"""


@pytest.mark.parametrize("choice", ["", ", reverse=true"])
def test_a_loop_is_followed_step_by_step(choice: str) -> None:
    values = {"u": RNG.normal(size=30), "b": RNG.normal(size=(4, 30))}
    program = STENCIL % choice.replace("true", "True")
    made = agree("jacobian", program, values, outputs=("last", "all"), wrt=("u", "b"))
    assert made.nonzeros < 30 * (5 + 20 + 20 + 4 * 12)
    made = agree("hessian", program, values, targets=("loss",), wrt=("u", "b"))
    assert made.nonzeros < 150 * 150 / 3
    halted = "def go(u):\n    return sum(abs(u)) > 3\ndef next(u):\n    return 0.7 * u + 0.1 * u[::-1]\n"
    halted += "y = while_loop(go, next, u, max_steps=40)\nloss = sum(y ** 2)"
    agree("jacobian", halted, {"u": values["u"]}, outputs=("y",))
    agree("hessian", halted, {"u": values["u"]}, targets=("loss",))


CUSTOM = """
def f(v):
    return round(v)
def g(v, y, dy):
    return dy * v[0]
r = custom_gradient(f, g, x)
"""


def test_a_gradient_of_the_users_making_counts_as_it_is() -> None:
    x = {"x": RNG.uniform(0.5, 1.5, 6)}
    made = agree("jacobian", CUSTOM + "y = r ** 2", x, outputs=("y",))
    assert made.nonzeros == 6
    agree("hessian", CUSTOM + "loss = sum(r ** 2 * x)", x, targets=("loss",))  # not symmetric
    lopsided = plain("hessian", CUSTOM + "loss = sum(r * x)", x, targets=("loss",))["hessian"]["x"]["x"]
    assert not np.allclose(lopsided, lopsided.T)
    agree("hessian", CUSTOM + "loss = sum(r * x)", x, targets=("loss",))


def test_nodes_as_variables() -> None:
    x = {"x": RNG.normal(size=8)}
    program = "h = x ** 2\ny = sin(h)[1:] * h[:-1]\nloss = sum(y * h[1:])"
    for method in ("auto", "forward", "reverse"):
        agree("jacobian", program, x, outputs=("y",), wrt=("x", "h"), method=method)
    agree("hessian", program, x, targets=("loss",), wrt=("x", "h"))
    with pytest.raises(UnknownWrt, match="twice"):
        entries("jacobian", program, x, outputs=("y",), wrt=("h", "h:0"))
    with pytest.raises(UnknownName, match="twice"):
        entries("jacobian", program, x, outputs=("y", "y:0"), wrt=("x",))
    for method in ("forward", "reverse"):
        agree("jacobian", program, x, outputs=("x", "h", "y"), wrt=("h", "x"), method=method)


@pytest.mark.parametrize("kind", ["jacobian", "hessian"])
def test_what_depends_on_nothing_has_no_entries(kind: str) -> None:
    values = {"x": RNG.normal(size=4), "w": RNG.normal(size=3)}
    choices: dict[str, Any] = {"outputs": ("y",)} if kind == "jacobian" else {"targets": ("loss",)}
    program = "y = round(x) * 2\nloss = sum(x)"
    made = agree(kind, program, values, **choices)
    assert (made.colours, made.nonzeros) == (0, 0)
    agree("jacobian", "y = x * 2\nz = sum(w)", values, outputs=("y", "z"))
    agree(kind, "y = x[:0] * 2\nloss = sum(x[:0] ** 2)", values, **choices)
    agree(kind, program, {"x": np.zeros(0)}, **choices)


def test_dtypes_are_those_of_the_dense_blocks() -> None:
    values = {"x": RNG.normal(size=5).astype(np.float32), "w": RNG.normal(size=5)}
    for method in ("forward", "reverse"):
        agree("jacobian", "x ** 2 * w", values, method=method)
    agree("hessian", "sum(x ** 2 * w)", values)
    agree("hessian", ROSENBROCK, {"x": RNG.normal(size=9)}, dtype="float32")


@pytest.mark.parametrize("method", ["forward", "reverse"])
def test_complex_blocks_are_as_the_dense_ones(method: str) -> None:
    z = RNG.normal(size=6) + 1j * RNG.normal(size=6)
    values = {"z": z, "x": RNG.normal(size=6), "i": np.array([4, 0, 5])}
    holomorphic = "h = sin(z)[i] * z[:3] * x[1:4]"
    agree("jacobian", holomorphic, values, outputs=("h",), wrt=("z",), method=method)
    agree("jacobian", holomorphic, values, outputs=("h",), wrt=("z", "x"), method=method)
    real = "\nr = abs(z[1:]) ** 2 * x[:5] + imag(z[:5])"
    agree("jacobian", holomorphic + real, values, outputs=("r",), wrt=("z", "x"), method=method)
    made = agree("jacobian", holomorphic + real, values, outputs=("h", "r"), wrt=("z", "x"), method=method)
    assert made.nonzeros == 6 + 3 + 10 + 5
    assert made.colours < 6
    rows = {**values, "z": np.stack([z, 2 * z]), "x": np.stack([values["x"], values["x"] + 1])}
    agree("jacobian", holomorphic + real, rows, outputs=("h", "r"), batch=("z", "x"), method=method)


def test_a_batch_has_one_pattern_and_rows_of_values() -> None:
    values = {"x": RNG.normal(size=(4, 6)), "w": RNG.normal(size=6), "i": np.array([5, 0, 2])}
    choices: dict[str, Any] = {"batch": ("x",), "wrt": ("x", "w")}
    for method in ("forward", "reverse"):
        agree("jacobian", "(x * w)[i] ** 2", values, method=method, **choices)
    made = agree("hessian", "sum(x ** 3 * w) + sum(x[i])", values, **choices)
    assert made.colours == 2
    each = {**values, "i": RNG.integers(0, 6, (4, 3))}
    made = agree("jacobian", "x[i] ** 2", each, batch=("x", "i"), wrt=("x",))
    assert made.nonzeros == 18  # an index of each row's own may be any


def test_errors_are_those_of_the_run() -> None:
    values = {"x": RNG.normal(size=3), "i": np.array([0, 7])}
    with pytest.raises(IndexOutOfRange, match="7"):
        entries("jacobian", "x[i] * 2", values)
    with pytest.raises(OverLimit, match="entries"):
        entries("jacobian", "x / sum(x)", {"x": np.ones(5_000)})


def test_the_limit_counts_products_and_not_columns() -> None:
    n = 20_000
    values = {"x": RNG.normal(size=n)}
    query = query_of("hessian", ROSENBROCK, values, sparse=True)
    made = Compiler().compile(query, values=values, peak_bytes_limit=100 * 8 * n)
    assert made.estimate.peak_bytes < 100 * 8 * n
    with pytest.raises(OverLimit, match="bytes at once"):
        Compiler().compile(query, values=values, peak_bytes_limit=30 * 8 * n)
    with pytest.raises(OverLimit, match="entries"):
        Compiler().compile(query, values=values, peak_bytes_limit=10 * 8 * n)


@pytest.mark.parametrize(
    ("kind", "program"),
    [
        ("hessian", ROSENBROCK),
        ("jacobian", "x[1:] * x[:-1]"),
        ("jacobian", "concat([x ** 2, sin(x[::-1]) * x])"),
        ("hessian", "sum(exp(x[0] * x[1:]) / 50)"),
        ("jacobian", "concat([x[:99900], reshape(outer(x[:50], x[50:100]), [-1])])"),
    ],
)
def test_the_estimate_is_what_a_run_uses(kind: str, program: str) -> None:
    values = {"x": RNG.normal(size=100_000)}
    query = query_of(kind, program, values, sparse=True)
    Compiler().compile(query, values=values).run(values)  # whatever is made once and kept
    made = Compiler().compile(query, values=values)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    answer = made.run(values)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    (blocks,) = answer[kind].values()
    kept = 8 * (3 * blocks["x"]["values"].size + values["x"].size)  # rows, columns, places; colours
    used = peak - before + kept + values["x"].nbytes
    assert made.estimate.peak_bytes == pytest.approx(used, rel=0.2)


def test_a_hundred_thousand_variables() -> None:
    values = {"x": RNG.normal(size=100_000)}
    answer, made = entries("hessian", ROSENBROCK, values)
    block, x = answer["hessian"]["x"]["x"], values["x"]
    assert (made.colours, block["values"].size) == (3, 299_998)
    diagonal = block["values"][block["rows"] == block["cols"]]
    inner = 202 - 400 * (x[2:] - x[1:-1] ** 2) + 800 * x[1:-1] ** 2
    np.testing.assert_allclose(diagonal[1:-1], inner, rtol=1e-9)


def test_layouts_are_kept_by_indices_and_dropped_in_time() -> None:
    layouts = Layouts()
    values = {"x": RNG.normal(size=4), "i": np.array([0, 1])}
    query = query_of("jacobian", "x[i] ** 2", values, sparse=True)
    first = layouts.find(query, values)
    assert layouts.find(query, {"x": values["x"] + 1, "i": values["i"]}) is first
    assert layouts.find(query, {**values, "i": np.array([1, 0])}) is not first
    assert layouts.find(query, values) is first
    for k in range(KEPT_LAYOUTS):
        layouts.find(query, {**values, "i": np.array([k % 4, (k // 4) % 4])})
    assert len(layouts._found) <= KEPT_LAYOUTS
    answered = entries("jacobian", "x[i] ** 2", values)[0]["jacobian"]["result"]["x"]
    answered["rows"][:] = -1  # the caller's own
    assert entries("jacobian", "x[i] ** 2", values)[0]["jacobian"]["result"]["x"]["rows"].min() == 0
