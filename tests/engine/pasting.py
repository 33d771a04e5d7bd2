"""Programs with mistakes, mended by pasting the hints of their errors until they compute something."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.errors import UserError
from engine.frontend.program import parse_program
from engine.queries.compiler import Compiler

CURE = re.compile(r"write `(.*?)` instead of `(.*?)`", re.DOTALL)
_COMPILER = Compiler()


def computed(program: str, given: Mapping[str, Any]) -> Any:
    """What a program answers; raises UserError."""
    graph = parse_program(program, declared=given)
    arrays = {name: np.asarray(value) for name, value in given.items() if name in graph.inputs}
    types = {name: TensorType(array.shape, array.dtype.name) for name, array in arrays.items()}
    query = Query(graph=graph, kind="evaluate", inputs=types)
    return _COMPILER.compile(query).run(arrays)["outputs"][graph.outputs[0]]


def error_of(program: str, given: Mapping[str, Any]) -> UserError | None:
    """The error that a program earns; None if it computes something."""
    try:
        computed(program, given)
    except UserError as error:
        return error
    return None


def mended(program: str, given: Mapping[str, Any], rounds: int = 6) -> tuple[str, list[UserError]]:
    """The program after its errors' cures were pasted one after the other, and the errors."""
    errors: list[UserError] = []
    for _ in range(rounds):
        error = error_of(program, given)
        if error is None:
            return program, errors
        errors.append(error)
        cure = CURE.search(error.hint or "")
        assert cure, f"{program!r}: {error.detail} | {error.hint}"
        new, old = cure.groups()
        assert old in program, f"{program!r} holds no {old!r}"
        program = program.replace(old, new, 1)
    raise AssertionError(f"no end of errors: {program!r}, {errors[-1].detail} | {errors[-1].hint}")
