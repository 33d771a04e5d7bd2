"""Sparse Jacobians and Hessians over HTTP: every encoding, published graphs, limits and the estimate."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from service.queries.kinds.estimate import EstimateAnswer
from service.queries.kinds.hessian import HessianAnswer
from service.queries.kinds.jacobian import JacobianAnswer
from tests.service.test_encoding import SAFETENSORS, metadata
from tests.service.world import problem, world

pytestmark = pytest.mark.anyio

GATHER = {
    "program": "y = x[i] ** 2",
    "inputs": {"x": [1, 2, 3], "i": {"dtype": "int64", "data": [2, 0, 2]}},
    "sparse": True,
}
ENTRIES = {"rows": [0, 1, 2], "cols": [2, 0, 2], "values": [6.0, 2.0, 6.0], "shape": [3, 3]}
CUBES = {"program": "sum(x ** 3)", "inputs": {"x": [1, 2]}, "sparse": True}


async def test_entries_in_every_encoding(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        plain = (await here.post("/v1/jacobian", GATHER)).json()
        JacobianAnswer.model_validate(plain)
        assert plain["jacobian"]["y"]["x"] == ENTRIES
        assert plain["outputs"] == {"y": [9.0, 1.0, 9.0]}
        typed = (await here.post("/v1/jacobian", {**GATHER, "encoding": "typed"})).json()
        block = typed["jacobian"]["y"]["x"]
        assert block["cols"] == {"dtype": "int64", "shape": [3], "data": [2, 0, 2]}
        assert block["values"] == {"dtype": "float64", "shape": [3], "data": [6.0, 2.0, 6.0]}
        assert block["shape"] == [3, 3]
        raw = (await here.post("/v1/jacobian", {**GATHER, "encoding": "base64"})).json()
        rows = raw["jacobian"]["y"]["x"]["rows"]
        assert np.frombuffer(base64.b64decode(rows["data"]["buffer"]), "<i8").tolist() == [0, 1, 2]
        hessian = (await here.post("/v1/hessian", CUBES)).json()
        HessianAnswer.model_validate(hessian)
        assert hessian["value"] == 9.0
        assert hessian["hessian"]["x"]["x"] == {
            "rows": [0, 1], "cols": [0, 1], "values": [6.0, 12.0], "shape": [2, 2],
        }  # fmt: skip


async def test_entries_as_safetensors(tmp_path: Path) -> None:
    arrays = {"x": np.array([1.0, 2.0, 3.0]), "i": np.array([2, 0, 2])}
    request = {**GATHER, "inputs": {name: {"tensor": name} for name in arrays}}
    sent = save(arrays, metadata={"request": json.dumps(request)})
    async with world(tmp_path) as here:
        headers = {"Content-Type": SAFETENSORS, "Accept": SAFETENSORS}
        response = await here.client.post("/v1/jacobian", content=sent, headers=headers)
        assert response.status_code == 200, response.text
        block = metadata(response.content, tmp_path)["jacobian"]["y"]["x"]
        tensors = load(response.content)
        assert block["shape"] == [3, 3]
        for key in ("rows", "cols", "values"):
            assert tensors[block[key]["tensor"]].tolist() == ENTRIES[key]


async def test_a_published_graph_has_them_too(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        published = (await here.post("/v1/graphs", {"program": GATHER["program"]})).json()["id"]
        body = {"inputs": GATHER["inputs"], "sparse": True}
        for index in ([2, 0, 2], [1, 1, 0]):
            body["inputs"] = {"x": [1, 2, 3], "i": {"dtype": "int64", "data": index}}
            answer = (await here.post(f"/v1/graphs/{published}/jacobian", body)).json()
            assert answer["jacobian"]["y"]["x"]["cols"] == index


async def test_a_batch_has_rows_of_values(tmp_path: Path) -> None:
    body = {**CUBES, "inputs": {"x": [[1, 2], [3, 4], [5, 6]]}, "batch": ["x"]}
    async with world(tmp_path) as here:
        block = (await here.post("/v1/hessian", body)).json()["hessian"]["x"]["x"]
        assert (block["rows"], block["values"]) == ([0, 1], [[6.0, 12.0], [18.0, 24.0], [30.0, 36.0]])


async def test_a_matrix_that_is_not_sparse_meets_the_limit_of_memory(tmp_path: Path) -> None:
    ones: dict[str, Any] = {"program": "x / sum(x)", "inputs": {"x": [1.0] * 1000}, "sparse": True}
    async with world(tmp_path, max_peak_bytes=5_800_000) as here:
        assert "entries" in problem(await here.post("/v1/jacobian", ones), 422, "over_limit")["detail"]
        ones["inputs"] = {"x": [1.0] * 300}
        document = problem(await here.post("/v1/jacobian", ones), 422, "over_limit")
        assert document["estimate"]["peak_bytes"] > 5_800_000
        band = {**ones, "program": "x[1:] * x[:-1]"}
        assert (await here.post("/v1/jacobian", band)).status_code == 200
        wrong = {**GATHER, "inputs": {"x": [1], "i": {"dtype": "int64", "data": [5]}}}
        problem(await here.post("/v1/jacobian", wrong), 422, "index_out_of_range")
        problem(await here.post("/v1/gradient", {**CUBES}), 422, "unknown_field")


async def test_the_estimate_counts_products(tmp_path: Path) -> None:
    body = {"program": "sum((x[1:] - x[:-1]) ** 4)", "inputs": {"x": {"shape": [10_000]}}, "sparse": True}
    async with world(tmp_path) as here:
        told = (await here.post("/v1/estimate", body)).json()
        EstimateAnswer.model_validate(told)
        sparse = told["sparse"]["hessian"]
        assert (sparse["colours"], sparse["nonzeros"], sparse["method"]) == (3, 29_998, "forward")
        assert sparse["peak_bytes"] * 100 < told["hessian"]["peak_bytes"]
        vector = {**body, "program": "x ** 2"}
        told = (await here.post("/v1/estimate", vector)).json()["sparse"]
        assert told["hessian"] is None
        assert told["jacobian"]["colours"] == 1
        assert "sparse" not in (await here.post("/v1/estimate", {**body, "sparse": False})).json()
