"""Where calls run, and what happens to a child that is too slow, too large, killed, or no longer needed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.queries.pool import ChildPool
from service.queries.query_request import QueryRequest
from service.queries.tiers import ClientGone
from tests.engine.graphs import REGRESSION
from tests.service.world import INPUTS, World, problem, soon, world

pytestmark = pytest.mark.anyio


def products(size: int, count: int) -> dict[str, Any]:
    """A call that makes a size x size matrix of small inputs and multiplies it with itself `count` times."""
    nodes: list[dict[str, Any]] = [{"name": "m0", "op": "multiply", "inputs": ["column", "row"]}]
    nodes += [{"name": f"m{k}", "op": "matmul", "inputs": [f"m{k - 1}", "m0"]} for k in range(1, count + 1)]
    nodes += [{"name": "s", "op": "sum", "inputs": [f"m{count}"]}]
    return {
        "graph": {"inputs": {"column": {}, "row": {}}, "nodes": nodes, "outputs": ["s"]},
        "inputs": {"column": [[1e-3]] * size, "row": [[1e-3] * size]},
    }


def chain(length: int) -> dict[str, Any]:
    """A graph of `length` additions in a row."""
    nodes = [
        {"name": f"n{k}", "op": "add", "inputs": [f"n{k - 1}" if k else "x", 1.0]} for k in range(length)
    ]
    return {"inputs": {"x": {}}, "nodes": nodes, "outputs": [f"n{length - 1}"]}


SLOW = products(1500, 40)  # many seconds on any machine


async def tier_of(here: World, kind: str) -> list[str]:
    counts = {
        tier: await here.metric("gradwire_query_seconds_count", kind=kind, tier=tier)
        for tier in ("inline", "thread", "child")
    }
    return [tier for tier, count in counts.items() if count]


@pytest.mark.parametrize(
    ("limits", "tier"),
    [
        ({}, "inline"),
        ({"inline_limit_s": 0}, "thread"),
        ({"inline_limit_s": 0, "thread_limit_s": 0}, "child"),
    ],
)
async def test_every_tier_gives_the_same_bytes(tmp_path: Path, limits: dict[str, float], tier: str) -> None:
    async with world(tmp_path, **limits) as here:
        question = {"graph": REGRESSION, "inputs": INPUTS, "wrt": ["W", "b"]}
        await here.post("/v1/gradient", question)  # what is imported when it is first needed takes its time
        answer = await here.post("/v1/gradient", question)
        assert answer.content == b'{"value":10.5,"gradients":{"W":[-14.0],"b":[-6.0]}}'
        shown, *parts = answer.headers["server-timing"].split(", ")
        assert shown == f'tier;desc="{tier}"'
        named = dict(part.split(";dur=") for part in parts)
        assert list(named) == ["parse", "plan", "run", "encode"]
        assert all(0 <= float(milliseconds) < 60_000 for milliseconds in named.values())
        wrong = await here.post("/v1/gradient", {"graph": REGRESSION, "inputs": {"V": 1}})
        assert problem(wrong, 422, "unknown_input")["path"] == "$.inputs.V"
        graph_id = (await here.post("/v1/graphs", {"graph": REGRESSION})).json()["id"]
        for _ in range(2):
            by_id = await here.post(f"/v1/graphs/{graph_id}/gradient", {"inputs": INPUTS, "wrt": ["W", "b"]})
            assert by_id.content == answer.content


async def test_the_estimate_chooses(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        assert (await here.post("/v1/evaluate", products(100, 4))).status_code == 200
        assert (await here.post("/v1/gradient", products(1000, 2))).status_code == 200
        assert await tier_of(here, "evaluate") == ["thread"]
        assert await tier_of(here, "gradient") == ["child"]


@pytest.mark.parametrize(
    ("doublings", "tiers"), [(4, {"inline", "thread"}), (7, {"thread", "child"}), (12, {"child"})]
)
async def test_functions_count_expanded(tmp_path: Path, doublings: int, tiers: set[str]) -> None:
    """A few hundred bytes may stand for thousands of nodes, which never keep the loop from answering.

    Recording is bounded in processor time too: a cold or busy machine uses the tier after the usual one.
    """
    functions = ["def f0(x):\n    return x * 1.01"]
    functions += [f"def f{k}(x):\n    return f{k - 1}(f{k - 1}(x))" for k in range(1, doublings + 1)]
    program = "\n".join([*functions, f"y = f{doublings}(x)"])
    async with world(tmp_path) as here:
        answer = (await here.post("/v1/gradient", {"program": program, "inputs": {"x": 1.0}})).json()
        assert answer["gradients"]["x"] == pytest.approx(1.01**2**doublings)
        assert set(await tier_of(here, "gradient")) <= tiers


async def test_a_slow_query_is_stopped_and_the_next_one_runs(tmp_path: Path) -> None:
    async with world(tmp_path, time_limit_s=0.8, children=1) as here:
        start = time.perf_counter()
        document = problem(await here.post("/v1/evaluate", SLOW), 504, "time_limit")
        assert time.perf_counter() - start < 15  # a busy machine starts a child slowly
        assert "0.8 s" in document["detail"]
        assert "GRADWIRE_TIME_LIMIT_S" in document["hint"]
        assert (await here.post("/v1/evaluate", products(800, 1))).status_code in (200, 504)
        assert len(here.services.pool.pids) <= 1


async def test_the_loop_answers_while_children_work(tmp_path: Path) -> None:
    async with world(tmp_path, time_limit_s=3) as here:
        working = asyncio.ensure_future(here.post("/v1/evaluate", SLOW))
        await here.first_child()
        waits = []
        for _ in range(20):
            start = time.perf_counter()
            assert (await here.client.get("/healthz")).status_code == 200
            waits.append(time.perf_counter() - start)
        assert sorted(waits)[10] < 0.1
        problem(await working, 504, "time_limit")


async def test_who_hangs_up_as_a_child_comes_free_is_gone(tmp_path: Path) -> None:
    """The child must not be asked in the name of nobody, and the place must come back."""
    pool = ChildPool(size=1, queue_limit=4, time_limit_s=30, config={})
    async with pool.turns.take(None, 5):
        waiting = asyncio.ensure_future(pool.run({}, b""))
        await asyncio.sleep(0.01)
    # The one that waits was woken, and is cancelled before it has seen that.
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(waiting, 5)
    assert (pool.turns.in_use, pool.turns.waiting) == (0, 0)
    assert pool.pids == []
    await pool.close()


async def test_too_many_slow_queries_are_turned_away(tmp_path: Path) -> None:
    async with world(tmp_path, time_limit_s=1.5, children=1, queue_limit=0) as here:
        first = asyncio.ensure_future(here.post("/v1/evaluate", SLOW))
        await here.first_child()
        refused = await here.post("/v1/evaluate", SLOW)
        problem(refused, 503, "busy")
        assert int(refused.headers["retry-after"]) >= 1
        problem(await first, 504, "time_limit")


async def test_more_memory_than_estimated_is_over_limit(tmp_path: Path) -> None:
    async with world(tmp_path, child_memory_bytes=64 * 2**20) as here:
        problem(await here.post("/v1/evaluate", products(3000, 1)), 422, "over_limit")
        # Memory may run out before the engine has the numbers, too: while the JSON is being read.
        big = {**products(3000, 1), "outputs": ["s"] * 8_000_000}
        document = problem(await here.post("/v1/evaluate", big), 422, "over_limit")
        assert "GRADWIRE_CHILD_MEMORY_BYTES" in document["hint"]
        assert await here.metric("gradwire_child_failures_total") == 1
        assert (await here.post("/v1/evaluate", products(800, 1))).status_code == 200


async def test_an_estimate_over_the_limit_is_refused_before_running(tmp_path: Path) -> None:
    async with world(tmp_path, max_peak_bytes=2**20) as here:
        document = problem(await here.post("/v1/evaluate", products(1000, 1)), 422, "over_limit")
        assert document["estimate"]["peak_bytes"] > 8_000_000
        assert not here.services.pool.pids


async def test_a_child_that_is_killed_is_a_problem_and_replaced(tmp_path: Path) -> None:
    async with world(tmp_path, children=1) as here:
        working = asyncio.ensure_future(here.post("/v1/evaluate", SLOW))
        pid = await here.first_child()
        await asyncio.sleep(0.1)
        os.kill(pid, signal.SIGKILL)
        document = problem(await working, 500, "internal")
        assert "SIGKILL" in document["detail"]
        assert (await here.post("/v1/evaluate", products(800, 1))).status_code == 200
        assert here.services.pool.pids != [pid]


async def test_a_child_killed_while_idle_is_not_noticed(tmp_path: Path) -> None:
    async with world(tmp_path, children=1) as here:
        assert (await here.post("/v1/evaluate", products(800, 1))).status_code == 200
        [pid] = here.services.pool.pids
        os.kill(pid, signal.SIGKILL)
        await soon(lambda: not here.services.pool.pids)
        assert (await here.post("/v1/evaluate", products(800, 1))).status_code == 200


async def test_a_caller_who_hangs_up_frees_the_child(tmp_path: Path) -> None:
    async with world(tmp_path, children=1) as here:

        async def hang_up() -> None:
            await here.first_child()

        call = QueryRequest("evaluate", json.dumps(SLOW).encode())
        with pytest.raises(ClientGone):
            await here.services.tiers.answer(call, 0, hang_up)
        await soon(lambda: not here.services.pool.pids)
        assert (await here.post("/v1/evaluate", products(800, 1))).status_code == 200


@pytest.mark.parametrize("path", ["/v1/gradient", "/v1/jobs", "/v1/datasets"])
async def test_a_caller_who_hangs_up_while_sending_is_no_failure_of_ours(tmp_path: Path, path: str) -> None:
    """It is logged as what it is, without a traceback, and nothing of it stays."""
    messages = iter(
        [{"type": "http.request", "body": b"a,b\n1,2\n", "more_body": True}, {"type": "http.disconnect"}]
    )

    async def receive() -> Any:
        return next(messages)

    async def send(_: Any) -> None:
        pass

    headers = [(b"content-type", b"text/csv" if path.endswith("sets") else b"application/json")]
    async with world(tmp_path) as here:
        transport = here.client._transport
        assert isinstance(transport, httpx.ASGITransport)
        scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "query_string": b""}
        await transport.app({**scope, "http_version": "1.1", "scheme": "http"}, receive, send)
        assert here.lines("unexpected") == []
        assert [line["status"] for line in here.lines("request")] == [499]
        assert list((tmp_path / "data" / "datasets").rglob("body")) == []


async def test_nothing_is_left_behind(tmp_path: Path) -> None:
    async with world(tmp_path, children=3) as here:
        both = [here.post("/v1/evaluate", products(1000, 3)) for _ in range(2)]
        assert [answer.status_code for answer in await asyncio.gather(*both)] == [200, 200]
        pids = here.services.pool.pids
        assert len(pids) == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.parametrize("length", [10_000, pytest.param(100_000, marks=pytest.mark.slow)])
async def test_a_long_chain_works(tmp_path: Path, length: int) -> None:
    async with world(tmp_path, time_limit_s=120) as here:
        published = await here.post("/v1/graphs", {"graph": chain(length)})
        assert published.status_code == 201, published.text
        assert published.json()["nodes"] == length
        location = published.headers["location"]
        answer = await here.post(f"{location}/gradient", {"inputs": {"x": 1.0}})
        assert answer.json() == {"value": length + 1.0, "gradients": {"x": 1.0}}
        assert await tier_of(here, "gradient") == ["child"]


async def test_a_fault_that_futures_cannot_carry_is_answered_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: object) -> None:
        raise StopIteration

    async with world(tmp_path, workers=0) as here:
        monkeypatch.setattr(here.services.runner, "expand", exhausted)
        problem(await here.post("/v1/models/expand", {"model": {}}), 500, "internal")


async def test_a_template_that_was_killed_does_not_hinder_the_end(tmp_path: Path) -> None:
    async with world(tmp_path, thread_limit_s=0, inline_limit_s=0) as here:
        await here.post("/v1/evaluate", {"graph": REGRESSION, "inputs": INPUTS})
        [pid] = here.services.pool.pids
        template = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(template, signal.SIGKILL)
        os.waitid(os.P_PID, template, os.WEXITED | os.WNOWAIT)  # gone, and the loop has not looked yet
        await here.services.pool.close()
        assert not here.services.pool.pids
