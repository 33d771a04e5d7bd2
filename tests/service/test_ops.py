"""The catalogue over HTTP: every public op, by name and alias."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.ir.table import TABLE
from tests.service.world import problem, world

pytestmark = pytest.mark.anyio


async def test_every_public_op_is_listed(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        listed = (await here.client.get("/v1/ops")).json()
        names = [op["name"] for op in listed["ops"]]
        assert listed["count"] == len(names) == len(TABLE.public())
        multiply = next(op for op in listed["ops"] if op["name"] == "multiply")
        assert multiply["signature"] == "multiply(x1, x2)"
        assert "mul" in multiply["aliases"]
        assert [entry["name"] for entry in multiply["inputs"]] == ["x1", "x2"]


async def test_every_op_has_a_page_under_every_name(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        for op in TABLE.public():
            pages = [(await here.client.get(f"/v1/ops/{name}")) for name in (op.name, *op.aliases)]
            assert {page.status_code for page in pages} == {200}
            assert {page.json()["name"] for page in pages} == {op.name}


async def test_an_unknown_op_comes_with_the_nearest(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        document = problem(await here.client.get("/v1/ops/mulitply"), 404, "unknown_op")
        assert "multiply" in document["hint"]
        assert document["path"] == "$url.name"
