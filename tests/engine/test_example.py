"""The example of every op is a request that works."""

from __future__ import annotations

import pytest

import engine.ops  # noqa: F401  # fills the table
from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.frontend.decode import decode_graph
from engine.frontend.tensors import decode_tensor
from engine.ir.op import Op
from engine.ir.table import TABLE
from engine.ops.describe import describe
from engine.queries.compiler import Compiler

SAMPLED = [op for op in TABLE.public() if op.samples.cases]


@pytest.mark.parametrize("op", SAMPLED, ids=lambda op: op.name)
def test_the_example_can_be_evaluated(op: Op) -> None:
    example = describe(op, full=True)["example"]
    graph = decode_graph(example["graph"])
    given = {
        name: decode_tensor(value, path=f"$.inputs.{name}").array for name, value in example["inputs"].items()
    }
    types = {name: TensorType(array.shape, array.dtype.name) for name, array in given.items()}
    answer = Compiler().compile(Query(graph=graph, kind="evaluate", inputs=types)).run(given)
    assert set(answer["outputs"]) == set(example["graph"]["outputs"])


def test_ops_that_take_functions_have_none() -> None:
    without = {op.name for op in TABLE.public() if describe(op, full=True)["example"] is None}
    assert without == {op.name for op in TABLE.public() if op.rules.functions is not None}
