"""A Hessian times vectors, never formed."""

from __future__ import annotations

from pydantic import Field

from service.queries.kinds.kind import Example, QueryKind
from service.wire.requests import Function, Names, Options, Tensors
from service.wire.responses import Computed, Keyed, TensorOut


class Hvp(Function, Options):
    """A Hessian times vectors, never formed."""

    inputs: Tensors | None = Field(None, description="A tensor for every input that the answer needs.")
    target: str | None = Field(None, description="What to differentiate; default: the only output.")
    vectors: Tensors | None = Field(None, description="A tensor shaped like its input or node.")
    wrt: Names | None = Field(None, description="If sent, the same names as in `vectors`.")


class HvpAnswer(Computed):
    """Value, gradients, and the Hessian times the vectors."""

    value: TensorOut
    gradients: Keyed
    hvp: Keyed


KIND = QueryKind(
    name="hvp",
    position=70,
    summary="A Hessian times vectors, never formed",
    request=Hvp,
    response=HvpAnswer,
    directions="vectors",
    examples=(
        Example(
            "A sum of cubes along one direction",
            body={"program": "sum(x ** 3)", "inputs": {"x": [1, 2]}, "vectors": {"x": [1, 1]}},
            answer={"value": 9.0, "gradients": {"x": [3.0, 12.0]}, "hvp": {"x": [6.0, 12.0]}},
        ),
    ),
)
