"""Transforms of half precision: there are no complex numbers of it, so they are computed in complex64."""

from __future__ import annotations

import numpy as np
import pytest

from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.frontend.decode import decode_graph
from engine.queries.compiler import Compiler


@pytest.mark.parametrize("op", ["irfft", "hfft", "fftshift"])
def test_a_gradient_is_of_the_dtype_of_its_input(op: str) -> None:
    nodes = [
        {"name": "y", "op": op, "inputs": ["x"]},
        {"name": "m", "op": "abs", "inputs": ["y"]},
        {"name": "t", "op": "sum", "inputs": ["m"]},
    ]
    graph = decode_graph({"inputs": {"x": {}}, "nodes": nodes, "outputs": ["t"]})
    x = np.array([1.0, 2.0, -0.5, 3.0])

    def gradient(dtype: str) -> np.ndarray:
        query = Query(graph=graph, kind="gradient", inputs={"x": TensorType((4,), dtype)})
        answer = Compiler().compile(query, peak_bytes_limit=10**8).run({"x": x.astype(dtype)})
        return np.asarray(answer["gradients"]["x"])

    half = gradient("float16")
    assert half.dtype == np.float16
    np.testing.assert_allclose(half, gradient("float64"), atol=5e-3)
