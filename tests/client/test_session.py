"""How many requests are sent, and what they contain."""

from __future__ import annotations

import numpy as np

import gradwire as gw
from tests.client.fake import fake_server

GRADIENT, PUBLISH, BY_ID = "/v1/gradient", "/v1/graphs", "/v1/graphs/ID/gradient"


def descend(steps: int, w: gw.Variable) -> None:
    for _ in range(steps):
        with gw.GradientTape() as tape:
            loss = gw.reduce_mean(gw.square(w * gw.constant([1.0, 2.0]) - 3.0))
        w.assign_sub(0.1 * tape.gradient(loss, w))
        loss.numpy()


def test_a_loop_costs_one_small_request_an_iteration() -> None:
    with fake_server() as (fake, _):
        descend(10, gw.Variable(0.5))
        assert fake.paths == [GRADIENT, PUBLISH, *[BY_ID] * 9]
        assert set(fake.body()) == {"inputs", "wrt", "encoding"}
        assert set(fake.body()["inputs"]) == {"Variable", "array_1"}
        assert len(fake.requests[-1].content) < 120


def test_a_graph_that_was_forgotten_is_told_again() -> None:
    with fake_server() as (fake, _):
        w = gw.Variable(0.5)
        descend(3, w)
        fake.graphs.clear()
        descend(2, w)
        assert fake.paths[-4:] == [BY_ID, PUBLISH, BY_ID, BY_ID]


def test_a_graph_met_once_is_never_published() -> None:
    with fake_server() as (fake, _):
        gw.exp(gw.constant(1.0)).numpy()
        assert fake.paths == ["/v1/evaluate"]


def test_the_first_call_carries_the_graph_and_no_path_of_this_machine() -> None:
    with fake_server() as (fake, _):
        descend(1, gw.Variable(0.5, name="weight"))
        assert fake.body()["graph"]["inputs"] == {
            "weight": {"dtype": "float64"},
            "array_1": {"dtype": "float64"},
        }
        assert __file__.encode() not in fake.requests[0].content
        assert b"source" not in fake.requests[0].content


def test_numbers_are_baked_in_and_tell_graphs_apart() -> None:
    with fake_server() as (fake, _):
        x = gw.constant(1.0)
        for number in (1, 1.0, True, 2, 0.0, -0.0):
            gw.maximum(x, number).numpy()
        assert fake.paths == ["/v1/evaluate"] * 6


def test_arrays_are_inputs_and_do_not() -> None:
    with fake_server() as (fake, _):
        for value in (np.ones(3), np.zeros(5), np.ones((2, 2))):
            gw.exp(gw.constant(1.0) + value).numpy()
        assert fake.paths == ["/v1/evaluate", PUBLISH, "/v1/graphs/ID/evaluate", "/v1/graphs/ID/evaluate"]


def test_dtypes_tell_graphs_apart() -> None:
    with fake_server() as (fake, _):
        for dtype in ("float32", "float64"):
            gw.exp(gw.constant(1.0, dtype)).numpy()
        assert fake.paths == ["/v1/evaluate"] * 2


def test_arithmetic_on_known_values_is_computed_here() -> None:
    with fake_server() as (fake, _):
        g, m = gw.constant([1.0, 4.0], "float32"), gw.constant([0.5, 2.0], "float32")
        step = 0.1 * m / (gw.sqrt(g) + 1e-7) - -g * 2
        expected = np.float32([0.1, 0.1]) * np.float32([0.5, 2.0]) / np.float32([1.0, 2.0]) + np.float32(
            [2.0, 8.0]
        )
        np.testing.assert_allclose(step.numpy(), expected, rtol=1e-6)
        assert step.dtype == np.float32
        assert fake.requests == []


def test_arithmetic_that_could_round_or_promote_otherwise_is_not() -> None:
    with fake_server() as (fake, _):
        x, y = gw.constant([1.0], "float32"), gw.constant([2.0])
        for unsure in (
            x + y,
            gw.exp(y),
            y**2,
            gw.constant([1], "int64") + 1,
            y + gw.constant([1.0, 2.0, 3.0])[:2],
        ):
            unsure.numpy()
        assert len(fake.requests) == 5


def test_a_value_is_fetched_once() -> None:
    with fake_server() as (fake, _):
        y = gw.exp(gw.constant(1.0))
        assert float(y) == 1.0
        assert int(y) == 1
        assert bool(y)
        assert str(y) == "Tensor(1., shape=(), dtype=float64)"
        assert f"{y:.2f}" == "1.00"
        assert len(fake.requests) == 1


def test_several_values_are_one_request() -> None:
    with fake_server() as (fake, client):
        x = gw.constant(1.0)
        assert client.values([gw.exp(x), gw.log(x), x]) == [1.0, 1.0, 1.0]
        assert fake.paths == ["/v1/evaluate"]


def test_constants_and_variables_cost_nothing() -> None:
    with fake_server() as (fake, _):
        assert gw.constant([1.0, 2.0]).numpy().tolist() == [1.0, 2.0]
        assert gw.zeros((2, 3)).shape == (2, 3)
        assert float(gw.Variable(2.0)) == 2.0
        assert repr(gw.exp(gw.constant(1.0))).startswith("<Tensor of exp, not fetched, from ")
        assert fake.requests == []


def test_a_fetched_value_that_no_tape_needs_ends_its_past() -> None:
    with fake_server() as (fake, _):
        total = gw.constant(0.0)
        for _ in range(3):
            total = gw.maximum(total, gw.constant(1.0))
            total.numpy()
        assert len(fake.body()["inputs"]) == 2


def test_the_session_forgets_the_oldest_graphs() -> None:
    with fake_server() as (fake, client):
        client._session.graphs = 2
        x = gw.constant(1.0)
        for power in (2, 3, 4, 2):
            (x**power).numpy()
        assert fake.paths == ["/v1/evaluate"] * 4
