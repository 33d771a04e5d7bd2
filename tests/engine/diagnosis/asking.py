"""Queries to the engine without a server: arrays by name, a program, and the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.frontend.program import parse_program
from engine.queries.compiler import Compiler


def arrays_of(inputs: Mapping[str, Any], dtype: str = "float64") -> dict[str, np.ndarray]:
    """Floating arrays, and others where an input is given as {dtype: values}."""
    arrays = {}
    for name, value in inputs.items():
        if isinstance(value, Mapping):
            ((own, values),) = value.items()
            arrays[name] = np.asarray(values, own)
        else:
            arrays[name] = np.asarray(value, dtype)
    return arrays


def ask(
    program: str,
    inputs: Mapping[str, Any],
    *,
    kind: str = "diagnose",
    target: str | None = None,
    dtype: str = "float64",
    heads: tuple[str, ...] = (),
    **choices: Any,
) -> dict[str, Any]:
    """The answer to one question about a program; `heads` are its outputs, where they are several."""
    arrays = arrays_of(inputs, dtype)
    graph = parse_program(program, declared={name: {} for name in arrays})
    query = Query(
        graph=replace(graph, outputs=heads) if heads else graph,
        kind=kind,
        inputs={name: TensorType(array.shape, array.dtype.name) for name, array in arrays.items()},
        targets=None if target is None else (target,),
        **choices,
    )
    return Compiler().compile(query).run(arrays)


def explain(program: str, inputs: Mapping[str, Any], name: str, **choices: Any) -> dict[str, Any]:
    """The diagnosis of one variable."""
    return ask(program, inputs, wrt=(name,), **choices)["variables"][name]
