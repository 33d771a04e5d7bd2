"""Peaks of every op by itself, its value and both derivatives: within a fifth of what a run then uses.

Samples are small, so each is asked for many times over as a batch; that is another kernel call for few ops
only. The memory that LAPACK takes by itself is not NumPy's to report, and is one matrix of the many.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

from benchmarks._memory import estimated_and_used
from engine import dtypes
from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.frontend.decode import decode_graph
from engine.ir.attributes import parse_attributes, to_json
from engine.ir.op import Op
from engine.ir.samples import Sample
from engine.ir.table import TABLE
from engine.queries.compiler import make_program
from tests.engine.sampling import arrays_of, differentiable

Array = np.ndarray[Any, Any]
ROWS = 25_000
DRAWS = 10_000  # of keys, each with a generator of its own
SLACK = 100_000  # bytes of NumPy's buffers and Python's objects

# What a run takes hangs on the numbers, and the estimate is that of the usual ones.
BY_VALUE = {
    "polygamma": "left of 0 it is reflected",
    "sinc": "its slope is a spherical Bessel function, which SciPy reflects left of 0",
    "spherical_jn": "SciPy reflects it left of 0",
}


CASES = [
    pytest.param(op, [sample for sample in op.samples.cases if sample.inputs], id=op.name)
    for op in TABLE.public()
    if op.name not in BY_VALUE and any(sample.inputs for sample in op.samples.cases)
]


@pytest.mark.slow
@pytest.mark.parametrize(("op", "samples"), CASES)
def test_within_a_fifth(op: Op, samples: list[Sample]) -> None:
    wrong = []
    for sample in samples:
        for kind, query, values, directions in questions(op, sample):
            estimated, used = estimated_and_used(partial(make_program, query), values, directions)
            if abs(estimated - used) > 0.2 * used + SLACK:
                wrong.append((kind, sample, estimated, used))
    assert not wrong, wrong


def questions(op: Op, sample: Sample) -> Iterator[tuple[str, Query, dict[str, Array], Any]]:
    """The value and both products, for many rows of the sample."""
    rows = DRAWS if op.group == "random" else ROWS
    given = arrays_of(op, sample)
    if not all(array.size for array in given):
        return
    names = [f"x{i}" for i in range(len(given))]
    parsed = parse_attributes(sample.attributes, op.attributes)
    attributes = {name: to_json(parsed[name]) for name in sample.attributes}
    node = {"name": "y", "op": op.name, "inputs": names, "attributes": attributes}
    graph = decode_graph({"version": 1, "inputs": {n: {} for n in names}, "nodes": [node], "outputs": ["y"]})
    values = {
        name: np.ascontiguousarray(np.broadcast_to(array, (rows, *array.shape)))
        for name, array in zip(names, given, strict=True)
    }
    types = {name: type_of(array) for name, array in values.items()}
    plain = Query(graph=graph, kind="evaluate", inputs=types, batch=tuple(names))
    yield "value", plain, values, None
    moving = tuple(n for i, n in enumerate(names) if differentiable(op, i, given[i]))
    y = make_program(plain).run(values)["outputs"]["y"]
    if not moving or not dtypes.is_inexact(y.dtype.name):
        return
    asked: dict[str, Any] = {"graph": graph, "inputs": types, "batch": tuple(names), "wrt": moving}
    back = {"y": np.ones_like(y)}
    yield "vjp", Query(kind="vjp", cotangents={"y": type_of(y)}, diagnose="off", **asked), values, back
    ahead = {name: np.ones_like(values[name]) for name in moving}
    tangents = {name: types[name] for name in moving}
    yield "jvp", Query(kind="jvp", tangents=tangents, diagnose="off", **asked), values, ahead


def type_of(array: Array) -> TensorType:
    return TensorType(array.shape, array.dtype.name)
