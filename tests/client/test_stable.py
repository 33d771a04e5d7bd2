"""`stabilize` from Python: the calls, the tape, and functions of functions."""

from __future__ import annotations

import numpy as np
import pytest

import gradwire as gw

X = np.array([-1000.0, 0.0])


def loss(x: gw.Tensor) -> gw.Tensor:
    return -gw.log(gw.softmax(x))[0]


def test_calls(client: gw.Client) -> None:
    found = client.gradient("-log(softmax(x))[0]", {"x": X}, stabilize=True)
    np.testing.assert_array_equal(found["x"], [-1.0, 1.0])
    assert [one["rewrite"] for one in found.rewrites] == ["log_softmax"]
    assert client.evaluate(loss, {"x": X}, stabilize=True)["result"] == 1000.0
    report = client.diagnose("-log(softmax(x))[0]", {"x": X}, stabilize=True)
    assert (report["x"].status, len(report.rewrites)) == ("ok", 1)
    assert client.diagnose("-log(softmax(x))[0]", {"x": X})["x"].status == "nan"
    checked = client.check("sum(log(1 + exp(x)))", {"x": -X}, stabilize=True)
    assert checked.passed
    assert [one["rewrite"] for one in checked.rewrites] == ["softplus"]
    assert client.check("sum(log(1 + exp(x)))", {"x": X / 1000}).rewrites == ()
    handle = client.graphs.publish("-log(softmax(x))[0]")
    np.testing.assert_array_equal(handle.gradient({"x": X}, stabilize=True)["x"], [-1.0, 1.0])


@pytest.mark.usefixtures("client")
@pytest.mark.filterwarnings("ignore::gradwire.errors.GradientWarning")
def test_the_tape_and_grad() -> None:
    x = gw.Variable(X, name="x")
    with gw.GradientTape(persistent=True, stabilize=True) as tape:
        y = loss(x)
    np.testing.assert_array_equal(tape.gradient(y, x).numpy(), [-1.0, 1.0])
    np.testing.assert_array_equal(tape.jacobian(y, x).numpy(), [-1.0, 1.0])
    assert tape.explain(y, x)["x"].status == "ok"
    with gw.GradientTape() as tape:
        y = loss(x)
    assert np.isnan(tape.gradient(y, x).numpy()).any()
    np.testing.assert_array_equal(gw.grad(loss, stabilize=True)(X), [-1.0, 1.0])


@pytest.mark.filterwarnings("ignore::gradwire.errors.GradientWarning")
def test_masked_backward(client: gw.Client) -> None:
    def root(x: gw.Tensor) -> gw.Tensor:
        return gw.sum(gw.where(x > 0, gw.sqrt(x), 0.0))

    x = np.array([0.0, 4.0])
    found = client.gradient(root, {"x": x}, masked_backward=True)
    np.testing.assert_array_equal(found["x"], [0.0, 0.25])
    assert [warning["code"] for warning in found.warnings] == ["masked"]
    variable = gw.Variable(x, name="x")
    with gw.GradientTape(persistent=True, masked_backward=True) as tape:
        y = root(variable)
    np.testing.assert_array_equal(tape.gradient(y, variable).numpy(), [0.0, 0.25])
    assert "masked_backward took as 0" in str(tape.explain(y, variable))
    np.testing.assert_array_equal(gw.grad(root, masked_backward=True)(x), [0.0, 0.25])
    assert np.isnan(gw.grad(root)(x)).any()


@pytest.mark.usefixtures("client")
def test_explain_points_into_the_function_of_a_loop() -> None:
    w, x = gw.Variable(1.0, name="w"), gw.constant([60.0, 80.0])
    with gw.GradientTape() as tape:

        def step(h: gw.Tensor, row: gw.Tensor) -> tuple[gw.Tensor, gw.Tensor]:
            h = gw.tanh(w * h + row)  # saturated
            return h, h

        last, _ = gw.scan(step, 0.5, x)
    told = str(tape.explain(last, w))
    assert "h = gw.tanh(w * h + row)" in told
    assert "iteration 1" in told
