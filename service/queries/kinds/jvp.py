"""Tangents pushed forward to the outputs."""

from __future__ import annotations

from pydantic import Field

from service.queries.kinds.kind import Example, QueryKind
from service.wire.requests import Function, Names, Options, Tensors
from service.wire.responses import Computed, Keyed


class Jvp(Function, Options):
    """Tangents pushed forward to the outputs."""

    inputs: Tensors | None = Field(None, description="A tensor for every input that the answer needs.")
    tangents: Tensors | None = Field(
        None, description="A tensor shaped like its input or node; what is left out stays still."
    )
    outputs: Names | None = Field(None, description="Outputs or nodes to answer; default: all outputs.")
    wrt: Names | None = Field(None, description="If sent, the same names as in `tangents`.")


class JvpAnswer(Computed):
    """Outputs, and how they move along the tangents."""

    outputs: Keyed
    jvp: Keyed


KIND = QueryKind(
    name="jvp",
    position=40,
    summary="Tangents pushed forward to the outputs",
    request=Jvp,
    response=JvpAnswer,
    directions="tangents",
    examples=(
        Example(
            "One tangent",
            body={"program": "x ** 2", "inputs": {"x": [1, 2]}, "tangents": {"x": [1, 0]}},
            answer={"outputs": {"result": [1.0, 4.0]}, "jvp": {"result": [2.0, 0.0]}},
        ),
    ),
)
