"""Tensors both ways over HTTP: JSON, typed, base64, safetensors."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import load, save

from service.wire.encoding import encode_answer, wants_safetensors
from service.wire.problems import Problem
from service.wire.safetensors import pack, unpack
from tests.engine.graphs import REGRESSION
from tests.service.world import INPUTS, problem, world

SAFETENSORS = "application/x-safetensors"
BY_ID = {"inputs": INPUTS, "wrt": ["W", "b"]}


def metadata(body: bytes, folder: Path) -> Any:
    path = folder / "answer.safetensors"
    path.write_bytes(body)
    with safe_open(path, "numpy") as opened:
        return json.loads(opened.metadata()["response"])


@pytest.mark.anyio
async def test_typed_and_base64_answers(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        body = {"graph": REGRESSION, **BY_ID}
        typed = (await here.post("/v1/gradient", {**body, "encoding": "typed"})).json()
        assert typed == {
            "value": {"dtype": "float64", "shape": [], "data": 10.5},
            "gradients": {
                "W": {"dtype": "float64", "shape": [1], "data": [-14.0]},
                "b": {"dtype": "float64", "shape": [1], "data": [-6.0]},
            },
        }
        raw = (await here.post("/v1/gradient", {**body, "encoding": "base64"})).json()["gradients"]["W"]
        assert raw["data"]["encoding"] == "base64"
        assert np.frombuffer(base64.b64decode(raw["data"]["buffer"]), "<f8").tolist() == [-14.0]


@pytest.mark.anyio
async def test_safetensors_both_ways(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        arrays = {name: np.asarray(value, dtype=np.float64) for name, value in INPUTS.items()}
        request = {
            "graph": REGRESSION,
            "inputs": {name: {"tensor": name} for name in arrays},
            "wrt": ["W", "b"],
        }
        sent = save(arrays, metadata={"request": json.dumps(request)})
        response = await here.client.post(
            "/v1/gradient", content=sent, headers={"Content-Type": SAFETENSORS, "Accept": SAFETENSORS}
        )
        assert response.headers["content-type"] == SAFETENSORS
        tensors = load(response.content)
        assert {name: array.tolist() for name, array in tensors.items()} == {
            "value": 10.5,
            "gradients/W": [-14.0],
            "gradients/b": [-6.0],
        }
        assert metadata(response.content, tmp_path) == {
            "value": {"tensor": "value"},
            "gradients": {"W": {"tensor": "gradients/W"}, "b": {"tensor": "gradients/b"}},
        }


@pytest.mark.anyio
async def test_broken_safetensors_are_problems(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        good = save({"W": np.zeros(2)}, metadata={"request": json.dumps({"graph": REGRESSION})})
        headers = {"Content-Type": SAFETENSORS}
        for body in (b"", b"x", good[:-1], good + b"x", b"\xff" * 64, save({"W": np.zeros(2)})):
            problem(await here.post("/v1/gradient", body, headers=headers), 400, "malformed_json")
        request = {"graph": REGRESSION, "inputs": {"W": {"tensor": "wieght"}}}
        body = save({"weight": np.zeros(1)}, metadata={"request": json.dumps(request)})
        document = problem(await here.post("/v1/gradient", body, headers=headers), 422, "invalid_tensor")
        assert document["path"] == "$.inputs.W.tensor"
        assert document["hint"] == "did you mean 'weight'?"
        bad = save({"W": np.zeros(1)}, metadata={"request": "{"})
        problem(await here.post("/v1/gradient", bad, headers=headers), 400, "malformed_json")


def test_booleans_of_a_body_are_zero_or_one() -> None:
    body = save({"m": np.array([True, False])}, metadata={"request": "{}"})
    assert unpack(body)[1]["m"].tolist() == [True, False]
    with pytest.raises(Exception, match="0 and 1"):
        unpack(body[:-1] + b"\x02")


def test_a_dtype_that_we_do_not_have_is_refused() -> None:
    header = json.dumps(
        {"x": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}, "__metadata__": {"request": "{}"}}
    )
    body = len(header).to_bytes(8, "little") + header.encode() + b"\0\0"
    with pytest.raises(Exception, match="BF16"):
        unpack(body)


@given(st.binary(max_size=200))
def test_random_bytes_are_refused_cleanly(body: bytes) -> None:
    with pytest.raises(Problem):
        unpack(body)


def test_names_with_slashes_do_not_collide() -> None:
    answer = {"gradients": {"a": {"b/c": np.ones(1)}, "a/b": {"c": np.zeros(1)}}}
    reply = encode_answer(answer, "json", safetensors=True)
    assert sorted(array.tolist() for array in load(reply.body).values()) == [[0.0], [1.0]]


def test_what_safetensors_cannot_carry_stays_in_the_json(tmp_path: Path) -> None:
    reply = encode_answer({"value": np.array([1j])}, "json", safetensors=True)
    assert metadata(reply.body, tmp_path)["value"]["dtype"] == "complex128"


def test_mixed_sizes_stay_aligned() -> None:
    tensors = {"a": np.ones(3, np.uint8), "b": np.ones(2), "c": np.ones(1, np.float32), "d": np.ones((0, 2))}
    start, parts = pack({}, tensors)
    assert parts == (), "small ones are one body"
    loaded = load(start)
    assert all(np.array_equal(loaded[name], array) for name, array in tensors.items())


def test_non_finite_numbers_are_strings() -> None:
    answer = {"value": np.array(np.nan), "stats": {"max": float("inf"), "min": np.float64("-inf")}}
    assert json.loads(encode_answer(answer, "json").body) == {
        "value": "NaN",
        "stats": {"max": "Infinity", "min": "-Infinity"},
    }


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (None, False),
        ("*/*", False),
        ("application/json", False),
        (SAFETENSORS, True),
        (f"{SAFETENSORS}, application/json;q=0.5", True),
        (f"application/json, {SAFETENSORS};q=0.1", False),
        (f"{SAFETENSORS};q=0", False),
        (f"{SAFETENSORS};q=x", True),
    ],
)
def test_accept(accept: str | None, wanted: bool) -> None:
    assert wants_safetensors(accept) is wanted
