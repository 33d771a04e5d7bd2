"""What an eval's function is: inputs are prepared, a call is timed, an output is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from engine import Compiler, Query, TensorType, parse_program

Json = Mapping[str, Any]
Arrays = dict[str, np.ndarray[Any, Any]]

_compiler = Compiler()


@dataclass(frozen=True)
class Prepared:
    """A function with its inputs: `run` is timed, `write` makes JSON of what it returns."""

    run: Callable[[], Any]
    write: Callable[[Any], Any]


Function = Callable[[Json], Prepared]


def compiled(kind: Any, program: str, values: Arrays, **choices: Any) -> Callable[[], Any]:
    """A call of the engine on these values; what is compiled for their shapes is kept."""
    vectors = choices.pop("vectors", None)
    types = {name: TensorType(value.shape, value.dtype.name) for name, value in values.items()}
    if vectors is not None:
        choices["vectors"] = {n: TensorType(v.shape, v.dtype.name) for n, v in vectors.items()}
    query = Query(graph=parse_program(program), kind=kind, inputs=types, **choices)
    ready = _compiler.compile(query, values=values)
    return partial(ready.run, values, vectors)


def value_of(program: str, values: Arrays, target: str = "loss") -> Prepared:
    """The value of one output."""
    call = compiled("evaluate", program, values, outputs=(target,))
    return Prepared(call, lambda found: np.asarray(found["outputs"][target]).tolist())


def gradient_of(program: str, values: Arrays, by: str, target: str = "loss") -> Prepared:
    """The gradient of a number by one input."""
    call = compiled("gradient", program, values, targets=(target,), wrt=(by,))
    return Prepared(call, lambda found: np.asarray(found["gradients"][by]).tolist())


def floats(value: Any) -> np.ndarray[Any, Any]:
    """Numbers of an input as an array."""
    return np.asarray(value, np.float64)
