"""Requests that are answered before the router are answered as the router's routes answer them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.api.middleware import hot_path
from service.queries.kinds import KINDS
from tests.engine.graphs import REGRESSION
from tests.service.world import INPUTS, JSON, World, world

pytestmark = pytest.mark.anyio

LINE = {"program": "mean((W * x + b - y) ** 2)", "inputs": INPUTS}


def requests(graph_id: str) -> list[tuple[str, bytes, dict[str, str]]]:
    """Path, body and headers: right ones, and each kind of wrong one."""
    vectors = {"W": [1.0], "b": [1.0]}
    fields: dict[str, Any] = {"jvp": {"tangents": vectors}, "hvp": {"vectors": vectors}}
    derivatives = [kind.name for kind in KINDS.values() if kind.derivative]
    bodies = [
        (f"/v1/{kind}", json.dumps({**LINE, **fields.get(kind, {})}).encode(), JSON) for kind in derivatives
    ]
    published = [
        (
            f"/v1/graphs/{graph_id}/{kind}",
            json.dumps({"inputs": INPUTS, **fields.get(kind, {})}).encode(),
            JSON,
        )
        for kind in derivatives
    ]
    whole = json.dumps(LINE).encode()
    odd = [
        ("/v1/gradient", b"{", JSON),
        ("/v1/gradient", whole, {"Content-Type": "text/plain"}),
        ("/v1/gradient", whole, {**JSON, "Content-Encoding": "gzip"}),
        ("/v1/gradient", whole, {**JSON, "Accept": "application/x-safetensors"}),
        ("/v1/gradient", b'{"inputs": {}}', JSON),
        ("/v1/gradient/", whole, JSON),
        ("/v1/graphs/sha256:none/gradient", b"{}", JSON),
        (f"/v1/graphs/{graph_id}/nothing", b"{}", JSON),
        (f"/v1/graphs/{graph_id}/gradient", whole, JSON),
        (f"/v1/graphs/{graph_id}/gradient", b'{"inputs": {"q": 1}}', JSON),
    ]
    return [*bodies, *published, *odd]


def app_of(here: World) -> Any:
    transport: Any = here.client._transport
    return transport.app


async def publish(here: World) -> str:
    return str((await here.post("/v1/graphs", {"graph": REGRESSION})).json()["id"])


async def test_both_ways_give_the_same_response(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []
    send = hot_path._send

    async def counted(*arguments: Any) -> None:
        taken.append("hot")
        await send(*arguments)

    monkeypatch.setattr(hot_path, "_send", counted)
    async with world(tmp_path) as here:
        graph_id = await publish(here)
        transport = httpx.ASGITransport(app_of(here), root_path="/behind/a/proxy")
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as routed:
            for path, body, headers in requests(graph_id):
                hot = await here.client.post(path, content=body, headers=headers)
                before = len(taken)
                cold = await routed.post(f"/behind/a/proxy{path}", content=body, headers=headers)
                assert len(taken) == before, "a prefix is the router's business"
                same = cold.content.replace(b"/behind/a/proxy", b"")
                assert (hot.status_code, hot.content) == (cold.status_code, same), path
                assert hot.headers["content-type"] == cold.headers["content-type"]
                assert int(hot.headers["content-length"]) == len(hot.content)
        assert len(taken) > 2 * len([kind for kind in KINDS.values() if kind.derivative])


async def test_metrics_name_the_route(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        graph_id = await publish(here)
        await here.post("/v1/gradient", LINE)
        await here.post(f"/v1/graphs/{graph_id}/gradient", {"inputs": INPUTS})
        await here.post(f"/v1/graphs/{graph_id}/gradient", {"inputs": {"q": 1}})
        for route, status, count in (
            ("/v1/gradient", "200", 1),
            ("/v1/graphs/{graph_id}/gradient", "200", 1),
            ("/v1/graphs/{graph_id}/gradient", "422", 1),
        ):
            labels = {"method": "POST", "route": route, "status": status}
            assert await here.metric("gradwire_requests_total", **labels) == count


async def test_a_graph_that_was_forgotten_is_fetched(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        graph_id = await publish(here)
        first = await here.post(f"/v1/graphs/{graph_id}/gradient", {"inputs": INPUTS})
        here.services.graphs.recent.discard(graph_id)
        assert here.services.graphs.peek(graph_id) is None
        again = await here.post(f"/v1/graphs/{graph_id}/gradient", {"inputs": INPUTS})
        assert (again.status_code, again.content) == (200, first.content)
