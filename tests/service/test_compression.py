"""Bodies in gzip and zstd, in and out: the same answers, bounded while unpacking, never for streams."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save

from service.wire import compression
from service.wire.compression import BrokenCompression, Unpacker, accepted, unpack_body
from service.wire.problems import Problem
from tests.engine.graphs import REGRESSION
from tests.service.world import INPUTS, JSON, problem, world

pytestmark = pytest.mark.anyio

PACK: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstd.compress}
UNPACK: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.decompress, "zstd": zstd.decompress}
either = pytest.mark.parametrize("coding", ["gzip", "zstd"])


def too_large() -> None:
    raise Problem("body_too_large", "too large")


@given(
    st.lists(st.binary(max_size=200_000), max_size=4),
    st.sampled_from(["gzip", "zstd"]),
    st.integers(1, 99_999),
)
def test_what_was_packed_is_unpacked(members: list[bytes], coding: Any, part: int) -> None:
    """Members and frames one after the other, in parts of any size."""
    packed = b"".join(map(PACK[coding], members))
    unpacker = Unpacker(coding)
    pieces = [
        piece
        for start in range(0, len(packed), part)
        for piece in unpacker.unpack(packed[start : start + part])
    ]
    unpacker.finish()
    assert b"".join(pieces) == b"".join(members)
    assert all(0 < len(piece) <= 64 * 1024 for piece in pieces)
    whole = asyncio.run(unpack_body(packed, coding, sum(map(len, members)), too_large))
    assert whole == b"".join(members)


@either
@pytest.mark.parametrize("size", [0, 10, 100_000])
async def test_a_cut_or_broken_body_is_told_so(coding: Any, size: int) -> None:
    packed = PACK[coding](np.random.default_rng(0).bytes(size))
    with pytest.raises(BrokenCompression, match="cut off"):
        await unpack_body(packed[:-1], coding, 10**6, too_large)
    with pytest.raises(BrokenCompression, match=f"expected a {coding} body"):
        await unpack_body(b"{" + packed, coding, 10**6, too_large)
    with pytest.raises(BrokenCompression):
        await unpack_body(packed + b"{}", coding, 10**6, too_large)


@either
async def test_a_bomb_is_stopped_at_the_limit(coding: Any) -> None:
    """A hundred megabytes of one byte: no more than the limit is ever there."""
    bomb = PACK[coding](b"x" * 100_000_000)
    assert len(bomb) < 200_000
    limit = 2_000_000
    tracemalloc.start()
    try:
        with pytest.raises(Problem, match="too large"):
            await unpack_body(bomb, coding, limit, too_large)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * limit


@either
async def test_a_small_bomb_does_not_hold_the_event_loop(
    coding: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that comes after a harmless member, and is small enough to be begun on the loop."""
    there: list[int] = []
    step = compression._Gunzip.step if coding == "gzip" else compression._Unzstd.step

    def watched(self: Any, data: bytes) -> Any:
        found = step(self, data)
        if threading.current_thread() is threading.main_thread():
            there.append(len(found[0]))
        return found

    monkeypatch.setattr(compression._Gunzip if coding == "gzip" else compression._Unzstd, "step", watched)
    packed = PACK[coding](b"{}") + PACK[coding](b"x" * 8_000_000)
    assert len(packed) < 16 * 1024
    assert len(await unpack_body(packed, coding, 10**7, too_large)) == 8_000_002
    assert 0 < sum(there) <= 2 * 64 * 1024


async def test_a_window_beyond_the_bound_is_refused() -> None:
    """The decompressor holds the window: a frame that wants 128 MiB of it is refused, not obeyed."""
    options = {zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.compression_level: 1}
    compressor = zstd.ZstdCompressor(options=options)
    packed = compressor.compress(b"x" * 1000) + compressor.flush()
    with pytest.raises(BrokenCompression, match="memory"):
        await unpack_body(packed, "zstd", 10**6, too_large)


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("gzip", "gzip"),
        ("gzip, deflate, br", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("zstd;q=0.5, gzip;q=0.8", "gzip"),
        ("ZSTD ; Q=0.5 , gzip;q=0.4", "zstd"),
        ("*", "zstd"),
        ("*, zstd;q=0", "gzip"),
        ("gzip;q=0", None),
        ("identity", None),
        ("identity;q=1, gzip;q=0.5", None),
        ("br", None),
        ("", None),
        ("gzip;q=much", None),
    ],
)
async def test_which_coding_is_accepted(accept: str, coding: str | None) -> None:
    assert accepted(accept) == coding


@either
async def test_a_compressed_request_is_answered_as_a_plain_one(coding: str, tmp_path: Path) -> None:
    body = json.dumps({"graph": REGRESSION, "inputs": INPUTS, "wrt": ["W"]}).encode()
    headers = {**JSON, "Content-Encoding": coding}
    async with world(tmp_path) as here:
        plain = await here.post("/v1/gradient", body)
        answer = await here.post("/v1/gradient", PACK[coding](body), headers=headers)
        assert (answer.status_code, answer.content) == (200, plain.content)
        upper = await here.post(
            "/v1/gradient", PACK[coding](body), headers={**headers, "Content-Encoding": " GZip "}
        )
        assert upper.status_code == (200 if coding == "gzip" else 400)
        same = await here.post("/v1/gradient", body, headers={**JSON, "Content-Encoding": "identity"})
        assert same.content == plain.content
        published = await here.post(
            "/v1/graphs", PACK[coding](json.dumps({"graph": REGRESSION}).encode()), headers=headers
        )
        assert published.status_code == 201
        arrays = {"x": np.arange(200_000, dtype=np.float32)}
        request = {"program": "sum(x * x)", "inputs": {"x": {"tensor": "x"}}}
        packed = PACK[coding](save(arrays, metadata={"request": json.dumps(request)}))
        kind = "application/x-safetensors"
        bulk = await here.post(
            "/v1/gradient", packed, headers={"Content-Type": kind, "Content-Encoding": coding, "Accept": kind}
        )
        np.testing.assert_array_equal(load(bulk.content)["gradients/x"], 2 * arrays["x"])


@either
async def test_what_is_wrong_with_a_compressed_request(coding: str, tmp_path: Path) -> None:
    body = json.dumps({"program": "x", "inputs": {"x": [0.5] * 5000}}).encode()
    headers = {**JSON, "Content-Encoding": coding}
    async with world(tmp_path, max_body_bytes=10_000) as here:
        for path in ("/v1/evaluate", "/v1/graphs", "/v1/jobs", "/v1/models/expand"):
            bomb = problem(await here.post(path, PACK[coding](body), headers=headers), 413, "body_too_large")
            assert "at most 10000 bytes, got one that unpacks to more" in bomb["detail"]
            cut = problem(
                await here.post(path, PACK[coding](b"{}")[:-2], headers=headers), 400, "malformed_json"
            )
            assert cut["path"] == "headers.content-encoding"
            assert "cut off" in cut["detail"]
        declared = await here.post("/v1/evaluate", np.random.default_rng(0).bytes(20_000), headers=headers)
        problem(declared, 413, "body_too_large")


@pytest.mark.parametrize("sent", ["br", "deflate", "gzip, zstd", "compress"])
@pytest.mark.parametrize("path", ["/v1/evaluate", "/v1/datasets", "/v1/jobs"])
async def test_an_unknown_coding_is_refused_with_the_list(sent: str, path: str, tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        answer = await here.post(path, b"{}", headers={**JSON, "Content-Encoding": sent})
    refused = problem(answer, 415, "unsupported_media_type")
    assert refused["path"] == "headers.content-encoding"
    assert "gzip, zstd" in refused["detail"]
    assert answer.headers["accept-encoding"] == "gzip, zstd"


@either
async def test_data_sets_are_stored_unpacked(coding: str, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).integers(0, 9, (3000, 4))
    file = io.BytesIO()
    np.save(file, rows)
    async with world(tmp_path, max_dataset_bytes=file.tell()) as here:
        kind = {"Content-Type": "application/x-npy"}
        packed = await here.post(
            "/v1/datasets", PACK[coding](file.getvalue()), headers={**kind, "Content-Encoding": coding}
        )
        assert (packed.status_code, packed.json()["rows"]) == (201, 3000)
        plain = await here.post("/v1/datasets", file.getvalue(), headers=kind)
        assert (plain.status_code, plain.json()["id"]) == (200, packed.json()["id"]), "named by what it holds"
        bomb = PACK[coding](file.getvalue() + b"0" * 50_000_000)
        problem(
            await here.post("/v1/datasets", bomb, headers={**kind, "Content-Encoding": coding}),
            413,
            "body_too_large",
        )
        cut = PACK[coding](file.getvalue())[:-3]
        refused = await here.post("/v1/datasets", cut, headers={**kind, "Content-Encoding": coding})
        assert problem(refused, 422, "invalid_dataset")["path"] == "headers.content-encoding"


@either
async def test_large_answers_are_compressed_for_those_who_accept_it(coding: str, tmp_path: Path) -> None:
    large = {"program": "x * 2", "inputs": {"x": [0.5] * 30_000}}
    accept = {"Accept-Encoding": coding}
    async with world(tmp_path) as here:

        async def raw(path: str, headers: dict[str, str], body: Any = None) -> tuple[Any, bytes]:
            method = "GET" if body is None else "POST"
            async with here.client.stream(method, path, json=body, headers=headers) as answer:
                return answer, b"".join([part async for part in answer.aiter_raw()])

        for path, body in (("/v1/evaluate", large), ("/openapi.json", None), ("/v1/ops", None)):
            plain, expected = await raw(path, {"Accept-Encoding": "identity"}, body)
            assert "content-encoding" not in plain.headers
            answer, content = await raw(path, accept, body)
            assert answer.headers["content-encoding"] == coding
            assert answer.headers["vary"] == "Accept-Encoding"
            assert int(answer.headers["content-length"]) == len(content) < len(expected) / 2
            assert UNPACK[coding](content) == expected
            assert answer.headers["content-type"] == plain.headers["content-type"]
        small, _ = await raw("/v1/evaluate", accept, {"program": "x * 2", "inputs": {"x": 1}})
        assert "content-encoding" not in small.headers
        random = {"x": np.random.default_rng(0).random(50_000)}
        request = {"program": "x * 1", "inputs": {"x": {"tensor": "x"}}}
        kind = "application/x-safetensors"
        bulk = await here.client.post(
            "/v1/evaluate",
            content=save(random, metadata={"request": json.dumps(request)}),
            headers={"Content-Type": kind, "Accept": kind, **accept},
        )
        assert "content-encoding" not in bulk.headers, "random numbers do not shrink"
        [values] = load(bulk.content).values()
        np.testing.assert_array_equal(values, random["x"])
    async with world(tmp_path, compress_from_bytes=0) as here:
        answer = await here.client.get("/openapi.json", headers=accept)
        assert "content-encoding" not in answer.headers
