"""A gradient's receipt: what was differentiated, by what, and how well it stood up to two tests.

Whoever holds a receipt can repeat it: the graph by its id, the types of the inputs, the engine's version, the
walk, the seed of the random directions. The tests are those of `engine.check`, made at the same point.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import numpy.typing as npt

from engine import dtypes
from engine.check import check
from engine.compiler import Compiler, constants_in
from engine.errors import InvalidDocument
from engine.query import Query

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

    Raises InvalidDocument for a batch, and what the gradient raises.
    """
    if query.batch:
        raise InvalidDocument(
            "a receipt is of one point, and the question is about a batch of them",
            path="$.receipt",
            hint="ask for the receipt of one row",
        )
    graph = query.graph if query.dtype is None else constants_in(query.graph, query.dtype)
    given = {name: np.asarray(value, _dtype(query, name)) for name, value in inputs.items()}
    tests = {
        target: check(
            graph,
            given,
            target=target,
            wrt=query.wrt,
            seed=seed,
            stabilize=query.stabilize,
            compiler=compiler,
            peak_bytes_limit=peak_bytes_limit,
        )
        for target in query.chosen_targets()
    }
    return {
        "graph": query.graph.id,
        "inputs": {n: {"shape": list(v.shape), "dtype": v.dtype.name} for n, v in given.items()},
        "engine": ENGINE,
        "method": "reverse",
        "seed": seed,
        "tests": tests if query.target_list else next(iter(tests.values())),
    }


def _dtype(query: Query, name: str) -> str:
    """The dtype in which an input is computed with."""
    own = query.inputs[name].dtype
    return own if query.dtype is None else dtypes.in_precision(own, query.dtype)
