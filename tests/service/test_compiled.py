"""Queries as native code through the server: a child compiles, the server links, the header tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.runtime.executors.compiled.jit import is_available
from tests.engine.graphs import REGRESSION
from tests.service.world import INPUTS, problem, world

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not is_available(), reason="the extra `compiled` is not installed"),
]
BODY: dict[str, Any] = {"graph": REGRESSION, "inputs": INPUTS, "wrt": ["W", "b"], "optimize": "compiled"}
EXPECTED = {"value": 10.5, "gradients": {"W": [-14.0], "b": [-6.0]}}


async def test_a_child_compiles_and_then_the_server_links(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        tiers = []
        for _ in range(3):
            response = await here.post("/v1/gradient", BODY)
            assert response.json() == EXPECTED
            assert 'executor;desc="compiled"' in response.headers["server-timing"]
            tiers.append(response.headers["server-timing"].split(",")[0])
        assert tiers[0] == 'tier;desc="child"'
        assert tiers[2] != 'tier;desc="child"'
        plain = await here.post("/v1/gradient", {**BODY, "exact": True})
        assert plain.json() == EXPECTED
        assert "executor" not in plain.headers["server-timing"]
        (folder,) = tmp_path.rglob("native")
        assert folder.stat().st_mode & 0o777 == 0o700
        assert len(list(folder.iterdir())) == 1


async def test_the_levels_and_what_is_none(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        for level in ("off", "plan", "auto", True, False, None):
            response = await here.post("/v1/gradient", {**BODY, "optimize": level})
            np.testing.assert_allclose(response.json()["value"], 10.5)
        refused = await here.post("/v1/gradient", {**BODY, "optimize": "fast"})
        assert problem(refused, 422, "invalid_document")["path"] == "$.optimize"


async def test_a_check_and_a_receipt_of_native_code(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        checked = await here.post("/v1/check", {**BODY})
        assert checked.json()["passed"]
        with_receipt = await here.post("/v1/gradient", {**BODY, "receipt": True})
        assert with_receipt.json()["receipt"]["tests"]["passed"]
