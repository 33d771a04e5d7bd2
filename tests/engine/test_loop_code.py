"""Loops that run as Python source: the bits of the interpreted loop, at the same nodes the same errors."""

from __future__ import annotations

import re
import threading
from typing import Any

import numpy as np
import pytest

from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.errors import IndexOutOfRange, OverLimit, UserError
from engine.frontend.program import parse_program
from engine.queries.compiler import Compiler
from engine.runtime.executors import bound

RNG = np.random.default_rng(17)


def compiled(program: str, given: dict[str, Any], **choices: Any) -> Any:
    types = {name: TensorType(np.shape(v), np.asarray(v).dtype.name) for name, v in given.items()}
    choices = {"kind": "gradient", "targets": ("loss",), "diagnose": "off", **choices}
    return Compiler().compile(Query(graph=parse_program(program), inputs=types, **choices))


def interpreted(monkeypatch: pytest.MonkeyPatch, program: str, given: dict[str, Any], **choices: Any) -> Any:
    """What the closures of a plan return, which know nothing of loops."""
    with monkeypatch.context() as patch:
        patch.setattr(bound.Subprogram, "loops", None)
        return compiled(program, given, **choices).run(given)


def arrays(**given: Any) -> dict[str, Any]:
    return {name: np.asarray(value, dtype=float) for name, value in given.items()}


def assert_same_bits(ours: Any, theirs: Any) -> None:
    assert type(ours) is type(theirs)
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for key in ours:
            assert_same_bits(ours[key], theirs[key])
    elif isinstance(ours, np.ndarray):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        np.testing.assert_array_equal(ours, theirs)
        zero = ours == 0
        np.testing.assert_array_equal(np.signbit(ours[zero].real), np.signbit(theirs[zero].real))
    else:
        assert ours == theirs


MATRIX = RNG.normal(size=(3, 3))
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "scalars": (
        (
            "def f(h, x):\n    return h * x / (h + 1.5) - x, h\n"
            "last, all = scan(f, h0, xs)\nloss = last + sum(all * all)"
        ),
        arrays(h0=0.4, xs=RNG.normal(size=11)),
    ),
    "vectors": (
        (
            "def f(h, x, W):\n    n = tanh(W @ h + x)\n    return n, n, sum(n)\n"
            "last, all, sums = scan(f, h0, xs, W)\nloss = sum(last) + sum(all ** 2) + max(sums)"
        ),
        arrays(h0=RNG.normal(size=3), xs=RNG.normal(size=(9, 3)), W=MATRIX),
    ),
    "a delay line": (
        (
            "def f(a, b, c, x):\n    n = a * x + b * c\n    return b, c, n, a + n\n"
            "a, b, c, all = scan(f, p, q, r, xs, carry=3)\nloss = sum(a * b + c) + sum(all)"
        ),
        arrays(p=RNG.normal(size=4), q=RNG.normal(size=4), r=RNG.normal(size=4), xs=RNG.normal(size=(13, 4))),
    ),
    "views that are carried": (
        (
            "def f(a, b, x):\n    n = sin(a + x)\n"
            "    return flip(n), reshape(b, [2, 2]) @ reshape(x, [2, 2]), n\n"
            "def g(a, b, x):\n    s, t, n = f(a, b, x)\n    return s, reshape(t, [4]) / 3, n\n"
            "a, b, all = scan(g, p, q, xs, carry=2)\nloss = sum(a) + sum(b * b) + sum(all * xs)"
        ),
        arrays(p=RNG.normal(size=4), q=RNG.normal(size=4), xs=RNG.normal(size=(6, 4))),
    ),
    "swapped, unchanged and scanned": (
        (
            "def f(a, b, c, x, w):\n    return b, a, x, a * w + c\n"
            "a, b, c, all = scan(f, p, q, r, xs, w, carry=3)\nloss = sum(a - b + c) + sum(all ** 2)"
        ),
        arrays(p=[1, 2], q=[3, 4], r=[0, 0], xs=RNG.normal(size=(5, 2)), w=[2, 3]),
    ),
    "a loop in a loop": (
        (
            "def inner(h, y, w):\n    return tanh(h * w + y)\n"
            "def outer(h, ys, w):\n    n = scan(inner, h, ys, w)\n    return n, sum(n)\n"
            "last, all = scan(outer, h0, xs, w)\nloss = sum(last) + sum(all)"
        ),
        arrays(h0=[0.1, 0.2], xs=RNG.normal(size=(3, 4, 2)), w=0.7),
    ),
    "a branch in a loop": (
        (
            "def yes(h, x):\n    return h * x\ndef no(h, x):\n    return h - x\n"
            "def f(h, x):\n    return cond(yes, no, sum(x) > 0, h, x)\nloss = sum(scan(f, h0, xs))"
        ),
        arrays(h0=[0.3, -0.4], xs=RNG.normal(size=(8, 2))),
    ),
    "written in place": (
        (
            "def f(h, x, i):\n    m = x * 2\n    return h[1:] * m[:-1] + take(m, i), m\n"
            "def g(h, x, i):\n    n, m = f(h, x, i)\n    return concat([n, m[:1]]), m\n"
            "last, all = scan(g, h0, xs, index, carry=1, scanned=2)\nloss = sum(last) + sum(all)"
        ),
        {**arrays(h0=RNG.normal(size=4), xs=RNG.normal(size=(6, 4))), "index": np.arange(6) % 3},
    ),
    "nothing scanned": (
        (
            "def f(a, b):\n    return b, a + b\n"
            "a, b = scan(f, p, q, carry=2, scanned=0, length=10)\nloss = a * b"
        ),
        arrays(p=0.5, q=1.5),
    ),
    "no step": (
        "def f(h, x):\n    return h * x\nloss = sum(scan(f, h0, xs))",
        arrays(h0=[1, 2], xs=np.ones((0, 2))),
    ),
}
WHILES: dict[str, tuple[str, dict[str, Any]]] = {
    "newton": (
        (
            "def go(x, a):\n    return max(abs(x * x - a)) > 1e-5\n"
            "def step(x, a):\n    return x - (x * x - a) / (2 * x)\n"
            "loss = sum(while_loop(go, step, ones_like(a), a, max_steps=40))"
        ),
        arrays(a=[2, 3, 5]),
    ),
    "scalars and arrays": (
        (
            "def go(x, k, n):\n    return k < n\ndef step(x, k, n):\n    return sin(x) * 1.5, k + 1\n"
            "x, k = while_loop(go, step, x, 0.0, n, carry=2, max_steps=7)\nloss = sum(x) + k"
        ),
        arrays(x=[0.2, 0.9], n=5),
    ),
    "no step": (
        (
            "def go(x):\n    return sum(x) > 100\ndef step(x):\n    return x * 2\n"
            "loss = sum(while_loop(go, step, x, max_steps=5))"
        ),
        arrays(x=[1, 2]),
    ),
    "all steps": (
        (
            "def go(x, y):\n    return sum(x) < 4.5\ndef step(x, y):\n    return y, x + y\n"
            "x, y = while_loop(go, step, x, x, carry=2, max_steps=3)\nloss = sum(x * y)"
        ),
        arrays(x=[1.0, 0.6]),
    ),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("optimize", [True, False])
@pytest.mark.parametrize("reverse", [False, True])
def test_scans_give_the_bits_of_the_interpreted_loop(
    name: str, optimize: bool, reverse: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, given = CASES[name]
    if reverse:
        program = re.sub(r"(scan\(f[^()]*)\)", r"\1, reverse=True)", program)
    check(program, given, monkeypatch, optimize=optimize)


@pytest.mark.parametrize("name", WHILES)
@pytest.mark.parametrize("optimize", [True, False])
def test_while_loops_give_the_bits_of_the_interpreted_loop(
    name: str, optimize: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(*WHILES[name], monkeypatch, optimize=optimize)


def check(program: str, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch, **choices: Any) -> None:
    """Gradient and Hessian of one program, for ordinary numbers, in single precision, and for odd ones."""
    odd = {name: hurt(value) for name, value in given.items()}
    single = {n: v.astype("float32") if v.dtype.kind == "f" else v for n, v in given.items()}
    for values in (given, single, odd):
        for kind in ("gradient", "hessian") if values is given else ("gradient",):
            wrt = tuple(name for name, value in values.items() if value.dtype.kind == "f")
            ours = compiled(program, values, kind=kind, wrt=wrt, **choices)
            again = [ours.run(values) for _ in range(2)]  # the second run has the memory of the first
            expected = interpreted(monkeypatch, program, values, kind=kind, wrt=wrt, **choices)
            assert_same_bits(again[0], expected)
            assert_same_bits(again[1], expected)


def hurt(value: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if value.dtype.kind != "f" or value.ndim < 2 or not value.size:
        return value
    odd = value.copy()
    places = range(0, odd.size, max(1, odd.size // 4))
    odd.flat[list(places)] = np.resize([np.nan, np.inf, -np.inf, -0.0], len(places))
    return odd


FAILURES = {
    "a step": (
        "def f(c, i, x):\n    y = take(x, i)\n    return c * y\nloss = scan(f, 1.0, rows, x)",
        {"rows": np.array([0, 1, 7]), "x": np.arange(3.0)},
    ),
    "a step of a while loop": (
        (
            "def go(x, k, w):\n    return k < 5\ndef step(x, k, w):\n    return x * take(w, k), k + 1\n"
            "x, k = while_loop(go, step, x, start, w, carry=2, max_steps=9)\nloss = sum(x)"
        ),
        {"x": np.ones(2), "start": np.asarray(0), "w": np.ones(3)},
    ),
    "a condition": (
        (
            "def go(x, k, w):\n    return take(w, k) > 0\ndef step(x, k, w):\n    return x * 2, k + 1\n"
            "x, k = while_loop(go, step, x, start, w, carry=2, max_steps=9)\nloss = sum(x)"
        ),
        {"x": np.ones(2), "start": np.asarray(0), "w": np.ones(3)},
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_what_fails_is_told_as_by_the_interpreted_loop(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program, given = FAILURES[name]
    said: list[UserError] = []
    for run in (
        lambda: compiled(program, given, wrt=("x",)).run(given),
        lambda: interpreted(monkeypatch, program, given, wrt=("x",)),
    ):
        with pytest.raises(IndexOutOfRange) as refused:
            run()
        said.append(refused.value)
    assert said[0].node is not None
    assert (said[0].node, said[0].op, str(said[0])) == (said[1].node, said[1].op, str(said[1]))


def test_running_out_of_steps_is_an_error() -> None:
    program = (
        "def go(x):\n    return x > 0\ndef step(x):\n    return x + 1\n"
        "loss = while_loop(go, step, x, max_steps=5)"
    )
    given = arrays(x=1)
    with pytest.raises(OverLimit, match="after 5 steps"):
        compiled(program, given).run(given)


def test_threads_share_a_program() -> None:
    program, given = CASES["vectors"]
    shared = compiled(program, given)
    inputs = [{**given, "h0": RNG.normal(size=3)} for _ in range(8)]
    expected = [compiled(program, given).run(values) for values in inputs]
    wrong: list[int] = []

    def work(place: int) -> None:
        for _ in range(20):
            answer = shared.run(inputs[place])
            if not np.array_equal(answer["gradients"]["W"], expected[place]["gradients"]["W"]):
                wrong.append(place)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_results_are_the_callers_own() -> None:
    program = "def f(h, x):\n    return h + x, h * x\nlast, all = scan(f, h0, xs)\nloss = sum(last)"
    given = arrays(h0=[1, 2], xs=np.ones((5, 2)))
    asked = compiled(program, given, kind="evaluate", targets=(), outputs=("last", "all"))
    first = asked.run(given)["outputs"]
    kept = {name: value.copy() for name, value in first.items()}
    second = asked.run(arrays(h0=[7, 8], xs=np.zeros((5, 2))))["outputs"]
    for name, value in kept.items():
        np.testing.assert_array_equal(first[name], value)
        assert not np.shares_memory(first[name], second[name])
