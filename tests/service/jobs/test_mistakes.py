"""Mistakes in jobs over HTTP: refused with path and cure, or listed in the job's warnings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from service.api.responses import jobs as job_responses
from tests.service.jobs.world import LINE, ended, job_world, submit
from tests.service.world import problem

pytestmark = pytest.mark.anyio

X = [[0.1 * row, 1.0 - 0.1 * row] for row in range(12)]
Y = [row % 2 for row in range(12)]


def model(units: int, activation: str, loss: str, **changes: Any) -> dict[str, Any]:
    layers = [{"type": "Dense", "units": units, "activation": activation}]
    data = {"x": X, "y": {"dtype": "int64", "data": Y}}
    return {"model": {"layers": layers}, "loss": loss, "data": data, "epochs": 2, **changes}


@pytest.mark.parametrize(
    ("body", "code", "path", "cure"),
    [
        (
            model(2, "softmax", "categorical_crossentropy"),
            "shape_mismatch",
            "$.data.y",
            "'sparse_categorical_crossentropy'",
        ),
        (model(2, "softmax", "binary_crossentropy"), "shape_mismatch", "$.data.y", '"units": 1'),
        (
            {
                **model(1, "linear", "mse"),
                "model": {"input_shape": [12, 2], "layers": [{"type": "Dense", "units": 1}]},
            },
            "dataset_mismatch",
            "$.data.x",
            "[2] in place of [12, 2]",
        ),
        (
            model(1, "linear", "mse", validation_split=20),
            "invalid_attribute",
            "$.validation_split",
            "0.2 for 20 %",
        ),
        (model(1, "linear", "adam"), "unknown_name", "$.loss", "an optimizer"),
    ],
)
async def test_what_does_not_fit_is_refused_with_path_and_cure(
    tmp_path: Path, body: dict[str, Any], code: str, path: str, cure: str
) -> None:
    async with job_world(tmp_path, work=False) as here:
        told = problem(await here.post("/v1/jobs", body), 422, code)
        assert told["path"] == path
        assert cure in told["hint"]


async def test_a_job_tells_what_looks_like_a_mistake_in_its_warnings(tmp_path: Path) -> None:
    column = {**LINE, "data": {"x": [[1], [2], [3]], "y": [2, 4, 6]}}
    sign = {**LINE, "program": "pred = W * x + b\nloss = mean(-0.5 * (pred - y) ** 2)", "epochs": 300}
    bodies = {
        "broadcast": column,
        "unbounded": sign,
        "softmax_of_one": model(1, "softmax", "binary_crossentropy"),
        "no_probabilities": model(1, "linear", "binary_crossentropy"),
    }
    async with job_world(tmp_path) as here:
        for code, body in bodies.items():
            done = await ended(here, await submit(here, body))
            job_responses.Job.model_validate(done)
            assert done["status"] == "succeeded"
            assert [warning["code"] for warning in done["warnings"]] == [code]
        listed = (await here.client.get("/v1/jobs")).json()
        for each in listed["jobs"]:
            job_responses.ListedJob.model_validate(each)
        for body in (LINE, model(1, "sigmoid", "binary_crossentropy")):
            assert (await ended(here, await submit(here, body)))["warnings"] == []


async def test_labels_that_are_no_indices_fail_a_job_with_the_cure(tmp_path: Path) -> None:
    body = model(2, "softmax", "sparse_categorical_crossentropy")
    body["data"] = {"x": X, "y": {"dtype": "int64", "data": [label + 1 for label in Y]}}
    async with job_world(tmp_path) as here:
        done = await ended(here, await submit(here, body))
        assert (done["status"], done["error"]["code"]) == ("failed", "index_out_of_range")
        assert "send y - 1" in done["error"]["hint"]
