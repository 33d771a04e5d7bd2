"""Published graphs: publish, fetch, list, call by id, delete."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from service.api.responses.graphs import GraphAnswer
from service.queries.kinds.publish import GraphSummary
from tests.engine.graphs import REGRESSION
from tests.service.world import INPUTS, JSON, problem, world

pytestmark = pytest.mark.anyio


def doubled(factor: float) -> dict[str, Any]:
    return {
        "inputs": {"x": {}},
        "nodes": [{"name": "y", "op": "multiply", "inputs": ["x", factor]}],
        "outputs": ["y"],
    }


async def test_publish_once_then_call_by_id(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        first = await here.post("/v1/graphs", {"graph": REGRESSION})
        assert first.status_code == 201
        summary = GraphSummary.model_validate(first.json())
        assert summary.outputs == ["loss"]
        assert summary.nodes == 5
        assert first.json()["inputs"] == {"W": {"shape": [1], "dtype": "float64"}, "b": {}, "x": {}, "y": {}}
        assert first.headers["location"] == f"/v1/graphs/{summary.id}"

        shuffled = copy.deepcopy(REGRESSION)
        shuffled["nodes"].reverse()
        shuffled["nodes"][0]["source"] = "somewhere else"
        again = await here.post("/v1/graphs", {"graph": shuffled})
        assert again.status_code == 200
        assert again.json() == first.json()

        answer = await here.post(f"/v1/graphs/{summary.id}/gradient", {"inputs": INPUTS, "wrt": ["W", "b"]})
        assert answer.json() == {"value": 10.5, "gradients": {"W": [-14.0], "b": [-6.0]}}


async def test_the_document_comes_back_and_means_the_same(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        location = (await here.post("/v1/graphs", {"graph": REGRESSION})).headers["location"]
        fetched = (await here.client.get(location)).json()
        GraphAnswer.model_validate(fetched)
        again = await here.post("/v1/graphs", {"graph": fetched["graph"]})
        assert (again.status_code, again.json()["id"]) == (200, fetched["id"])


async def test_a_restart_keeps_graphs(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        graph_id = (await here.post("/v1/graphs", {"graph": REGRESSION})).json()["id"]
    async with world(tmp_path) as here:
        for kind in ("evaluate", "diagnose", "gradient"):
            answer = await here.post(f"/v1/graphs/{graph_id}/{kind}", {"inputs": INPUTS})
            assert answer.status_code == 200


async def test_delete_forgets(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        location = (await here.post("/v1/graphs", {"graph": REGRESSION})).headers["location"]
        assert (await here.post(f"{location}/evaluate", {"inputs": INPUTS})).status_code == 200
        gone = await here.client.delete(location)
        assert (gone.status_code, gone.content) == (204, b"")
        problem(await here.client.delete(location), 404, "graph_not_found")
        problem(await here.client.get(location), 404, "graph_not_found")
        problem(await here.post(f"{location}/evaluate", {"inputs": INPUTS}), 404, "graph_not_found")
        assert (await here.post("/v1/graphs", {"graph": REGRESSION})).status_code == 201


async def test_pages(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        ids = [(await here.post("/v1/graphs", {"graph": doubled(float(k))})).json()["id"] for k in range(5)]
        seen, cursor = [], None
        for _ in range(3):
            page = await here.client.get(
                "/v1/graphs", params={"limit": 2, **({"cursor": cursor} if cursor else {})}
            )
            seen += [graph["id"] for graph in page.json()["graphs"]]
            cursor = page.json()["next_cursor"]
        assert (seen, cursor) == (ids, None)
        assert len((await here.client.get("/v1/graphs")).json()["graphs"]) == 5


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("limit=0", "$query.limit"),
        ("limit=1001", "$query.limit"),
        ("limit=x", "$query.limit"),
        ("limit=-1", "$query.limit"),
        ("limit=%C2%B2", "$query.limit"),
        ("cursor=x", "$query.cursor"),
        ("cursor=%FF", "$query.cursor"),
        ("cursor=Z3JhcGhzOi0x", "$query.cursor"),
        ("cursor=Z3JhcGhzOjk5OTk5OTk5OTk5OTk5OTk5OTk5", "$query.cursor"),
        ("offset=1", "$query.offset"),
    ],
)
async def test_bad_parameters(tmp_path: Path, query: str, path: str) -> None:
    async with world(tmp_path) as here:
        document = problem(await here.client.get(f"/v1/graphs?{query}"), 422, "invalid_parameter")
        assert document["path"] == path


async def test_a_wrong_parameter_is_told_what_the_document_says(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        for query, detail in {
            "graphs?limit=0": "expected limit to be an integer from 1 to 1000, got '0'",
            "graphs?offset=1": "expected only the parameters limit and cursor, got 'offset'",
            "datasets/x?limit=1": "expected only the parameter preview, got 'limit'",
            "jobs/x?limit=1": "expected no parameters, got 'limit'",
            "jobs/x/metrics?by=week": "expected by to be one of epoch, step, got 'week'",
            "jobs?status=gone": "expected status to be one of queued, running, paused, succeeded, failed, "
            "cancelled, got 'gone'",
        }.items():
            document = problem(await here.client.get(f"/v1/{query}"), 422, "invalid_parameter")
            assert document["detail"] == detail


async def test_a_body_by_id_holds_no_function(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        location = (await here.post("/v1/graphs", {"graph": REGRESSION})).headers["location"]
        document = problem(
            await here.post(f"{location}/evaluate", {"inputs": INPUTS, "graph": REGRESSION}),
            422,
            "invalid_document",
        )
        assert document["path"] == "$.graph"
        problem(
            await here.post("/v1/graphs/nothing/evaluate", b"not json", headers=JSON), 404, "graph_not_found"
        )


async def test_a_graph_that_is_wrong_is_not_stored(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        bad = {**doubled(2.0), "outputs": ["z"]}
        problem(await here.post("/v1/graphs", {"graph": bad}), 422, "unknown_name")
        problem(await here.post("/v1/graphs", {}), 422, "invalid_document")
        assert (await here.client.get("/v1/graphs")).json() == {"graphs": [], "next_cursor": None}
