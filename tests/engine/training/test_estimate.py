"""The estimate of a job, compared with what NumPy reports of a run and its snapshots, without the data."""

from __future__ import annotations

import gc
import tracemalloc
from typing import Any

import numpy as np
import pytest

from engine.arrays.types import Array
from engine.training import TrainingRun, estimate_of
from tests.engine.training.world import job

DENSE = [{"type": "Dense", "units": 512, "activation": "relu"}, {"type": "Dense", "units": 10}]
KEPT = [DENSE[0], {"type": "BatchNormalization"}, {"type": "Dropout", "rate": 0.5}, DENSE[1]]
WORDS = [
    {"type": "Embedding", "input_dim": 20_000, "output_dim": 32},
    {"type": "Flatten"},
    {"type": "Dense", "units": 10},
]
SPLIT = {"validation_split": 0.2}
BEST = {"early_stopping": {"monitor": "val_loss", "patience": 3, "restore_best_weights": True}}


@pytest.mark.parametrize(
    ("layers", "changes"),
    [
        (DENSE, {"optimizer": {"name": "sgd"}, "batch_size": 32}),
        (DENSE, {"optimizer": {"name": "sgd"}, "batch_size": 512}),
        (DENSE, {"optimizer": {"name": "sgd", "momentum": 0.9}, "batch_size": 512, **SPLIT}),
        (DENSE, {"optimizer": {"name": "adam"}, "batch_size": 512, **SPLIT}),
        (DENSE, {"optimizer": {"name": "adam"}, "batch_size": 256, **SPLIT, **BEST}),
        (DENSE, {"optimizer": {"name": "adam"}, "batch_size": 256, "dtype": "float64", "shuffle": False}),
        (KEPT, {"optimizer": {"name": "adam"}, "batch_size": 256, **SPLIT}),
        (WORDS, {"optimizer": {"name": "adam"}, "batch_size": 64}),
    ],
)
def test_within_a_fifth(layers: list[dict[str, Any]], changes: dict[str, Any]) -> None:
    data = numbers(words=layers is WORDS)
    document = {"model": {"layers": layers}, "loss": LOSS, "metrics": METRICS, "epochs": 2, **changes}
    spec = job(document, data)
    list(TrainingRun(spec, data))  # whatever is made once and kept
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        run = TrainingRun(spec, data)
        for _ in run:
            pass
        run.snapshot()
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert estimate_of(spec).peak_bytes == pytest.approx(most - before, rel=0.2)


LOSS = {"name": "sparse_categorical_crossentropy", "from_logits": True}
METRICS = ["sparse_categorical_accuracy"]


def numbers(*, words: bool) -> dict[str, Array]:
    draw = np.random.default_rng(0)
    rows = 1000 if words else 2000
    x = draw.integers(0, 20_000, (rows, 20)) if words else draw.normal(size=(rows, 784))
    return {"x": x, "y": draw.integers(0, 10, rows)}
