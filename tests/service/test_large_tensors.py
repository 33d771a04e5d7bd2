"""Large tensors in safetensors: not copied on the way in or out, and the same bytes whoever sends them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import SafetensorError, deserialize
from safetensors.numpy import load, save

from engine.errors import InvalidTensor
from service.wire.encoding import encode_answer
from service.wire.problems import Problem
from service.wire.safetensors import pack, unpack
from tests.service.world import problem, world

KIND = "application/x-safetensors"
BOTH = {"Content-Type": KIND, "Accept": KIND}
RNG = np.random.default_rng(0)


def body_of(arrays: dict[str, Any], **request: Any) -> bytes:
    asked = {"inputs": {name: {"tensor": name} for name in arrays}, **request}
    return save(arrays, metadata={"request": json.dumps(asked)})


def test_the_arrays_of_a_body_are_views_of_it() -> None:
    arrays = {"x": RNG.random(100_000), "y": np.ones((300, 500), np.float32)}
    body = body_of(arrays)
    found = unpack(body)[1]
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert np.shares_memory(found[name], np.frombuffer(body, np.uint8))
        assert not found[name].flags.writeable


def test_large_arrays_of_an_answer_are_parts_as_they_lie_in_memory() -> None:
    arrays = {"x": RNG.random(100_000), "y": np.ones((300, 500), np.float32)}
    start, parts = pack({"a": 1}, arrays)
    assert [part.nbytes for part in parts] == [800_000, 600_000]
    for part, array in zip(parts, arrays.values(), strict=True):
        assert np.shares_memory(np.frombuffer(part, np.uint8), array)
    loaded = load(b"".join([start, *parts]))
    assert all(np.array_equal(loaded[name], array) for name, array in arrays.items())
    assert (len(start) % 8) == 0, "so that what follows is aligned"


@pytest.mark.parametrize(
    "array",
    [
        np.ones((600, 700), bool),
        np.arange(400_000, dtype=np.float16),
        np.arange(400_000).astype(np.complex64).reshape(2, -1),
        np.arange(800_000.0)[::-2],
        np.asfortranarray(RNG.random((500, 400))),
        RNG.random((500, 400)).astype(">f8"),
    ],
    ids=["bool", "float16", "complex64", "strided", "fortran", "big-endian"],
)
def test_arrays_of_any_layout(array: Any) -> None:
    reply = encode_answer({"value": array, "scalar": np.array(2.5)}, "json", safetensors=True)
    assert reply.size == len(reply.whole())
    found = load(reply.whole())
    np.testing.assert_array_equal(found["value"], array)
    assert found["scalar"] == 2.5


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("settings", "tier"),
    [
        ({"inline_limit_s": 10}, "inline"),
        ({}, "thread"),
        ({"thread_limit_s": 0, "inline_limit_s": 0}, "child"),
    ],
)
async def test_every_tier_sends_the_same_bytes(settings: Any, tier: str, tmp_path: Path) -> None:
    x = {"x": RNG.random(300_000).astype(np.float32)}
    async with world(tmp_path, **settings) as here:
        graph = (await here.post("/v1/graphs", {"program": "sum(x * x)"})).json()["id"]
        for accept_encoding in ("identity", "gzip"):
            answer = await here.client.post(
                f"/v1/graphs/{graph}/gradient",
                content=body_of(x),
                headers={**BOTH, "Accept-Encoding": accept_encoding},
            )
            assert f'tier;desc="{tier}"' in answer.headers["server-timing"]
            assert "content-encoding" not in answer.headers, "it would hardly shrink"
            assert int(answer.headers["content-length"]) == len(answer.content)
            np.testing.assert_array_equal(load(answer.content)["gradients/x"], 2 * x["x"])
        here.services.graphs.recent.discard(graph)  # the next request is routed
        routed = await here.client.post(f"/v1/graphs/{graph}/gradient", content=body_of(x), headers=BOTH)
        assert routed.content == answer.content
        zeros = {"x": np.zeros(300_000, np.float32)}
        packed = await here.client.post(
            f"/v1/graphs/{graph}/gradient",
            content=body_of(zeros),
            headers={**BOTH, "Accept-Encoding": "zstd;q=0, gzip"},
        )
        assert packed.headers["content-encoding"] == "gzip"
        np.testing.assert_array_equal(load(packed.content)["gradients/x"], zeros["x"])


SIZES = st.sampled_from([0, 1, 2, 3, -1, 2**62, 1.0, True, None, "1"])


@st.composite
def framed(draw: st.DrawFn) -> bytes:
    """A safetensors body, right or spoiled in one of the ways in which headers are wrong."""
    header: dict[str, Any] = {"__metadata__": {"request": "{}"}}
    offset = 0
    for name in draw(st.lists(st.sampled_from("abc"), unique=True, max_size=3)):
        dtype, size = draw(st.sampled_from([("F32", 4), ("F64", 8), ("BOOL", 1), ("I16", 2), ("C64", 8)]))
        shape = draw(st.lists(st.integers(0, 3), max_size=2))
        count = size * int(np.prod(shape, dtype=int))
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + count]}
        offset += count
    names = [name for name in header if name != "__metadata__"]
    if names and draw(st.booleans()):
        entry = header[draw(st.sampled_from(names))]
        how = draw(st.sampled_from(["shape", "offset", "dtype", "lacks", "more"]))
        if how == "shape":
            entry["shape"] = draw(st.lists(SIZES, max_size=2) | st.sampled_from([None, "x", {}, 3]))
        elif how == "offset":
            entry["data_offsets"] = draw(st.lists(SIZES | st.integers(0, 20), max_size=3))
        elif how == "dtype":
            entry["dtype"] = draw(st.sampled_from(["F32", "F64", "BOOL", "X", "", None, 3]))
        elif how == "lacks":
            del entry[draw(st.sampled_from(sorted(entry)))]
        else:
            entry["more"] = 1
    if draw(st.booleans()):
        header["__metadata__"] = draw(st.sampled_from([{"request": "{}"}, {"request": 1}, [], "x"]))
    text = json.dumps(header).encode()
    data = b"\0" * max(0, offset + draw(st.sampled_from([0, 0, 0, -1, 1])))
    length = len(text) + draw(st.sampled_from([0, 0, 0, -1, 1, 2**40]))
    return (length.to_bytes(8, "little") + text + data)[: draw(st.sampled_from([None, None, None, 7, 20]))]


@given(framed())
def test_the_layout_is_checked_as_the_library_checks_it(body: bytes) -> None:
    try:
        expected = {name: entry["shape"] for name, entry in deserialize(body)}  # type: ignore[no-untyped-call]
    except SafetensorError:
        with pytest.raises((Problem, InvalidTensor)):
            unpack(body)
        return
    try:
        found = unpack(body)[1]
    except Problem as error:
        if error.path != "__metadata__.request":
            raise
        return
    assert {name: list(array.shape) for name, array in found.items()} == expected


@pytest.mark.anyio
async def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    def body(header: Any, data: bytes = b"") -> bytes:
        text = json.dumps(header).encode()
        return len(text).to_bytes(8, "little") + text + data

    x = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    cases = [
        (b"", "its header of 0 bytes is not there"),
        (b"\xff" * 20, "bytes is not there"),
        (body([]), "no JSON object"),
        (body({"x": x}, b"\0" * 7), "its tensors take 8 bytes and it has 7"),
        (body({"x": {**x, "shape": [3]}}, b"\0" * 8), "the tensor 'x' takes 12 bytes and has 8"),
        (body({"x": x, "y": x}, b"\0" * 8), "the tensor 'y' does not begin where the one before ends"),
        (body({"x": {**x, "dtype": "F31"}}, b"\0" * 8), "the dtype of the tensor 'x' is none of the format"),
        (body({"x": {**x, "shape": [-2]}}, b"\0" * 8), "no sizes"),
        (body({"x": {"dtype": "F32", "shape": [2]}}, b"\0" * 8), "lacks dtype, shape or two data_offsets"),
        (body({"__metadata__": {"request": 1}}), "no object of strings"),
    ]
    async with world(tmp_path) as here:
        for sent, what in cases:
            answer = await here.client.post("/v1/gradient", content=sent, headers=BOTH)
            told = problem(answer, 400, "malformed_json")
            assert told["detail"].startswith("expected a safetensors body: ")
            assert what in told["detail"]
