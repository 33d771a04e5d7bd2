"""The two HTTP libraries, and the short way past their clients."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import httpx
import numpy as np
import pytest

import gradwire as gw
from gradwire._transport import libraries
from gradwire.errors import NoAnswer
from tests.client.fake import Fake

LIBRARIES = ["httpx", pytest.param("httpx2", marks=pytest.mark.oracle)]


@pytest.fixture
def fresh() -> Iterator[None]:
    libraries.preferred.cache_clear()
    yield
    libraries.preferred.cache_clear()


@pytest.mark.parametrize("name", LIBRARIES)
def test_calls_go_through_either_library(url: str, oracle: Callable[[str], ModuleType], name: str) -> None:
    library = oracle("httpx2") if name == "httpx2" else httpx
    with gw.Client(url, transport=library.HTTPTransport()) as client:
        assert client._driver.connection.library is library
        for _ in range(3):
            found = client.gradient("sum(w * x)", {"w": 2.0, "x": np.arange(3.0)}, wrt="w")
            assert found["w"] == 3.0
        big = np.arange(5000.0)
        np.testing.assert_array_equal(client.gradient("sum(x ** 2)", {"x": big})["x"], 2 * big)
        assert client.health()["status"]
        with pytest.raises(gw.ProblemError):
            client.evaluate("nothing_of_the_kind(x)", {"x": 1.0})
    with (
        gw.Client(
            "http://127.0.0.1:9", transport=library.HTTPTransport(), retry=gw.Retry(attempts=1)
        ) as away,
        pytest.raises(NoAnswer, match="start one with"),
    ):
        away.evaluate("x", {"x": 1.0})


@pytest.mark.anyio
@pytest.mark.parametrize("name", LIBRARIES)
async def test_an_event_loop_goes_through_either_library(
    url: str, oracle: Callable[[str], ModuleType], name: str
) -> None:
    library = oracle("httpx2") if name == "httpx2" else httpx
    async with gw.AsyncClient(url, transport=library.AsyncHTTPTransport()) as client:
        assert (await client.gradient("sum(x ** 2)", {"x": [1.0, 2.0]}))["x"].tolist() == [2.0, 4.0]


@pytest.mark.usefixtures("fresh")
def test_the_successor_is_preferred_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    successor = ModuleType("httpx2")
    monkeypatch.setitem(sys.modules, "httpx2", successor)
    assert libraries.preferred() is successor


@pytest.mark.usefixtures("fresh")
def test_httpx_is_used_without_the_successor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx2", None)
    assert libraries.preferred() is importlib.import_module("httpx")


def answers_to(client: gw.Client, count: int = 2) -> None:
    for _ in range(count):
        client.evaluate("x", {"x": 1.0})


def seen_by_client(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The requests that take the long way."""
    seen: list[Any] = []
    send = httpx.Client.send

    def noting(self: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        seen.append(request)
        return send(self, request, **options)

    monkeypatch.setattr(httpx.Client, "send", noting)
    return seen


def test_both_ways_send_the_same_request(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake()
    fake.script.extend([httpx.Response(200, json={"outputs": {}}, headers={}) for _ in range(2)])
    with gw.Client("http://fake", "key", transport=httpx.MockTransport(fake)) as client:
        client.evaluate("x", {"x": 1.0})
        logging.getLogger("httpx").setLevel(logging.INFO)
        try:
            client.evaluate("x", {"x": 1.0})
        finally:
            logging.getLogger("httpx").setLevel(logging.NOTSET)
    short, long = fake.requests
    assert short.content == long.content
    assert short.url == long.url
    names = [sorted(name.lower() for name, _ in request.headers.raw) for request in (short, long)]
    assert names[0] == names[1]
    own = "idempotency-key"
    assert {k: v for k, v in short.headers.items() if k != own} == {
        k: v for k, v in long.headers.items() if k != own
    }
    assert short.headers["authorization"] == "Bearer key"
    assert short.extensions["timeout"] == long.extensions["timeout"]


@pytest.mark.parametrize("reason", ["nothing", "cookie", "hook", "log", "password", "proxy"])
def test_the_long_way_is_taken_where_a_client_has_something_to_do(
    monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    seen = seen_by_client(monkeypatch)
    received: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        received.append(request)
        headers = {"set-cookie": "place=7"} if reason == "cookie" else {}
        return httpx.Response(200, json={"outputs": {"x": 1.0}}, headers=headers)

    transport = httpx.MockTransport(answer)
    monkeypatch.setattr(httpx, "HTTPTransport", lambda *a, **k: transport)
    if reason == "proxy":
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        monkeypatch.setenv("NO_PROXY", "fake")
        monkeypatch.setattr(httpx.Client, "_init_transport", lambda *a, **k: transport)
    address = "http://user:secret@fake" if reason == "password" else "http://fake"
    monkeypatch.setitem(sys.modules, "httpx2", None)
    libraries.preferred.cache_clear()
    with gw.Client(address) as client:
        if reason == "hook":
            client._driver.connection.get().http.event_hooks["request"].append(lambda request: None)
        if reason == "log":
            monkeypatch.setattr(logging.getLogger("httpx"), "level", logging.INFO)
            logging.getLogger("httpx").manager._clear_cache()  # type: ignore[attr-defined]  # as setLevel does
        answers_to(client)
    logging.getLogger("httpx").manager._clear_cache()  # type: ignore[attr-defined]
    libraries.preferred.cache_clear()
    assert len(received) == 2
    assert len(seen) == {"nothing": 0, "cookie": 1}.get(reason, 2)
    if reason == "cookie":
        assert received[1].headers["cookie"] == "place=7"
    if reason == "password":
        assert received[0].headers["authorization"].startswith("Basic ")
