"""What a healthy client waits beside an attacker, over loopback: the 99th percentile of three requests.

The client asks for a small gradient, `/healthz` and `GET /v1/jobs` every 20 ms, alone, beside one attacker
of each kind, and beside all at once. Attackers run in processes of their own and end by themselves. The
memory is that of the server's own process, its children apart.
"""

from __future__ import annotations

import json
import multiprocessing
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks._load import Connection, request
from benchmarks._report import Report
from benchmarks._server import Server, serving

EVERY_S = 0.02
GRADIENT = {
    "program": "mean((w * x - y) ** 2)",
    "inputs": {"w": 1.5, "x": [1, 2, 3], "y": [2, 4, 6]},
    "wrt": ["w"],
}
_NAMES = {"gradient": "POST /v1/gradient", "health": "GET /healthz", "jobs": "GET /v1/jobs"}


def _post(path: str, document: Any) -> bytes:
    return request("POST", path, json.dumps(document).encode())


HEALTHY = {
    "gradient": _post("/v1/gradient", GRADIENT),
    "health": request("GET", "/healthz"),
    "jobs": request("GET", "/v1/jobs"),
}


# -- attackers -----------------------------------------------------------------------------------------


def _nested(salt: int) -> dict[str, Any]:
    lines = [f"def f0(x): return sum(x * x * x * sin(x)) + {salt}"]
    lines += [f"def f{k}(x): return sum(hessian(f{k - 1}, x))" for k in range(1, 10)]
    return {"program": "\n".join([*lines, "y = f9(x)"]), "inputs": {"x": [1.0, 2.0]}}


def _split(salt: int) -> dict[str, Any]:
    return {"program": f"sum(split(broadcast_to(x, (4096,)), 4096)[0]) + {salt}", "inputs": {"x": 1.0}}


def _numbers(salt: int) -> dict[str, Any]:
    return {"program": f"broadcast_to(x, ({30_000_000 + salt},))", "inputs": {"x": 1.0}}


def _estimate(salt: int) -> dict[str, Any]:
    shape = [3 * 10**8 + salt]
    return {"program": "sum(signbit(z))", "inputs": {"z": {"shape": shape}}, "sparse": bool(salt % 2)}


def _diagnosis(salt: int) -> dict[str, Any]:
    lines = ["+".join(["sum(round(x * x))"] * 300), f" + {salt}"]
    return {"program": "".join(lines), "inputs": {"x": [1.0, 2.0]}, "wrt": ["x"]}


def _ballast() -> dict[str, Any]:
    nodes = [{"name": f"node_number_{k}", "op": "sin", "inputs": ["a"]} for k in range(20)]
    unused = {"inputs": ["a"], "nodes": nodes, "outputs": ["node_number_0"]}
    product = {"name": "y", "op": "multiply", "inputs": ["x", "x"]}
    functions = {f"f{k}": unused for k in range(5000)}
    return {"inputs": {"x": {}}, "nodes": [product], "outputs": ["y"], "functions": functions}


def _asking(path: str, body: Callable[[int], Any]) -> Callable[[Server, float], None]:
    """Four connections that ask as fast as they are answered."""

    def attack(server: Server, until: float) -> None:
        _together(4, lambda worker: _ask(server, until, path, lambda k: body(4 * k + worker)))

    return attack


def _ask(server: Server, until: float, path: str, body: Callable[[int], Any]) -> None:
    for k in range(10**6):
        if time.time() > until:
            return
        with suppress(OSError, RuntimeError):
            connection = Connection(server)
            connection.socket.settimeout(max(0.1, until - time.time()))
            connection.ask(_post(path, body(k)))
            connection.close()


def _published(server: Server, until: float) -> None:
    made = Connection(server).ask(_post("/v1/graphs", {"graph": _ballast()}))
    path = f"/v1/graphs/{json.loads(made)['id']}/gradient"
    _together(4, lambda worker: _ask(server, until, path, lambda k: {"inputs": {"x": float(k + worker)}}))


def _together(count: int, work: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=work, args=(k,), daemon=True) for k in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _sending(opening: bytes, again: bytes, every_s: float, count: int) -> Callable[[Server, float], None]:
    """Connections that send `opening`, then `again` from time to time, and read nothing."""

    def attack(server: Server, until: float) -> None:
        held: list[socket.socket] = []
        while time.time() < until:
            with suppress(OSError):
                while len(held) < count:
                    one = socket.create_connection((server.host, server.port), timeout=1)
                    held.append(one)
                    one.setblocking(False)
                    one.send(opening)
            for one in list(held):
                try:
                    if again:
                        one.send(again)
                except BlockingIOError:
                    pass
                except OSError:
                    held.remove(one)
                    one.close()
            time.sleep(every_s)

    return attack


_HEAD = b"POST /v1/gradient HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
ATTACKS: dict[str, Callable[[Server, float], None]] = {
    "Hessians of Hessians": _asking("/v1/gradient", _nested),
    "4,096 parts": _asking("/v1/gradient", _split),
    "30 million numbers": _asking("/v1/evaluate", _numbers),
    "estimates of 3e8": _asking("/v1/estimate", _estimate),
    "a published graph of 6 MB": _published,
    "400 idle connections": _sending(b"", b"", 0.5, 400),
    "400 heads, a byte at a time": _sending(b"GET / HTTP/1.1\r\nX: ", b"y", 0.2, 400),
    "half-sent bodies": _sending(
        _HEAD + b"Content-Length: 60000000\r\n\r\n" + b"[" * 65536, b"1" * 512, 0.2, 100
    ),
    "chunks of one byte": _sending(
        _HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 4096, 0.02, 4
    ),
    "pipelines": _sending(b"", request("GET", "/healthz") * 1000, 0.05, 4),
    "a diagnosis": _asking("/v1/diagnose", _diagnosis),
    "unread answers": _sending(_post("/v1/evaluate", _numbers(0)), b"", 0.5, 8),
}

_ALL = "all at once"


# -- the healthy client --------------------------------------------------------------------------------


def _latencies(server: Server, seconds: float) -> dict[str, list[float]]:
    """How long each of the three took, in ms; a request that fails has waited to the end."""
    taken: dict[str, list[float]] = {name: [] for name in HEALTHY}
    connection = Connection(server)
    end = time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        for name, message in HEALTHY.items():
            begun = time.perf_counter()
            try:
                connection.ask(message)
            except (OSError, RuntimeError):
                with suppress(OSError):
                    connection = Connection(server)
            taken[name].append((time.perf_counter() - begun) * 1e3)
        time.sleep(max(0.0, EVERY_S - (time.perf_counter() - start)))
    connection.close()
    return taken


def _resident_mib(server: Server) -> float:
    status = Path(f"/proc/{server.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


@contextmanager
def _attacked(name: str, server: Server, seconds: float) -> Iterator[None]:
    """The attacker, or all of them, run within it, and a little beyond."""
    attacks = list(ATTACKS.values()) if name == _ALL else [ATTACKS[name]]
    until = time.time() + seconds
    processes = [
        multiprocessing.Process(target=attack, args=(server, until), daemon=True) for attack in attacks
    ]
    for process in processes:
        process.start()
    time.sleep(0.5)
    try:
        yield
    finally:
        for process in processes:
            process.join(20)
            process.kill()
            process.join()


def main(report: Report, *, small: bool = False) -> None:
    """A server for each attacker, so that none inherits what another has left."""
    seconds = 2.0 if small else 15.0
    report.table(
        "attacker", *(f"{title}, p99 ms" for title in _NAMES.values()), "most waited, ms", "server, MiB"
    )
    for name in ("none", *ATTACKS, _ALL):
        with serving() as server:
            _latencies(server, 1.0)
            if name == "none":
                taken = _latencies(server, seconds)
            else:
                with _attacked(name, server, seconds + 1):
                    taken = _latencies(server, seconds)
            p99 = [statistics.quantiles(one, n=100)[-1] if len(one) > 1 else one[0] for one in taken.values()]
            longest = max(max(one) for one in taken.values())
            report.row(name, *p99, longest, _resident_mib(server))
