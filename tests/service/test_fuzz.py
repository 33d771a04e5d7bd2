"""Whatever is sent is answered: 2xx, or a 4xx with a problem document; never 500, and never for long.

`GRADWIRE_FUZZ_CASES` says how many requests are made (2,000 by default), `GRADWIRE_FUZZ_SEED` from where on.
"""

from __future__ import annotations

import json
import os
import time
import traceback
import warnings
from typing import Any

import pytest

from service.jobs.runner import JobRunner
from service.queries.query_request import QueryRequest, TooLargeForTier
from service.queries.tiers import INLINE_NODES
from service.wire.problems import Reply
from tests.service.grammar import Grammar

CASES = int(os.environ.get("GRADWIRE_FUZZ_CASES", "2000"))
SEED = int(os.environ.get("GRADWIRE_FUZZ_SEED", "0"))
PARTS = 4
#: Seconds of processor time: on the event loop, and for any answer to so small a request.
MOST_INLINE, MOST = 0.25, 20.0


def outcome(runner: JobRunner, call: QueryRequest) -> tuple[str, float]:
    """What went wrong, if anything, and the seconds of the part that runs on the loop."""
    start = time.thread_time()
    try:
        if runner.computation(call).compute is None:
            runner.prepare(call, INLINE_NODES)
    except TooLargeForTier:
        pass
    except Exception:  # is raised again below
        pass
    inline = time.thread_time() - start
    try:
        reply = runner.answer(call)
    except Exception:  # a 500, were it a server
        return "".join(traceback.format_exc().splitlines(keepends=True)[-6:]), inline
    assert isinstance(reply, Reply)
    if reply.status >= 500 or (reply.status != 200 and b'"code":' not in reply.body):
        return reply.body.decode(), inline
    took = time.thread_time() - start
    return (f"took {took:.1f} s" if took > MOST else ""), inline


@pytest.mark.parametrize("part", range(PARTS))
def test_every_request_is_answered(part: int) -> None:
    faults: dict[str, Any] = {}
    slowest = 0.0
    runner = JobRunner(max_peak_bytes=2**27, graph_cache=64, program_cache=64)
    for k in range(CASES // PARTS):
        seed = SEED + part * 10**9 + k
        kind, body = Grammar(seed).request()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fault, inline = outcome(runner, QueryRequest(kind, body))
        slowest = max(slowest, inline)
        if inline > MOST_INLINE:
            fault = fault or f"held the loop for {inline:.2f} s"
        if fault:
            faults.setdefault(fault.strip().rsplit("\n", 1)[-1][:200], (seed, kind, body[:400], fault))
    assert not faults, json.dumps(faults, indent=1, default=str)
