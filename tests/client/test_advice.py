"""Warnings about gradients that are None, zero or not finite, and `explain` of functions."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradwire as gw
from gradwire.errors import GradientWarning

pytestmark = pytest.mark.usefixtures("client")

FLAWS: list[tuple[Callable[[Any], Any], Any, str]] = [
    (
        lambda x: gw.sum(gw.round(x) * 2.5),
        [0.3, 1.0],
        r"'x' is None: .*by round.*Write x \+ gw\.stop_gradient\(gw\.round\(x\) - x\) for `gw\.round\(x\)`",
    ),
    (lambda x: gw.sum(gw.zeros_like(x) + 3.5), [0.3, 1.0], r"'x' is None: .*depend"),
    (lambda x: gw.sum(gw.stop_gradient(x) * 4.5), [0.3, 1.0], r"'x' is None: .*stopped on purpose"),
    (lambda x: gw.sum(gw.relu(x) * 5.5), [-0.3, -1.0], r"'x' is zero: .*flat side.*gw\.leaky_relu\(x\)"),
    (lambda x: gw.sum(gw.sqrt(x) * 6.5), [0.0, 1.0], r"'x' has infinite elements: .*infinite at x = 0"),
    (lambda x: gw.sum(gw.log(x) * 7.5), [-1.0, np.nan], r"'x' has NaN elements"),
]


@pytest.mark.parametrize(("function", "value", "words"), FLAWS)
def test_grad_and_the_tape_warn_with_the_reason_and_the_users_line(
    client: gw.Client, function: Callable[[Any], Any], value: Any, words: str
) -> None:
    requests = count_requests(client)
    with pytest.warns(GradientWarning, match=words) as told:
        gw.grad(function)(np.array(value))
    assert len(requests) == 1
    assert [each.filename for each in told] == [__file__]
    with pytest.warns(GradientWarning, match=words):
        gw.value_and_grad(function)(np.array(value))
    x = gw.Variable(value, name="x")
    with gw.GradientTape() as tape:
        target = function(x)
    with pytest.warns(GradientWarning, match=words.split(":", maxsplit=1)[0]):
        tape.gradient(target, x)


def count_requests(client: gw.Client) -> list[str]:
    sent: list[str] = []
    client._driver.connection.get().http.event_hooks["request"].append(
        lambda request: sent.append(request.url.path)
    )
    return sent


def test_a_healthy_gradient_warns_of_nothing_and_neither_does_what_was_asked_away() -> None:
    assert gw.grad(lambda x, y: gw.sum(x * x), unconnected_gradients="zero", argnums=(0, 1))(2.0, 1.0) == (
        4.0,
        0.0,
    )
    w, frozen = gw.Variable(1.0), gw.Variable(2.0, trainable=False)
    with gw.GradientTape() as tape:
        y = w * frozen
    found = tape.gradient(y, [w, frozen], unconnected_gradients="zero")
    assert [float(g) for g in found] == [2.0, 0.0]
    with pytest.warns(GradientWarning, match="flat side"):
        gw.grad(lambda x: gw.sum(gw.relu(x)), unconnected_gradients="zero")(np.array([-1.0]))


def test_unwatched_sources_are_warned_of_with_the_cure() -> None:
    x, frozen = gw.constant(2.0), gw.Variable(2.0, trainable=False)
    with gw.GradientTape(persistent=True) as tape:
        y = x * frozen * gw.Variable(3.0)
    with pytest.warns(GradientWarning, match=r"'x' is None: .*call tape.watch"):
        assert tape.gradient(y, x) is None
    with pytest.warns(GradientWarning, match="'frozen' is None: .*make it trainable"):
        assert tape.gradient(y, frozen) is None


def test_a_loop_warns_once_a_line_although_its_numbers_change() -> None:
    w = gw.Variable(1.0, name="w")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for k in range(4):
            with gw.GradientTape() as tape:
                y = gw.tanh(w * (100.0 + k))
            tape.gradient(y, w)
    assert [type(each.message) for each in caught] == [GradientWarning]


def test_what_is_recorded_inside_another_trace_is_not_judged() -> None:
    assert gw.grad(lambda u: u * u + gw.grad(lambda v: u + 0.0 * v)(1.0))(3.0) == 6.0


def test_matrices_that_are_not_finite_are_warned_of() -> None:
    def roots(x: Any) -> Any:
        return gw.sqrt(x)

    x = np.array([0.0, 1.0])
    with pytest.warns(GradientWarning, match=r"Jacobian by 'x' are not finite; gradwire.explain\(roots"):
        gw.jacobian(roots)(x)
    with pytest.warns(GradientWarning, match="Hessian by 'x'"):
        gw.hessian(lambda x: gw.sum(gw.sqrt(x)))(x)
    assert gw.explain(roots, x)["x"].status == "inf"


def test_explain_tells_of_functions_what_a_tape_tells_of_variables() -> None:
    def loss(w: Any, b: Any, x: Any, *, power: int = 2) -> Any:
        return gw.mean((gw.round(w * x) + b) ** power)  # the line to blame

    x = np.array([1.0, 2.0])
    report = gw.explain(loss, 1.3, 0.5, x, argnums=(0, 1), power=2)
    assert isinstance(report, gw.Report)
    assert (report["w"].status, report["b"].status) == ("blocked", "ok")
    assert "# the line to blame" in str(report["w"])
    assert report.value == pytest.approx(np.mean((np.round(1.3 * x) + 0.5) ** 2))
    w = gw.Variable(1.3, name="w")
    with gw.GradientTape() as tape:
        target = loss(w, 0.5, x)
    same = tape.explain(target, w)["w"]
    assert (same.reason, same.message, same.fix) == (report["w"].reason, report["w"].message, report["w"].fix)


def test_explain_takes_structures_aux_and_functions_that_use_nothing() -> None:
    report = gw.explain(lambda p: (gw.sum(p["a"] ** 2), "aux"), {"a": np.ones(2), "b": 1.0}, has_aux=True)
    assert [finding.status for finding in report.findings] == ["ok", "disconnected"]
    assert gw.explain(lambda x: gw.constant(1.0), 2.0)["x"].status == "disconnected"


def test_places_and_reports_can_be_pickled() -> None:
    report = gw.explain(lambda x: gw.round(x) * 2.0, 2.0)
    assert str(pickle.loads(pickle.dumps(report))) == str(report)
