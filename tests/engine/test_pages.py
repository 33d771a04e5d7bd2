"""The page on programs shows what the engine computes and refuses, and both pages state its limits."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.errors import SyntaxFault, UnknownOp
from engine.frontend.function_checks import MAX_DEPTH
from engine.frontend.graph import MAX_NODES, Graph
from engine.frontend.program import parse_program
from engine.frontend.program import text as limits
from engine.frontend.tensors import decode_tensor, encode_tensor
from engine.queries.compiler import Compiler

DOCS = Path(__file__).parents[2] / "docs"
PROGRAMS = (DOCS / "programs.md").read_text()
GRAPHS = (DOCS / "graphs.md").read_text()
CALLS = re.findall(r"^(evaluate|gradient) (\{.*\}) → (\{.*\})$", PROGRAMS, flags=re.MULTILINE)
REFUSED = re.findall(r"^\| (`.*`.*) \| .* \|$", PROGRAMS.partition("## What is not")[2], flags=re.MULTILINE)


def answer(kind: Any, graph: Graph, request: dict[str, Any]) -> Any:
    tensors = {name: decode_tensor(value, path=name) for name, value in request.get("inputs", {}).items()}
    types = {name: TensorType(t.array.shape, t.array.dtype.name, t.weak) for name, t in tensors.items()}
    outputs = tuple(request["outputs"]) if "outputs" in request else None
    program = Compiler().compile(Query(graph=graph, kind=kind, inputs=types, outputs=outputs))
    return encoded(program.run({name: tensor.array for name, tensor in tensors.items()}))


def encoded(value: Any) -> Any:
    return {k: encoded(v) for k, v in value.items()} if isinstance(value, dict) else encode_tensor(value)


@pytest.mark.parametrize(("kind", "request_text", "expected"), CALLS)
def test_examples_of_programs(kind: str, request_text: str, expected: str) -> None:
    request = json.loads(request_text)
    graph = parse_program(request["program"], declared=request.get("inputs"))
    assert answer(kind, graph, request) == json.loads(expected)


@pytest.mark.parametrize("code", [code for row in REFUSED for code in re.findall(r"`([^`]*)`", row)])
def test_what_the_page_says_is_not_in_the_language(code: str) -> None:
    with pytest.raises((SyntaxFault, UnknownOp)) as refused:
        parse_program(code)
    assert refused.value.hint


def test_the_pages_state_the_limits() -> None:
    stated = PROGRAMS.partition("## Limits")[2]
    for limit in (limits.MAX_LENGTH, limits.MAX_TOKENS, limits.MAX_DEPTH, limits.MAX_CHAIN, MAX_DEPTH):
        assert f"{limit:,} " in stated
    assert f"{MAX_NODES:,} nodes" in GRAPHS
    assert f"{MAX_DEPTH} deep" in GRAPHS
