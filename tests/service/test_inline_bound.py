"""What runs on the event loop ends soon, whatever a short body becomes when it is recorded."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from engine.errors import UserError
from engine.frontend.program import parse_program
from engine.ir.budget import Budget, BudgetSpent, charge
from service.jobs.runner import JobRunner
from service.queries.query_request import QueryRequest, TooLargeForTier
from service.queries.tiers import INLINE_NODES, THREAD_NODES
from service.wire.problems import Problem
from tests.service.world import problem, world

#: Seconds of processor time: a few times the bound of 5 ms, since the machine is shared.
MOST = 0.04


def nested(levels: int, call: str) -> str:
    """Functions of functions: `call` applies something to the function before."""
    lines = ["def f0(x): return sum(x * x * x * sin(x))"]
    lines += [f"def f{k}(x): return sum({call.format(f'f{k - 1}')})" for k in range(1, levels + 1)]
    return "\n".join([*lines, f"y = f{levels}(x)"])


def custom(levels: int) -> str:
    """Gradients of functions whose gradient is the gradient of a function …"""
    lines = ["def f0(x): return sum(x * x * x * sin(x))"]
    for k in range(1, levels + 1):
        lines.append(f"def b{k}(x, y, g): return g * gradient(f{k - 1}, x) * gradient(f{k - 1}, x * x)")
        lines.append(f"def f{k}(x): return sum(gradient(f{k - 1}, x)) + custom_gradient(f{k - 1}, b{k}, x)")
    return "\n".join([*lines, f"y = f{levels}(x)"])


TWO = {"x": [1.0, 2.0]}
BODIES: dict[str, dict[str, Any]] = {
    "hessians": {"program": nested(9, "hessian({}, x)"), "inputs": TWO},
    "jacobians": {"program": nested(9, "jacobian({}, x)"), "inputs": TWO},
    "gradients": {"program": nested(14, "gradient({}, x)"), "inputs": TWO},
    "rows of jacobians": {
        "program": nested(6, "jacobian({}, x)"),
        "inputs": {"x": [[1.0, 2.0]] * 8},
        "batch": ["x"],
    },
    "custom gradients": {"program": custom(8), "inputs": TWO},
    "split": {"program": "sum(split(broadcast_to(x, (4096,)), 4096)[0])", "inputs": {"x": 1.0}},
    "splits": {
        "program": "\n".join(f"a{k} = split(x, 64)" for k in range(80)) + "\ny = sum(a0[0])",
        "inputs": {"x": [1.0] * 64},
    },
    "a long product": {"program": f"sum({'*'.join(['sin(x)'] * 400)})", "inputs": TWO},
    "a wrong text": {"program": "(" * 90 + "x + 1" * 500, "inputs": TWO},
    "unknown names": {"program": "+".join(f"qq{k}(x)" for k in range(350)), "inputs": TWO},
    "long attributes": {
        "program": f"def g(x): return sum(x[{[0, 1] * 300}])\ny = {'+'.join(['g(x)'] * 90)}",
        "inputs": TWO,
    },
    "a diagnosis": {"program": "+".join(["sum(round(x * x))"] * 60), "inputs": TWO},
    "a sparse matrix": {
        "program": "x[1:] * x[:-1]",
        "inputs": {"x": [1.0] * 1000},
        "kind": "jacobian",
        "sparse": True,
    },
}


def spent(runner: JobRunner, body: dict[str, Any], most_nodes: int | None) -> float:
    """Processor time until the body is answered, refused, or too large for the tier."""
    fields = dict(body)
    kind = fields.pop("kind", "gradient")
    call = QueryRequest(kind, json.dumps(fields).encode())
    start = time.thread_time()
    with suppress(TooLargeForTier, UserError, Problem):  # the caller's mistakes take time as well
        runner.finish(runner.prepare(call, most_nodes), most_nodes)
    return time.thread_time() - start


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    """What is imported and built when it is first needed is no part of a request."""
    runner = make_runner()
    for body in ({"program": "sum(round(x))", "inputs": TWO}, {"program": "sum(x", "inputs": TWO}):
        spent(runner, body, None)


def make_runner() -> JobRunner:
    return JobRunner(max_peak_bytes=2**31, graph_cache=16, program_cache=16)


@pytest.mark.parametrize("name", BODIES)
def test_a_short_body_does_not_hold_the_loop(name: str) -> None:
    first = spent(make_runner(), BODIES[name], INLINE_NODES)
    assert min(first, spent(make_runner(), BODIES[name], INLINE_NODES)) < MOST


@pytest.mark.parametrize("name", BODIES)
def test_a_thread_ends_too(name: str) -> None:
    assert spent(make_runner(), BODIES[name], THREAD_NODES) < 1.0


def test_what_was_too_much_is_not_tried_again() -> None:
    runner = make_runner()
    chain = "\n".join(["y0 = x", *(f"y{k + 1} = sin(y{k}) * x" for k in range(45)), "sum(y45)"])
    spent(runner, {"program": chain, "inputs": TWO}, 20)
    misses = runner.compiler.misses
    for value in (3.0, 4.0):
        assert spent(runner, {"program": chain, "inputs": {"x": [1.0, value]}}, 20) < MOST
    assert runner.compiler.misses == misses
    spent(runner, {"program": chain, "inputs": TWO}, None)
    assert runner.compiler.misses == misses + 1
    again = QueryRequest("gradient", json.dumps({"program": chain, "inputs": TWO}).encode())
    runner.prepare(again, 20)  # now that it is compiled, it costs its run alone


@pytest.mark.anyio
async def test_the_loop_answers_while_a_function_of_functions_is_recorded(tmp_path: Path) -> None:
    """437 bytes once took the server's own process for more than a minute, whatever the time limit."""
    assert len(json.dumps(BODIES["hessians"])) < 500
    async with world(tmp_path, time_limit_s=2) as here:
        working = asyncio.ensure_future(here.post("/v1/gradient", BODIES["hessians"]))
        await here.first_child()
        assert (await here.client.get("/healthz")).status_code == 200
        problem(await working, 504, "time_limit")


@pytest.mark.anyio
async def test_a_query_beyond_one_tier_is_right_in_the_next(tmp_path: Path) -> None:
    body = {"program": "\n".join(["y0 = x", *(f"y{k + 1} = sin(y{k}) * x" for k in range(45)), "y45"])}
    body["inputs"] = {"x": 0.5}
    async with world(tmp_path) as here:
        first = await here.post("/v1/gradient", body)
        again = await here.post("/v1/gradient", body)
        assert first.status_code == 200
        assert first.content == again.content


def count(units: int, times: int = 1) -> None:
    """Charge again and again, as one who swallows what that raises."""
    for _ in range(times):
        with suppress(BudgetSpent):
            charge(units)
    charge()


def test_a_budget_is_spent_once_and_for_all() -> None:
    with pytest.raises(BudgetSpent), Budget(10, 60.0):
        count(11, 3)
    charge(1000)  # none holds here


def test_a_budget_holds_processor_time_too() -> None:
    with pytest.raises(BudgetSpent), Budget(10**9, 0.01):
        count(1, 10**7)


def test_an_inner_budget_is_no_larger_than_what_is_left() -> None:
    with Budget(10, 60.0):
        with pytest.raises(BudgetSpent), Budget(100, 60.0):
            charge(11)
        charge(5)


def test_a_text_is_counted_before_it_is_parsed() -> None:
    with pytest.raises(BudgetSpent), Budget(100, 60.0):
        parse_program("+".join(["x"] * 400))
