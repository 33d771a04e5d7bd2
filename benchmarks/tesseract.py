"""A vector-Jacobian product of `x * sin(x)` over HTTP: ours, and Tesseract's without containers.

Each with the client that comes with it: the SDK on a published graph, and `Tesseract.from_url` before
`tesseract-runtime serve`, whose derivative is written by hand in NumPy. The peer takes part if its package is
installed; it may have an environment of its own (`TESSERACT_PYTHON=…/bin/python`), with
`tesseract-core[runtime]`. Seconds a call, in turns; `client` and `server` are processor time.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import httpx
import numpy as np

import gradwire as gw
from benchmarks import _pinned
from benchmarks._report import Report
from benchmarks._server import Server, serving

FOLDER = Path(__file__).with_name("_tesseract")
Turn = Callable[[int, int], tuple[float, float]]  # elements and calls; seconds of wall and processor a call


def peer() -> str | None:
    """The Python that has the peer's package."""
    named = os.environ.get("TESSERACT_PYTHON")
    return named or (sys.executable if find_spec("tesseract_core") else None)


@contextmanager
def tesseract(python: str) -> Iterator[tuple[Server, Turn]]:
    """The peer's server on the measured core, and turns of its client."""
    with listening(python) as server:
        _pinned.pin_client()
        arguments = [python, str(FOLDER / "client.py"), server.url]
        with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
            assert client.stdin is not None
            assert client.stdout is not None

            def turn(elements: int, count: int) -> tuple[float, float]:
                print(elements, count, file=client.stdin, flush=True)
                wall, cpu = map(float, client.stdout.readline().split())
                return wall, cpu

            yield server, turn
            client.stdin.close()


@contextmanager
def listening(python: str) -> Iterator[Server]:
    """The peer's server, once it answers, in a folder of its own: it keeps a log of every call."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "TESSERACT_API_PATH": str(FOLDER / "tesseract_api.py")}
    command = [str(Path(python).with_name("tesseract-runtime")), "serve", "--port", str(port)]
    quiet = subprocess.DEVNULL
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, env=environment, cwd=folder, stdout=quiet, stderr=quiet) as process,
    ):
        try:
            server = Server("127.0.0.1", port, process.pid)
            wait_for(f"{server.url}/health", process)
            yield server
        finally:
            process.terminate()


def wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    """Return once the server answers."""
    for _ in range(600):
        try:
            httpx.get(address)
            return
        except httpx.TransportError:
            assert server.poll() is None, "the peer's server ended"
            time.sleep(0.1)
    raise TimeoutError(address)


def ours(client: gw.Client) -> Turn:
    """Turns of the SDK on a published graph."""
    graph = client.publish(program="y = x * sin(x)")

    def turn(elements: int, count: int) -> tuple[float, float]:
        x, cotangent = np.linspace(0.0, 1.0, elements), np.ones(elements)
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(count):
            answer = graph.vjp({"x": x}, {"y": cotangent})
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        assert np.allclose(np.asarray(answer["x"]), np.sin(x) + x * np.cos(x))
        return wall / count, cpu / count

    return turn


def main(report: Report, *, small: bool = False) -> None:
    """Both servers on the measured core, the clients on the other."""
    python = peer()
    if python is None:
        report.text("Tesseract is not installed; see `TESSERACT_PYTHON`.")
        return
    with (
        serving() as server,
        tesseract(python) as (their_server, their_turn),
        gw.Client(server.url) as client,
    ):
        contestants = {"Gradwire": (server, ours(client)), "Tesseract": (their_server, their_turn)}
        report.table("elements", "contestant", "ms", "client, ms", "server, ms", "ours ÷ theirs")
        for elements, count in ((10, 20), (10_000, 10)) if small else ((10, 200), (10_000, 100), (10**6, 3)):
            rows = turns(contestants, elements, count, 2 if small else 9)
            for name, figures in rows.items():
                ratio = rows["Gradwire"][0] / figures[0]
                report.row(
                    f"{elements:,}", name, *(one * 1e3 for one in figures), "" if ratio == 1 else ratio
                )


def turns(
    contestants: dict[str, tuple[Server, Turn]], elements: int, count: int, rounds: int
) -> dict[str, tuple[float, float, float]]:
    """Median seconds a call of each: wall, and processor time of the client and of the server."""
    noted: dict[str, list[tuple[float, float, float]]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, (server, turn) in contestants.items():
            before = server.cpu()
            wall, cpu = turn(elements, count)
            if number:  # the first compiles
                noted[name].append((wall, cpu, (server.cpu() - before) / count))
    return {
        name: tuple(statistics.median(one) for one in zip(*rows, strict=True)) for name, rows in noted.items()
    }
