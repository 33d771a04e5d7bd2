"""Idle, slow and greedy connections cost only who opens them."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from service.api.connection import protocol
from service.settings import Settings
from tests.service.test_main import ROOT, command

pytestmark = pytest.mark.anyio
SMALL = {"head_timeout_s": 1.0, "body_timeout_s": 1.0, "write_timeout_s": 1.0, "idle_timeout_s": 1}
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Reads the body and answers: `/large` with 64 MiB, else with the number of bytes that came."""
    if scope["type"] != "http":
        return
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = b"x" * 2**26 if scope["path"] == "/large" else str(size).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def listening(**limits: Any) -> AsyncIterator[int]:
    """The port of a server in this loop."""
    settings = Settings(**{**SMALL, **limits})
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        http=protocol(settings),
        ws="none",
        lifespan="off",
        log_config=None,
        timeout_keep_alive=settings.idle_timeout_s,
    )
    server = uvicorn.Server(config)
    serving = asyncio.ensure_future(server._serve([listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = server.force_exit = True
        await serving


async def sent(port: int, data: bytes, *, within: float = 15.0) -> bytes:
    """All that comes until the server hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        return await asyncio.wait_for(reader.read(), within)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def told(answer: bytes, status: int, code: str = "malformed_http") -> dict[str, Any]:
    """The problem document of an answer that was refused."""
    head, _, body = answer.partition(b"\r\n\r\n")
    document: dict[str, Any] = json.loads(body)
    assert head.startswith(f"HTTP/1.1 {status} ".encode()), head
    assert b"application/problem+json" in head
    assert (document["status"], document["code"]) == (status, code)
    return document


async def test_who_sends_nothing_is_hung_up_on() -> None:
    async with listening() as port:
        assert await sent(port, b"") == b""


@pytest.mark.parametrize(
    "half", [b"GET", b"GET / HTTP/1.1\r\nHost: x\r\n", b"\r\n", b"POST / HTTP/1.1\r\nX: " + b"y" * 900]
)
async def test_half_a_head_is_refused(half: bytes) -> None:
    async with listening() as port:
        told(await sent(port, half), 408)


async def test_half_a_head_after_a_request_is_refused() -> None:
    async with listening(idle_timeout_s=60) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        assert (await reader.readuntil(b"\r\n\r\n0")).startswith(b"HTTP/1.1 200")
        writer.write(b"\r\n")
        told(await asyncio.wait_for(reader.read(), 15), 408)
        writer.close()


async def test_a_head_a_byte_at_a_time_has_no_more_time() -> None:
    async with listening() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        start = time.monotonic()

        async def drip() -> None:
            for byte in b"GET / HTTP/1.1\r\nX: " + b"y" * 1000:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.1)

        dripping = asyncio.ensure_future(drip())
        told(await reader.read(), 408)
        assert time.monotonic() - start < 15
        dripping.cancel()
        writer.close()


async def test_half_a_body_is_refused() -> None:
    async with listening() as port:
        told(await sent(port, b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n12345"), 408)


async def test_an_idle_connection_is_closed_without_a_word() -> None:
    async with listening() as port:
        assert (await sent(port, GET)).endswith(b"\r\n\r\n0")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"".join(b"X%d: y\r\n" % k for k in range(200)) + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 40_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 40_000, 431),
        (b"NONSENSE\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: -3\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    ],
)
async def test_what_is_malformed_or_too_long_is_a_problem_document(data: bytes, status: int) -> None:
    async with listening() as port:
        told(await sent(port, data), status)


async def test_a_body_of_single_bytes_is_refused() -> None:
    async with listening() as port:
        head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        told(await sent(port, head + b"1\r\nx\r\n" * 20_000), 400)
        fine = await sent(port, head + b"1\r\nx\r\n" * 1000 + b"0\r\n\r\n")
        assert fine.endswith(b"\r\n\r\n1000")


async def test_a_pipeline_is_bounded() -> None:
    async with listening() as port:
        assert (await sent(port, GET * 20)).count(b"200 OK") == 20
        assert (await sent(port, GET * 5000)).count(b"200 OK") < 100
        assert (await sent(port, GET)).startswith(b"HTTP/1.1 200")


async def test_an_answer_that_nobody_reads_is_dropped() -> None:
    async with listening() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(GET.replace(b"/", b"/large", 1))
        await asyncio.sleep(5)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await reader.readexactly(2**26)
        writer.close()


@pytest.mark.parametrize(
    ("limits", "whose"),
    [({"max_connections": 4}, "the server"), ({"max_connections_per_address": 4}, "your address")],
)
async def test_one_connection_too_many_is_503(limits: dict[str, int], whose: str) -> None:
    limits.setdefault("max_connections_per_address", 100)
    async with listening(**limits, idle_timeout_s=60, head_timeout_s=60) as port:
        opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(4)]
        answer = await sent(port, GET)
        assert whose in told(answer, 503, "busy")["detail"]
        assert b"retry-after: 1" in answer
        opened[0][1].close()
        await asyncio.sleep(0.2)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        for _, other in (*opened, (reader, writer)):
            other.close()


def test_a_server_that_may_open_few_files_refuses_the_rest(tmp_path: Path) -> None:
    """More connections than descriptors: the rest is told, and the server does not spin."""

    serve = command("serve", "--port", "0", "--data", str(tmp_path / "d"), "--workers", "0")
    process = subprocess.Popen(
        ["sh", "-c", 'ulimit -n 200 && exec "$@"', "sh", *serve],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    held: list[socket.socket] = []
    try:
        port = int(process.stdout.readline().split("127.0.0.1:")[1].split()[0])
        answers = []
        for _ in range(260):
            one = socket.create_connection(("127.0.0.1", port), timeout=20)
            held.append(one)
        for one in held[-20:]:
            try:
                answers.append(one.recv(100))
            except TimeoutError:
                answers.append(b"nothing")
        assert all(answer[:12] in (b"HTTP/1.1 503", b"") for answer in answers)
        assert answers.count(b"") < 20
        ticks = os.sysconf("SC_CLK_TCK")

        def spent() -> float:
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / ticks

        before = spent()
        time.sleep(2)
        assert spent() - before < 1.0
        for one in held:
            one.close()
        with socket.create_connection(("127.0.0.1", port), timeout=20) as one:
            one.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert one.recv(100).startswith(b"HTTP/1.1 200")
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()
