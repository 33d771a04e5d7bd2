"""Queries for sparse matrices, run by the engine and compared with the dense matrices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.frontend.program import parse_program
from engine.queries.compiler import Compiler

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(3)
ROSENBROCK = "sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)"
CLOSE: dict[str, Any] = {"rtol": 1e-9, "atol": 1e-11}


def query_of(kind: str, program: str, values: Mapping[str, Any], **choices: Any) -> Query:
    types = {name: TensorType(np.shape(v), np.asarray(v).dtype.name) for name, v in values.items()}
    return Query(graph=parse_program(program, declared=values), kind=kind, inputs=types, **choices)  # type: ignore[arg-type]


def plain(kind: str, program: str, values: Mapping[str, Any], **choices: Any) -> dict[str, Any]:
    """The dense answer by a product for each unit vector."""
    return Compiler().compile(query_of(kind, program, values, optimize=False, **choices)).run(values)


def entries(
    kind: str, program: str, values: Mapping[str, Any], compiler: Compiler | None = None, **choices: Any
) -> tuple[dict[str, Any], Any]:
    query = query_of(kind, program, values, sparse=True, **choices)
    made = (compiler or Compiler()).compile(query, values=values)
    return made.run(values), made


def dense(block: Mapping[str, Any], shape: tuple[int, ...]) -> Array:
    """A block as the dense answer has it; demands order, no entry twice, and the wire's shape."""
    rows, cols, values = block["rows"], block["cols"], block["values"]
    assert (rows.dtype, cols.dtype) == (np.int64, np.int64)
    height, width = block["shape"]
    places = rows * width + cols
    assert (np.diff(places) > 0).all()
    assert not len(places) or (places.min() >= 0 and places.max() < height * width)
    whole = np.zeros((*values.shape[:-1], height * width), values.dtype)
    whole[..., places] = values
    return whole.reshape(shape)


def agree(kind: str, program: str, values: Mapping[str, Any], **choices: Any) -> Any:
    """The sparse answer is the dense one; what made it is answered."""
    expected = plain(kind, program, values, **choices)
    answer, made = entries(kind, program, values, **choices)
    # That a block is zero is told of dense answers; of a sparse one the pattern shows it.
    assert answer.keys() == expected.keys() - {"warnings"}
    for row, blocks in expected[kind].items():
        assert answer[kind][row].keys() == blocks.keys()
        for column, block in blocks.items():
            got = dense(answer[kind][row][column], block.shape)
            assert got.dtype == block.dtype
            np.testing.assert_allclose(got, block, **_close(block.dtype), err_msg=f"{row} by {column}")
    for field in ("outputs", "gradients"):
        for name, value in expected.get(field, {}).items():
            np.testing.assert_allclose(answer[field][name], value, **_close(value.dtype))
    return made


def _close(dtype: Any) -> dict[str, Any]:
    return CLOSE if dtype == np.float64 else {"rtol": 1e-4, "atol": 1e-5}


BUNDLE = """
c = cameras[i]
p = points[j]
depth = c[:, 2] + p[:, 2]
r = (c[:, :2] + p[:, :2] * c[:, 3:]) / expand_dims(depth, -1)
"""


def scene(cameras: int = 4, points: int = 9, seen: int = 25) -> dict[str, Any]:
    return {
        "cameras": RNG.uniform(1, 2, (cameras, 4)),
        "points": RNG.uniform(1, 2, (points, 3)),
        "i": RNG.integers(0, cameras, seen),
        "j": RNG.integers(0, points, seen),
    }
