"""A small setup for a test of the service: an app of its own over its own folder, and a client."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from service.app import create_app
from service.services import Services
from service.settings import Settings

INPUTS: dict[str, Any] = {"W": [0.5], "b": [0], "x": [[1], [2], [3]], "y": [[2], [4], [6]]}
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class World:
    """A client, the services behind it, and what was logged."""

    client: httpx.AsyncClient
    services: Services
    log: io.StringIO

    def lines(self, event: str) -> list[dict[str, Any]]:
        """The log lines of one event."""
        parsed = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [line for line in parsed if line["event"] == event]

    async def logged(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        """The log lines of one event once there are so many: a job's row is written before its line."""
        await soon(lambda: len(self.lines(event)) >= count)
        return self.lines(event)

    async def post(self, path: str, body: Any, **options: Any) -> httpx.Response:
        """POST `body` as JSON, or as it stands where it is bytes."""
        if isinstance(body, bytes):
            return await self.client.post(path, content=body, **{"headers": JSON, **options})
        return await self.client.post(path, json=body, **options)

    async def metric(self, name: str, **labels: str) -> float:
        """The value of one sample; 0 where it was never counted."""
        value = self.services.metrics.registry.get_sample_value(name, labels)
        return value or 0.0

    async def first_child(self) -> int:
        """The pid of the first child, once there is one."""
        await soon(lambda: bool(self.services.pool.pids))
        return self.services.pool.pids[0]


async def soon(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until a condition holds; raises TimeoutError where it does not come to."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def world(folder: Path, **settings: Any) -> AsyncIterator[World]:
    """An app with these settings, from its start to its end."""
    log = io.StringIO()
    app = create_app(Settings(data=folder / "data", **settings), log_stream=log)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test", timeout=60) as client,
    ):
        yield World(client, app.state.services, log)


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem document of a response, after checking what every problem must be."""
    document: dict[str, Any] = response.json()
    assert (response.status_code, document["code"]) == (status, code), response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert document["type"] == f"/problems/{code}"
    assert document["status"] == status
    assert document["detail"]
    assert document["hint"]
    assert set(document) == {
        *("type", "title", "status", "code", "detail", "path"),
        *("node", "op", "hint", "source", "estimate"),
    }
    return document
