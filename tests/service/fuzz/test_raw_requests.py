"""Whatever bytes a connection sends: answers are 2xx, a 4xx with a problem document, or 503, 504 or 507."""

from __future__ import annotations

import asyncio
import io
import json
import re
import socket
from collections import Counter
from pathlib import Path

import httpx
import pytest
import uvicorn

from service.api.connection import protocol
from service.app import create_app
from service.jobs.queue.memory import MemoryQueue
from service.settings import Settings
from tests.service.fuzz.campaign import SEED, cases
from tests.service.fuzz.raw_requests import Connections, is_problem

pytestmark = pytest.mark.anyio

_AT_ONCE = 16
_HEAD = re.compile(rb"HTTP/1\.1 (\d{3})[^\r\n]*\r\n(.*?)\r\n\r\n", re.DOTALL)
_ALLOWED = {503, 504, 507}
#: Seconds within which a connection that sends no more is answered and closed.
_WITHIN = 60.0


async def test_whatever_bytes_are_sent_are_answered(tmp_path: Path) -> None:
    log = io.StringIO()
    settings = Settings(
        data=tmp_path / "data", head_timeout_s=0.5, body_timeout_s=0.5, idle_timeout_s=1,
        max_dataset_bytes=2**20, max_body_bytes=2**20, max_peak_bytes=2**27, time_limit_s=10,
        log_requests="off",
    )  # fmt: skip
    app = create_app(settings, log_stream=log, queue=MemoryQueue())
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    config = uvicorn.Config(
        app, http=protocol(settings), ws="none", lifespan="on", log_config=None, timeout_keep_alive=1
    )
    server = uvicorn.Server(config)
    serving = asyncio.ensure_future(server._serve([listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    faults: dict[str, object] = {}
    statuses: Counter[int] = Counter()
    slots = asyncio.Semaphore(_AT_ONCE)

    async def connect(seed: int) -> None:
        content = Connections(seed).bytes()
        async with slots:
            try:
                answer = await asyncio.wait_for(_exchanged(port, content), _WITHIN)
            except TimeoutError:
                faults.setdefault("no end", (seed, content[:300]))
                return
        for status, body in _answers(answer):
            statuses[status] += 1
            wrong = status >= 500 and status not in _ALLOWED
            told = (
                body is None or is_problem(body) or b'"checks":' in body
            )  # the last is /readyz's own document
            if wrong or (status >= 400 and not told):
                faults.setdefault(f"{status}", (seed, content[:600], (body or b"")[:600]))

    try:
        await asyncio.gather(*(connect(seed) for seed in range(SEED, SEED + cases(300))))
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            assert (await client.get("/healthz", timeout=30)).status_code == 200
    finally:
        server.should_exit = True
        await serving
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert not [line for line in lines if "exception" in line or line["level"] == "error"][:3]
    assert not faults, json.dumps(faults, indent=1, default=str)
    assert {200, 400, 404, 422} <= set(statuses), statuses


async def _exchanged(port: int, content: bytes) -> bytes:
    """Everything that comes until the server hangs up, which it does: it waits for a second at most."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
    received = bytearray()
    try:
        writer.write(content)
        while piece := await reader.read(2**16):
            received += piece
            if b"text/event-stream" in received[:2_000]:  # goes on as long as somebody listens
                break
    except (ConnectionResetError, BrokenPipeError):
        pass
    finally:
        writer.close()
    return bytes(received)


def _answers(received: bytes) -> list[tuple[int, bytes | None]]:
    """The status of each answer, and its body if it was not packed, nor left out for a HEAD."""
    answers: list[tuple[int, bytes | None]] = []
    while match := _HEAD.match(received):
        status, head = int(match[1]), match[2].lower()
        received = received[match.end() :]
        length = re.search(rb"content-length: (\d+)", head)
        body: bytes | None = None
        if length is not None and not received.startswith(b"HTTP/1.1 "):
            body, received = received[: int(length[1])], received[int(length[1]) :]
            if not body or b"content-encoding" in head:
                body = None
        elif b"chunked" in head:
            received = received.partition(b"0\r\n\r\n")[2]
        answers.append((status, body))
    return answers
