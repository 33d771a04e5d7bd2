"""What the SDK costs: µs of processor time a call, of the client's process, with a server on loopback.

`all` is a whole call through the SDK, `bare` a request of the same bytes by `httpx.Client.request` with its
address and headers ready, and the difference is the SDK's share. It may be less than nothing: the SDK goes
past what a client of httpx looks at for every request. `server` is the processor time of the server's process
for the same call. The lowest of several rounds in turns; if httpx2 is installed, once more with that.
"""

from __future__ import annotations

import importlib
import importlib.util
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import gradwire as gw
from benchmarks import _pinned
from benchmarks._report import Report
from benchmarks._server import Server, serving
from gradwire._transport.channel import SyncChannel
from gradwire._transport.flow import Request, Response

Call = Callable[[], object]


def calls(client: gw.Client) -> dict[str, Call]:
    """What is measured, each as a function to be called again and again."""
    W, b = gw.Variable([0.5], name="W"), gw.Variable([0.0], name="b")
    x, y = gw.constant([1.0, 2.0, 3.0]), gw.constant([2.0, 4.0, 6.0])
    sgd = gw.optimizers.SGD(0.01)

    def tape_step() -> None:
        with gw.GradientTape(client=client) as tape:
            loss = gw.mean((W * x + b - y) ** 2)
        sgd.apply_gradients(zip(tape.gradient(loss, [W, b]), [W, b], strict=True))

    def loss_of(w: Any, x: Any) -> Any:
        return gw.mean((w * x - 1.0) ** 2)

    w0, xs = np.array([0.5]), np.array([1.0, 2.0, 3.0])
    slope, published = gw.grad(loss_of, client=client), gw.function(loss_of, client=client)
    graph = client.publish(program="mean((W * x + b - y) ** 2)")
    inputs = {"W": w0, "b": np.zeros(1), "x": xs, "y": 2 * xs}
    return {
        "tape step of the README": tape_step,
        "gw.grad(f)": lambda: slope(w0, xs),
        "published function": lambda: published(w0, xs),
        "gradient of a published graph": lambda: graph.gradient(inputs, wrt=["W", "b"]),
    }


def request_of(call: Call) -> Request:
    """The one request that a call sends, once it has been called before."""
    sent: list[Request] = []
    send = SyncChannel.send

    def noting(self: SyncChannel, request: Request) -> Response:
        sent.append(request)
        return send(self, request)

    for _ in range(3):
        call()
    SyncChannel.send = noting  # type: ignore[method-assign]  # put back at once
    try:
        call()
    finally:
        SyncChannel.send = send  # type: ignore[method-assign]
    assert len(sent) == 1, "a call is one request"
    return sent[0]


def lowest(contestants: dict[str, Call], rounds: int, count: int) -> dict[str, float]:
    """Seconds of processor time for one call of each, in turns, the lowest of all rounds."""
    best = dict.fromkeys(contestants, float("inf"))
    for k in range(rounds + 1):  # the first warms up
        for name, call in contestants.items():
            start = time.process_time()
            for _ in range(count):
                call()
            if k:
                best[name] = min(best[name], (time.process_time() - start) / count)
    return best


def measure(report: Report, server: Server, library: Any, rounds: int, count: int) -> None:
    """A table for one HTTP library."""
    report.text(f"With {library.__name__} {library.__version__}:")
    report.table("call", "all, µs", "bare, µs", "the SDK's share, µs", "server, µs")
    with (
        gw.Client(server.url, transport=library.HTTPTransport()) as client,
        library.Client() as bare,
    ):
        for name, call in calls(client).items():
            sent = request_of(call)
            address, headers = library.URL(server.url + sent.path), dict(sent.headers)

            def plain(
                sent: Request = sent, address: Any = address, headers: dict[str, str] = headers
            ) -> bytes:
                content: bytes = bare.request("POST", address, content=sent.content, headers=headers).content
                return content

            found = lowest({"all": call, "bare": plain}, rounds, count)
            before = server.cpu()
            for _ in range(rounds * count):
                call()
            of_server = (server.cpu() - before) / (rounds * count)
            figures = (found["all"], found["bare"], found["all"] - found["bare"], of_server)
            report.row(name, *(seconds * 1e6 for seconds in figures))


def main(report: Report, *, small: bool = False) -> None:
    """One server for all; the client on a core of its own."""
    rounds, count = (1, 20) if small else (15, 200)
    with serving() as server:
        _pinned.pin_client()
        for name in ("httpx", "httpx2"):
            if importlib.util.find_spec(name) is not None:
                measure(report, server, importlib.import_module(name), rounds, count)
