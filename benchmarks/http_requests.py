"""A gradient over HTTP: a published graph of ten nodes, on loopback, from a real server process.

The plain route parses the same body and returns a constant of the same size, by Starlette on the same kind
of server: what is above it is ours. The server has one core, the clients, raw sockets, have the other.
Rates are those of 16 connections, latencies those of one. CPU is the server's processor time a request.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import numpy as np
from safetensors.numpy import save

from benchmarks._load import Connection, load, request
from benchmarks._pinned import pin_client
from benchmarks._report import Report
from benchmarks._server import Server, plain_route, serving

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


def main(report: Report, *, small: bool) -> None:
    """Start both servers and measure them in turns."""
    rounds, seconds = (1, 0.3) if small else (5, 2.0)
    inputs = {"inputs": {name: value.tolist() for name, value in values(3, 1).items()}}
    body = json.dumps(inputs).encode()
    inline = json.dumps({"graph": TEN_NODES, **inputs}).encode()
    with serving() as ours:
        connection = Connection(ours)
        published = json.dumps({"graph": TEN_NODES}).encode()
        graph = json.loads(connection.ask(request("POST", "/v1/graphs", published)))
        path = f"/v1/graphs/{graph['id']}/gradient"
        answer = connection.ask(request("POST", path, body))
        connection.close()
        with plain_route(answer) as plain:
            pin_client()
            cases = {
                "plain route, the same body": (plain, request("POST", "/", body)),
                "gradient, published, ten nodes": (ours, request("POST", path, body)),
                "gradient, graph in the body": (ours, request("POST", "/v1/gradient", inline)),
                "GET /healthz": (ours, request("GET", "/healthz")),
            }
            rates(report, cases, rounds, seconds)
            tensors(report, ours, plain, path, rounds, seconds, (1_000,) if small else (1_000, 100_000))


def rates(report: Report, cases: dict[str, tuple[Server, bytes]], rounds: int, seconds: float) -> None:
    """A row for each small request: medians over the rounds, ratios to the first case."""
    found: dict[str, list[list[float]]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, (server, message) in cases.items():
            one = load(server, message, connections=1, seconds=seconds)
            many = load(server, message, connections=16, seconds=seconds)
            figures = [many.rate, many.cpu * 1e6, one.median * 1e6, one.p99 * 1e6]
            found[name].append(figures)
    report.table("request", "requests/s", "of plain", "CPU, µs", "µs above plain", "latency, µs", "p99, µs")
    floor: list[float] = []
    for name, figures in found.items():
        rate, cpu, latency, p99 = (float(one) for one in np.median(figures, axis=0))
        floor = floor or [rate, cpu]
        report.row(name, rate, rate / floor[0], cpu, cpu - floor[1], latency, p99)


def tensors(
    report: Report,
    ours: Server,
    plain: Server,
    path: str,
    rounds: int,
    seconds: float,
    sizes: tuple[int, ...],
) -> None:
    """A row for each size and form of the tensors; the plain route copies the bytes of the body."""
    report.table("inputs, 8 columns of float64", "form", "latency, ms", "p99, ms", "CPU, ms", "of plain copy")
    for rows in sizes:
        for form, message in forms(path, values(rows, 8)).items():
            body = message.partition(b"\r\n\r\n")[2]
            copy = request("POST", "/copy", body, "application/octet-stream")
            pairs = [
                (
                    load(ours, message, connections=1, seconds=seconds / 2),
                    load(plain, copy, connections=1, seconds=seconds / 2),
                )
                for _ in range(rounds)
            ]
            columns = [[a.median * 1e3, a.p99 * 1e3, a.cpu * 1e3, a.median / b.median] for a, b in pairs]
            report.row(f"{rows:,} rows", form, *(float(one) for one in np.median(columns, axis=0)))


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
