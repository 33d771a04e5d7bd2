"""Two processes against one: gradients on a published graph of ten nodes, from 16 keep-alive connections.

The processes may use every core, and so may the clients: on two cores the clients take a part of what is
measured. CPU is that of all processes of the server, the supervisor included, for each request.
"""

from __future__ import annotations

import json
import os
import time
import urllib.request

import numpy as np

from benchmarks._load import Connection, load, request
from benchmarks._report import Report
from benchmarks._server import Server, serving
from benchmarks.http_requests import TEN_NODES, values


def main(report: Report, *, small: bool) -> None:
    """Start both servers and measure them in turns."""
    rounds, seconds = (1, 0.3) if small else (5, 3.0)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    body = json.dumps({"inputs": {name: value.tolist() for name, value in values(3, 1).items()}}).encode()
    figures: dict[int, list[tuple[float, float, float]]] = {1: [], 2: []}
    with serving("--workers", "0") as one, serving("--workers", "0", "--processes", "2") as two:
        _wait_for_processes(two, 2)
        messages = {count: _message(server, body) for count, server in ((1, one), (2, two))}
        for _ in range(rounds):
            for count, server in ((1, one), (2, two)):
                found = load(server, messages[count], connections=16, seconds=seconds)
                figures[count].append((found.rate, found.cpu * 1e6, found.p99 * 1e3))
    report.table("processes", "requests/s", "of one", "CPU, µs a request", "of one", "p99, ms")
    floor = np.array([0.0, 0.0])
    for count, rows in figures.items():
        rate, cpu, p99 = (float(figure) for figure in np.median(rows, axis=0))
        if not floor.any():
            floor = np.array([rate, cpu])
        report.row(str(count), rate, rate / floor[0], cpu, cpu / floor[1], p99)


def _message(server: Server, body: bytes) -> bytes:
    connection = Connection(server)
    graph = json.loads(
        connection.ask(request("POST", "/v1/graphs", json.dumps({"graph": TEN_NODES}).encode()))
    )
    connection.close()
    return request("POST", f"/v1/graphs/{graph['id']}/gradient", body)


def _wait_for_processes(server: Server, count: int) -> None:
    while True:
        try:
            with urllib.request.urlopen(f"{server.url}/readyz") as answer:
                if json.load(answer)["processes"]["alive"] == count:
                    return
        except OSError:
            pass
        time.sleep(0.2)
