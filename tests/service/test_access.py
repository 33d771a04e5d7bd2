"""Request ids, logs, metrics, the key, and pages of other origins."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from service.api.routes import ROUTES
from service.jobs.runner import JobRunner
from service.wire.problems import ERRORS
from tests.engine.graphs import REGRESSION
from tests.service.world import INPUTS, JSON, World, problem, world

pytestmark = pytest.mark.anyio


async def test_a_request_id_is_kept_if_it_is_harmless(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        kept = await here.client.get("/healthz", headers={"X-Request-ID": "abc-1.2:3_4"})
        assert kept.headers["x-request-id"] == "abc-1.2:3_4"
        for bad in ("", "a b", "a" * 129, "é".encode("latin-1"), '"'):
            made = (await here.client.get("/healthz", headers={"X-Request-ID": bad})).headers["x-request-id"]
            assert len(made) == 32
            assert made.isalnum()


async def test_one_line_a_request(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        await here.client.get("/v1/nothing", headers={"X-Request-ID": "r1"})
        await here.client.get("/healthz")
        [line] = here.lines("request")
        assert line["request_id"] == "r1"
        assert (line["method"], line["path"], line["status"]) == ("GET", "/v1/nothing", 404)
        assert line["code"] == (await here.client.get("/v1/nothing")).json()["code"]
        assert line["milliseconds"] >= 0
        assert line["level"] == "info"
        assert line["timestamp"].endswith("Z")


async def test_a_line_names_the_problem_of_a_refused_query_and_none_otherwise(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        await here.post("/v1/gradient", {"program": "x * zz", "inputs": {"x": 1.0}})
        await here.post("/v1/gradient", {"program": "x * x", "inputs": {"x": 1.0}})
        refused, answered = here.lines("request")
        assert refused["code"] in ERRORS
        assert "code" not in answered


async def test_failures_of_the_server_are_errors_at_every_level(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path, log_level="error") as here:
        monkeypatch.setattr(type(here.services.graphs), "get", lambda *_: 1 / 0)
        await here.client.get("/v1/nothing")
        await here.client.get("/v1/graphs/none")
        [line] = here.lines("request")
        assert (line["status"], line["code"], line["level"]) == (500, "internal", "error")


async def test_a_line_is_json_whatever_the_path_holds(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        for path in ("/a%22b%5Cc", "/%C3%A9%0A%1B[31m", "/plain"):
            await here.client.get(path)
        assert [line["path"] for line in here.lines("request")] == ['/a"b\\c', "/é\n\x1b[31m", "/plain"]
        assert "\x1b" not in here.log.getvalue()  # a terminal would obey it


@pytest.mark.parametrize(("which", "statuses"), [("all", [200, 404]), ("errors", [404]), ("off", [])])
async def test_which_requests_get_a_line(tmp_path: Path, which: str, statuses: list[int]) -> None:
    async with world(tmp_path, log_requests=which) as here:
        await here.client.get("/v1/ops/add")
        await here.client.get("/v1/nothing")
        assert [line["status"] for line in here.lines("request")] == statuses


async def test_ids_that_the_server_makes_differ(tmp_path: Path) -> None:
    async with world(tmp_path / "a") as a, world(tmp_path / "b") as b:
        made = [(await here.client.get("/healthz")).headers["x-request-id"] for here in (a, b, a, b)]
        assert len(set(made)) == 4


async def test_console_lines_are_for_people(tmp_path: Path) -> None:
    async with world(tmp_path, log_format="console") as here:
        await here.client.get("/v1/nothing")
        assert "status=404" in here.log.getvalue()


async def test_metrics_count_by_template_and_kind(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        graph_id = (await here.post("/v1/graphs", {"graph": REGRESSION})).json()["id"]
        await here.post(f"/v1/graphs/{graph_id}/gradient", {"inputs": INPUTS})
        await here.client.get("/wp-admin.php")
        await here.client.request("BREW", "/healthz")
        assert (await here.client.head("/healthz")).status_code == 200
        labels = {"method": "POST", "route": "/v1/graphs/{graph_id}/gradient", "status": "200"}
        assert await here.metric("gradwire_requests_total", **labels) == 1
        other = {"method": "any", "route": "other", "status": "404"}
        assert await here.metric("gradwire_requests_total", **other) == 1
        wrong = {"method": "any", "route": "other", "status": "405"}
        assert await here.metric("gradwire_requests_total", **wrong) == 1
        head = {"method": "HEAD", "route": "/healthz", "status": "200"}
        assert await here.metric("gradwire_requests_total", **head) == 1
        assert await here.metric("gradwire_query_seconds_count", kind="gradient", tier="inline") == 1
        assert await here.metric("gradwire_cache_lookups_total", cache="graphs", outcome="hit") == 1
        text = (await here.client.get("/metrics")).text
        assert "gradwire_requests_in_flight 1.0" in text


async def test_metrics_can_be_switched_off(tmp_path: Path) -> None:
    async with world(tmp_path, metrics=False) as here:
        problem(await here.client.get("/metrics"), 404, "not_found")


async def test_two_apps_share_no_registry(tmp_path: Path) -> None:
    async with world(tmp_path / "a") as a, world(tmp_path / "b") as b:
        await a.client.get("/healthz")
        labels = {"method": "GET", "route": "/healthz", "status": "200"}
        assert await a.metric("gradwire_requests_total", **labels) == 1
        assert await b.metric("gradwire_requests_total", **labels) == 0


async def test_health_and_readiness(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        assert (await here.client.get("/healthz")).json()["status"] == "ok"
        ready = await readiness(here, '"status":"ready"')
        assert ready.status_code == 200
        assert ready.json()["checks"] == {"storage": "ok", "children": "ok"}
        assert ready.json()["workers"] == {"expected": 0, "alive": 0, "failing": 0, "reason": None}
        here.services.database.engine.dispose()
        for path in (tmp_path / "data").glob("gradwire.sqlite*"):
            path.unlink()
        lost = await here.client.get("/readyz")
        assert lost.status_code == 503
        assert lost.json()["checks"]["storage"] != "ok"


async def readiness(here: World, said: str) -> httpx.Response:
    """The answer of /readyz once it says this."""
    async with asyncio.timeout(120):
        while said not in (response := await here.client.get("/readyz")).text:
            await asyncio.sleep(0.1)
    return response


async def test_children_that_cannot_be_started_are_told_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(JobRunner, "__module__", "service.nowhere")  # what the children are to run
    async with world(tmp_path) as here:
        lost = await readiness(here, "ended with status 1")
        assert lost.status_code == 503
        assert lost.json()["checks"]["children"].startswith("cannot be started: the process that forks them")
        assert "ended with status 1" in here.lines("children are not ready")[-1]["error"]


async def test_the_key_guards_everything_but_health_and_docs(tmp_path: Path) -> None:
    async with world(tmp_path, api_key="sesame") as here:
        for route in ROUTES:
            ids = dict.fromkeys(("graph_id", "job_id", "dataset_id"), "x")
            path = route.path.format(**ids, name="add", code="busy")
            [method] = route.methods
            response = await here.client.request(method, path, json={})
            is_open = not path.startswith(("/v1", "/metrics"))
            assert (response.status_code == 401) is not is_open, path
            assert (401 in route.responses) is not is_open, path
        refused = await here.client.get("/v1/ops")
        problem(refused, 401, "unauthorized")
        assert refused.headers["www-authenticate"].startswith("Bearer")
        assert "x-request-id" in refused.headers
        for wrong in ("Bearer", "Bearer nope", "Basic sesame", "sesame", "Bearer sesamé"):
            response = await here.client.get("/v1/ops", headers={"Authorization": wrong.encode("latin-1")})
            assert response.status_code == 401
        right = await here.client.get("/v1/graphs", headers={"Authorization": "Bearer sesame"})
        assert right.status_code == 200
        assert "sesame" not in here.log.getvalue()


async def test_pages_of_allowed_origins_may_call(tmp_path: Path) -> None:
    async with world(tmp_path, api_key="k", cors_origins="https://a.example, https://b.example") as here:
        asked = {
            "Origin": "https://b.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
        }
        preflight = await here.client.options("/v1/gradient", headers=asked)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == "https://b.example"
        refused = await here.client.post(
            "/v1/gradient", content="{}", headers={**JSON, "Origin": "https://b.example"}
        )
        assert refused.status_code == 401
        assert refused.headers["access-control-allow-origin"] == "https://b.example"
        stranger = await here.client.options("/v1/gradient", headers={**asked, "Origin": "https://c.example"})
        assert "access-control-allow-origin" not in stranger.headers
