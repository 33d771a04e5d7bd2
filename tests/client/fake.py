"""A fake server: it records every request, responds from a script, and knows graphs by id."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

import gradwire as gw

JSON = {"content-type": "application/json"}
PROBLEM = {"content-type": "application/problem+json"}


def problem(status: int, code: str, **fields: Any) -> httpx.Response:
    """A problem as WIRE.md has it."""
    document = {"type": f"/problems/{code}", "title": code, "status": status, "code": code, "detail": code}
    headers = {**PROBLEM, **fields.pop("headers", {})}
    return httpx.Response(status, content=json.dumps({**document, **fields}), headers=headers)


def typed(value: Any, dtype: str = "float64", shape: tuple[int, ...] = ()) -> dict[str, Any]:
    """A tensor of an answer."""
    return {"dtype": dtype, "shape": list(shape), "data": value}


@dataclass
class Fake:
    """Answers from `script` first; then every float is 1.0."""

    script: deque[Any] = field(default_factory=deque)
    requests: list[httpx.Request] = field(default_factory=list)
    graphs: dict[str, Any] = field(default_factory=dict)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        self.requests.append(request)
        if self.script:
            step = self.script.popleft()
            if isinstance(step, Exception):
                raise step
            if step is not None:
                assert isinstance(step, httpx.Response)
                return step
        return self._answer(request)

    @property
    def paths(self) -> list[str]:
        """Where the requests went, ids shortened."""
        return [r.url.path.replace(i, "ID") for r in self.requests for i in [self._id(r.url.path)]]

    def body(self, k: int = -1) -> dict[str, Any]:
        """The JSON of a request."""
        document: dict[str, Any] = json.loads(self.requests[k].content)
        return document

    def _id(self, path: str) -> str:
        return next((part for part in path.split("/") if part.startswith("sha256:")), "\0")

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path, kind = request.url.path, request.url.path.rpartition("/")[2]
        body = json.loads(request.content) if request.content else {}
        if request.method == "POST" and path == "/v1/graphs":
            text = json.dumps(body["graph"], sort_keys=True)
            name = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
            self.graphs[name] = body["graph"]
            described = {"id": name, "inputs": {}, "outputs": body["graph"]["outputs"], "nodes": 1}
            return httpx.Response(201, content=json.dumps(described), headers=JSON)
        graph = body.get("graph")
        if path.startswith("/v1/graphs/"):
            graph = self.graphs.get(self._id(path))
            if graph is None:
                return problem(404, "graph_not_found")
        one = typed(1.0)
        answers = {
            "evaluate": {"outputs": dict.fromkeys((graph or {}).get("outputs", []), one)},
            "gradient": {"value": one, "gradients": dict.fromkeys(body.get("wrt", []), one)},
            "diagnose": {"value": one, "variables": {n: {"status": "ok"} for n in body.get("wrt", [])}},
        }
        return httpx.Response(200, content=json.dumps(answers[kind]), headers=JSON)


@contextmanager
def fake_server(*script: Any, retry: gw.Retry | None = None) -> Iterator[tuple[Fake, gw.Client]]:
    """A fake and a client of it, which is the default client inside."""
    fake = Fake(deque(script))
    patience = retry or gw.Retry(first_wait=0.0)
    with gw.Client("http://fake", retry=patience, transport=httpx.MockTransport(fake)) as client:
        before = gw.default_client()
        gw.set_default_client(client)
        try:
            yield fake, client
        finally:
            gw.set_default_client(None if before is client else before)
