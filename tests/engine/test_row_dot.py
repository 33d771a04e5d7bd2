"""The inner products of rows, which documents may name: rows that do not fit are refused."""

from __future__ import annotations

import numpy as np
import pytest

from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.errors import ShapeMismatch
from engine.frontend.decode import decode_graph
from engine.queries.compiler import make_program

NODE = {"name": "y", "op": "row_dot", "inputs": ["a", "b"], "attributes": {}}
GRAPH = {"inputs": {"a": {}, "b": {}}, "nodes": [NODE], "outputs": ["y"]}


def products(first: tuple[int, ...], second: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    given = {"a": draw.normal(size=first), "b": draw.normal(size=second)}
    types = {name: TensorType(array.shape, "float64") for name, array in given.items()}
    query = Query(graph=decode_graph(GRAPH), kind="evaluate", inputs=types)
    return make_program(query).run(given)["outputs"]["y"], np.vecdot(given["a"], given["b"])


@pytest.mark.parametrize(("first", "second"), [((3,), (3,)), ((2, 1, 3), (4, 3)), ((2, 0), (0,))])
def test_rows_that_fit(first: tuple[int, ...], second: tuple[int, ...]) -> None:
    np.testing.assert_allclose(*products(first, second), rtol=1e-12)


@pytest.mark.parametrize(
    ("first", "second"), [((1, 0), ()), ((), (3,)), ((), ()), ((2, 3), (2, 1)), ((1,), (3,)), ((2,), (3,))]
)
def test_rows_that_do_not_fit_are_refused(first: tuple[int, ...], second: tuple[int, ...]) -> None:
    with pytest.raises(ShapeMismatch, match="rows of as many elements") as caught:
        products(first, second)
    assert str(first) in str(caught.value)
    assert str(second) in str(caught.value)
