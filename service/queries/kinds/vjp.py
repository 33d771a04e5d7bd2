"""Cotangents pulled back to the inputs."""

from __future__ import annotations

from pydantic import Field

from service.queries.kinds.kind import Example, QueryKind
from service.wire.requests import Function, Names, Options, Tensors
from service.wire.responses import Computed, Keyed


class Vjp(Function, Options):
    """Cotangents pulled back to the inputs."""

    inputs: Tensors | None = Field(None, description="A tensor for every input that the answer needs.")
    cotangents: Tensors | None = Field(
        None, description="A tensor shaped like its output; a missing one is zero."
    )
    cotangent_batch: bool | None = Field(
        None, description="Every cotangent has a leading axis of K, and so has every answered vjp."
    )
    outputs: Names | None = Field(None, description="Outputs to answer; default: the keys of `cotangents`.")
    wrt: Names | None = Field(None, description="By what; default: every floating or complex input.")


class VjpAnswer(Computed):
    """Outputs, and the cotangents pulled back to the inputs."""

    outputs: Keyed
    vjp: Keyed


KIND = QueryKind(
    name="vjp",
    position=30,
    summary="Cotangents pulled back to the inputs",
    request=Vjp,
    response=VjpAnswer,
    directions="cotangents",
    examples=(
        Example(
            "One cotangent",
            body={"program": "y = x ** 2", "inputs": {"x": [1, 2]}, "cotangents": {"y": [1, 10]}},
            answer={"outputs": {"y": [1.0, 4.0]}, "vjp": {"x": [2.0, 40.0]}},
        ),
    ),
)
