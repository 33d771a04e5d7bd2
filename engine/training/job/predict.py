"""What a trained job predicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from engine import dtypes
from engine.arrays.types import Array
from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.errors import UnknownInput, did_you_mean
from engine.frontend.graph import Graph
from engine.queries.compiler import Compiler, make_program
from engine.training.job.spec import TrainingSpec
from engine.training.model.expand import Expansion


def predict(
    trained: TrainingSpec | Expansion,
    parameters: Mapping[str, Array],
    state: Mapping[str, Array],
    inputs: Mapping[str, Array],
    outputs: Sequence[str] | None = None,
    *,
    compiler: Compiler | None = None,
) -> dict[str, Array]:
    """The values of `outputs` (nodes of the predict graph; its own outputs if absent) for given inputs.

    Floating inputs are cast to the dtype of the parameters. Inputs that the outputs do not need may be left
    out. With a compiler the program is kept for the next call. Raises UserError as an evaluation does.
    """
    query, values = prediction(trained, parameters, state, inputs, outputs)
    program = make_program(query) if compiler is None else compiler.compile(query)
    answer: dict[str, Array] = program.run(values)["outputs"]
    return answer


def prediction(
    trained: TrainingSpec | Expansion,
    parameters: Mapping[str, Array],
    state: Mapping[str, Array],
    inputs: Mapping[str, Array],
    outputs: Sequence[str] | None = None,
) -> tuple[Query, dict[str, Array]]:
    """The evaluation that a prediction is, and the values that it takes. Raises UnknownInput."""
    graph = trained.objective.predict if isinstance(trained, TrainingSpec) else trained.predict
    dtype = next(iter(parameters.values())).dtype.name if parameters else dtypes.DEFAULT
    values = {name: array for name, array in {**parameters, **state}.items() if name in graph.inputs}
    free = [name for name in graph.inputs if name not in values]
    for name, array in inputs.items():
        _check(name, free)
        values[name] = _entered(graph, name, np.asarray(array), dtype)
    query = Query(
        graph=graph,
        kind="evaluate",
        inputs={name: TensorType(array.shape, array.dtype.name) for name, array in values.items()},
        outputs=None if outputs is None else tuple(outputs),
    )
    return query, values


def _check(name: str, free: Sequence[str]) -> None:
    if name not in free:
        raise UnknownInput(
            f"there is no input '{name}' to predict from",
            path="$.inputs",
            hint=did_you_mean(name, free) or f"the inputs are {', '.join(free)}",
        )


def _entered(graph: Graph, name: str, array: Array, dtype: str) -> Array:
    """An input in the dtype that the graph declares; floats, and integers for floats, are cast."""
    declared = graph.inputs[name].dtype
    if declared is None:
        return array.astype(dtype) if array.dtype.kind == "f" else array
    integral = (
        dtypes.is_integer(declared) and array.dtype.kind == "f" and bool((array == np.floor(array)).all())
    )
    if dtypes.is_floating(declared) or dtypes.is_integer(array.dtype.name) or integral:
        return array.astype(declared)
    return array
