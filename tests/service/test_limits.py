"""Every call is guarded by its estimate: over the limit it is a 422 with the numbers, and nothing runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.service.jobs.world import LINE, ended, job_world, submit
from tests.service.world import problem, world

pytestmark = pytest.mark.anyio

N = 300
VECTOR = {"x": [0.5] * N}
ONES = [1.0] * N
CUBES = {"program": "loss = sum(outer(x, x) ** 3)", "inputs": VECTOR}  # 720 kB for the products alone
LIMIT = 400_000

CALLS: list[tuple[str, dict[str, Any]]] = [
    ("evaluate", CUBES),
    ("gradient", CUBES),
    ("gradient", {**CUBES, "stabilize": True}),
    ("gradient", {**CUBES, "masked_backward": True}),
    ("gradient", {**CUBES, "diagnose": "full"}),
    ("gradient", {**CUBES, "receipt": True}),
    ("gradient", {"program": "sum(x ** 3)", "inputs": {"x": [[0.5] * N] * 100}, "batch": ["x"]}),
    ("vjp", {**CUBES, "cotangents": {"loss": 1.0}}),
    ("jvp", {**CUBES, "tangents": {"x": ONES}}),
    ("jacobian", {"program": "y = x ** 3", "inputs": VECTOR, "method": "forward"}),
    ("jacobian", {"program": "y = x ** 3", "inputs": VECTOR, "method": "reverse"}),
    ("hessian", {"program": "sum(x ** 3)", "inputs": VECTOR}),
    ("hvp", {**CUBES, "vectors": {"x": ONES}}),
    ("gnvp", {"program": "r = outer(x, x)", "inputs": VECTOR, "vectors": {"x": ONES}}),
    ("diagnose", CUBES),
    ("check", CUBES),
]


@pytest.mark.parametrize(("kind", "body"), CALLS, ids=[kind for kind, _ in CALLS])
async def test_over_the_limit(tmp_path: Path, kind: str, body: dict[str, Any]) -> None:
    async with world(tmp_path, max_peak_bytes=LIMIT) as here:
        told = problem(await here.post(f"/v1/{kind}", body), 422, "over_limit")
        assert told["estimate"]["peak_bytes"] > LIMIT
        assert set(told["estimate"]) == {"flops", "bytes", "peak_bytes", "nodes", "seconds"}
        assert f"{LIMIT:,}" in told["detail"]


@pytest.mark.parametrize(("kind", "body"), CALLS, ids=[kind for kind, _ in CALLS])
async def test_within_the_limit(tmp_path: Path, kind: str, body: dict[str, Any]) -> None:
    async with world(tmp_path, max_peak_bytes=2**30) as here:
        answer = await here.post(f"/v1/{kind}", body)
        assert answer.status_code == 200, answer.text


async def test_a_published_graph(tmp_path: Path) -> None:
    async with world(tmp_path, max_peak_bytes=LIMIT) as here:
        made = await here.post("/v1/graphs", {"program": CUBES["program"]})
        path = f"/v1/graphs/{made.json()['id']}/gradient"
        told = problem(await here.post(path, {"inputs": VECTOR}), 422, "over_limit")
        assert told["estimate"]["peak_bytes"] > LIMIT


async def test_the_numbers_are_those_of_the_estimate(tmp_path: Path) -> None:
    async with world(tmp_path, max_peak_bytes=LIMIT) as here:
        shapes = {"program": CUBES["program"], "inputs": {"x": {"shape": [N]}}}
        told = (await here.post("/v1/estimate", shapes)).json()
        for kind, part in (("evaluate", "forward"), ("gradient", "gradient"), ("hessian", "hessian")):
            refused = problem(await here.post(f"/v1/{kind}", CUBES), 422, "over_limit")["estimate"]
            assert {key: refused[key] for key in told[part]} == told[part]


async def test_a_job_and_its_predictions(tmp_path: Path) -> None:
    async with job_world(tmp_path, max_peak_bytes=LIMIT) as here:
        large = {
            **LINE,
            "parameters": {"W": {"shape": [1, 30_000], "initializer": "zeros"}, "b": {"value": 0.0}},
        }
        told = problem(await here.post("/v1/jobs", large), 422, "over_limit")
        assert told["estimate"]["peak_bytes"] > LIMIT
        job_id = await submit(here, LINE)
        assert (await ended(here, job_id))["status"] == "succeeded"
        rows = {"inputs": {"x": [[0.5]] * 60_000}, "outputs": ["pred"]}
        told = problem(await here.post(f"/v1/jobs/{job_id}/predict", rows), 422, "over_limit")
        assert told["estimate"]["peak_bytes"] > LIMIT


@pytest.mark.parametrize(
    ("kind", "program"),
    [("hessian", "sum(x ** 3)"), ("jacobian", "x[1:] * x[:-1]")],
    ids=["hessian", "jacobian"],
)
async def test_the_sparse_form_that_the_hint_names_is_accepted(
    tmp_path: Path, kind: str, program: str
) -> None:
    body = {"program": program, "inputs": {"x": [0.5] * 1500}}
    async with world(tmp_path, max_peak_bytes=2_000_000) as here:
        told = problem(await here.post(f"/v1/{kind}", body), 422, "over_limit")
        assert '"sparse": true' in told["hint"]
        answer = await here.post(f"/v1/{kind}", {**body, "sparse": True})
        assert answer.status_code == 200, answer.text
