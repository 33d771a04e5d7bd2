"""One training step of the MLP 784-64-10 (relu, softmax cross-entropy, Adam, float32): µs, one thread.

Beside it the same step written by hand in NumPy with preallocated buffers, and PyTorch where it is installed.
Measured in turns; medians, and in brackets the best round. Figures that compare need OPENBLAS_NUM_THREADS=1.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks._mlp_by_hand import ByHand
from engine.dtypes import TensorType
from engine.training import TrainingRun, decode_training

SIZES = ((32, 64), (128, 64), (128, 512))
Step = Callable[[], Any]


def main(*, small: bool = False) -> None:
    """Print a table: rows are sizes of batch and hidden layer, columns are the contestants."""
    rounds, steps = (3, 20) if small else (60, 25)
    for batch, hidden in SIZES[:1] if small else SIZES:
        contestants = {"gradwire": gradwire(batch, hidden), "NumPy by hand": by_hand(batch, hidden)}
        torch = torch_step(batch, hidden)
        if torch is not None:
            contestants["PyTorch"] = torch
        times: dict[str, list[float]] = {name: [] for name in contestants}
        for _ in range(rounds):
            for name, step in contestants.items():
                start = time.perf_counter()
                for _ in range(steps):
                    step()
                times[name].append((time.perf_counter() - start) / steps * 1e6)
        shown = ", ".join(f"{n} {statistics.median(t):,.0f} ({min(t):,.0f})" for n, t in times.items())
        print(f"batch {batch}, hidden {hidden}: {shown} µs")


def data(rows: int) -> dict[str, np.ndarray[Any, Any]]:
    """Random images and one-hot labels."""
    rng = np.random.default_rng(0)
    x = rng.random((rows, 784), dtype=np.float32)
    return {"x": x, "y": np.eye(10, dtype=np.float32)[rng.integers(0, 10, rows)]}


def gradwire(batch: int, hidden: int) -> Step:
    """A step of the loop itself: gathering rows, plan, check for values that are not finite, event."""
    given = data(64 * batch)
    document = {
        "model": {
            "layers": [
                {"type": "Dense", "units": hidden, "activation": "relu"},
                {"type": "Dense", "units": 10, "activation": "softmax"},
            ]
        },
        "loss": "categorical_crossentropy",
        "optimizer": "adam",
        "batch_size": batch,
        "epochs": 1_000_000,
    }
    types = {name: TensorType(array.shape, array.dtype.name) for name, array in given.items()}
    run = TrainingRun(decode_training(document, data=types), given)
    next(run)
    return lambda: next(run)


def by_hand(batch: int, hidden: int) -> Step:
    """The same, planned by hand: the floor of what NumPy can do."""
    given = data(64 * batch)
    loop = ByHand(given["x"], given["y"], batch, hidden)
    loop.step()
    return loop.step


def torch_step(batch: int, hidden: int) -> Step | None:
    """PyTorch with its fused Adam, one thread."""
    try:
        import torch
    except ModuleNotFoundError:
        return None
    torch.set_num_threads(1)
    given = data(64 * batch)
    x, labels = torch.tensor(given["x"]), torch.tensor(given["y"].argmax(axis=1))
    model = torch.nn.Sequential(torch.nn.Linear(784, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, 10))
    loss_of = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    order = torch.randperm(len(x))
    k = 0

    def step() -> float:
        nonlocal k
        rows = order[k * batch % len(x) :][:batch]
        k += 1
        optimizer.zero_grad()
        loss = loss_of(model(x[rows]), labels[rows])
        loss.backward()
        optimizer.step()
        return loss.item()

    step()
    return step


if __name__ == "__main__":
    main()
