"""Whole trainings on MNIST (784-64-10, five epochs, batch 32, Adam): ours, PyTorch and Keras in turns.

Peers that are not installed are left out (Keras runs on its PyTorch backend). The full set comes from
GRADWIRE_MNIST_DIR, else the shipped sample. Figures that compare need OPENBLAS_NUM_THREADS=1.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from engine.dtypes import TensorType
from engine.training import TrainingRun, decode_training, predict

MODEL = {
    "input_shape": [784],
    "layers": [
        {"type": "Dense", "units": 64, "activation": "relu"},
        {"type": "Dense", "units": 10, "activation": "softmax"},
    ],
}
Train = Callable[[Any, int, int], float]


def main(*, small: bool = False) -> None:
    """Print accuracy on the test images and seconds, for each seed and contestant."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
    digits: Any = __import__("mnist").load()
    seeds, epochs = (1, 1) if small else (int(os.environ.get("SEEDS", "10")), 5)
    contestants: dict[str, Train] = {"gradwire": ours}
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
            print(f"seed {seed} {name}: accuracy {accuracy:.4f}, {results[name][-1][1]:.1f} s", flush=True)
    for name, pairs in results.items():
        accuracies, seconds = zip(*pairs, strict=True)
        print(
            f"{name}: accuracy {min(accuracies):.4f} to {max(accuracies):.4f}, "
            f"median {np.median(seconds):.1f} s"
        )


def ours(digits: Any, seed: int, epochs: int) -> float:
    """The engine's own loop, as a job runs it."""
    data = {"x": digits.x_train, "y": digits.y_train}
    document = {
        "model": MODEL,
        "loss": "sparse_categorical_crossentropy",
        "metrics": ["accuracy"],
        "optimizer": "adam",
        "batch_size": 32,
        "epochs": epochs,
        "seed": seed,
    }
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


if __name__ == "__main__":
    main()
