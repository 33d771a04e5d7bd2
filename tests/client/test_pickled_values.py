"""What calls return pickles, and so do clients, handles, variables and models; copies are independent."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

import gradwire as gw
from gradwire import results
from gradwire._locations import Place

PLACE = Place("/home/me/model.py", 7)
FINDING = gw.Finding(
    "w", "zero", "blocked", "why", "fix", ({"node": "n"},), ("w", "n"), ({"code": "c"},), {"max": 1.0},
    PLACE, (PLACE,), (None,), PLACE,
)  # fmt: skip
ARRAYS = {"x": np.array([1.0, np.nan]), "z": np.array(1.0 + 2.0j)}
SPARSE = gw.Sparse(np.array([0, 1]), np.array([1, 0]), np.array([3.0, 4.0]), (2, 2))
RESULTS: list[Any] = [
    gw.Gradients(1.0, {**ARRAYS, "b": None}, {"b": {"status": "zero"}}, ({"a": 1},), ({"b": 2},), {}, {}),
    gw.Pullback(ARRAYS, {"x": None}),
    gw.Pushforward(ARRAYS, ARRAYS),
    gw.Jacobian(ARRAYS, {"y": {"x": SPARSE}}, "forward"),
    gw.Hessian(2.0, ARRAYS, {"x": ARRAYS}),
    gw.HessianProduct(2.0, ARRAYS, ARRAYS),
    gw.GaussNewtonProduct(ARRAYS, ARRAYS),
    gw.Check(True, {"x": 2.0, "y": None}, 1e-16, ({"a": 1},)),
    SPARSE,
    FINDING,
    gw.Report(2.0, (FINDING,), ({"a": 1},)),
]


def same(one: Any, other: Any) -> None:
    """Raise AssertionError unless two values are alike, arrays with their dtypes."""
    assert type(one) is type(other)
    if dataclasses.is_dataclass(one):
        for field in dataclasses.fields(one):
            same(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, dict):
        assert list(one) == list(other)
        for name in one:
            same(one[name], other[name])
    elif isinstance(one, tuple | list):
        assert len(one) == len(other)
        for each, its in zip(one, other, strict=True):
            same(each, its)
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    else:
        assert one == other


def test_no_kind_of_result_is_forgotten() -> None:
    kinds = {
        k for k in vars(results).values() if dataclasses.is_dataclass(k) and k.__module__ == results.__name__
    }
    assert {type(result) for result in RESULTS} == kinds


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: type(result).__name__)
def test_results_pickle(result: Any) -> None:
    same(pickle.loads(pickle.dumps(result)), result)
    same(copy.deepcopy(result), result)


def test_a_client_pickles_as_its_settings(url: str) -> None:
    retry = gw.Retry(attempts=2)
    with gw.Client(url + "/", "secret", timeout=7.0, device="cpu", retry=retry) as client:
        again = pickle.loads(pickle.dumps(client))
        with again:
            assert again is not client
            assert again.url == client.url
            assert again._driver.settings == client._driver.settings
            assert again._driver.settings.api_key == "secret"
            assert "secret" not in repr(again._driver.settings)
            assert again._session.retry == retry
            assert again.evaluate("2 * x", {"x": 3.0})["result"] == 6.0
            assert pickle.loads(pickle.dumps(client)) is again  # one connection for all tasks of a worker
            assert copy.deepcopy(client) is again
        another = pickle.loads(pickle.dumps(client))  # the one before is closed
        with another:
            assert another.evaluate("2 * x", {"x": 3.0})["result"] == 6.0
            assert pickle.loads(pickle.dumps(another)) is another


@pytest.mark.anyio
async def test_an_async_client_pickles_as_its_settings(url: str) -> None:
    async with gw.AsyncClient(url) as client, pickle.loads(pickle.dumps(client)) as again:
        assert (await again.evaluate("2 * x", {"x": 3.0}))["result"] == 6.0


def test_a_client_with_a_transport_of_its_own_says_that_it_cannot_be_pickled() -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200))
    with gw.Client("http://fake", transport=transport) as client:
        for make in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match=r"transport of its own.*make it in the process"):
                make(client)


def test_handles_pickle_with_their_client(client: gw.Client) -> None:
    dataset = client.datasets.upload({"x": np.ones((4, 2)), "y": np.ones(4)})
    same(pickle.loads(pickle.dumps(dataset)), dataset)
    parameters = {"w": {"shape": [2], "initializer": "zeros"}}
    data = {"x": dataset["x"], "y": dataset["y"]}
    job = client.jobs.submit("mean((x @ w - y) ** 2)", data=data, parameters=parameters, batch_size=2)
    again = pickle.loads(pickle.dumps(job))
    with pickle.loads(pickle.dumps(client)):  # whose connection the handles share
        np.testing.assert_array_equal(again.wait(60).parameters()["w"], job.wait(60).parameters()["w"])
        same(next(iter(again.stream())), next(iter(pickle.loads(pickle.dumps(job)).stream())))
        for graph in (client.publish("x ** 2"), client.publish(square)):
            assert pickle.loads(pickle.dumps(graph))(3.0) == graph(3.0) == pytest.approx(9.0)
            assert copy.copy(graph).id == graph.id


def square(x: Any) -> Any:
    return gw.sqrt(x) ** 4


def test_errors_of_an_unpickled_graph_name_the_line(client: gw.Client) -> None:
    graph = pickle.loads(pickle.dumps(client.publish(product)))
    with pickle.loads(pickle.dumps(client)), pytest.raises(gw.errors.ShapeMismatch) as caught:
        graph(np.ones(2), np.ones(3))
    assert caught.value.place.text == "return x @ y"


def product(x: Any, y: Any) -> Any:
    return x @ y


def unpickled(thing: Any) -> Any:
    return pickle.loads(pickle.dumps(thing))


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize("copied", [unpickled, copy.copy, copy.deepcopy])
def test_a_copied_variable_is_another_variable(copied: Callable[[Any], Any]) -> None:
    w = gw.Variable([1.0, 2.0], name="w", trainable=False, dtype="float32")
    other = copied(w)
    assert (other.name, other.trainable, other.dtype) == ("w", False, np.float32)
    other.assign([5.0, 5.0])
    np.testing.assert_array_equal(w.numpy(), [1.0, 2.0])
    with gw.GradientTape() as tape:
        tape.watch((w, other))
        loss = gw.sum(w * w) + 3.0 * gw.sum(other)
    of_w, of_other = tape.gradient(loss, (w, other))
    np.testing.assert_array_equal(of_w, [2.0, 4.0])
    np.testing.assert_array_equal(of_other, [3.0, 3.0])


@pytest.mark.usefixtures("client")
def test_a_tensor_pickles_as_its_value_and_copies_as_itself() -> None:
    w = gw.Variable(2.0)
    with gw.GradientTape() as tape:
        kept = copy.deepcopy({"y": w * w})["y"]  # still on the tape
        loss = 3.0 * copy.copy(kept)
    assert tape.gradient(loss, w).numpy() == 12.0
    long = w.value()
    for _ in range(3000):
        long = long + 1.0
    again = unpickled(long)  # no recursion along its history
    assert (again.numpy(), unpickled(gw.constant(1.0, name="one")).name) == (3002.0, "one")


@pytest.mark.parametrize("copied", [unpickled, copy.deepcopy])
def test_an_optimizer_is_copied_with_its_state_of_each_variable(copied: Callable[[Any], Any]) -> None:
    variables = [gw.Variable([1.0, 2.0]), gw.Variable(3.0)]
    optimizer = gw.optimizers.Adam(0.1)
    optimizer.apply_gradients([(np.array([1.0, -1.0]), variables[0]), (2.0, variables[1])])
    other, others = copied((optimizer, variables))
    for _ in range(3):
        optimizer.apply_gradients([(np.array([0.5, 1.0]), variables[0]), (1.0, variables[1])])
        other.apply_gradients([(np.array([0.5, 1.0]), others[0]), (1.0, others[1])])
    for mine, its in zip(variables, others, strict=True):
        np.testing.assert_array_equal(mine.numpy(), its.numpy())
    assert len(other._state) == 2


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize("copied", [unpickled, copy.deepcopy])
def test_a_copied_model_goes_on_by_itself(copied: Callable[[Any], Any]) -> None:
    x, y = np.arange(6.0).reshape(3, 2), np.ones((3, 1))
    model = gw.Sequential([gw.layers.Dense(1, input_shape=(2,))])
    model.compile(gw.optimizers.SGD(0.01), "mse", ["mae"])
    history = model.fit(x, y, verbose=0)
    before = model.predict(x)
    other = copied(model)
    np.testing.assert_array_equal(other.predict(x), before)
    other.fit(x, y, verbose=0)
    assert not np.array_equal(other.predict(x), before)
    np.testing.assert_array_equal(model.predict(x), before)
    assert copied(history).history == history.history
