"""An estimate takes memory and time that do not depend on the declared sizes, or it is refused."""

from __future__ import annotations

import json
import time
import tracemalloc
from typing import Any

import pytest

from engine.ir.table import TABLE
from service.jobs.runner import JobRunner
from service.queries.query_request import QueryRequest

HUGE = 10**9
MOST_BYTES = 32 << 20
MOST_SECONDS = 1.0

PROGRAMS = [
    "sum(signbit(z))",
    "z * z",
    "z[1:] - z[:-1]",
    "cumsum(z)",
    "z[::2]",
    "sort(z)[0]",
    "def s(c, r): return c * r, c\nf, g = scan(s, 1.0, z)\nf",
    "sum(outer(z, z))",
    "sum(arange(0, 1000000000) * z)",
]


def taken(body: dict[str, Any]) -> tuple[int, int, float]:
    """Status, bytes allocated at once, and seconds of processor time of an estimate."""
    runner = JobRunner(max_peak_bytes=2**31, graph_cache=4, program_cache=4)
    call = QueryRequest("estimate", json.dumps(body).encode())
    tracemalloc.start()
    start = time.thread_time()
    try:
        status = getattr(runner.answer(call), "status", 0)
        return status, tracemalloc.get_traced_memory()[1], time.thread_time() - start
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("program", PROGRAMS)
def test_an_estimate_of_huge_tensors_allocates_none(program: str, sparse: bool) -> None:
    body = {"program": program, "inputs": {"z": {"shape": [HUGE]}}, "sparse": sparse}
    status, memory, seconds = taken(body)
    assert status in (200, 422)
    assert memory < MOST_BYTES
    assert seconds < MOST_SECONDS


@pytest.mark.parametrize("name", sorted(op.name for op in TABLE.values() if not op.rules.functions))
def test_no_op_allocates_what_is_declared(name: str) -> None:
    for arguments in ("z", "z, z"):
        body = {"program": f"{name}({arguments})", "inputs": {"z": {"shape": [30000, 30000]}}}
        status, memory, seconds = taken(body)
        assert status in (200, 422)
        assert memory < MOST_BYTES
        assert seconds < MOST_SECONDS


@pytest.mark.parametrize("wide", [70_000, 2**20])
def test_a_sparse_estimate_beyond_its_bound_says_so(wide: int) -> None:
    runner = JobRunner(max_peak_bytes=2**31, graph_cache=4, program_cache=4)
    body = {"program": "z * z", "inputs": {"z": {"shape": [wide]}}, "sparse": True}
    reply = json.loads(runner.answer(QueryRequest("estimate", json.dumps(body).encode())).body)
    if wide < 2**18:
        assert reply["sparse"]["jacobian"]["nonzeros"] == wide
    else:
        assert (reply["code"], "leave `sparse` out" in reply["hint"]) == ("over_limit", True)
