"""Published graphs that are mostly functions nobody calls cost no call but the first."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from service.jobs.runner import JobRunner
from service.queries.query_request import QueryRequest
from service.queries.tiers import INLINE_NODES
from tests.service.test_tiers import tier_of
from tests.service.world import world


def ballast(functions: int) -> dict[str, Any]:
    """A product, and functions that nothing calls."""
    nodes = [{"name": f"node_number_{k}", "op": "sin", "inputs": ["a"]} for k in range(20)]
    unused = {"inputs": ["a"], "nodes": nodes, "outputs": ["node_number_0"]}
    return {
        "inputs": {"x": {}},
        "nodes": [{"name": "y", "op": "multiply", "inputs": ["x", "x"]}],
        "outputs": ["y"],
        "functions": {f"f{k}": unused for k in range(functions)},
    }


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("gradient", {}),
        ("gradient", {"dtype": "float32"}),
        ("jacobian", {"sparse": True, "dtype": "float32"}),
        ("jacobian", {"sparse": True}),
    ],
)
def test_what_is_known_is_not_walked_again(kind: str, options: dict[str, Any]) -> None:
    runner = JobRunner(max_peak_bytes=2**31, graph_cache=8, program_cache=8)
    publish = QueryRequest("publish", json.dumps({"graph": ballast(1000)}).encode())
    summary, _, document = runner.answer(publish).body.partition(b"\n")
    graph_id = json.loads(summary)["id"]
    took = []
    for value in (1.0, 2.0, 3.0, 4.0):
        body = json.dumps({"inputs": {"x": value if kind == "gradient" else [value]}, **options}).encode()
        call = QueryRequest(kind, body, graph_id=graph_id, graph=document)
        start = time.thread_time()
        assert runner.finish(runner.prepare(call, INLINE_NODES if took else None)).status == 200
        took.append(time.thread_time() - start)
    assert min(took[1:]) < 0.005


@pytest.mark.anyio
async def test_a_large_document_is_not_decoded_on_the_loop(tmp_path: Path) -> None:
    async with world(tmp_path, children=1) as here:
        published = await here.post("/v1/graphs", {"graph": ballast(1000)})
        assert published.status_code == 201
        path = f"/v1/graphs/{published.json()['id']}/gradient"
        for value in (1.5, 2.5, 3.5):
            answer = await here.post(path, {"inputs": {"x": value}})
            assert answer.json()["gradients"] == {"x": 2 * value}
        assert await tier_of(here, "gradient") == ["child"]


@pytest.mark.anyio
async def test_a_child_that_has_forgotten_a_graph_gets_it_again(tmp_path: Path) -> None:
    async with world(tmp_path, children=1, graph_cache=1) as here:
        published = [await here.post("/v1/graphs", {"graph": ballast(count)}) for count in (800, 801)]
        ids = [answer.json()["id"] for answer in published]
        for graph_id in (*ids, *ids):
            answer = await here.post(f"/v1/graphs/{graph_id}/gradient", {"inputs": {"x": 3.0}})
            assert answer.json() == {"value": 9.0, "gradients": {"x": 6.0}}
