"""A gradient over HTTP: a published graph of ten nodes, over loopback, against a real server process.

The client is raw sockets, so that the figures are the server's. `empty` is /healthz: a request that computes
nothing, the floor of this server on this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

ROOT = Path(__file__).parents[1]

#: mean((tanh(x @ W + b) * g - y) ** 2 * s) + c, ten nodes.
TEN_NODES: dict[str, Any] = {
    "inputs": {name: {} for name in ("x", "W", "b", "g", "y", "s", "c")},
    "nodes": [
        {"name": "xw", "op": "matmul", "inputs": ["x", "W"]},
        {"name": "z", "op": "add", "inputs": ["xw", "b"]},
        {"name": "h", "op": "tanh", "inputs": ["z"]},
        {"name": "hg", "op": "multiply", "inputs": ["h", "g"]},
        {"name": "e", "op": "subtract", "inputs": ["hg", "y"]},
        {"name": "q", "op": "square", "inputs": ["e"]},
        {"name": "qs", "op": "multiply", "inputs": ["q", "s"]},
        {"name": "m", "op": "mean", "inputs": ["qs"]},
        {"name": "mc", "op": "add", "inputs": ["m", "c"]},
        {"name": "loss", "op": "multiply", "inputs": ["mc", 0.5]},
    ],
    "outputs": ["loss"],
}


def values(rows: int, width: int) -> dict[str, np.ndarray[Any, Any]]:
    """Inputs for TEN_NODES."""
    random = np.random.default_rng(0)
    shapes = {
        "x": (rows, width),
        "W": (width, 1),
        "b": (1,),
        "g": (1,),
        "y": (rows, 1),
        "s": (rows, 1),
        "c": (),
    }
    return {name: random.random(shape) for name, shape in shapes.items()}


@contextmanager
def serving() -> Iterator[tuple[str, int]]:
    """A server process on a free port: host and port."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["serve", "--port", "0", "--data", folder, "--log-level", "warning"]
        process = subprocess.Popen(
            [sys.executable, "-m", "service.main", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        try:
            found = re.search(r"http://([\d.]+):(\d+)", process.stdout.readline())
            assert found is not None, "the server did not start"
            yield found[1], int(found[2])
        finally:
            process.terminate()
            process.wait()
            process.stdout.close()


def request(
    method: str, path: str, body: bytes = b"", kind: str = "application/json", accept: str = "*/*"
) -> bytes:
    """The bytes of an HTTP/1.1 request."""
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nAccept: {accept}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Connection:
    """One keep-alive connection that only knows what the benchmark needs."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, message: bytes) -> tuple[int, bytes]:
        """Status and body."""
        self.writer.write(message)
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        assert length is not None
        return int(head[9:12]), await self.reader.readexactly(int(length[1]))


async def timed(address: tuple[str, int], message: bytes, count: int) -> list[float]:
    """Milliseconds of `count` requests in a row, after a warm-up."""
    connection = Connection(*await asyncio.open_connection(*address, limit=2**24))
    times = []
    for k in range(count + 20):
        start = time.perf_counter()
        status, body = await connection.ask(message)
        assert status == 200, body
        if k >= 20:
            times.append((time.perf_counter() - start) * 1000)
    connection.writer.close()
    return times


async def throughput(address: tuple[str, int], message: bytes, count: int, connections: int) -> float:
    """Requests a second over several connections."""
    start = time.perf_counter()
    await asyncio.gather(*(timed(address, message, count // connections) for _ in range(connections)))
    return (count + 20 * connections) / (time.perf_counter() - start)


async def measure(address: tuple[str, int], count: int) -> None:
    """Print a line for every case."""
    connection = Connection(*await asyncio.open_connection(*address))
    _, body = await connection.ask(request("POST", "/v1/graphs", json.dumps({"graph": TEN_NODES}).encode()))
    path = f"/v1/graphs/{json.loads(body)['id']}/gradient"
    connection.writer.close()

    small = {name: value.tolist() for name, value in values(3, 1).items()}
    inline = json.dumps({"graph": TEN_NODES, "inputs": small}).encode()
    published = request("POST", path, json.dumps({"inputs": small}).encode())
    cases: list[tuple[str, bytes, int]] = [
        ("empty", request("GET", "/healthz"), count),
        ("gradient, published, ten nodes", published, count),
        ("gradient, graph in the body", request("POST", "/v1/gradient", inline), count),
    ]
    for rows in (1_000, 100_000):
        arrays = values(rows, 8)
        repeats = max(5, count // rows * 10 if rows > 10_000 else count // 10)
        for form, message in forms(path, arrays).items():
            cases.append((f"{rows} x 8 float64 as {form}", message, repeats))
    print(f"   {'':<38}{'median ms':>10}{'p95 ms':>10}{'n':>7}")
    for name, message, repeats in cases:
        times = await timed(address, message, repeats)
        p95 = statistics.quantiles(times, n=20)[-1]
        print(f"   {name:<38}{statistics.median(times):>10.3f}{p95:>10.3f}{len(times):>7}")
    for name, message in (("empty", cases[0][1]), ("gradient, published, ten nodes", published)):
        rate = await throughput(address, message, count, connections=8)
        print(f"   {name:<38}{rate:>10.0f} requests/s over 8 connections")


def forms(path: str, arrays: dict[str, np.ndarray[Any, Any]]) -> dict[str, bytes]:
    """The same gradient with its tensors as JSON lists, base64 and safetensors, both ways."""
    lists = json.dumps({"inputs": {name: value.tolist() for name, value in arrays.items()}}).encode()
    typed = {
        name: {
            "dtype": "float64",
            "shape": list(value.shape),
            "data": {"encoding": "base64", "buffer": b64encode(value.tobytes()).decode()},
        }
        for name, value in arrays.items()
    }
    kind = "application/x-safetensors"
    asked = json.dumps({"inputs": {name: {"tensor": name} for name in arrays}})
    return {
        "JSON": request("POST", path, lists),
        "base64": request("POST", path, json.dumps({"inputs": typed, "encoding": "base64"}).encode()),
        "safetensors": request("POST", path, save(arrays, metadata={"request": asked}), kind, kind),
    }


def main(*, small: bool) -> None:
    """Start a server and measure it."""
    with serving() as address:
        asyncio.run(measure(address, 200 if small else 5000))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a few seconds, to see that it runs")
    main(small=parser.parse_args().small)
