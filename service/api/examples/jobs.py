"""Jobs for the documentation to show."""

from __future__ import annotations

from typing import Any

SUBMITTED: dict[str, Any] = {
    "Linear regression": {
        "value": {
            "program": "pred = W * x + b\nloss = mean((pred - y) ** 2)",
            "target": "loss",
            "parameters": {"W": {"value": [0.5]}, "b": {"shape": [1], "initializer": "zeros"}},
            "data": {"x": [[1], [2], [3]], "y": [[2], [4], [6]]},
            "optimizer": {"name": "sgd", "learning_rate": 0.01},
            "batch_size": 3,
            "epochs": 1000,
        }
    },
    "A model of layers": {
        "value": {
            "model": {
                "input_shape": [2],
                "layers": [
                    {"type": "Dense", "units": 8, "activation": "tanh"},
                    {"type": "Dense", "units": 2, "activation": "softmax"},
                ],
            },
            "loss": "sparse_categorical_crossentropy",
            "metrics": ["accuracy"],
            "data": {"x": [[0, 0], [0, 1], [1, 0], [1, 1]], "y": {"dtype": "int64", "data": [0, 1, 1, 0]}},
            "optimizer": {"name": "adam", "learning_rate": 0.05},
            "batch_size": 4,
            "epochs": 200,
        }
    },
}
