"""The tool for GradBench: its protocol, its values against NumPy, its derivatives against differences."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, wishart

from benchmarks._gradbench.__main__ import EVALS, answer
from benchmarks._gradbench.driver import Tool
from benchmarks._gradbench.inputs import Case, cases
from benchmarks._server import ROOT

SMALL = {f"{case[0]} {case[2]}".strip(): case for case in cases(small=True)}


def call(module: str, function: str, given: Any) -> Any:
    """What the tool answers in this process."""
    prepared = EVALS[module][function](given)
    return prepared.write(prepared.run())


def test_the_protocol_is_spoken_over_pipes() -> None:
    with Tool([sys.executable, "-m", "benchmarks._gradbench"], ROOT, os.environ) as tool:
        assert tool.ask(kind="start", eval="hello")["tool"] == "gradwire"
        assert tool.ask(kind="define", module="hello")["success"] is True
        x = 1.0
        for _ in range(4):  # as the eval does
            square = tool.ask(kind="evaluate", module="hello", function="square", input=x)
            double = tool.ask(kind="evaluate", module="hello", function="double", input=square["output"])
            assert square["output"] == pytest.approx(x * x)
            assert double["output"] == pytest.approx(2 * x * x)
            assert [timing["name"] for timing in double["timings"]] == ["evaluate"]
            x = double["output"]
        assert tool.ask(kind="analysis", of=2, valid=True).keys() == {"id"}
        assert tool.ask(kind="define", module="nothing")["success"] is False
        wrong = tool.ask(kind="evaluate", module="hello", function="square", input="text")
        assert wrong["success"] is False
        assert "text" in wrong["error"]


def test_runs_are_repeated_as_often_and_as_long_as_asked() -> None:
    message = {"kind": "evaluate", "module": "lse", "function": "primal"}
    given = {"x": [1.0, 2.0]}
    assert len(answer({**message, "input": {**given, "min_runs": 5, "min_seconds": 0}})["timings"]) == 5
    long = answer({**message, "input": {**given, "min_runs": 1, "min_seconds": 0.02}})["timings"]
    assert sum(timing["nanoseconds"] for timing in long) >= 2e7


def mixture(given: dict[str, Any]) -> float:
    """The log posterior from its densities."""
    d, k, n = given["d"], given["k"], given["n"]
    alpha, mu, q, x = (np.array(given[name]) for name in ("alpha", "mu", "q", "x"))
    weights = np.exp(alpha) / np.exp(alpha).sum()
    density, prior = np.zeros(n), 0.0
    for j in range(k):
        triangle = np.diag(np.exp(q[j]))
        triangle.T[np.triu_indices(d, 1)] = given["l"][j]
        precision = triangle.T @ triangle
        density += weights[j] * multivariate_normal(mu[j], np.linalg.inv(precision)).pdf(x)
        prior += wishart(d + given["m"] + 1, np.eye(d) / given["gamma"] ** 2).logpdf(precision)
    return float(np.log(density).sum() + prior)


def k_means(given: dict[str, Any]) -> float:
    """The sum of squared distances to the nearest centroids."""
    points, centroids = np.array(given["points"]), np.array(given["centroids"])
    return float(((points[:, None] - centroids) ** 2).sum(axis=2).min(axis=1).sum())


def least_squares(given: dict[str, Any]) -> float:
    """The residuals of a polynomial."""
    t = np.linspace(-1, 1, given["n"])
    return float(0.5 * ((np.sign(t) - np.polyval(given["x"][::-1], t)) ** 2).sum())


def ode(given: dict[str, Any]) -> Any:
    """Runge and Kutta's method."""
    x, h = np.array(given["x"]), 2.0 / given["s"]
    y = np.zeros_like(x)

    def slope(y: Any) -> Any:
        return x * np.concatenate([[1.0], y[:-1]])

    for _ in range(given["s"]):
        k1 = slope(y)
        k2 = slope(y + h / 2 * k1)
        k3 = slope(y + h / 2 * k2)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + slope(y + h * k3))
    return y


def network(given: dict[str, Any]) -> float:
    """The loss of LSTM cells over a sequence."""
    main, extra, state, sequence = (
        np.array(given[name]) for name in ("main_params", "extra_params", "state", "sequence")
    )
    total = 0.0
    for now, then in itertools.pairwise(sequence):
        x, state = now * extra[0], state.copy()
        for i in range(0, len(state), 2):
            hidden, cell = state[i], state[i + 1]
            gates = np.concatenate([x, hidden, x, hidden]) * main[i] + main[i + 1]
            forget, take, out, change = np.split(gates, 4)
            s = [1 / (1 + np.exp(-gate)) for gate in (forget, take, out)]
            cell = cell * s[0] + s[1] * np.tanh(change)
            x = s[2] * np.tanh(cell)
            state[i], state[i + 1] = x, cell
        made = x * extra[1] + extra[2]
        total += (then * (made - np.log(np.exp(made).sum() + 2))).sum()
    return float(-total / (len(sequence) - 1) / sequence.shape[1])


VALUES: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "hello": ("square", lambda x: x * x),
    "gmm 3_4": ("objective", mixture),
    "lse n=50": ("primal", lambda given: logsumexp(given["x"])),
    "llsq n=16": ("primal", least_squares),
    "kmeans k=3,n=20": ("cost", k_means),
    "ode n=5,s=3": ("primal", ode),
    "lstm l=2,c=5": ("objective", network),
    "det 3": ("primal", lambda given: np.linalg.det(np.reshape(given["A"], (given["ell"], -1)))),
}


@pytest.mark.parametrize("name", VALUES)
def test_values_are_those_of_numpy(name: str) -> None:
    module, _, _, given = SMALL[name]
    function, reference = VALUES[name]
    np.testing.assert_allclose(call(module, function, given), reference(given), rtol=1e-9)


def slopes(of: Callable[[np.ndarray[Any, Any]], Any], at: np.ndarray[Any, Any]) -> Any:
    """Central differences, one column for each element."""
    columns = []
    for k in range(at.size):
        step = np.zeros(at.size)
        step[k] = 1e-6
        columns.append((np.ravel(of(at + step)) - np.ravel(of(at - step))) / 2e-6)
    return np.stack(columns, axis=1)


BY_X = {"lse n=50": "x", "llsq n=16": "x", "ode n=5,s=3": "x", "det 3": "A"}


@pytest.mark.parametrize("name", BY_X)
def test_gradients_are_slopes(name: str) -> None:
    (module, function, _, given), key = SMALL[name], BY_X[name]
    found = call(module, function, given)
    value = lambda x: np.ravel(VALUES[name][1]({**given, key: x.tolist()}))[-1]  # noqa: E731
    np.testing.assert_allclose(found, slopes(value, np.array(given[key]))[0], rtol=1e-5, atol=1e-7)


def test_the_gradient_of_a_mixture_is_its_slope() -> None:
    _, _, _, given = SMALL["gmm 3_4"]
    found = call("gmm", "jacobian", given)
    for name in ("alpha", "mu", "q", "l"):
        start = np.array(given[name])

        def value(x: Any, name: str = name, start: Any = start) -> float:
            return mixture({**given, name: x.reshape(start.shape)})

        expected = slopes(value, start.ravel())[0]
        np.testing.assert_allclose(np.ravel(found[name]), expected, rtol=1e-5, atol=1e-6)


def test_the_gradient_of_a_network_is_its_slope() -> None:
    _, _, _, given = SMALL["lstm l=2,c=5"]
    start = [np.array(given[name]) for name in ("main_params", "extra_params")]

    def value(x: Any) -> float:
        main, extra = x[: start[0].size].reshape(start[0].shape), x[start[0].size :].reshape(3, -1)
        return network({**given, "main_params": main, "extra_params": extra})

    expected = slopes(value, np.concatenate([part.ravel() for part in start]))[0]
    np.testing.assert_allclose(call("lstm", "jacobian", given), expected, rtol=1e-5, atol=1e-8)


def test_a_step_of_k_means_goes_to_the_means() -> None:
    _, _, _, given = SMALL["kmeans k=3,n=20"]
    points, centroids = np.array(given["points"]), np.array(given["centroids"])
    nearest = ((points[:, None] - centroids) ** 2).sum(axis=2).argmin(axis=1)
    means = np.stack([points[nearest == j].mean(axis=0) for j in range(len(centroids))])
    np.testing.assert_allclose(centroids - call("kmeans", "dir", given), means, rtol=1e-9)


def test_the_jacobian_of_bundle_adjustment_has_the_slopes_of_one_observation() -> None:
    _, _, _, given = SMALL["ba p=6"]
    found = call("ba", "jacobian", given)
    names, sizes = ("cam", "x", "w"), (11, 3, 1)

    def errors(x: Any) -> Any:
        parts = np.split(x, np.cumsum(sizes)[:-1])
        changed = {name: part.tolist() for name, part in zip(names, parts, strict=True)}
        whole = call("ba", "objective", {**given, **changed, "w": float(parts[2][0])})
        return whole["reproj_error"]["elements"]

    at = np.concatenate([np.ravel(given[name]) for name in names])
    np.testing.assert_allclose(found["vals"][:30], slopes(errors, at).ravel(), rtol=1e-5, atol=1e-7)
    assert found["vals"][-1] == pytest.approx(-2 * given["w"])
    n, m, p = given["n"], given["m"], given["p"]
    first = [*range(11), *range(11 * n, 11 * n + 3), 11 * n + 3 * m]
    assert found["cols"] == [*first, *first, 11 * n + 3 * m + p - 1]
    assert found["rows"][-1] == 31 * p


@pytest.mark.parametrize("case", [case for case in SMALL.values() if case[0] == "ht"], ids=lambda c: c[2])
def test_the_jacobian_of_a_hand_has_the_slopes_of_its_own_places(case: Case) -> None:
    _, _, _, given = case
    found = np.array(call("ht", "jacobian", given))
    by_theta = slopes(
        lambda x: call("ht", "objective", {**given, "theta": x.tolist()}), np.array(given["theta"])
    )
    np.testing.assert_allclose(found[:, -26:], by_theta, rtol=1e-5, atol=1e-7)
    if given["us"]:
        by_u = slopes(lambda x: call("ht", "objective", {**given, "us": x.tolist()}), np.array(given["us"]))
        for k in range(len(given["us"]) // 2):
            np.testing.assert_allclose(
                found[3 * k : 3 * k + 3, :2], by_u[3 * k : 3 * k + 3, 2 * k : 2 * k + 2], rtol=1e-5, atol=1e-7
            )
