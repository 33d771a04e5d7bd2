"""Evals that differentiate one number by one vector: hello, lse, llsq, kmeans, ode, det."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from benchmarks._gradbench.functions import Arrays, Json, Prepared, compiled, floats, gradient_of, value_of

SQUARE = "loss = x ** 2"
LOG_SUM_EXP = "loss = logsumexp(x)"
LEAST_SQUARES = "t = linspace(-1, 1, {n})\nloss = sum((sign(t) - t[:, None] ** arange({m}) @ x) ** 2) / 2"
K_MEANS = """
distances = sum(centroids ** 2, axis=1)[:, None] + sum(points ** 2, axis=1) - 2 * centroids @ points.T
loss = sum(min(distances, axis=0))
"""
#: Runge and Kutta's method with s steps up to t = 2, for y'ᵢ = xᵢ yᵢ₋₁ and y'₀ = x₀.
ODE = """
def slope(y, x):
    return x * concat([[1.0], y[:-1]])
def step(y, t, x):
    k1 = slope(y, x)
    k2 = slope(y + {half} * k1, x)
    k3 = slope(y + {half} * k2, x)
    k4 = slope(y + {whole} * k3, x)
    return y + {sixth} * (k1 + 2 * k2 + 2 * k3 + k4)
y = scan(step, zeros_like(x), zeros({steps}), x, carry=1, scanned=1)
loss = y[-1]
"""
#: The sum over all permutations, with their signs, of products along them.
DETERMINANT = "loss = sum(signs * prod(a[places], axis=1))"


def hello(kind: str) -> Any:
    """The square of a number, or its gradient."""

    def prepare(given: Any) -> Prepared:
        values = {"x": floats(given)}
        return value_of(SQUARE, values) if kind == "value" else gradient_of(SQUARE, values, "x")

    return prepare


def of_x(program: Any, kind: str, output: str = "loss") -> Any:
    """A function of `x`, whose program depends on the other fields of the input."""

    def prepare(given: Json) -> Prepared:
        values = {"x": floats(given["x"])}
        text = program(given)
        return value_of(text, values, output) if kind == "value" else gradient_of(text, values, "x")

    return prepare


def least_squares(given: Json) -> str:
    """The program for n times and as many coefficients as x has."""
    return LEAST_SQUARES.format(n=given["n"], m=len(given["x"]))


def ode(given: Json) -> str:
    """The program for s steps."""
    h = 2.0 / given["s"]
    return ODE.format(half=h / 2, whole=h, sixth=h / 6, steps=given["s"])


def points_of(given: Json) -> Arrays:
    """Points and centroids, one a row."""
    return {name: floats(given[name]) for name in ("points", "centroids")}


def cost(given: Json) -> Prepared:
    """The sum of squared distances to the nearest centroids."""
    return value_of(K_MEANS, points_of(given))


def newton_step(given: Json) -> Prepared:
    """The gradient divided by the diagonal of the Hessian, which is the Hessian times ones."""
    values = points_of(given)
    ones = {"centroids": np.ones_like(values["centroids"])}
    call = compiled("hvp", K_MEANS, values, targets=("loss",), vectors=ones)

    def run() -> Any:
        found = call()
        return found["gradients"]["centroids"] / found["hvp"]["centroids"]

    return Prepared(run, lambda found: found.tolist())


def permutations(given: Json) -> Arrays:
    """The matrix, where each permutation reads it, and the permutations' signs."""
    size = given["ell"]
    if size > 9:
        raise ValueError(f"expected at most 9 rows, got {size}: all permutations are held in memory")
    orders = np.array(list(itertools.permutations(range(size))))
    inversions = sum(
        (orders[:, i] > orders[:, j]).astype(int) for i in range(size) for j in range(i + 1, size)
    )
    places = orders + size * np.arange(size)
    return {"a": floats(given["A"]), "places": places, "signs": 1.0 - 2.0 * (inversions % 2)}


def determinant(given: Json) -> Prepared:
    """The determinant by its definition."""
    return value_of(DETERMINANT, permutations(given))


def determinant_gradient(given: Json) -> Prepared:
    """Its gradient by the elements of the matrix."""
    return gradient_of(DETERMINANT, permutations(given), "a")


EVALS = {
    "hello": {"square": hello("value"), "double": hello("gradient")},
    "lse": {
        "primal": of_x(lambda given: LOG_SUM_EXP, "value"),
        "gradient": of_x(lambda given: LOG_SUM_EXP, "gradient"),
    },
    "llsq": {"primal": of_x(least_squares, "value"), "gradient": of_x(least_squares, "gradient")},
    "kmeans": {"cost": cost, "dir": newton_step},
    "ode": {"primal": of_x(ode, "value", "y"), "gradient": of_x(ode, "gradient")},
    "det": {"primal": determinant, "gradient": determinant_gradient},
}
