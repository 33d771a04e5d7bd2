"""The client's calls beyond gradients, as the wire format has them."""

from __future__ import annotations

import numpy as np
import pytest

import gradwire as gw
from tests.client.fake import JSON, fake_server

X = {"x": [1.0, 2.0]}


def test_every_call_answers_as_the_wire_format_says(client: gw.Client) -> None:
    pushed = client.jvp("x ** 2", X, {"x": [1.0, 0.0]})
    np.testing.assert_array_equal(pushed["result"], [2.0, 0.0])
    blocks = client.jacobian("y = x ** 2", X)
    np.testing.assert_array_equal(blocks["y"]["x"], [[2.0, 0.0], [0.0, 4.0]])
    assert blocks.method in ("forward", "reverse")
    second = client.hessian("sum(x ** 3)", X)
    np.testing.assert_array_equal(second["x"]["x"], [[6.0, 0.0], [0.0, 12.0]])
    assert second.value == 9.0
    product = client.hvp("sum(x ** 3)", X, {"x": [1.0, 1.0]})
    np.testing.assert_array_equal(product["x"], [6.0, 12.0])
    np.testing.assert_array_equal(product.gradients["x"], [3.0, 12.0])
    normal = client.gnvp("r = x ** 2", X, {"x": [1.0, 1.0]})
    np.testing.assert_array_equal(normal["x"], [4.0, 16.0])


def test_rows_and_cotangents_in_batches(client: gw.Client) -> None:
    rows = {"x": np.array([[1.0, 2.0], [3.0, 4.0]])}
    value, gradients = client.gradient("sum(x ** 2)", rows, batch="x")
    np.testing.assert_array_equal(value, [5.0, 25.0])
    np.testing.assert_array_equal(gradients["x"], 2 * rows["x"])
    np.testing.assert_array_equal(client.evaluate("sum(x)", rows, batch=["x"])["result"], [3.0, 7.0])
    pulled = client.vjp("y = x ** 2", X, {"y": np.eye(2)}, cotangent_batch=True)
    np.testing.assert_array_equal(pulled["x"], np.diag([2.0, 4.0]))


def test_python_functions_keep_their_names(client: gw.Client) -> None:
    def residual(a: gw.Tensor, t: gw.Tensor) -> dict[str, gw.Tensor]:
        return {"r": a * t - 1.0}

    given = {"a": 2.0, "t": np.array([1.0, 3.0])}
    blocks = client.jacobian(residual, given, wrt="a", outputs="r")
    np.testing.assert_array_equal(blocks["r"]["a"], [1.0, 3.0])
    assert client.gnvp(residual, given, {"a": 1.0})["a"] == 10.0


@pytest.mark.anyio
async def test_the_async_client_has_them_too(url: str) -> None:
    async with gw.AsyncClient(url) as client:
        product = await client.hvp("sum(x ** 3)", X, {"x": [1.0, 1.0]})
    np.testing.assert_array_equal(product["x"], [6.0, 12.0])


def test_sparse_blocks_are_coordinates() -> None:
    import httpx

    entry = '{"rows":[0,1],"cols":[0,1],"values":[2.0,4.0],"shape":[2,2]}'
    text = f'{{"outputs":{{"y":[1.0,4.0]}},"jacobian":{{"y":{{"x":{entry}}}}},"method":"forward"}}'
    with fake_server(httpx.Response(200, content=text, headers=JSON)) as (fake, client):
        block = client.jacobian("y = x ** 2", X, sparse=True)["y"]["x"]
    assert isinstance(block, gw.Sparse)
    np.testing.assert_array_equal(block.dense(), [[2.0, 0.0], [0.0, 4.0]])
    assert fake.body()["sparse"] is True


def test_check_and_estimate() -> None:
    import httpx

    checked = '{"passed":true,"taylor_order":{"x":2.0},"dot_product_error":1e-16}'
    told = '{"forward":{"flops":2000,"peak_bytes":16000}}'
    answers = [httpx.Response(200, content=text, headers=JSON) for text in (checked, told)]
    with fake_server(*answers) as (fake, client):
        found = client.check("sum(x ** 3)", X, seed=0)
        cost = client.estimate("sum(x ** 3)", {"x": np.ones(3, np.float32), "y": {"shape": [2]}})
    assert found == gw.Check(True, {"x": 2.0}, 1e-16)
    assert cost["forward"]["flops"] == 2000
    assert fake.paths == ["/v1/check", "/v1/estimate"]
    assert fake.body()["inputs"] == {"x": {"shape": [3], "dtype": "float32"}, "y": {"shape": [2]}}
