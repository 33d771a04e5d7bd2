"""What takes much longer than its estimate stops between two instructions, and goes on in a child."""

from __future__ import annotations

import json
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.ir.budget import Budget, BudgetSpent
from service.jobs.runner import JobRunner
from service.queries import query_request
from service.queries.query_request import QueryRequest, TooLargeForTier
from service.queries.tiers import INLINE_NODES
from tests.service.test_inline_bound import BODIES
from tests.service.test_main import running
from tests.service.test_tiers import tier_of
from tests.service.world import world

#: Each takes seconds: a long row of steps, a loop written as Python, a loop of large steps.
LONG: dict[str, dict[str, Any]] = {
    "steps": {
        "program": "\n".join(["y0 = x", *(f"y{k + 1} = sin(y{k}) * x" for k in range(200)), "sum(y200)"]),
        "inputs": {"x": [0.5] * 100_000},
    },
    "a scan": {
        "program": "def step(c, i):\n    return sin(c) + i, c\n"
        "c, ys = scan(step, x, arange(400000.0))\nsum(c)",
        "inputs": {"x": 0.5},
    },
    "a while loop": {
        "program": "def more(c):\n    return c < 400000.0\ndef step(c):\n    return c + 1.0\n"
        "c = while_loop(more, step, x, max_steps=500000)\nsum(c)",
        "inputs": {"x": 0.5},
    },
}


def runner() -> JobRunner:
    return JobRunner(max_peak_bytes=2**31, graph_cache=16, program_cache=16)


def request(name: str) -> QueryRequest:
    return QueryRequest("evaluate", json.dumps(LONG[name]).encode())


@pytest.mark.parametrize("name", LONG)
def test_a_run_stops_soon_after_its_budget(name: str) -> None:
    prepared = runner().prepare(request(name))
    start = time.thread_time()
    with pytest.raises(BudgetSpent), Budget(10**9, 0.02):
        prepared.program.run(prepared.inputs)
    assert time.thread_time() - start < 0.2
    whole = prepared.program.run(prepared.inputs)  # nothing of the run before is left
    again = prepared.program.run(prepared.inputs)
    assert str(whole) == str(again)


def test_what_overran_is_not_tried_in_that_tier_again() -> None:
    here = runner()
    here.prepare(request("steps"))
    prepared = here.prepare(request("steps"), INLINE_NODES)
    prepared.seconds = 0.0  # as if it had been estimated so
    with pytest.raises(TooLargeForTier):
        here.finish(prepared, INLINE_NODES)
    with pytest.raises(TooLargeForTier):
        here.prepare(request("steps"), INLINE_NODES)
    assert here.finish(here.prepare(request("steps"))).status == 200


@pytest.mark.anyio
async def test_the_answer_comes_from_a_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_request, "_OVERRUN", 0.0)
    lines = ["y0 = broadcast_to(x, (200, 1000))", *(f"y{k + 1} = sin(y{k})" for k in range(60)), "sum(y60)"]
    body = {"program": "\n".join(lines), "inputs": {"x": 0.5}}
    async with world(tmp_path, inline_limit_s=10, thread_limit_s=10) as here:
        answer = await here.post("/v1/evaluate", body)
        assert answer.status_code == 200
        assert await tier_of(here, "evaluate") == ["child"]


def test_a_server_under_attack_hears_sigterm(tmp_path: Path) -> None:
    """Hessians of Hessians once held the event loop, and with it the signal, for more than a minute."""
    with running(tmp_path, "--time-limit-s", "3") as server:
        stop = threading.Event()

        def attack(salt: int) -> None:
            with (
                suppress(httpx.HTTPError),
                httpx.Client(base_url=server.client.base_url, timeout=20) as client,
            ):
                for k in range(10**6):
                    if stop.is_set():
                        return
                    program = f"{BODIES['hessians']['program']} + {salt}.{k}"
                    client.post("/v1/gradient", json={**BODIES["hessians"], "program": program})

        threads = [threading.Thread(target=attack, args=(salt,)) for salt in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(2)
        assert server.client.get("/healthz").status_code == 200
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=30) == 0
        stop.set()
        for thread in threads:
            thread.join()
