"""Training on MNIST (784-64-10, five epochs, batch 32, Adam): Gradwire, PyTorch and Keras in turns.

Ours are two: the engine's bare loop, and a job on a real server, from its submission by HTTP until its
parameters are here; its data set is there before, as PyTorch's arrays are. Peers that are not installed are
left out (Keras runs on its PyTorch backend). The full set comes from GRADWIRE_MNIST_DIR, else the shipped
sample. SEEDS says how many seeds are tried (3).
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np

from benchmarks._report import Report
from benchmarks._server import serving
from benchmarks.jobs import ask, follow
from engine.dtypes import TensorType
from engine.training import TrainingRun, decode_training
from engine.training.job.predict import predict

MODEL = {
    "input_shape": [784],
    "layers": [
        {"type": "Dense", "units": 64, "activation": "relu"},
        {"type": "Dense", "units": 10, "activation": "softmax"},
    ],
}
Train = Callable[[Any, int, int], float]
ENOUGH = 0.965


def main(report: Report, *, small: bool = False) -> None:
    """A row for each contestant: accuracy on the test images, and seconds."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
    digits: Any = __import__("mnist").load()
    seeds, epochs = (1, 1) if small else (int(os.environ.get("SEEDS", "3")), 5)
    with serving(log_level="error") as server:
        contestants: dict[str, Train] = {"gradwire loop": ours, "gradwire job": jobs_at(server.url, digits)}
        if importlib.util.find_spec("torch"):
            contestants["PyTorch"] = pytorch
            if importlib.util.find_spec("keras") and not small:
                contestants["Keras"] = keras
        results: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
        for seed in range(seeds):
            for name, train in contestants.items():
                start = time.perf_counter()
                accuracy = train(digits, seed, epochs)
                results[name].append((accuracy, time.perf_counter() - start))
    report.table(
        "contestant", "least accuracy", "most", f"seeds of {seeds} at {ENOUGH}", "s, median", "s, worst"
    )
    for name, pairs in results.items():
        accuracies, seconds = zip(*pairs, strict=True)
        enough = sum(accuracy >= ENOUGH for accuracy in accuracies)
        least, most = f"{min(accuracies):.4f}", f"{max(accuracies):.4f}"
        report.row(name, least, most, enough, float(np.median(seconds)), max(seconds))


def _job(seed: int, epochs: int) -> dict[str, Any]:
    return {
        "model": MODEL,
        "loss": "sparse_categorical_crossentropy",
        "metrics": ["accuracy"],
        "optimizer": "adam",
        "batch_size": 32,
        "epochs": epochs,
        "seed": seed,
    }


def jobs_at(url: str, digits: Any) -> Train:
    """The same as a job: submitted, followed to its end, its parameters fetched."""
    archive = io.BytesIO()
    np.savez(archive, x=digits.x_train, y=digits.y_train)
    headers = {"Content-Type": "application/x-npz"}
    with urlopen(Request(f"{url}/v1/datasets", archive.getvalue(), headers)) as response:
        dataset = json.loads(response.read())["id"]

    def train(digits: Any, seed: int, epochs: int) -> float:
        data = {name: {"dataset": dataset, "field": name} for name in ("x", "y")}
        job_id = ask(f"{url}/v1/jobs", {**_job(seed, epochs), "data": data})["id"]
        *_, (_, last) = follow(url, job_id)
        assert last == "end", ask(f"{url}/v1/jobs/{job_id}")
        with urlopen(f"{url}/v1/jobs/{job_id}/parameters?format=npz") as response:
            learned = np.load(io.BytesIO(response.read()))
        hidden = np.maximum(digits.x_test @ learned["dense.kernel"] + learned["dense.bias"], 0)
        scores = hidden @ learned["dense_1.kernel"] + learned["dense_1.bias"]
        return float(np.mean(scores.argmax(axis=1) == digits.y_test))

    return train


def ours(digits: Any, seed: int, epochs: int) -> float:
    """The engine's own loop, as a job runs it."""
    data = {"x": digits.x_train, "y": digits.y_train}
    document = _job(seed, epochs)
    types = {name: TensorType(value.shape, value.dtype.name) for name, value in data.items()}
    spec = decode_training(document, data=types)
    run = TrainingRun(spec, data)
    for _ in run:
        pass
    scores = predict(spec, run.parameters, run.state, {"x": digits.x_test})["y"]
    return float(np.mean(scores.argmax(axis=1) == digits.y_test))


def pytorch(digits: Any, seed: int, epochs: int) -> float:
    """The usual loop with the fused Adam, one thread."""
    import torch

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    model = torch.nn.Sequential(torch.nn.Linear(784, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    x, y = torch.from_numpy(digits.x_train), torch.from_numpy(digits.y_train.astype(np.int64))
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for start in range(0, len(x), 32):
            rows = order[start : start + 32]
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
    with torch.no_grad():
        scores = model(torch.from_numpy(digits.x_test)).numpy()
    return float(np.mean(scores.argmax(axis=1) == digits.y_test))


def keras(digits: Any, seed: int, epochs: int) -> float:
    """`fit` on the PyTorch backend."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras as k

    k.utils.set_random_seed(seed)
    model = k.Sequential(
        [k.Input((784,)), k.layers.Dense(64, activation="relu"), k.layers.Dense(10, activation="softmax")]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    model.fit(digits.x_train, digits.y_train, batch_size=32, epochs=epochs, verbose=0)
    scores = np.asarray(model.predict(digits.x_test, verbose=0))
    return float(np.mean(scores.argmax(axis=1) == digits.y_test))
