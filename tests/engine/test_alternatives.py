"""The hint of a query over the memory limit: the proposal is accepted and needs what the hint says."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.errors import OverLimit
from engine.frontend.program import parse_program
from engine.queries.compiler import Compiler

N = 2000


def asked(program: str, kind: Any, size: int = N, **more: Any) -> Query:
    graph = parse_program(program)
    return Query(graph=graph, kind=kind, inputs={"x": TensorType((size,))}, **more)


def refused(query: Query, limit: int) -> OverLimit:
    with pytest.raises(OverLimit) as caught:
        Compiler().compile(query, peak_bytes_limit=limit)
    return caught.value


def told(error: OverLimit, words: str) -> int:
    """The bytes that the hint names after `words`."""
    match = re.search(re.escape(words) + r".*?([\d,]+) bytes", str(error.hint))
    assert match, error.hint
    return int(match[1].replace(",", ""))


@pytest.mark.parametrize(
    ("program", "kind"),
    [
        ("sum(x ** 3)", "hessian"),
        ("sum((x[1:] - x[:-1] ** 2) ** 2)", "hessian"),
        ("x[1:] * x[:-1]", "jacobian"),
    ],
)
def test_a_sparse_matrix_is_proposed_with_what_it_takes(program: str, kind: str) -> None:
    query, limit = asked(program, kind), 2_000_000
    taken = told(refused(query, limit), '"sparse": true')
    sparse = Compiler().compile(replace(query, sparse=True), peak_bytes_limit=limit)
    assert sparse.estimate.peak_bytes == taken
    x = np.linspace(0.5, 1.5, N)
    assert next(iter(next(iter(sparse.run({"x": x})[kind].values())).values()))["values"].size >= N - 1


def test_products_are_proposed_where_nothing_is_sparse() -> None:
    query, limit = asked("sum(x) ** 3 * sum(x ** 2)", "hessian"), 2_000_000
    error = refused(query, limit)
    assert "sparse" not in str(error.hint)
    product = replace(query, kind="hvp", vectors={"x": TensorType((N,))})
    taken = told(error, "hvp")
    assert Compiler().compile(product, peak_bytes_limit=limit).estimate.peak_bytes == taken


def test_a_jacobian_that_is_full_has_its_products() -> None:
    query, limit = asked("x / sum(x)", "jacobian"), 2_000_000
    taken = told(refused(query, limit), "jvp")
    product = replace(query, kind="jvp", tangents={"x": TensorType((N,))})
    assert Compiler().compile(product, peak_bytes_limit=limit).estimate.peak_bytes == taken


def test_single_precision_is_proposed_if_it_fits() -> None:
    query = asked("exp(x) * sin(x)", "evaluate", 100_000)
    whole = Compiler().compile(query).estimate.peak_bytes
    taken = told(refused(query, whole * 3 // 4), "float32")
    narrow = Compiler().compile(replace(query, dtype="float32"), peak_bytes_limit=whole * 3 // 4)
    assert narrow.estimate.peak_bytes == taken
    assert "float32" not in str(refused(query, whole // 4).hint)


def test_rows_are_sent_in_parts() -> None:
    graph = parse_program("sum(sin(outer(x, x)))")
    query = Query(graph=graph, kind="gradient", inputs={"x": TensorType((64, 100))}, batch=("x",))
    limit = Compiler().compile(query).estimate.peak_bytes // 5
    error = refused(query, limit)
    match = re.search(r"at most (\d+) rows", str(error.hint))
    assert match, error.hint
    part = replace(query, inputs={"x": TensorType((int(match[1]), 100))})
    assert Compiler().compile(part, peak_bytes_limit=limit).estimate.peak_bytes == told(error, "rows at once")


def test_without_an_alternative_the_hint_is_general() -> None:
    assert "smaller tensors" in str(refused(asked("outer(x, x)", "evaluate"), 1000).hint)


PETABYTE = 2**47  # elements of 8 bytes


@pytest.mark.parametrize(
    ("program", "kind", "size"),
    [
        ("sum(x)", "gradient", PETABYTE),
        ("sum(x ** 2)", "hessian", PETABYTE),
        ("x[1:] * x[:-1]", "jacobian", PETABYTE),
        ("sum(x ** 3)", "hessian", 2**20),
    ],
)
def test_a_refusal_compiles_little_besides(
    program: str, kind: Any, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot fit by its inputs is not compiled, and no pattern of many elements is looked for."""
    compiled: list[Query] = []
    compile = Compiler._compile

    def counted(self: Compiler, query: Query, *rest: Any) -> Any:
        compiled.append(query)
        return compile(self, query, *rest)

    monkeypatch.setattr(Compiler, "_compile", counted)
    refused(asked(program, kind, size), 2 << 30)
    assert len(compiled) <= 2
    assert not any(query.sparse for query in compiled)


def test_what_is_not_tried_is_said() -> None:
    hint = str(refused(asked("sum(x ** 3)", "hessian", 2**20), 2 << 30).hint)
    assert 'it was not tried whether "sparse": true would fit' in hint
    assert told(refused(asked("sum(x ** 3)", "hessian", 2**20), 2 << 30), "hvp")
