"""A request without a query is answered as FastAPI's own parsing of its parameters answers it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
from fastapi import Header
from fastapi.routing import APIRoute

from service.api.endpoint import ControlRoute
from service.api.routes import ROUTES
from tests.engine.graphs import REGRESSION
from tests.service.world import world

pytestmark = pytest.mark.anyio

READ = [
    route.path
    for route in ROUTES
    if isinstance(route, ControlRoute) and "GET" in (route.methods or ()) and route.path != "/metrics"
]


async def test_without_a_query_and_parsed(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        await here.services.pool.wait_until_up(60)  # from then on /readyz says one thing
        graph = (await here.post("/v1/graphs", {"graph": REGRESSION})).json()["id"]
        names = {"name": "sin", "code": "busy", "job_id": "j", "dataset_id": "d"}
        paths = [path.format(graph_id=each, **names) for path in READ for each in (graph, "none")]
        assert len(set(paths)) > 12
        for path in paths:
            direct = await here.client.get(path)
            parsed = await here.client.get(f"{path}?&")  # a query without parameters, which FastAPI parses
            assert (parsed.status_code, parsed.content) == (direct.status_code, direct.content), path


async def test_a_query_is_still_refused(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        for path in ("/v1/graphs", "/v1/jobs", "/v1/jobs/j", "/v1/datasets"):
            reply = await here.client.get(f"{path}?color=red")
            assert (reply.status_code, reply.json()["code"]) == (422, "invalid_parameter"), reply.text


def test_what_has_more_to_parse_is_left_to_fastapi() -> None:
    async def header(text: Annotated[str, Header()]) -> None:
        assert text

    async def number(count: int) -> None:
        assert count

    for path, endpoint in (("/", header), ("/{count}", number)):
        plain = APIRoute(path, endpoint)
        assert ControlRoute(path, endpoint).app.__qualname__ == plain.app.__qualname__
