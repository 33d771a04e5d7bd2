"""Random calls of random ops: arrays of any shape and dtype, attributes of the right kind and any value."""

import random
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.frontend.decode import decode_graph
from engine.frontend.record import record
from engine.ir.attributes import REQUIRED, Kind
from engine.ir.op import Op
from engine.queries.compiler import Compiler

SHAPES = [(), (0,), (1,), (3,), (2, 3), (3, 3), (2, 0), (3, 1), (2, 3, 4), (1, 1, 1)]
DTYPES = ["float64", "float32", "int64", "bool", "complex128", "uint8", "float16", "int8"]
WHOLE = [0, 1, -1, 2, 3, 5, -7, 10**6]
NUMBERS = [0, 1, -1, 0.5, 2.5, "NaN", "Infinity", 1e300]
LISTS = [[], [0], [1], [2, 3], [-1], [0, 1], [3, 3], [1, -1], 1, -1, 3]
EQUATIONS = ["ij,jk->ik", "i,i", "ii->i", "i->", "...i,...i", "ij", "->", "a", "ij->ji", "i,j->ji", "iii"]
INDICES: list[Any] = [
    [0],
    ["..."],
    [None],
    [{"start": 1}],
    [[0, 1]],
    [[True, False]],
    [{"input": 1}],
    [],
    [-1],
]
INDICES += [[{"start": None, "stop": None, "step": -1}]]
VALUES: dict[str, list[Any]] = {
    **dict.fromkeys(("int", "axis"), WHOLE),
    **dict.fromkeys(("axes", "shape", "ints", "new_shape"), LISTS),
    "size": [0, 1, 2, 3, 7],
    "number": NUMBERS,
    "bool": [True, False],
    "pairs": [[[0, 0]], [[1, 1], [0, 2]], [], [[-1, 1]]],
    "sections": [1, 2, 3, [1], [0, 2], [-1]],
    "contraction": [0, 1, 2, [[0], [0]], [[1], [0]], [[-1], [5]]],
    "dtype": DTYPES,
    "text": EQUATIONS,
    "order": ["fro", "nuc", 1, 2, 0, -1, "Infinity", 0.5],
    "index": INDICES,
    "function": ["f"],
    "padding": ["valid", "same", "causal", 0, 1, [1], [1, 0], [[0, 1]], [[1, 1], [2, 0]], -1, "full"],
    "steps": [1, 2, 3, [1], [2, 1], [], 0, -1],
}
IDENTITY = {"inputs": ["a"], "nodes": [], "outputs": ["a"]}


@dataclass(frozen=True)
class Call:
    """One op on some arrays; `operands` are their names, or bare numbers in their place."""

    op: str
    operands: list[Any]
    attributes: dict[str, Any]
    arrays: dict[str, Any]
    kind: Any = "evaluate"

    def __str__(self) -> str:
        given = {name: f"{a.dtype}{list(a.shape)}" for name, a in self.arrays.items()}
        return f"{self.kind} {self.op}{self.operands} {self.attributes} of {given}"


def random_call(rng: random.Random, ops: list[Op]) -> Call:
    op = rng.choice(ops)
    count = len(op.inputs)
    if op.variadic:
        count = max(0, count - 1 + rng.choice([0, 1, 2, 3]))
    alike, shape, dtype = rng.random() < 0.5, rng.choice(SHAPES), rng.choice(DTYPES[:4])
    arrays = {}
    for i in range(count):
        own = shape if alike else rng.choice(SHAPES)
        drawn = np.random.default_rng(rng.getrandbits(32)).normal(size=own, scale=2 * (rng.random() < 0.8))
        with np.errstate(all="ignore"):
            arrays[f"x{i}"] = drawn.astype(dtype if rng.random() < 0.7 else rng.choice(DTYPES))
    operands = [name if rng.random() < 0.9 else rng.choice([0, 1.5, True, 2]) for name in arrays]
    attributes = {
        a.name: rng.choice(values_of(a.kind))
        for a in op.attributes
        if a.default is REQUIRED or rng.random() < 0.6
    }
    return Call(op.name, operands, attributes, arrays, rng.choice(["evaluate", "gradient"]))


def values_of(kind: Kind) -> list[Any]:
    return list(kind.schema["enum"]) if kind.name == "choice" else VALUES[kind.name]


def play(call: Call) -> None:
    """Ask for the value or the gradient; the answer's types are those that were inferred."""
    y = {"name": "y", "op": call.op, "inputs": call.operands, "attributes": call.attributes}
    total = {"name": "total", "op": "sum", "inputs": ["y"]}
    graph = decode_graph(
        {
            "inputs": {name: {} for name in call.arrays},
            "nodes": [y, total],
            "outputs": ["total"],
            "functions": {"f": IDENTITY},
        }
    )
    types = {name: TensorType(a.shape, a.dtype.name) for name, a in call.arrays.items()}
    outputs = ("y",) if call.kind == "evaluate" else None
    query = Query(graph=graph, kind=call.kind, inputs=types, outputs=outputs)
    answer = Compiler().compile(query, peak_bytes_limit=100_000_000).run(call.arrays)
    if call.kind == "evaluate":
        recording = record(graph, types, ["y"])
        inferred, value = recording.tape.types[recording.slot("y")], answer["outputs"]["y"]
        assert (value.shape, value.dtype.name) == (inferred.shape, inferred.dtype), str(call)
    else:
        for name, gradient in answer["gradients"].items():
            assert gradient is None or gradient.shape == call.arrays[name].shape, str(call)
