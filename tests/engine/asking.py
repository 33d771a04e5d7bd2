"""Queries to the engine about programs and graphs, without a server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.frontend.graph import Graph
from engine.frontend.program import parse_program
from engine.queries.compiler import Compiler

_DIRECTIONS = {"vjp": "cotangents", "jvp": "tangents"}


def types(values: Mapping[str, Any]) -> dict[str, TensorType]:
    """The shape and dtype of every array or number."""
    return {name: TensorType(np.shape(v), np.asarray(v).dtype.name) for name, v in values.items()}


def ask(
    kind: str,
    function: str | Graph,
    values: Mapping[str, Any],
    directions: Mapping[str, Any] | None = None,
    **choices: Any,
) -> dict[str, Any]:
    """The answer to one query; plain integers count as float64, and `directions` are what `kind` takes."""
    arrays = {name: np.asarray(v) for name, v in values.items()}
    arrays = {name: v.astype(float) if v.dtype.kind == "i" else v for name, v in arrays.items()}
    if directions is not None:
        directions = {name: np.asarray(v) for name, v in directions.items()}
        choices[_DIRECTIONS.get(kind, "vectors")] = types(directions)
    graph = parse_program(function) if isinstance(function, str) else function
    query = Query(graph=graph, kind=kind, inputs=types(arrays), **choices)  # type: ignore[arg-type]
    answer: dict[str, Any] = Compiler().compile(query).run(arrays, directions)
    return answer
