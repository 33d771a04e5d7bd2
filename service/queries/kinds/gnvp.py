"""The Gauss-Newton matrix J'J times vectors, never formed."""

from __future__ import annotations

from pydantic import Field

from service.queries.kinds.kind import Example, QueryKind
from service.wire.requests import Function, Names, Options, Tensors
from service.wire.responses import Computed, Keyed


class Gnvp(Function, Options):
    """The Gauss-Newton matrix J'J times vectors, never formed."""

    inputs: Tensors | None = Field(None, description="A tensor for every input that the answer needs.")
    vectors: Tensors | None = Field(None, description="A tensor shaped like its input or node.")
    outputs: Names | None = Field(None, description="The residuals; default: all outputs.")
    wrt: Names | None = Field(None, description="If sent, the same names as in `vectors`.")


class GnvpAnswer(Computed):
    """Outputs, and J'J times the vectors."""

    outputs: Keyed
    gnvp: Keyed


KIND = QueryKind(
    name="gnvp",
    position=80,
    summary="The Gauss-Newton matrix J'J times vectors, never formed",
    request=Gnvp,
    response=GnvpAnswer,
    directions="vectors",
    examples=(
        Example(
            "Two residuals",
            body={"program": "r = x ** 2", "inputs": {"x": [1, 2]}, "vectors": {"x": [1, 1]}},
            answer={"outputs": {"r": [1.0, 4.0]}, "gnvp": {"x": [4.0, 16.0]}},
        ),
    ),
)
