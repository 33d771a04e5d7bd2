"""The client's calls beyond gradients, as the wire format has them."""

from __future__ import annotations

import httpx
import numpy as np
import pytest
import scipy.sparse

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


def test_checks_of_linear_and_of_broken_targets(client: gw.Client) -> None:
    linear = client.check("sum(x)", X)
    assert (linear.passed, linear.taylor_order) == (True, {"x": None})
    broken = client.check("sum(log(-x))", X)
    assert not broken.passed
    assert np.isnan(broken.taylor_order["x"] or 0.0)


def test_an_estimate_of_a_batch(client: gw.Client) -> None:
    shapes = {"W": {"shape": [2, 3]}, "x": {"shape": [1000, 3]}}
    assert client.estimate("sum(W @ x)", shapes, batch="x")["nodes"][0]["shape"] == [2]


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
    entry = '{"rows":[0,1],"cols":[0,1],"values":[2.0,4.0],"shape":[2,2]}'
    text = f'{{"outputs":{{"y":[1.0,4.0]}},"jacobian":{{"y":{{"x":{entry}}}}},"method":"forward"}}'
    with fake_server(httpx.Response(200, content=text, headers=JSON)) as (fake, client):
        block = client.jacobian("y = x ** 2", X, sparse=True)["y"]["x"]
    assert isinstance(block, gw.Sparse)
    np.testing.assert_array_equal(block.dense(), [[2.0, 0.0], [0.0, 4.0]])
    assert fake.body()["sparse"] is True


def coo(block: gw.Sparse) -> np.ndarray:
    return np.asarray(scipy.sparse.coo_array(block.coo, shape=block.shape).toarray())


def test_sparse_blocks_are_what_scipy_takes(client: gw.Client) -> None:
    x = {"x": np.linspace(1.0, 2.0, 300), "i": np.arange(299)}
    program = "y = x[i + 1] * x[i]\nloss = sum(y ** 2)"
    whole = client.jacobian(program, x, outputs="y")["y"]["x"]
    block = client.jacobian(program, x, outputs="y", sparse=True)["y"]["x"]
    assert (block.values.size, block.shape) == (598, (299, 300))
    np.testing.assert_allclose(coo(block), whole)
    second = client.hessian(program, x, target="loss", sparse=True)
    np.testing.assert_allclose(coo(second["x"]["x"]), client.hessian(program, x, target="loss")["x"]["x"])
    published = client.publish(program=program)
    np.testing.assert_allclose(coo(published.jacobian(x, outputs="y", sparse=True)["y"]["x"]), whole)
    rows = {"x": np.stack([x["x"], -x["x"]]), "i": x["i"]}
    batch = client.hessian(program, rows, target="loss", batch="x", sparse=True)["x"]["x"]
    assert batch.dense().shape == (2, 300, 300)
    told = client.estimate("sum((x[1:] - x[:-1]) ** 4)", {"x": {"shape": [5000]}}, sparse=True)["sparse"]
    assert told["hessian"]["colours"] == 3
    assert told["jacobian"] is not None


@pytest.mark.anyio
async def test_sparse_blocks_of_the_async_client(url: str) -> None:
    async with gw.AsyncClient(url) as client:
        block = (await client.jacobian("y = x ** 2", X, sparse=True))["y"]["x"]
        second = (await client.hessian("sum(x ** 3)", X, sparse=True))["x"]["x"]
    np.testing.assert_array_equal(block.dense(), [[2.0, 0.0], [0.0, 4.0]])
    np.testing.assert_array_equal(second.dense(), [[6.0, 0.0], [0.0, 12.0]])


def test_sparse_matrices_of_functions_and_tapes(client: gw.Client) -> None:
    x = np.linspace(1.0, 2.0, 6).reshape(2, 3)

    def f(x: gw.Tensor) -> gw.Tensor:
        return gw.sin(x) * x[::-1]

    whole = gw.jacobian(f)(x).reshape(6, 6)
    np.testing.assert_allclose(coo(gw.jacobian(f, sparse=True)(x)), whole)
    block = gw.hessian(lambda x: gw.sum(x**3), sparse=True)(x)
    np.testing.assert_allclose(coo(block), np.diag(6 * x.reshape(-1)))
    a, idle = gw.Variable(x[0], name="a"), gw.Variable([1.0, 2.0], name="idle")
    with gw.GradientTape(persistent=True) as tape:
        y = a**2
        a.assign(a.numpy() + 1)
        with pytest.warns(gw.errors.ReadWarning, match="'a' was read"):
            z = y * a
    dense, sparse = (tape.jacobian(z, [a, idle], "zero", sparse=s) for s in (False, True))
    np.testing.assert_allclose(coo(sparse[0]), dense[0].numpy())
    np.testing.assert_array_equal(coo(sparse[1]), np.zeros((3, 2)))
    assert tape.jacobian(z, idle, sparse=True) is None
    with gw.GradientTape(), pytest.raises(gw.errors.TapeError, match="sparse"):
        gw.hessian(lambda x: gw.sum(x**3), sparse=True)(a)


def test_check_and_estimate() -> None:
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


def test_a_device_goes_with_a_call_or_with_a_client() -> None:
    """What a call says wins over what its client says; without either nothing is sent."""
    with fake_server() as (fake, _):
        transport = httpx.MockTransport(fake)
        with gw.Client(transport=transport) as plain:
            plain.gradient("x * x", {"x": 1.0})
            assert "device" not in fake.body()
            plain.gradient("x * x", {"x": 1.0}, device="cuda:1")
            assert fake.body()["device"] == "cuda:1"
        with gw.Client(transport=transport, device="cuda") as placed:
            placed.gradient("x * x", {"x": 1.0})
            assert fake.body()["device"] == "cuda"
            placed.gradient(lambda x: x * x, {"x": 1.0}, device="cpu")
            assert fake.body()["device"] == "cpu"
