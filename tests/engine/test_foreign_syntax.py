"""Texts of R, Mathematica, MATLAB, Julia and JavaScript, and updates in place: each hint is pasted.

Many of them are Python by accident: `mu <- a` compares, `Exp[x]` is an element, `0,05` are two numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special, stats

from engine.frontend.program import parse_program
from tests.engine.pasting import computed, error_of, mended

X, Y, A = np.array([0.5, 1.0, 2.0]), np.array([0.2, 0.5, 1.3]), np.array([[2.0, 1.0], [1.0, 3.0]])
V, D = np.array([0.5, 0.2]), np.array([1.0, 2.0])
GIVEN: dict[str, Any] = {"x": X, "y": Y, "a": 0.1, "k": 0.3, "s": 0.7, "T": 4.0, "A": A, "v": V, "d": D}
SQUARES = np.sum((Y - 0.1 - 0.3 * X) ** 2)

TEXTS: dict[str, tuple[Any, int]] = {
    # R
    "mu <- a + k * x\n-sum(dnorm(y, mu, s, log=TRUE))": (-stats.norm(0.1 + 0.3 * X, 0.7).logpdf(Y).sum(), 2),
    "mu <- a + k * x\nsum((y - mu)^2)": (SQUARES, 1),
    "r<-y-a-k*x;sum(r*r)": (SQUARES, 1),
    "loss <- sum((y - a - k * x) ** 2)": (SQUARES, 1),
    "sum(y) -> z\nz * 2": (4.0, 1),
    "pnorm(y, a, s, lower.tail=FALSE)": (stats.norm(0.1, 0.7).sf(Y), 2),
    "sum(c(1, 2) * d)": (5.0, 1),
    "v %*% A %*% v": (V @ A @ V, 1),
    "f <- function(q) q^2\nsum(f(x))": (np.sum(X**2), 1),
    "if (a > 0) y else x": (Y, 1),
    # Mathematica
    "sum((a * Exp[-k * x] - y) ** 2)": (np.sum((0.1 * np.exp(-0.3 * X) - Y) ** 2), 1),
    "Total[(a Exp[-k x] - y)^2]": (np.sum((0.1 * np.exp(-0.3 * X) - Y) ** 2), 1),
    "Sqrt[Mean[x^2]]": (np.sqrt(np.mean(X**2)), 1),
    "sum(log[x] + tanh[k * x])": (np.sum(np.log(X) + np.tanh(0.3 * X)), 1),
    "Max[x] - Sin[k]": (2 - np.sin(0.3), 1),
    # decimal commas
    "rate = 0,05\nsum(x * exp(-rate * y))": (np.sum(X * np.exp(-0.05 * Y)), 1),
    "sum(exp(-0,05 * x))": (np.sum(np.exp(-0.05 * X)), 1),
    "sum(exp(-0,5 * x))": (np.sum(np.exp(-0.5 * X)), 1),
    "sum(exp(1,5 * x))": (np.sum(np.exp(1.5 * X)), 1),
    "z = x * 0,5\nsum(z)": (1.75, 1),
    "z = a * 0,5 + k * 1,5\nz": (0.5, 1),
    "maximum(0,5 * x, 0)": (0.5 * X, 1),
    "sum(x ** 0,5)": (np.sum(np.sqrt(X)), 1),
    "g = 9,81\nh = 1,05 * g\nh": (1.05 * 9.81, 1),
    "sum(x * 1,050)": (1050 * 3.5, 1),
    # MATLAB, Julia, JavaScript
    "r = A*v - d;\nr' * r": (np.sum((A @ V - D) ** 2), 1),
    "f = @(q) q.^2;\nsum(f(x))": (np.sum(X**2), 1),
    "sum(x .^ 2)  % a penalty": (np.sum(X**2), 1),
    "% a penalty\nsum(x .^ 2)": (np.sum(X**2), 1),
    "function q = f(z)\n  q = z.^2;\nend\nsum(f(x))": (np.sum(X**2), 1),
    "function f(q)\n  q^2\nend\nsum(f.(x))": (np.sum(X**2), 1),
    "sum(abs2.(x .- y))": (np.sum((X - Y) ** 2), 2),
    "sum(x[2:end])": (3.0, 1),
    "x |> sum": (3.5, 1),
    "const f = (q) => q ** 2;\nsum(f(x))": (np.sum(X**2), 1),
    "sum(Math.exp(x) * Math.PI)": (np.pi * np.exp(X).sum(), 1),
    # the notation of papers and blackboards
    "cos^2(k * x) * a": (0.1 * np.cos(0.3 * X) ** 2, 1),
    "sin^2 a + cos^2 a": (1.0, 1),
    "sum(tanh**2(x - y))": (np.sum(np.tanh(X - Y) ** 2), 1),
    "sin^-1(a) + tan^{-1}(k)": (np.arcsin(0.1) + np.arctan(0.3), 1),
    "2 sin^2(a)": (2 * np.sin(0.1) ** 2, 1),
    "log^2(1 + a)": (np.log(1.1) ** 2, 1),
    "log|a - 1| + 2|k - 1|": (np.log(0.9) + 1.4, 1),
    "||x - y||^2 + ||d||_1": (np.sum((X - Y) ** 2) + 3, 1),
    "||A v - d||": (np.linalg.norm(A @ V - D), 1),
    "a = True || False\nwhere(a || a, 1, 2)": (1.0, 1),
    "exp(-a) k^2": (np.exp(-0.1) * 0.09, 1),
    "1/2 * a k^2": (0.5 * 0.1 * 0.09, 1),
    "3(a+1)(k-2)": (3 * 1.1 * -1.7, 1),
    "sin(a)^2(1+k)": (np.sin(0.1) ** 2 * 1.3, 1),
    "a**2(1+k)": (0.01 * 1.3, 1),
    "sin(a)cos(k)": (np.sin(0.1) * np.cos(0.3), 1),
    "asin(k) + sina": (np.arcsin(0.3) + np.sin(0.1), 1),
    "ksin(a)": (0.3 * np.sin(0.1), 1),
    "ak^2": (0.1 * 0.09, 2),
    "<x, y>": (X @ Y, 1),
    "A v": (A @ V, 1),
    "Σ x²": (np.sum(X**2), 1),
    "a + Σ x² + k": (0.4 + np.sum(X**2), 1),
    "sum_{i} x_i^2": (np.sum(X**2), 1),
    "e^{-x^2/2}": (np.exp(-(X**2) / 2), 1),
    "log_2(s) + log_{10}(s)": (np.log2(0.7) + np.log10(0.7), 1),
    "a % 2 == 0 ? a : -a": (-0.1, 1),
    "if_ = (a > 0) ? a : k": (0.1, 1),
    # LaTeX
    r"\frac{a}{k} + \sqrt{a^2+k^2}": (0.1 / 0.3 + np.hypot(0.1, 0.3), 1),
    r"\sin(a)^{2} \cdot \pi": (np.sin(0.1) ** 2 * np.pi, 1),
    r"\frac{1}{2}\sum_{i=1}^{n} (y_i - k x_i)^2": (np.sum((Y - 0.3 * X) ** 2) / 2, 1),
    r"\left\| A v - d \right\|_2^2": (np.sum((A @ V - D) ** 2), 1),
    r"\exp\left(-\frac{(a - k)^2}{2 s^2}\right)": (np.exp(-(0.2**2) / (2 * 0.49)), 1),
    r"\log_2 s": (np.log2(0.7), 1),
    # elements, counted from 1
    "100*(v(2)-v(1)^2)^2+(1-v(1))^2": (100 * (0.2 - 0.25) ** 2 + 0.25, 1),
    "A(1,2)*A(2,1) - A(1,1)*A(2,2)": (-5.0, 1),
    "x{1} + x{3}^2": (4.5, 1),
    "sum(x(2:end).^2) + x(end-1) + sum(A(:,1))": (9.0, 1),
    "v(1) * d(2)": (1.0, 1),
    # Excel, C++ and Fortran
    "=SUM(x)^2": (3.5**2, 2),
    "=IF(a>0, k, 0)": (0.3, 1),
    "LN(a) + POWER(k, 2)": (np.log(0.1) + 0.09, 2),
    "std::exp(-a) * pow(k, 2)": (np.exp(-0.1) * 0.09, 1),
    "real :: f\nf = a**2.d0 + 1.0_dp": (1.01, 1),
    "ones(3,1) * a": ([[0.1], [0.1], [0.1]], 1),
    # updates in place, and what masks pick
    "u = x.at[0].set(0.0)\nu = u.at[-1].set(0.0)\nu": ([0, 1, 0], 1),
    "x.at[1:].add(a)": ([0.5, 1.1, 2.1], 1),
    "x.at[0].set(0.0).at[1].multiply(5)": ([0, 5, 2], 1),
    "x.at[x > 0.7].set(0)": ([0.5, 0, 0], 1),
    "x[0] = 0.0\nsum(x)": (3.0, 1),
    "x[1:] += y[1:]\nx": ([0.5, 1.5, 3.3], 1),
    "x[x > 1] = 0\nsum(x)": (1.5, 1),
    "A[0, :] = 0\nA": ([[0, 0], [1, 3]], 1),
    "mean(k * log(x[x > 0.6]))": (0.3 * np.mean(np.log([1.0, 2.0])), 1),
    "r = x[x > 0.6] - a\nmean(r ** 2)": (np.mean(np.square([0.9, 1.9])), 1),
    "m = y > 0.3\nmax(y[m] * k) + sum(x[m])": (0.39 + 3.0, 1),
    "x[isfinite(x)].mean()": (3.5 / 3, 1),
    "min(x[(x > 0.6) & (y < 2)])": (1.0, 1),
    # options that are tensors
    "linspace(0, T, 5)": ([0, 1, 2, 3, 4], 1),
    "linspace(a, T, num=5, endpoint=False)": (np.linspace(0.1, 4, 5, endpoint=False), 1),
    "clip(x, a, s)": ([0.5, 0.7, 0.7], 1),
    "x.clip(a, s)": ([0.5, 0.7, 0.7], 1),
    "clip(x, max=s)": ([0.5, 0.7, 0.7], 1),
    "clip(x, None, s)": ([0.5, 0.7, 0.7], 1),
    "full((3,), a)": ([0.1] * 3, 1),
    "leaky_relu(x - 1, alpha=a)": ([-0.05, 0, 1], 1),
    "elu(x - 1, a)": ([0.1 * np.expm1(-0.5), 0, 1], 1),
    "norm(x, T)": (np.sum(X**4) ** 0.25, 1),
    "huber(x, y, a)": (np.mean(special.huber(0.1, X - Y)), 1),
    "sum(x, keepdims=true)": ([3.5], 1),
    # gamma functions
    "sum(log(gamma(y + s) / (gamma(s) * gamma(y + 1))))": (
        np.sum(special.gammaln(Y + 0.7) - special.gammaln(0.7) - special.gammaln(Y + 1)),
        1,
    ),
    "sum(comb(300, 100 * x) * a * 1e-80)": (np.sum(special.binom(300, 100 * X)) * 0.1 * 1e-80, 1),
    "log(factorial(250 * x))": (special.gammaln(250 * X + 1), 1),
    "log(gamma(a) ** 2 * k)": (2 * special.gammaln(0.1) + np.log(0.3), 1),
    "gamma(200 + a) / gamma(199 + a) * x": (199.1 * X, 1),
}


@pytest.mark.parametrize("program", TEXTS)
def test_the_hint_is_what_is_meant(program: str) -> None:
    wanted, rounds = TEXTS[program]
    text, errors = mended(program, GIVEN)
    assert len(errors) <= rounds, [error.hint for error in errors]
    np.testing.assert_allclose(computed(text, GIVEN), wanted, rtol=1e-7, err_msg=text)


@pytest.mark.parametrize(
    "program",
    [
        "where(x <-1, x, 0)",
        "p = (1,2)\nsum(p * d)",
        "p = 1,2,3\nsum(p * x)",
        "sum(clip(x,0,5))",
        "sum(clip(x, 0,1))",
        "Exp = x * 2\nsum(Exp[1:])",
        "norm = x + 1\nnorm[0]",
        "x % y",
        "x[[0,1]] + d[1,None]",
        "sum(x[:2] - 0.5 * d)",
        "maximum(x * 2,3)",
        "x[1] + x[2]",
        "def sin2(q): return sin(q) ** 2\nsin2(a) * 2",
        "(x > 0) | (y > 0)",
    ],
)
def test_what_is_in_the_language_stays(program: str) -> None:
    assert error_of(program, GIVEN) is None


@pytest.mark.parametrize("program", ["v^T A v", "v^{T} A v", "v' * A * v", "v.T @ A v"])
def test_a_product_of_matrices_is_one(program: str) -> None:
    text, _ = mended(program, {"v": V, "A": A})
    np.testing.assert_allclose(computed(text, {"v": V, "A": A}), V @ A @ V, err_msg=text)


def test_inputs_may_be_called_as_foreign_functions_are() -> None:
    assert computed("sum(Log[1:]) + exp[0]", {"Log": X, "exp": X}) == 3.5
    assert computed("where(TRUE > 0, FALSE, x)", {"TRUE": 1.0, "FALSE": 2.0, "x": X}).tolist() == [2, 2, 2]


def test_an_index_is_an_option_or_stands_third() -> None:
    for written in ("0", "index=0", "index=[0]"):
        assert computed(f"index_set(x, 9.0, {written})", GIVEN).tolist() == [9.0, 1.0, 2.0]
    for written in ("slice(1, None)", "index=slice(1, None)", "index=(slice(1, 3),)"):
        assert computed(f"index_add(x, 1.0, {written})", GIVEN).tolist() == [0.5, 2.0, 3.0]
    assert computed("index_set(A, v, index=(slice(None), 0))", GIVEN).tolist() == [[0.5, 1.0], [0.2, 3.0]]
    places = {"x": X, "i": np.array([2, 0])}
    assert computed("index_set(x, 7.0, index=i)", places).tolist() == [7.0, 1.0, 7.0]


def test_a_length_that_depends_on_data_is_told_with_another_way() -> None:
    hint = str(error_of("arange(0, T, 0.1)", GIVEN).hint)  # type: ignore[union-attr]  # it is one
    assert "0.1 * arange(100)" in hint
    hint = str(error_of("eye(k)", GIVEN).hint)  # type: ignore[union-attr]  # it is one
    assert "`k = 3`" in hint
    parse_program("k = 3\neye(k)")
