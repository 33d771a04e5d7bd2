"""One training step of the MLP 784-64-10 (relu, softmax cross-entropy, Adam, float32).

Beside it the same step written by hand in NumPy with preallocated buffers, PyTorch with its fused Adam, and
JAX with the step under `jit` and its buffers donated.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks._contest import take_turns
from benchmarks._mlp_by_hand import ByHand
from benchmarks._report import Report
from engine.dtypes import TensorType
from engine.training import TrainingRun, decode_training

SIZES = ((32, 64), (128, 64), (128, 512))
Step = Callable[[], Any]


def main(report: Report, *, small: bool = False) -> None:
    """A table: for each size of batch and hidden layer, the contestants."""
    report.contest_table("µs")
    for batch, hidden in SIZES[:1] if small else SIZES:
        contestants = {"gradwire": gradwire(batch, hidden), "NumPy by hand": by_hand(batch, hidden)}
        if find_spec("torch"):
            contestants["PyTorch"] = torch_step(batch, hidden)
        if find_spec("jax"):
            contestants["JAX"] = jax_step(batch, hidden)
        report.contest(
            f"batch {batch}, hidden {hidden}", take_turns(contestants, rounds=3 if small else 60), "µs"
        )


def data(rows: int) -> dict[str, np.ndarray[Any, Any]]:
    """Random images and one-hot labels."""
    rng = np.random.default_rng(0)
    x = rng.random((rows, 784), dtype=np.float32)
    return {"x": x, "y": np.eye(10, dtype=np.float32)[rng.integers(0, 10, rows)]}


def gradwire(batch: int, hidden: int, optimize: str = "auto") -> Step:
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
        "optimize": optimize,
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


def torch_step(batch: int, hidden: int) -> Step:
    """PyTorch with its fused Adam, one thread."""
    import torch

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


def jax_step(batch: int, hidden: int) -> Step:
    """JAX: one jitted function for the gradient and Adam's update, which may reuse its buffers."""
    jax: Any = import_module("jax")
    jnp: Any = import_module("jax.numpy")
    given = data(64 * batch)
    labels = given["y"].argmax(axis=1)
    draw = np.random.default_rng(0)

    def dense(rows: int, columns: int) -> list[Any]:
        limit = (6 / (rows + columns)) ** 0.5
        kernel = draw.uniform(-limit, limit, (rows, columns)).astype(np.float32)
        return [jnp.asarray(kernel), jnp.zeros(columns, jnp.float32)]

    def loss_of(weights: list[Any], x: Any, y: Any) -> Any:
        W, b, V, c = weights
        scores = jax.nn.log_softmax(jax.nn.relu(x @ W + b) @ V + c)
        return -jnp.take_along_axis(scores, y[:, None], 1).mean()

    def update(state: Any, x: Any, y: Any) -> tuple[Any, Any]:
        weights, first, second, count = state
        loss, gradients = jax.value_and_grad(loss_of)(weights, x, y)
        count = count + 1
        rate = 1e-3 * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
        first = [0.9 * m + 0.1 * g for m, g in zip(first, gradients, strict=True)]
        second = [0.999 * v + 0.001 * g * g for v, g in zip(second, gradients, strict=True)]
        moved = zip(weights, first, second, strict=True)
        return ([w - rate * m / (jnp.sqrt(v) + 1e-8) for w, m, v in moved], first, second, count), loss

    compiled = jax.jit(update, donate_argnums=0)
    weights = dense(784, hidden) + dense(hidden, 10)
    state: Any = (weights, [0 * w for w in weights], [0 * w for w in weights], jnp.float32(0))
    order = draw.permutation(len(labels))
    k = 0

    def step() -> float:
        nonlocal k, state
        rows = order[k * batch % len(labels) :][:batch]
        k += 1
        state, loss = compiled(state, given["x"][rows], labels[rows])
        return float(loss)

    step()
    return step
