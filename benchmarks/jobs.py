"""Jobs: latency from submission to the first step, and the cost of a job compared with the bare loop.

A real server with its worker on loopback. The bare loop is `TrainingRun` in a process of its own on the same
document and data, compiling included, as the job's time from start to finish includes it. That time holds the
start of a process and a checkpoint as well: what is over the loop is mostly fixed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

import numpy as np

from benchmarks._pinned import pin_client
from benchmarks._report import Report
from benchmarks._server import ROOT, serving

LINE: dict[str, Any] = {
    "program": "loss = mean((W * x + b - y) ** 2)",
    "parameters": {"W": {"value": [0.5]}, "b": {"shape": [1], "initializer": "zeros"}},
    "data": {"x": [[1], [2], [3]], "y": [[2], [4], [6]]},
    "optimizer": {"name": "sgd", "learning_rate": 0.01},
    "batch_size": 3,
    "epochs": 1,
}


def perceptron(rows: int, epochs: int) -> dict[str, Any]:
    """784-64-10 on random rows, as MNIST has them."""
    layers = [
        {"type": "Dense", "units": 64, "activation": "relu"},
        {"type": "Dense", "units": 10, "activation": "softmax"},
    ]
    random = np.random.default_rng(0)
    return {
        "model": {"input_shape": [784], "layers": layers},
        "loss": "sparse_categorical_crossentropy",
        "data": {
            "x": np.round(random.random((rows, 784)), 3).tolist(),
            "y": {"dtype": "int64", "data": random.integers(0, 10, rows).tolist()},
        },
        "optimizer": {"name": "adam", "learning_rate": 0.001},
        "batch_size": 32,
        "epochs": epochs,
    }


def ask(url: str, body: Any = None) -> Any:
    """GET, or POST with a body; the answer's JSON."""
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(url, data, {"Content-Type": "application/json"})) as response:
        return json.loads(response.read())


def follow(url: str, job_id: str) -> Iterator[tuple[float, str]]:
    """When each event came here, and its kind, until the end."""
    with urlopen(f"{url}/v1/jobs/{job_id}/events") as stream:
        for line in stream:
            if line.startswith(b"event: "):
                kind = line[7:].strip().decode()
                yield time.perf_counter(), kind
                if kind == "end":
                    return


def first_step(url: str) -> float:
    """Milliseconds from the submission of a small job to the first step at the caller's."""
    start = time.perf_counter()
    job_id = ask(f"{url}/v1/jobs", LINE)["id"]
    return next(1000 * (when - start) for when, kind in follow(url, job_id) if kind == "step")


def training_time(url: str, body: Any) -> tuple[float, float]:
    """Seconds from start to finish by the job's own clock, and from submission to end at the caller's."""
    start = time.perf_counter()
    job_id = ask(f"{url}/v1/jobs", body)["id"]
    *_, (end, _) = follow(url, job_id)
    job = ask(f"{url}/v1/jobs/{job_id}")
    assert job["status"] == "succeeded", job
    times = [np.datetime64(job[key].removesuffix("Z")) for key in ("started_at", "finished_at")]
    return float((times[1] - times[0]) / np.timedelta64(1, "ms")) / 1000, end - start


def bare(body: dict[str, Any], repeats: int) -> list[float]:
    """Seconds of the same training without a server, in a process on the core of the server."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.jobs", "--bare", str(repeats)],
        cwd=ROOT,
        input=json.dumps(body),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    times: list[float] = json.loads(done.stdout)
    return times


def loop(body: dict[str, Any]) -> float:
    """Seconds of the training in this process, compiling included."""
    from engine.dtypes import TensorType
    from engine.training.job.decode import decode_training
    from engine.training.loop.run import TrainingRun

    document = {name: value for name, value in body.items() if name != "data"}
    data = {"x": np.array(body["data"]["x"]), "y": np.array(body["data"]["y"]["data"])}
    types = {name: TensorType(array.shape, array.dtype.name) for name, array in data.items()}
    start = time.perf_counter()
    for _ in TrainingRun(decode_training(document, data=types), data):
        pass
    return time.perf_counter() - start


def main(report: Report, *, small: bool) -> None:
    """Start a server, measure it, and the bare loop before."""
    body = perceptron(*((320, 2) if small else (1600, 20)))
    repeats = 1 if small else 5
    alone = statistics.median(bare(body, repeats))
    with serving(log_level="error") as server:
        pin_client()
        first_step(server.url)  # the worker is up
        times = [first_step(server.url) for _ in range(3 if small else 20)]
        jobs, wholes = zip(*(training_time(server.url, body) for _ in range(repeats)), strict=True)
    report.table("from submission to the first step", "ms")
    report.row("median", statistics.median(times))
    report.row("worst", max(times))
    report.table("a training", "s", "÷ bare loop")
    report.row("bare loop", alone, "")
    for name, seconds in {"from start to finish": jobs, "from submission to its end event": wholes}.items():
        report.row(f"job, {name}", statistics.median(seconds), statistics.median(seconds) / alone)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bare", type=int, required=True, help=argparse.SUPPRESS)
    document = json.load(sys.stdin)
    loop(document)  # everything is imported, as in the process from which jobs are forked
    print(json.dumps([loop(document) for _ in range(parser.parse_args().bare)]))
