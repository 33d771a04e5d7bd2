"""What the server computes about jobs is limited as queries are: by time, memory and disconnects."""

from __future__ import annotations

import asyncio
import io
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.service.jobs.world import LINE, ended, job_world, submit
from tests.service.world import World, problem, soon

pytestmark = pytest.mark.anyio


def chain(length: int) -> dict[str, Any]:
    """A job whose function is `length` additions in a row."""
    nodes = [
        {"name": f"n{k}", "op": "add", "inputs": [f"n{k - 1}" if k else "W", "x" if k == 0 else 1e-6]}
        for k in range(length)
    ]
    nodes.append({"name": "loss", "op": "mean", "inputs": [f"n{length - 1}"]})
    graph = {"inputs": {"W": {}, "x": {}}, "nodes": nodes, "outputs": ["loss"]}
    parameters = {"W": {"value": [0.5]}}
    return {"graph": graph, "parameters": parameters, "data": {"x": [[1], [2]]}, "epochs": 2}


def deep(layers: int) -> dict[str, Any]:
    """A model of many small layers."""
    return {"input_shape": [2], "layers": [{"type": "Dense", "units": 2}] * layers}


def pairs() -> dict[str, Any]:
    """A job that is light on two rows, and whose predictions take the third power of the rows."""
    products = "\n".join(f"m{k} = m{k - 1} @ m0" for k in range(1, 30))
    return {
        "program": f"m0 = W * x * x.T\n{products}\nloss = mean(m29)",
        "target": "loss",
        "parameters": {"W": {"value": 1e-3}},
        "data": {"x": [[1], [2]]},
        "batch_size": 2,
    }


async def tiers_of(here: World, kind: str) -> set[str]:
    return {
        tier
        for tier in ("inline", "thread", "child")
        if await here.metric("gradwire_query_seconds_count", kind=kind, tier=tier)
    }


def left_over(folder: Path) -> list[str]:
    jobs = folder / "data" / "jobs"
    return [path.name for path in jobs.iterdir()] if jobs.is_dir() else []


async def test_size_chooses(tmp_path: Path) -> None:
    async with job_world(tmp_path) as here:
        small = await ended(here, await submit(here, LINE))
        assert (small["status"], await tiers_of(here, "submit")) == ("succeeded", {"thread"})
        large = await ended(here, await submit(here, chain(1000)))
        assert (large["status"], await tiers_of(here, "submit")) == ("succeeded", {"thread", "child"})
        for layers, expected in ((3, {"thread"}), (400, {"thread", "child"})):
            expanded = (await here.post("/v1/models/expand", {"model": deep(layers)})).json()
            assert len(expanded["parameters"]) == 2 * layers
            assert await tiers_of(here, "expand") == expected


async def test_what_a_child_finds_wrong_is_said_as_ever(tmp_path: Path) -> None:
    async with job_world(tmp_path, work=False) as here:
        wrong = chain(3000)
        wrong["graph"]["nodes"][7]["inputs"] = ["n6", "n_6"]
        refused = problem(await here.post("/v1/jobs", wrong), 422, "unknown_name")
        assert refused["path"].startswith("$.graph.nodes[7]")
        assert left_over(tmp_path) == []


async def test_a_monstrous_submission_is_stopped(tmp_path: Path) -> None:
    async with job_world(tmp_path, work=False, time_limit_s=1.0, children=1) as here:
        start = time.perf_counter()
        document = problem(await here.post("/v1/jobs", chain(100_000)), 504, "time_limit")
        assert "GRADWIRE_TIME_LIMIT_S" in document["hint"]
        assert time.perf_counter() - start < 20  # a busy machine starts a child slowly
        problem(await here.post("/v1/models/expand", {"model": deep(8000)}), 504, "time_limit")
        assert left_over(tmp_path) == []
        await submit(here, LINE)


async def test_a_submission_beyond_its_memory_is_refused(tmp_path: Path) -> None:
    async with job_world(tmp_path, work=False, child_memory_bytes=48 * 2**20) as here:
        problem(await here.post("/v1/jobs", chain(60_000)), 422, "over_limit")
        assert left_over(tmp_path) == []
        await submit(here, LINE)


async def test_who_hangs_up_while_submitting_leaves_nothing(tmp_path: Path) -> None:
    async with job_world(tmp_path, work=False, children=1, time_limit_s=60) as here:
        gone = asyncio.Event()
        served = here.client._transport.app  # type: ignore[attr-defined]  # an ASGITransport

        async def app(scope: Any, receive: Any, send: Any) -> None:
            """The app as a caller who hangs up sees it."""
            whole = False

            async def cut() -> Any:
                nonlocal whole
                if whole:
                    await gone.wait()
                    return {"type": "http.disconnect"}
                message = await receive()
                whole = not message.get("more_body", False)
                return message

            await served(scope, cut, send)

        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test", timeout=60) as client:
            sending = asyncio.ensure_future(client.post("/v1/jobs", json=chain(100_000)))
            pid = await here.first_child()
            gone.set()
            assert (await sending).status_code == 499
        await soon(lambda: pid not in here.services.pool.pids)
        assert left_over(tmp_path) == []
        assert (await here.client.get("/v1/jobs")).json()["jobs"] == []


async def test_predictions_go_where_their_cost_sends_them(tmp_path: Path) -> None:
    async with job_world(tmp_path, time_limit_s=3.0, children=1) as here:
        job_id = await submit(here, pairs())
        assert (await ended(here, job_id))["status"] == "succeeded"
        path = f"/v1/jobs/{job_id}/predict"

        def of(rows: int) -> dict[str, Any]:
            return {"inputs": {"x": [[1e-3]] * rows}, "outputs": ["loss"]}

        for _ in range(5):  # what takes a busy machine long to record goes to a child at first
            assert (await here.post(path, of(10))).status_code == 200
            if "thread" in await tiers_of(here, "predict"):
                break
        assert "thread" in await tiers_of(here, "predict")
        assert (await here.post(path, of(300))).status_code == 200
        assert await tiers_of(here, "predict") == {"thread", "child"}
        problem(await here.post(path, of(2500)), 504, "time_limit")
        problem(await here.post(path, of(30_000)), 422, "over_limit")
        problem(await here.post(path, {"inputs": {"z": 1}}), 422, "unknown_input")
        assert (await here.post(path, of(10))).status_code == 200


async def test_large_parameters_are_listed_by_a_child(tmp_path: Path) -> None:
    body = {
        "program": "loss = mean((x - sum(W)) ** 2)",
        "parameters": {"W": {"shape": [200_000], "initializer": "glorot_uniform"}},
        "data": {"x": [1, 2]},
    }
    async with job_world(tmp_path) as here:
        job_id = await submit(here, body)
        assert (await ended(here, job_id))["status"] == "succeeded"
        path = f"/v1/jobs/{job_id}/parameters"
        listed = (await here.client.get(path)).json()["parameters"]["W"]
        assert await tiers_of(here, "parameters") == {"child"}
        archive = np.load(io.BytesIO((await here.client.get(f"{path}?format=npz")).content))
        assert await tiers_of(here, "parameters") == {"thread", "child"}
        np.testing.assert_array_equal(np.float32(listed), archive["W"])
