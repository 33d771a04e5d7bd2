"""A request that repeats another with other tensors is answered as if it came first."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.queries.query_request import QueryRequest
from service.queries.runner import QueryRunner, RunOnDevice
from service.wire.problems import Reply

PROGRAMS = ("sum(x * y)", "mean((x @ y) ** 2)", "z = x * 2 + y\nsum(z)")
NUMBER = st.one_of(st.integers(-9, 9), st.floats(-9, 9, allow_nan=False).map(lambda x: round(x, 3)))
VECTOR = st.lists(NUMBER, min_size=1, max_size=3)
TENSOR = st.one_of(
    NUMBER,
    VECTOR,
    st.integers(1, 3).flatmap(
        lambda n: st.lists(st.lists(NUMBER, min_size=n, max_size=n), min_size=1, max_size=3)
    ),
    VECTOR.map(lambda data: {"dtype": "float32", "data": data}),
    st.lists(st.integers(-9, 9), min_size=1, max_size=3).map(lambda data: {"dtype": "int64", "data": data}),
    st.sampled_from([[], "NaN", ["Infinity", 1], [[1, 2], [3]], [True], None, {"dtype": "float64"}, 10**400]),
)
REQUEST = st.fixed_dictionaries(
    {"program": st.sampled_from(PROGRAMS), "inputs": st.fixed_dictionaries({"x": TENSOR, "y": TENSOR})},
    optional={
        "wrt": st.sampled_from([["x"], ["y", "x"], ["w"], []]),
        "dtype": st.sampled_from(["float32", "int64"]),
        "batch": st.sampled_from([["x"], ["x", "y"], []]),
        "unconnected": st.sampled_from(["zero", "null"]),
        "encoding": st.sampled_from(["typed", "json"]),
    },
)


def runner() -> QueryRunner:
    return QueryRunner(max_peak_bytes=1 << 24, graph_cache=8, program_cache=8)


def reply(where: QueryRunner, kind: str, document: Any) -> tuple[int, bytes]:
    answer: Reply | RunOnDevice = where.answer(QueryRequest(kind, json.dumps(document).encode()))
    assert isinstance(answer, Reply)
    return answer.status, bytes(answer.body)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["gradient", "evaluate"]), REQUEST), min_size=2, max_size=6))
def test_what_came_before_changes_no_answer(requests: list[tuple[str, Any]]) -> None:
    shared = runner()
    for kind, fields in requests:
        apart = ("wrt", "unconnected") if kind == "evaluate" else ()
        document = {name: value for name, value in fields.items() if name not in apart}
        assert reply(shared, kind, document) == reply(runner(), kind, document)
        assert reply(shared, kind, document) == reply(runner(), kind, document)


@pytest.mark.parametrize("value", ["1e999", "[1, -1e999]", "[[1, 2], [3, 1e400]]", f"[{'9' * 400}]"])
def test_a_number_beyond_float64_is_refused_in_later_requests_too(value: str) -> None:
    shared = runner()
    assert reply(shared, "gradient", {"program": "sum(x)", "inputs": {"x": [1.0, 2.0]}})[0] == 200
    answer = shared.answer(
        QueryRequest("gradient", f'{{"program": "sum(x)", "inputs": {{"x": {value}}}}}'.encode())
    )
    assert isinstance(answer, Reply)
    problem = json.loads(answer.body)
    assert (answer.status, problem["code"]) == (422, "invalid_tensor")
    assert problem["path"].startswith("$.inputs.x")


def test_repeated_requests_compile_once() -> None:
    shared = runner()
    for number in range(5):
        status, _ = reply(shared, "gradient", {"program": "sum(x ** 2)", "inputs": {"x": [number, 1.5]}})
        assert status == 200
    assert shared.compiler.misses == 1
