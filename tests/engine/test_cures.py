"""Every cure is text that can be pasted: mistakes, the code of their error, and what NumPy says was meant."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from scipy import special

from engine.errors import Source, UserError
from engine.frontend.program import parse_program
from tests.engine.pasting import computed, mended

x, y = np.array([0.5, -1.25, 2.0]), np.array([1.5, 0.75, -0.5])
W, V = np.array([[1.0, 2.0, 3.0], [0.5, -1.0, 4.0]]), np.array([[2.0, 0.0, 1.0], [1.0, 1.0, 0.5]])
a, b, lam, theta = 0.7, 1.3, 0.1, 0.4
labels = np.array([2, 0])
M = x > 0
GIVEN: dict[str, Any] = {
    "x": x,
    "y": y,
    "W": W,
    "V": V,
    "a": a,
    "b": b,
    "lambda_": lam,
    "in_": lam,
    "theta": theta,
    "alpha": a,
    "labels": labels,
    "labels2": labels[:, None],
    "M": M,
    "layer_weight": a,
    "x1": x,
    "sigma": b,
    "e_": b,
    "x_i": x,
}

SYNTAX = [
    # products and numbers
    ("2x", 2 * x),
    ("2(x+1)", 2 * (x + 1)),
    ("(x+1)(x-1)", (x + 1) * (x - 1)),
    ("2x + 3.5y - 1", 2 * x + 3.5 * y - 1),
    ("1e-3x", 1e-3 * x),
    ("2 x", 2 * x),
    ("a x + b", a * x + b),
    ("0x10 * x", 16 * x),
    ("x * 007", x * 7),
    ("1,000 * x", 1000 * x),
    ("minimum(1e400, x)", x),
    ("2.0f * x", 2 * x),
    ("real(1i * x * 1i)", -x),
    # operators of other languages
    ("x^2", x**2),
    ("x .^ 2 .* y ./ 4", x**2 * y / 4),
    ("W' * W", W.T @ W),
    ("where(x > 0 && y > 0, 1, 0)", np.where((x > 0) & (y > 0), 1, 0)),
    ("where(x > 0 || y > 0, 1, 0)", np.where((x > 0) | (y > 0), 1, 0)),
    ("where(!M, 1, 0)", np.where(~M, 1, 0)),
    ("x <> y", x != y),
    ("x => y", x >= y),
    ("x === y", x == y),
    ("where(x = 0.5, 1, 2)", np.where(x == 0.5, 1, 2)),
    ("x > 0 ? x : 0", np.where(x > 0, x, 0)),
    ("x++\nx", x + 1),
    ("z := 2 * x\nz", 2 * x),
    ("abs(labels << 2)", labels << 2),
    ("|x - y|", np.abs(x - y)),
    ("mean(|a * x - y|)", np.mean(np.abs(a * x - y))),
    ("theta!", special.gamma(theta + 1)),
    # characters
    ("x × 2 − 1", x * 2 - 1),
    ("x² + y³", x**2 + y**3),
    ("x · y ÷ 2", x * y / 2),
    ("2π", 2 * np.pi),
    ("2πa", 2 * np.pi * a),
    ("θ * x", theta * x),
    ("√(x + 2)", np.sqrt(x + 2)),
    ("‖x‖", np.linalg.norm(x)),
    ("∑(x)", np.sum(x)),
    ("norm(W, ‘fro’)", np.linalg.norm(W)),
    ("norm(W, “fro”)", np.linalg.norm(W)),
    ("x ≤ y", x <= y),
    ("x\u00a0* 2", x * 2),
    ("x\u200b * 2\u2009+ y", x * 2 + y),
    ("α * x", a * x),
    ("é * x", b * x),
    ("x₁ * 2", x * 2),
    ("σ = 2\nσ * x", 2 * x),
    # brackets, commas, lines
    ("sin(x", np.sin(x)),
    ("sin(x))", np.sin(x)),
    ("sin(x]", np.sin(x)),
    ("z = (a * x\nz + 1", a * x + 1),
    ("mean((a * x - y) ** 2", np.mean((a * x - y) ** 2)),
    ("maximum(x y)", np.maximum(x, y)),
    ("where(x > 0 x y)", np.where(x > 0, x, y)),
    ("x * [1 2 3]", x * [1, 2, 3]),
    ("maximum(x,, y)", np.maximum(x, y)),
    ("sum(W, axis: 0)", W.sum(0)),
    ("z = a * x +\ny\nz", a * x + y),
    ("z = a * x\n  + y\nz", a * x + y),
    ("a * x \\\n + y", a * x + y),
    ("  z = 2 * x\n  z", 2 * x),
    ("z = 2 * x;;z", 2 * x),
    ("$x$ * 2", x * 2),
    ("sin x", np.sin(x)),
    ("var z = 2 * x\nz", 2 * x),
    # names
    ("lambda * x", lam * x),
    ("in * x", lam * x),
    ("layer.weight * x", a * x),
    ("np.exp(np.sin(x)) + np.linalg.norm(x)", np.exp(np.sin(x)) + np.linalg.norm(x)),
    ("math.pi * x", np.pi * x),
    ("jnp.tanh(x) * tf.exp(y)", np.tanh(x) * np.exp(y)),
    ("x[:, np.newaxis]", x[:, None]),
    ("x * np.inf > 0", x * np.inf > 0),
    ("torch.std(x)", np.std(x, ddof=1)),
    ("torch.var(W, 0)", np.var(W, 0, ddof=1)),
    ("np.argmax(W)", np.argmax(W)),
    ("tf.argmax(W)", np.argmax(W, 0)),
    ("np.max(W, 0)", np.max(W, 0)),
    ("np.cumsum(W)", np.cumsum(W)),
    ("np.nansum(x)", np.sum(x)),
    ("torch.leaky_relu(x)", np.where(x > 0, x, 0.01 * x)),
    # functions
    ("f(x) = x ** 2\nf(y)", y**2),
    ("def f(x) return x ** 2\nf(y)", y**2),
    ("def f(x):\nreturn x ** 2\nf(y)", y**2),
    ("f = lambda v: v ** 2\nf(y)", y**2),
    ("map(lambda v: v ** 2, x)", x**2),
    ("z = map(lambda v: v * 2, x)\nsum(z)", np.sum(x * 2)),
    # Python's statements and expressions
    ("x if M else y", np.where(M, x, y)),
    ("2 * (x if x > 0 else 3 * y)", 2 * np.where(x > 0, x, 3 * y)),
    ("if x > 0:\n    z = x\nelse:\n    z = 2 * x\nz", np.where(x > 0, x, 2 * x)),
    ("z = x\nif x < 0: z = 0\nz", np.where(x < 0, 0, x)),
    ("z = x\nif x < 0: z *= 2\nz", np.where(x < 0, 2 * x, x)),
    ("if x > 1: z = 1\nelif x > 0: z = 2\nelse: z = 3\nz", np.where(x > 1, 1, np.where(x > 0, 2, 3))),
    ("def f(v):\n    if v > 0: return v\n    else: return 0 * v\nf(x)", np.maximum(x, 0)),
    ("where(x > 0 and y > 0, 1, 0)", np.where((x > 0) & (y > 0), 1, 0)),
    ("where(x > 0 or y > 0 or x < y, 1, 0)", np.where((x > 0) | (y > 0) | (x < y), 1, 0)),
    ("where(not x > y, 1, 0)", np.where(~(x > y), 1, 0)),
    ("where(not (x > 0) and M, 1, 0)", np.where(~(x > 0) & M, 1, 0)),
    ("x is y", x == y),
    ("x is not y", x != y),
    ("a in x", np.any(a == x)),
    ("a not in x", np.all(a != x)),
    ("x += 1\nx", x + 1),
    ("x -= a + b\nx", x - (a + b)),
    ("x: float = 2 * y\nx", 2 * y),
    ("p = q = 2 * x\np + q", 4 * x),
    ("z = (v := x + 1) * v\nz", (x + 1) ** 2),
    ("{1, 2, 3} * x", np.array([1, 2, 3]) * x),
    ("return 2 * x", 2 * x),
    ("print(2 * x)", 2 * x),
    ("[v ** 2 for v in x]", x**2),
    ("sum(v ** 2 for v in x)", sum(v**2 for v in x)),
    ("sum(r * 2 for r in W)", sum(r * 2 for r in W)),
    ("sum(x[i] * y[i] for i in range(len(x)))", np.sum(x * y)),
    ("sum([x[i] for i in range(2)])", x[:2].sum()),
    ("sum(p * exp(q) for p, q in zip(x, y))", np.sum(x * np.exp(y))),
    ("max(v * v for v in x)", np.max(x * x)),
    ("s = 0\nfor v in x:\n    s += v ** 2\ns", np.sum(x**2)),
    ("s = 1\nfor i in range(len(x)):\n    s = s + x[i] * y[i]\ns", 1 + np.sum(x * y)),
    ("w = x\nfor i in range(3):\n    w = w - 0.1 * i * w\nw", x * 0.9 * 0.8),
    # calls of other libraries
    ("log(x + 2, 2)", np.log2(x + 2)),
    ("log(x + 2, 10)", np.log10(x + 2)),
    ("log(x + 2, b)", np.log(x + 2) / np.log(b)),
    ("max(x, 0)", np.maximum(x, 0)),
    ("mean(max(1 - y * x, 0))", np.mean(np.maximum(1 - y * x, 0))),
    ("min(max(x, 0), 1)", np.clip(x, 0, 1)),
    ("max(a, b, x)", np.maximum(np.maximum(a, b), x)),
    ("min(a, b) ** 2", min(a, b) ** 2),
    ("maximum(x)", np.max(x)),
    ("add(x, y, a)", x + y + a),
    ("gather(W, 1, labels2)", np.take_along_axis(W, labels[:, None], 1)),
    ("transpose(W, 0, 1)", W.T),
    ("W.transpose(0, 1)", W.T),
    ("identity(3)", np.eye(3)),
    ("gradient(x ** 2)", np.gradient(x**2)),
    ("fill(x, 2.0)", np.full_like(x, 2.0)),
    ("average(x, weights=y)", np.average(x, weights=y)),
    ("where(x > 0)", np.where(x > 0, 1, 0)),
    ("W.T() @ V", W.T @ V),
    ("W.t() @ V", W.T @ V),
    ("x.sum", np.sum(x)),
    ("mean(x.numpy())", np.mean(x)),
    ("x.add_(1)", x + 1),
    ("sum((a * x - y) ** 2) / len(x)", np.sum((a * x - y) ** 2) / 3),
    ("z = 2 * x\nz(3)", 6 * x),
    ("sum(W, dim=0, keepdim=True)", W.sum(0, keepdims=True)),
    ("mean(W, reduction_indices=1)", W.mean(1)),
    ("std(x, unbiased=True)", np.std(x, ddof=1)),
    ("sort(x, ascending=False)", -np.sort(-x)),
    ("sum(x, name='total')", np.sum(x)),
    ("clip(x, a_min=0, a_max=1)", np.clip(x, 0, 1)),
    ("reshape(W, 3 * 2)", W.reshape(6)),
    ("clip(x, -1 + 1e-3, 1 - 1e-3)", np.clip(x, -0.999, 0.999)),
    ("where(x > 0 & y > 0, 1, 0)", np.where((x > 0) & (y > 0), 1, 0)),
    ("where(x > 0 & M, 1, 0)", np.where((x > 0) & M, 1, 0)),
    ("where(x > 0 | y < 0, 1, 0)", np.where((x > 0) | (y < 0), 1, 0)),
    ("y1 = 2a * x + b\nmean((y1 - y) ** 2)", np.mean((2 * a * x + b - y) ** 2)),
]


@pytest.mark.parametrize(("program", "meant"), SYNTAX, ids=[case[0] for case in SYNTAX])
def test_what_is_pasted_is_what_was_meant(program: str, meant: Any) -> None:
    text, errors = mended(program, GIVEN)
    assert errors, f"{program!r} is no mistake"
    for error in errors:
        assert isinstance(error.source, Source)
        assert error.source.line >= 1
        assert len(error.detail) < 400
    np.testing.assert_allclose(computed(text, GIVEN), meant, rtol=1e-12, err_msg=text)


ADVICE = [
    ("while x > 1: x = x / 2", "while_loop(more, step, x)"),
    ("for v in x:\n    s = sin(s) + v\ns", "scan(step"),
    ("import numpy as np\nx", "delete the line"),
    ("from math import pi\nx", "delete the line"),
    ("x is None", "never None"),
    ("@jit\ndef f(x): return x\nf(y)", "def f(x, y)"),
    ("def f(x):\n    def g(y): return y\n    return g(x)\nf(y)", "side by side"),
    ("def f(x): z = 2 * x\nf(y)", "return"),
    ("def f(x, y=1): return x\nf(y)", "def f(x, y)"),
    ("def f(*x): return x\nf(y)", "def f(x, y)"),
    ("def f(x): return f(x)\nf(y)", "while_loop"),
    ("{'a': x}", "name = expression"),
    ("f'{x}'", "plain"),
    ("[sum(r ** 2) for r in W]", "map(f, x)"),
    ("assert x > 0", "where"),
    ("try: z = x\nexcept: z = y\nz", "where"),
    ("with tape: z = x\nz", "wrt"),
    ("class A: pass", "def f(x)"),
    ("eig(W)", "eigh(x)"),
    ("nanargmax(x)", "where(isnan(x)"),
    ("np.random.normal(0, 1, 3)", "random_normal(key"),
    ("x.backward()", "wrt"),
    ("z = x +", "name = expression"),
]


@pytest.mark.parametrize(("program", "cure"), ADVICE)
def test_what_cannot_be_rewritten_is_told(program: str, cure: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_program(program)
    assert cure in str(caught.value.hint), caught.value.hint
    assert "at $.program" in caught.value.detail or "of $.program" in caught.value.detail


def test_an_unclosed_bracket_is_pointed_at() -> None:
    with pytest.raises(UserError) as caught:
        parse_program("a = 1\ny = sin(a * (w + x)\nz = 2")
    assert "'(' is never closed" in caught.value.detail
    assert isinstance(caught.value.source, Source)
    assert (caught.value.source.line, caught.value.source.column) == (2, 7)


RIGHT = """
max(W, (0, 1)); W.max(0); max(W, axis=0); max(x); transpose(W, 1, 0); transpose(W, (1, 0)); identity(x)
round(x, 2); log(x); 2. / x; where(M, x, y); np * x
x[1:]; 1_000 * x; labels & 1 == 0; einsum('ij,j->i', W, x); x * 2j; -x ** -2
"""


@pytest.mark.parametrize("program", re.split(r"; |\n", RIGHT.strip()))
def test_what_is_right_is_left_alone(program: str) -> None:
    parse_program(program, declared={**GIVEN, "np": a})
