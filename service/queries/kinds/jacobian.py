"""The derivative of every output element by every input element."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from service.queries.kinds.kind import Example, QueryKind
from service.wire.requests import Function, Names, Options, Tensors
from service.wire.responses import Blocks, Computed, Keyed


class Jacobian(Function, Options):
    """The derivative of every output element by every input element."""

    inputs: Tensors | None = Field(None, description="A tensor for every input that the answer needs.")
    outputs: Names | None = Field(None, description="Outputs or nodes; default: all outputs.")
    wrt: Names | None = Field(None, description="By what; default: every floating or complex input.")
    method: Literal["auto", "forward", "reverse"] | None = Field(
        None, description="Default auto: the cheaper one, by the estimate."
    )
    sparse: bool | None = Field(None, description="Answer entries with their places instead of whole blocks.")


class JacobianAnswer(Computed):
    """Outputs, and by output and variable a block of shape out.shape + in.shape, or its entries."""

    outputs: Keyed
    jacobian: Blocks
    method: Literal["forward", "reverse"]


KIND = QueryKind(
    name="jacobian",
    position=50,
    summary="The derivative of every output element by every input element",
    request=Jacobian,
    response=JacobianAnswer,
    first_tier="thread",
    examples=(
        Example(
            "A diagonal",
            body={"program": "y = x ** 2", "inputs": {"x": [1, 2]}, "method": "auto"},
            answer={
                "outputs": {"y": [1.0, 4.0]},
                "jacobian": {"y": {"x": [[2.0, 0.0], [0.0, 4.0]]}},
                "method": "reverse",
            },
        ),
        Example(
            "Entries and their places",
            body={"program": "y = x[1:] * x[:-1]", "inputs": {"x": [1, 2, 3]}, "sparse": True},
            answer={
                "outputs": {"y": [2.0, 6.0]},
                "jacobian": {
                    "y": {
                        "x": {
                            "rows": [0, 0, 1, 1],
                            "cols": [0, 1, 1, 2],
                            "values": [2.0, 1.0, 3.0, 2.0],
                            "shape": [2, 3],
                        }
                    }
                },
                "method": "reverse",
            },
        ),
    ),
)
