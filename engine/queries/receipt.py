"""A gradient's receipt: what was differentiated, by what, and how well it stood up to two tests.

Whoever holds a receipt can repeat it: the graph by its id, the types of the inputs, the engine's version, the
walk, the seed of the random directions. The tests are those of `engine.queries.check`, made at the same
point.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.derivatives.query import Query
from engine.errors import InvalidDocument
from engine.queries.check import check, movable
from engine.queries.compiler import Compiler, in_dtype

try:
    ENGINE = version("gradwire-server")
except PackageNotFoundError:  # run from a checkout that is not installed
    ENGINE = "0+unknown"


def receipt(
    query: Query,
    inputs: Mapping[str, npt.NDArray[Any]],
    *,
    seed: int = 0,
    compiler: Compiler | None = None,
    peak_bytes_limit: int | None = None,
) -> dict[str, Any]:
    """The receipt of a gradient query at `inputs`: its tests for its target, or keyed by target for a list.

    Tested are the gradients by floating inputs: a node does not move by itself, nor an integer by a little.

    Raises InvalidDocument for a batch, and what the gradient raises.
    """
    if query.batch:
        raise InvalidDocument(
            "a receipt is of one point, and the question is about a batch of them",
            path="$.receipt",
            hint="ask for the receipt of one row",
        )
    types = in_dtype(query).inputs
    values = {name: np.asarray(value, query.inputs[name].dtype) for name, value in inputs.items()}
    wrt = None if query.wrt is None else [n for n in query.wrt if n in values and movable(types[n])]
    tests = {
        target: check(
            query.graph,
            values,
            target=target,
            wrt=wrt,
            seed=seed,
            dtype=query.dtype,
            optimize=query.optimize,
            exact=query.exact,
            stabilize=query.stabilize,
            compiler=compiler,
            peak_bytes_limit=peak_bytes_limit,
        )
        for target in query.chosen_targets()
    }
    return {
        "graph": query.graph.id,
        "inputs": {n: {"shape": list(types[n].shape), "dtype": types[n].dtype} for n in values},
        "engine": ENGINE,
        "method": "reverse",
        "seed": seed,
        "tests": tests if query.target_list else next(iter(tests.values())),
    }
