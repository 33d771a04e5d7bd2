"""A worked example of a model; the OpenAPI document shows it and a test sends it."""

from __future__ import annotations

from service.queries.kinds import Example

EXPAND = Example(
    "One layer",
    body={"model": {"input_shape": [2], "layers": [{"type": "Dense", "units": 1}]}},
    answer={
        "train": {
            "version": 1,
            "inputs": {
                "dense.bias": {"shape": [1], "dtype": "float32"},
                "dense.kernel": {"shape": [2, 1], "dtype": "float32"},
                "x": {"shape": [None, 2], "dtype": "float32"},
            },
            "nodes": [
                {"name": "dense/matmul", "op": "matmul", "inputs": ["x", "dense.kernel"]},
                {"name": "dense/add", "op": "add", "inputs": ["dense/matmul", "dense.bias"]},
                {"name": "y", "op": "identity", "inputs": ["dense/add"]},
            ],
            "outputs": ["y"],
        },
        "predict": {
            "version": 1,
            "inputs": {
                "dense.bias": {"shape": [1], "dtype": "float32"},
                "dense.kernel": {"shape": [2, 1], "dtype": "float32"},
                "x": {"shape": [None, 2], "dtype": "float32"},
            },
            "nodes": [
                {"name": "dense/matmul", "op": "matmul", "inputs": ["x", "dense.kernel"]},
                {"name": "dense/add", "op": "add", "inputs": ["dense/matmul", "dense.bias"]},
                {"name": "y", "op": "identity", "inputs": ["dense/add"]},
            ],
            "outputs": ["y"],
        },
        "parameters": {
            "dense.kernel": {"shape": [2, 1], "dtype": "float32", "initializer": "glorot_uniform"},
            "dense.bias": {"shape": [1], "dtype": "float32", "initializer": "zeros"},
        },
        "state": {},
        "draws": {},
        "summary": [{"name": "dense", "type": "Dense", "shape": [None, 1], "parameters": 3}],
    },
)
