"""What the server and the docs say of the server is true: OpenAPI, its examples, and the pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from service.api.endpoint import Endpoint, Example
from service.api.routes import ENDPOINTS
from service.settings import Settings
from service.telemetry.metrics import Metrics
from tests.service.world import world

ROOT = Path(__file__).parents[2]
EXAMPLES = [(endpoint, example) for endpoint in ENDPOINTS for example in endpoint.examples]


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


@pytest.mark.anyio
@pytest.mark.parametrize(("endpoint", "example"), EXAMPLES, ids=[endpoint.name for endpoint, _ in EXAMPLES])
async def test_examples_are_run(tmp_path: Path, endpoint: Endpoint, example: Example) -> None:
    async with world(tmp_path) as here:
        response = await here.client.request(
            endpoint.method, example.path or endpoint.path, json=example.body
        )
        assert response.status_code == next(iter(endpoint.answers))
        assert response.json() == example.answer
        model = endpoint.answers[response.status_code][1]
        assert isinstance(model, type)
        assert issubclass(model, BaseModel)
        model.model_validate(response.json())


@pytest.mark.anyio
async def test_every_call_has_an_example(tmp_path: Path) -> None:
    without = [e.path for e in ENDPOINTS if e.body is not None and not e.examples and "{" not in e.path]
    assert not without


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
        for endpoint in ENDPOINTS:
            operation = document["paths"][endpoint.path][endpoint.method.lower()]
            assert operation["summary"]
            assert ("security" in operation) is endpoint.path.startswith(("/v1", "/metrics"))
        example = document["paths"]["/v1/gradient"]["post"]["requestBody"]["content"]["application/json"][
            "examples"
        ]
        assert example["Linear regression"]["value"]["wrt"] == ["W", "b"]


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
    for endpoint in ENDPOINTS:
        assert f"`{endpoint.method} {endpoint.path}`" in text


def test_every_metric_is_documented() -> None:
    text = page("http.md")
    metrics = Metrics()
    metrics.watch({})
    for family in metrics.registry.collect():
        suffix = "_total" if family.type == "counter" else ""
        assert f"`{family.name}{suffix}`" in text
