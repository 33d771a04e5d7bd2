"""Both clients: the same calls, settings, defaults."""

from __future__ import annotations

import inspect
from typing import Any

import httpx
import numpy as np
import pytest

import gradwire as gw
from gradwire._transport.driver import call
from gradwire.errors import Busy, ConfigurationError, NoAnswer, RequestTimeout, Unauthorized
from tests.client.fake import Fake, fake_server, problem


def calls_of(kind: type) -> dict[str, inspect.Signature]:
    return {n: inspect.signature(m) for n, m in inspect.getmembers(kind) if isinstance(m, call)}


def test_both_clients_have_the_same_calls() -> None:
    assert calls_of(gw.Client) == calls_of(gw.AsyncClient)
    assert {"evaluate", "gradient", "vjp", "diagnose", "ops", "op", "health", "values"} <= set(
        calls_of(gw.Client)
    )
    public = {name for name in vars(gw.Client) | vars(gw.AsyncClient) if not name.startswith("_")}
    assert public == {"close"}


@pytest.mark.anyio
async def test_every_call_answers_the_same_either_way(url: str) -> None:
    program, inputs = "loss = sum(w * x)", {"w": 2.0, "x": [1.0, 2.0]}
    with gw.Client(url) as sync:
        async with gw.AsyncClient(url) as client:
            assert await client.evaluate(program, inputs) == sync.evaluate(program, inputs)
            gradients = await client.gradient(lambda w, x: gw.sum(w * x), inputs, wrt="w")
            assert gradients["w"] == sync.gradient(program, inputs, wrt="w")["w"] == 3.0
            pulled = await client.vjp(program, inputs, {"loss": 1.0})
            np.testing.assert_array_equal(pulled["x"], [2.0, 2.0])
            assert (await client.diagnose(program, inputs))["w"].status == "ok"
            graph = await client.publish(program)
            assert graph.id == sync.publish(program).id
            assert await graph(**inputs) == 6.0
            assert (await graph.gradient(inputs, wrt=["w"]))["w"] == 3.0
            assert (await client.graphs.get(graph.id)).id == graph.id
            assert graph.id in {entry["id"] for entry in await client.graphs.list()}
            await client.graphs.delete(graph.id)
            assert await client.ops() == sync.ops()
            assert await client.op("mul") == sync.op("mul")
            assert await client.health() == sync.health()
            assert await client.values([gw.exp(gw.constant(0.0))]) == [1.0]


@pytest.mark.anyio
async def test_the_async_client_waits_and_fails_alike() -> None:
    fake = Fake()
    fake.script.extend(
        [problem(503, "busy", headers={"retry-after": "0"}), httpx.ConnectError("refused"), None]
    )
    retry = gw.Retry(first_wait=0.0)
    async with gw.AsyncClient("http://fake", retry=retry, transport=httpx.MockTransport(fake)) as client:
        await client.values([gw.exp(gw.constant(0.0))])
        assert len({r.headers["idempotency-key"] for r in fake.requests}) == 1
        fake.script.extend([httpx.ReadTimeout("late")])
        with pytest.raises(RequestTimeout, match="timeout"):
            await client.values([gw.exp(gw.constant(0.0))])


def test_a_busy_server_is_asked_again_and_then_given_up() -> None:
    with fake_server(*[problem(503, "busy", headers={"retry-after": "0"})] * 5) as (fake, _):
        with pytest.raises(Busy):
            gw.exp(gw.constant(1.0)).numpy()
        assert len(fake.requests) == 5


def test_nobody_there_says_how_to_start_a_server() -> None:
    with (
        fake_server(*[httpx.ConnectError("refused")] * 5),
        pytest.raises(NoAnswer, match=r"http://fake.*gradwire-server serve.*GRADWIRE_URL"),
    ):
        gw.exp(gw.constant(1.0)).numpy()


def test_settings_come_from_arguments_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADWIRE_URL", "http://from.environment:1/")
    monkeypatch.setenv("GRADWIRE_API_KEY", "secret")
    fake = Fake()
    with gw.Client(transport=httpx.MockTransport(fake)) as client:
        assert client.url == "http://from.environment:1"
        client.values([gw.exp(gw.constant(1.0))])
    sent = fake.requests[0]
    assert sent.headers["authorization"] == "Bearer secret"
    assert sent.headers["user-agent"].startswith("gradwire-python/")
    assert str(sent.url).startswith("http://from.environment:1/v1/")
    with gw.Client("http://given", "key") as client:
        assert client.url == "http://given"
    with pytest.raises(ConfigurationError, match="http://127"):
        gw.Client("localhost:8000")


def test_a_wrong_key() -> None:
    with fake_server(problem(401, "unauthorized")), pytest.raises(Unauthorized):
        gw.exp(gw.constant(1.0)).numpy()


def test_the_first_client_is_the_default_until_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    gw.set_default_client(None)
    monkeypatch.setenv("GRADWIRE_URL", "http://from.environment")
    first, second = gw.Client("http://first"), gw.Client("http://second")
    assert gw.default_client() is first
    second.close()
    assert gw.default_client() is first
    first.close()
    made = gw.default_client()
    assert made.url == "http://from.environment"
    assert gw.default_client() is made
    made.close()


@pytest.mark.filterwarnings("ignore::gradwire.errors.GradientWarning")
def test_one_client_serves_many_threads(url: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with gw.Client(url) as client:

        def work(k: int) -> Any:
            w = gw.Variable(float(k))
            with gw.GradientTape(client=client) as tape:
                y = gw.square(w)
            return float(tape.gradient(y, w))

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(work, range(20))) == [2.0 * k for k in range(20)]
