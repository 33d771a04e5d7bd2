"""What the server and the docs say of the server is true: OpenAPI, its examples, and the pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.api import openapi
from service.api.routes import ROUTES
from service.settings import Settings
from service.telemetry.metrics import Metrics
from tests.service.world import world

ROOT = Path(__file__).parents[2]
DOCUMENT = openapi.build(ROUTES, version="1", keyed=False)
JSON = "application/json"


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and operation of everything in the document."""
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def examples() -> Iterator[Any]:
    """Every response that the document shows, with the request that it shows beside it."""
    for method, path, operation in operations():
        url = path
        status, response = next(iter(operation["responses"].items()))
        bodies = operation.get("requestBody", {}).get("content", {}).get(JSON, {}).get("examples", {})
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "path" and "examples" in parameter["schema"]:
                url = url.replace(f"{{{parameter['name']}}}", parameter["schema"]["examples"][0])
        for name, shown in response.get("content", {}).get(JSON, {}).get("examples", {}).items():
            body = bodies[name]["value"] if bodies else None
            call = (method, url, body, int(status), shown["value"])
            yield pytest.param(*call, operation["operationId"], id=f"{operation['operationId']}: {name}")


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


@pytest.mark.anyio
@pytest.mark.parametrize(("method", "path", "body", "status", "answer", "operation"), [*examples()])
async def test_examples_are_run(
    tmp_path: Path, method: str, path: str, body: Any, status: int, answer: Any, operation: str
) -> None:
    async with world(tmp_path) as here:
        response = await here.client.request(method, path, json=body)
        assert response.status_code == status
        assert response.json() == answer
    [route] = [route for route in ROUTES if route.name == operation]
    route.response_model.model_validate(answer)


def test_every_call_has_an_example() -> None:
    shown = {case.values[-1] for case in examples()}
    without = [
        operation["operationId"]
        for _, path, operation in operations()
        if JSON in operation.get("requestBody", {}).get("content", {}) and "{" not in path
    ]
    assert {*without} - shown == {"submit_job"}, "a job's id is random: the next test sends them"
    assert len(shown) >= 14


@pytest.mark.anyio
async def test_the_jobs_that_are_shown_are_accepted(tmp_path: Path) -> None:
    shown = DOCUMENT["paths"]["/v1/jobs"]["post"]["requestBody"]["content"][JSON]["examples"]
    async with world(tmp_path) as here:
        for example in shown.values():
            assert (await here.client.post("/v1/jobs", json=example["value"])).status_code == 202
    assert len(shown) == 2


@pytest.mark.anyio
async def test_the_openapi_document_is_complete(tmp_path: Path) -> None:
    async with world(tmp_path, api_key="k") as here:
        response = await here.client.get("/openapi.json")
        document = response.json()
        assert document["openapi"] == "3.1.0"
        schemas = document["components"]["schemas"]
        referred = set(re.findall(r"#/components/schemas/(\w+)", response.text))
        assert referred <= set(schemas)
        assert "x-schema" not in response.text
        assert "ValidationError" not in response.text
        for _, path, operation in operations():
            assert operation["summary"]
            keyed = document["paths"][path]
            assert all(("security" in o) is path.startswith(("/v1", "/metrics")) for o in keyed.values())
            named = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
            assert named == set(re.findall(r"{(\w+)}", path))
        example = document["paths"]["/v1/gradient"]["post"]["requestBody"]["content"][JSON]["examples"]
        assert example["Linear regression"]["value"]["wrt"] == ["W", "b"]
        tensors = document["paths"]["/v1/gradient"]["post"]["responses"]["200"]["content"]
        assert set(tensors) == {JSON, "application/x-safetensors"}


@pytest.mark.anyio
async def test_the_docs_need_no_internet(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        html = await here.client.get("/docs")
        assert html.status_code == 200
        assert "default-src 'self'" in html.headers["content-security-policy"]
        assert "http" not in html.text
        for path in re.findall(r'(?:src|href)="([^"]+)"', html.text):
            assert (await here.client.get(f"/{path}")).status_code == 200


def test_every_setting_is_documented() -> None:
    text = page("settings.md")
    for name, field in Settings.model_fields.items():
        assert f"`GRADWIRE_{name.upper()}`" in text
        assert field.description
        assert field.description in text


def test_every_endpoint_is_documented() -> None:
    text = page("http.md")
    for method, path, _ in operations():
        assert f"`{method} {path}`" in text


def test_every_metric_is_documented() -> None:
    text = page("http.md")
    metrics = Metrics()
    metrics.watch({})
    for family in metrics.registry.collect():
        suffix = "_total" if family.type == "counter" else ""
        assert f"`{family.name}{suffix}`" in text
