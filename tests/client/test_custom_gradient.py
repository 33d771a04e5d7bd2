"""A derivative rule of the user's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradwire as gw
from gradwire.errors import TraceError

pytestmark = pytest.mark.usefixtures("client")


def gradient_of(function: Any, *variables: gw.Variable) -> Any:
    with gw.GradientTape() as tape:
        y = gw.sum(function(*variables))
    return [None if g is None else g.numpy() for g in tape.gradient(y, list(variables))]


@pytest.mark.parametrize("slope", [2.0, 3.0])
def test_the_given_rule_is_what_runs(slope: float) -> None:
    @gw.custom_gradient
    def custom_square(x: Any) -> Any:
        y = gw.square(x)

        def grad(dy: Any) -> Any:
            return slope * x * dy

        return y, grad

    x = gw.Variable(2.0)
    assert gradient_of(custom_square, x) == [2 * slope]
    assert float(custom_square(x)) == 4.0
    assert float(custom_square(3.0)) == 9.0


def test_the_rule_may_use_the_result_and_what_led_to_it() -> None:
    @gw.custom_gradient
    def stable(x: Any) -> Any:
        e = gw.exp(x)
        y = gw.log(1 + e)
        return y, lambda dy: dy * (1 - 1 / (1 + e)) + 0 * y

    x = gw.Variable([0.0, 100.0])
    np.testing.assert_allclose(gradient_of(stable, x)[0], [0.5, 1.0])


def test_several_arguments_results_and_settings() -> None:
    @gw.custom_gradient
    def both(a: Any, b: Any, *, factor: float) -> Any:
        def grad(d_sum: Any, d_product: Any) -> Any:
            return factor * d_sum, 100.0 * d_product

        return (a + b, a * b), grad

    a, b = gw.Variable([1.0, 2.0]), gw.Variable([3.0, 4.0])
    with gw.GradientTape() as tape:
        total, product = both(a, b, factor=10.0)
        loss = gw.sum(total) + gw.sum(product * 2.0)
    da, db = tape.gradient(loss, [a, b])
    np.testing.assert_array_equal(da, [10.0, 10.0])
    np.testing.assert_array_equal(db, [200.0, 200.0])


@pytest.mark.filterwarnings("ignore::gradwire.errors.GradientWarning")
def test_what_it_uses_from_outside_is_a_constant_to_it() -> None:
    w, scale = gw.Variable(3.0, name="w"), np.array(5.0)

    @gw.custom_gradient
    def scaled(x: Any) -> Any:
        outside = w * scale
        return x * outside, lambda dy: dy * outside

    x = gw.Variable(2.0, name="x")
    with gw.GradientTape(persistent=True) as tape:
        h = gw.exp(w)
        y = scaled(x) + h * 0.0
    assert float(y) == 30.0
    assert float(tape.gradient(y, x)) == 15.0
    assert float(tape.gradient(y, w)) == 0.0


def test_captured_results_of_the_tape() -> None:
    w = gw.Variable(3.0)
    with gw.GradientTape() as tape:
        h = w * w

        @gw.custom_gradient
        def times_h(x: Any) -> Any:
            return x * h, lambda dy: dy * h

        y = times_h(w)
    assert float(tape.gradient(y, w)) == 9.0


@pytest.mark.filterwarnings("ignore::gradwire.errors.GradientWarning")
def test_no_cotangent_for_an_argument() -> None:
    @gw.custom_gradient
    def first(x: Any, y: Any) -> Any:
        return x * y, lambda dy: (dy, None)

    x, y = gw.Variable(2.0), gw.Variable(3.0)
    assert gradient_of(first, x, y) == [1.0, 0.0]


def test_two_of_them_in_one_graph_keep_their_rules() -> None:
    def with_slope(slope: float) -> Any:
        @gw.custom_gradient
        def rule(x: Any) -> Any:
            return gw.square(x), lambda dy: slope * dy

        return rule

    x = gw.Variable(2.0)
    assert gradient_of(lambda v: with_slope(5.0)(v) + with_slope(7.0)(v) + with_slope(5.0)(v), x) == [17.0]


def test_mistakes_are_told() -> None:
    with pytest.raises(TraceError, match="return y, grad"):
        gw.custom_gradient(lambda x: x)(1.0)
    with pytest.raises(TraceError, match="2 cotangents for 1 argument"):
        gw.custom_gradient(lambda x: (x * 1.0, lambda dy: (dy, dy)))(1.0)
    with pytest.raises(TraceError, match="traced once for all values"):
        gw.custom_gradient(lambda x: (x * float(x), lambda dy: dy))(1.0)


def test_a_loop_with_one_stays_one_small_request_an_iteration(client: gw.Client) -> None:
    @gw.custom_gradient
    def double(x: Any) -> Any:
        return x * 2.0, lambda dy: dy * 2.0

    w = gw.Variable(1.0)
    for _ in range(3):
        gradient_of(double, w)
    entries = list(client._session._known.values())
    assert [entry.uses for entry in entries] == [3]


def test_stop_gradient() -> None:
    w = gw.Variable(3.0)
    assert gradient_of(lambda v: v * gw.stop_gradient(v), w) == [3.0]


@pytest.mark.filterwarnings("ignore::gradwire.errors.GradientWarning")
def test_a_captured_variable_has_no_gradient_and_the_report_says_why() -> None:
    v, w = gw.Variable([1.0, 2.0], name="v"), gw.Variable([3.0, 4.0], name="w")

    @gw.custom_gradient
    def scaled(z: Any) -> Any:
        return gw.square(z) * w, lambda dy: 2 * z * w * dy

    with gw.GradientTape(persistent=True) as tape:
        loss = gw.sum(scaled(v))
    by_v, by_w = tape.gradient(loss, [v, w])
    np.testing.assert_allclose(by_v.numpy(), [6.0, 16.0])
    assert by_w is None, "the value depends on w, so a zero would be wrong"
    assert "stop" in str(tape.explain(loss, [w]))
