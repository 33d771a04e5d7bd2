"""The values of outputs or of named nodes."""

from __future__ import annotations

from pydantic import Field

from service.queries.kinds.kind import Example, QueryKind
from service.wire.requests import Function, Names, Options, Tensors
from service.wire.responses import Computed, Keyed


class Evaluate(Function, Options):
    """Values of outputs or of named nodes."""

    inputs: Tensors | None = Field(None, description="A tensor for every input that the answer needs.")
    outputs: Names | None = Field(None, description="Outputs or nodes to answer; default: all outputs.")


class EvaluateAnswer(Computed):
    """Values by name."""

    outputs: Keyed


KIND = QueryKind(
    name="evaluate",
    position=20,
    summary="The values of outputs or of named nodes",
    request=Evaluate,
    response=EvaluateAnswer,
    examples=(
        Example(
            "A square",
            body={"program": "y = x ** 2", "inputs": {"x": [1, 2]}, "outputs": ["y"]},
            answer={"outputs": {"y": [1.0, 4.0]}},
        ),
    ),
)
