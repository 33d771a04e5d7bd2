"""Shared by the tests of training: types of arrays, a small problem, a run to its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.arrays.types import Array
from engine.dtypes import TensorType
from engine.training import EpochDone, Snapshot, TrainingRun, TrainingSpec, decode_training


def types(data: Mapping[str, Array]) -> dict[str, TensorType]:
    return {name: TensorType(array.shape, array.dtype.name) for name, array in data.items()}


def job(
    document: Mapping[str, Any], data: Mapping[str, Array], validation: Mapping[str, Array] | None = None
) -> TrainingSpec:
    return decode_training(
        document, data=types(data), validation=None if validation is None else types(validation)
    )


def trained(
    document: Mapping[str, Any],
    data: Mapping[str, Array],
    *,
    validation: Mapping[str, Array] | None = None,
    resume: Snapshot | None = None,
) -> tuple[TrainingRun, list[Mapping[str, float]]]:
    """A run to its end, and the metrics of its epochs."""
    run = TrainingRun(job(document, data, validation), data, validation=validation, resume=resume)
    return run, [event.metrics for event in run if isinstance(event, EpochDone)]


def classes(rows: int = 50, features: int = 6, kinds: int = 3, *, sparse: bool = False) -> dict[str, Array]:
    """Points around as many centres as there are classes."""
    rng = np.random.default_rng(7)
    labels = rng.integers(0, kinds, rows)
    centres = rng.normal(size=(kinds, features))
    x = (centres[labels] + 0.5 * rng.normal(size=(rows, features))).astype(np.float32)
    return {"x": x, "y": labels if sparse else np.eye(kinds, dtype=np.float32)[labels]}


def layered(**fields: Any) -> dict[str, Any]:
    """A job with every kind of layer that keeps or draws something."""
    layers = [
        {"type": "Dense", "units": 8},
        {"type": "BatchNormalization"},
        {"type": "Activation", "activation": "relu"},
        {"type": "Dropout", "rate": 0.3},
        {"type": "LayerNormalization"},
        {"type": "Dense", "units": 3, "activation": "softmax"},
    ]
    return {
        "model": {"layers": layers},
        "loss": "categorical_crossentropy",
        "metrics": ["accuracy"],
        "optimizer": {"name": "adam", "learning_rate": 0.01},
        "batch_size": 16,
        "epochs": 3,
        **fields,
    }
