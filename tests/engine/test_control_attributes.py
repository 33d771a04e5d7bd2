"""The attributes of ops that take functions, each off its default, in every kind of derivative.

A program's number is differentiated: the gradient against finite differences, tangents against the gradient,
HVPs against differences of gradients, a batch against its rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from engine.ir.attributes import REQUIRED
from engine.ir.table import TABLE
from tests.engine.settings import takes_functions
from tests.engine.test_control import ask

_ROOT = "def f(x, a): return x ** 3 + a * x - 2\n"
_FIXED = "def f(x, a): return cos(x * a) * 0.5\n"
_VECTOR = "def f(x, a): return x ** 3 + 4 * x - concat([x[1:], x[:1]]) * 0.3 - a\n"
_PAIR = "def f(x, y): return sum(x ** 3 * y ** 2)\n"
_FULL = "def f(x, y): return x ** 2 * y ** 2\n"

X = {"x": [0.6, -0.4, 0.9], "y": [0.3, 0.8, -0.5]}
A = {"a": 1.3}
V = {"a": [1.3, 0.7, -0.4]}

#: (op, attribute) → a program whose `loss` is a number, and its inputs.
PROGRAMS: Mapping[tuple[str, str], tuple[str, Mapping[str, Any]]] = {
    ("scan", "carry"): (
        (
            "def step(h, k, x): return h * x + k, k * 0.5 + h, h * k\n"
            "h, k, ys = scan(step, 0.3 * sum(y), sum(y), x, carry=2)\nloss = h * k + sum(ys ** 2)"
        ),
        X,
    ),
    ("scan", "scanned"): (
        (
            "def step(h, x, z): return tanh(h + x * z), h * z\n"
            "h, ys = scan(step, 0.3, x, y, scanned=2)\nloss = h + sum(ys ** 2)"
        ),
        X,
    ),
    ("scan", "reverse"): (
        (
            "def step(h, x): return tanh(h * 0.5 + x), h * x\n"
            "h, ys = scan(step, sum(y), x, reverse=True)\nloss = h + sum(ys ** 2 * y)"
        ),
        X,
    ),
    ("scan", "length"): (
        (
            "def step(h, a): return sin(h * a), h * a\n"
            "h, ys = scan(step, 0.7, a, scanned=0, length=4)\nloss = h + sum(ys ** 2)"
        ),
        A,
    ),
    ("while_loop", "carry"): (
        (
            "def going(x, n, a): return n < 3\ndef body(x, n, a): return sin(x * a), n + 1\n"
            "x1, n = while_loop(going, body, sum(x), 0.0, sum(y), carry=2)\nloss = x1 ** 2"
        ),
        X,
    ),
    ("while_loop", "max_steps"): (
        (
            "def going(x, a): return x > 0.2\ndef body(x, a): return x * a\n"
            "loss = while_loop(going, body, a, 0.5 * a, max_steps=9) ** 2"
        ),
        A,
    ),
    ("map", "mapped"): (
        "def f(x, y): return sin(x) * y ** 2\nloss = sum(map(f, x, y, mapped=2) ** 2)",
        X,
    ),
    ("gradient", "wrt"): (_PAIR + "loss = sum(gradient(f, x, y, wrt=[1]) ** 2)", X),
    ("vjp", "wrt"): (_FULL + "loss = sum(vjp(f, x, y, y ** 2, wrt=[1]) ** 2)", X),
    ("jacobian", "wrt"): (_FULL + "loss = sum(jacobian(f, x, y, wrt=[1]) ** 2)", X),
    ("hessian", "wrt"): (
        "def f(x, y): return sum(x ** 2 * y ** 3)\nloss = sum(hessian(f, x, y, wrt=[1]) ** 2)",
        X,
    ),
    ("custom_gradient", "jvp"): (
        (
            "def f(x): return x ** 3\ndef g(x, y, dy): return 3 * x ** 2 * dy\n"
            "def h(x, y, t): return 3 * x ** 2 * t\nloss = sum(custom_gradient(f, g, h, x) * y)"
        ),
        X,
    ),
    ("root", "tolerance"): (_ROOT + "loss = root(f, 1.0, a, tolerance=1e-12) ** 2", A),
    ("root", "max_steps"): (_ROOT + "loss = root(f, 1.0, a, max_steps=12) ** 2", A),
    ("root", "method"): (_VECTOR + "loss = sum(root(f, 0 * a, a, method='krylov') ** 2)", V),
    ("root", "linear_tolerance"): (
        _VECTOR + "loss = sum(root(f, 0 * a, a, method='krylov', linear_tolerance=1e-12) ** 2)",
        V,
    ),
    ("root", "linear_steps"): (
        _VECTOR + "loss = sum(root(f, 0 * a, a, method='krylov', linear_steps=50) ** 2)",
        V,
    ),
    ("root", "bandwidth"): (
        _VECTOR + "loss = sum(root(f, 0 * a, a, method='krylov', bandwidth=1) ** 2)",
        V,
    ),
    ("fixed_point", "tolerance"): (_FIXED + "loss = fixed_point(f, 0.3, a, tolerance=1e-13) ** 2", A),
    ("fixed_point", "max_steps"): (_FIXED + "loss = fixed_point(f, 0.3, a, max_steps=300) ** 2", A),
    ("fixed_point", "method"): (_FIXED + "loss = sum(fixed_point(f, 0 * a, a, method='krylov') ** 2)", V),
    ("fixed_point", "linear_tolerance"): (
        _FIXED + "loss = sum(fixed_point(f, 0 * a, a, method='krylov', linear_tolerance=1e-12) ** 2)",
        V,
    ),
    ("fixed_point", "linear_steps"): (
        _FIXED + "loss = sum(fixed_point(f, 0 * a, a, method='krylov', linear_steps=50) ** 2)",
        V,
    ),
    ("fixed_point", "bandwidth"): (
        _FIXED + "loss = sum(fixed_point(f, 0 * a, a, method='krylov', bandwidth=1) ** 2)",
        V,
    ),
    ("fixed_point", "anderson"): (_FIXED + "loss = sum(fixed_point(f, 0 * a, a, anderson=2) ** 2)", V),
}


def test_every_attribute_has_a_program() -> None:
    wanted = {
        (op.name, a.name)
        for op in TABLE.public()
        if takes_functions(op)
        for a in op.attributes
        if a.default is not REQUIRED
    }
    assert wanted == set(PROGRAMS)


@pytest.mark.parametrize(("op", "attribute"), PROGRAMS)
def test_an_attribute_off_its_default_is_right_in_every_kind(op: str, attribute: str) -> None:
    program, given = PROGRAMS[op, attribute]
    assert f"{attribute}=" in program or attribute == "jvp"
    values = {name: np.asarray(value, float) for name, value in given.items()}
    rng = np.random.default_rng(3)
    v = {name: rng.normal(size=x.shape) for name, x in values.items()}

    def at(step: float, row: Mapping[str, Any] = values) -> dict[str, Any]:
        moved = {name: x + step * v[name] for name, x in row.items()}
        return dict(ask("gradient", program, moved, targets=("loss",)))

    here, ahead, behind, h = at(0.0), at(1e-5), at(-1e-5), 1e-5
    gradients = here["gradients"]
    slope = sum(float(np.sum(gradients[name] * v[name])) for name in v)
    np.testing.assert_allclose(slope, (ahead["value"] - behind["value"]) / (2 * h), rtol=1e-6, atol=1e-8)
    pushed = ask("jvp", program, values, v, outputs=("loss",))["jvp"]["loss"]
    np.testing.assert_allclose(pushed, slope, rtol=1e-8, atol=1e-10)
    products = ask("hvp", program, values, v, targets=("loss",))["hvp"]
    for name, product in products.items():
        expected = (ahead["gradients"][name] - behind["gradients"][name]) / (2 * h)
        np.testing.assert_allclose(product, expected, rtol=1e-5, atol=1e-6)
    first = next(iter(values))
    rows = {**values, first: np.stack([values[first], values[first] * 0.9])}
    batched = ask("gradient", program, rows, targets=("loss",), batch=(first,))
    for k in range(2):
        alone = at(0.0, {**values, first: rows[first][k]})
        np.testing.assert_allclose(batched["value"][k], alone["value"], rtol=1e-9)
        for name in values:
            np.testing.assert_allclose(
                batched["gradients"][name][k], alone["gradients"][name], rtol=1e-7, atol=1e-9
            )
