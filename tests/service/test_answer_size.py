"""The size of an answer decides where it is computed, and whether it is at all."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.dtypes import TensorType
from service.queries.answer_size import AnswerSize
from service.wire.encoding import encode_answer
from tests.service.test_tiers import tier_of
from tests.service.world import problem, world

pytestmark = pytest.mark.anyio
ONES = "broadcast_to(x, ({},))"


@pytest.mark.parametrize(("size", "tier"), [(100, "inline"), (50_000, "child"), (1_000_000, "child")])
async def test_a_large_answer_of_no_work_is_written_elsewhere(tmp_path: Path, size: int, tier: str) -> None:
    async with world(tmp_path) as here:
        answer = await here.post("/v1/evaluate", {"program": ONES.format(size), "inputs": {"x": 1.5}})
        assert answer.json()["outputs"]["result"] == [1.5] * size
        assert await tier_of(here, "evaluate") == [tier]


@pytest.mark.parametrize("encoding", ["json", "typed", "base64"])
async def test_an_answer_over_the_limit_is_refused_before_it_is_computed(
    tmp_path: Path, encoding: str
) -> None:
    """66 bytes once took 3 s of the server's own process and 1.7 GB."""
    body = {"program": ONES.format(300_000_000), "inputs": {"x": 1.0}, "encoding": encoding}
    async with world(tmp_path, max_peak_bytes=2**33) as here:
        start = time.process_time()
        document = problem(await here.post("/v1/evaluate", body), 422, "over_limit")
        assert time.process_time() - start < 1.0
        assert "GRADWIRE_MAX_ANSWER_BYTES" in document["hint"]


async def test_safetensors_are_named_if_they_help(tmp_path: Path) -> None:
    body = {"program": "x * pi", "inputs": {"x": list(range(3000))}}
    async with world(tmp_path, max_answer_bytes=40_000) as here:
        document = problem(await here.post("/v1/evaluate", body), 422, "over_limit")
        assert "'Accept: application/x-safetensors'" in document["hint"]
        accepted = await here.client.post(
            "/v1/evaluate", json=body, headers={"Accept": "application/x-safetensors"}
        )
        assert accepted.status_code == 200
        assert (await here.post("/v1/evaluate", {**body, "encoding": "base64"})).status_code == 200


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "bool", "complex128"])
@pytest.mark.parametrize("encoding", ["json", "base64", "safetensors"])
async def test_no_answer_is_smaller_than_the_least(dtype: str, encoding: Any) -> None:
    for shape in ((), (7,), (3, 4), (0,), (500, 2)):
        size = AnswerSize.of([TensorType(shape, dtype)])
        safe = encoding == "safetensors"
        form = "json" if safe else encoding
        reply = encode_answer({"outputs": {"y": np.zeros(shape, dtype)}}, form, safetensors=safe)
        assert size.least_bytes(form, safetensors=safe) <= len(reply.body)


@pytest.mark.parametrize("encoding", ["json", "typed", "base64", "safetensors"])
@pytest.mark.parametrize("dtype", ["float64", "bool", "int32"])
async def test_the_time_of_writing_is_predicted(dtype: str, encoding: Any) -> None:
    """Within a factor of ten upwards, on any machine: what is called cheap may not hold the loop."""
    values = (np.random.default_rng(0).normal(size=(300, 300)) * 100).astype(dtype)
    safe = encoding == "safetensors"
    form = "json" if safe else encoding
    size = AnswerSize.of([TensorType(values.shape, dtype)])
    took = []
    for _ in range(3):
        start = time.thread_time()
        encode_answer({"outputs": {"y": values}}, form, safetensors=safe)
        took.append(time.thread_time() - start)
    assert min(took) < 10 * size.seconds(form, safetensors=safe) + 5e-4
