"""Everything that a process keeps is bounded in bytes: each cache is filled beyond its bound."""

from __future__ import annotations

import gc
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from service.jobs.runner import JobRunner
from service.queries.query_request import QueryRequest
from service.storage.lru import Lru
from service.wire.held_bytes import HeldBytes, Share
from service.wire.problems import Problem
from tests.service.world import problem, world

KIB, MIB = 2**10, 2**20
CACHE = 2 * MIB


def runner() -> JobRunner:
    return JobRunner(max_peak_bytes=2**30, graph_cache=10_000, program_cache=10_000, cache_bytes=CACHE)


def function(salt: int, lines: int = 30) -> str:
    steps = [f"y{k + 1} = sin(y{k}) * x + {salt}.5" for k in range(lines)]
    return "\n".join(["y0 = x", *steps, f"sum(y{lines})"])


def test_a_cache_forgets_the_oldest_when_its_bytes_are_used_up() -> None:
    cache: Lru[int, str] = Lru(100, 10)
    for key in range(5):
        cache.put(key, "x", 4)
    assert (len(cache), cache.nbytes) == (2, 8)
    assert [cache.get(key) for key in range(5)] == [None, None, None, "x", "x"]
    cache.put(9, "larger than all", 11)
    assert 9 not in cache
    cache.put(3, "smaller", 1)
    cache.put(4, "too large now", 11)
    assert (cache.get(3), cache.get(4), cache.nbytes) == ("smaller", None, 1)
    cache.discard(3)
    assert cache.nbytes == 0


def test_what_a_runner_keeps_is_bounded() -> None:
    """Its caches are filled many times over; what they hold in truth is near what they count."""
    here = runner()
    here.answer(
        QueryRequest("gradient", json.dumps({"program": function(0), "inputs": {"x": [1.0]}}).encode())
    )
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for salt in range(1, 41):
        body = {"program": function(salt), "inputs": {"x": [1.0] * salt}}
        assert here.answer(QueryRequest("gradient", json.dumps(body).encode())).status == 200  # type: ignore[union-attr]
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert here.compiler.nbytes <= CACHE // 2
    assert 0 < len(here.compiler._programs) < 40
    assert here._graphs.nbytes <= CACHE // 8
    assert here._bound.nbytes <= CACHE // 8
    assert grown < 2 * CACHE


def test_a_program_with_large_buffers_counts_them() -> None:
    here = runner()
    body = {"program": "sum(sin(x) * cos(x))", "inputs": {"x": [0.5] * 100_000}}
    for _ in range(2):
        assert here.answer(QueryRequest("gradient", json.dumps(body).encode())).status == 200  # type: ignore[union-attr]
    assert here.compiler.hits == 0, "it is larger than all that may be kept"


@pytest.mark.anyio
async def test_the_texts_of_published_graphs_are_bounded(tmp_path: Path) -> None:
    async with world(tmp_path, cache_bytes=CACHE) as here:
        recent = here.services.graphs.recent
        ids = []
        for salt in range(8):
            text = "\n".join([*(f"a{k} = x * {salt}.25" for k in range(700)), "y = x"])
            ids.append((await here.post("/v1/graphs", {"program": text})).json()["id"])
        assert recent.nbytes <= CACHE // 8
        assert 0 < len(recent) < 8
        assert (await here.client.get(f"/v1/graphs/{ids[0]}")).status_code == 200


def test_bodies_are_bounded_in_all_and_for_each() -> None:
    held = HeldBytes(8 * MIB, "request bodies", "X")
    with Share(held, "a") as one:
        one.add(3 * MIB)
        with pytest.raises(Problem) as refused, Share(held, "a") as two:
            two.add(2 * MIB)
        assert refused.value.code == "busy"
        with Share(held, "a") as small:
            small.add(60 * KIB)
        with Share(held, "b") as other:
            other.add(5 * MIB)
            with pytest.raises(Problem), Share(held, "c") as third:
                third.add(MIB)
    assert (held.total, dict(held._by_address)) == (0, {})


@pytest.mark.anyio
async def test_large_bodies_at_once_are_busy(tmp_path: Path) -> None:
    async with world(tmp_path, max_body_bytes_held=MIB) as here:
        body = json.dumps({"program": "sum(x)", "inputs": {"x": [1.0] * 400_000}}).encode()
        problem(await here.post("/v1/evaluate", body), 503, "busy")
        assert here.services.bodies.total == 0
        small = json.dumps({"program": "sum(x)", "inputs": {"x": [1.0] * 40_000}}).encode()
        assert (await here.post("/v1/evaluate", small)).json() == {"outputs": {"result": 40_000.0}}
        assert here.services.bodies.total == 0


@pytest.mark.anyio
async def test_large_answers_are_sent_from_a_file_and_bounded(tmp_path: Path) -> None:
    ask: dict[str, Any] = {"program": "broadcast_to(x, (300000,))", "inputs": {"x": 1.5}}
    async with world(tmp_path) as here:
        answers = here.services.tiers._answers
        answer = await here.post("/v1/evaluate", ask, headers={"Accept-Encoding": "identity"})
        assert answer.json() == {"outputs": {"result": [1.5] * 300_000}}
        assert int(answer.headers["content-length"]) > 10**6
        packed = await here.post("/v1/evaluate", ask, headers={"Accept-Encoding": "gzip"})
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.json() == answer.json()
        assert answers.total == 0
    async with world(tmp_path, max_answer_bytes_held=MIB) as here:
        refused = await here.post("/v1/evaluate", ask, headers={"Accept-Encoding": "identity"})
        problem(refused, 503, "busy")
        assert here.services.tiers._answers.total == 0
