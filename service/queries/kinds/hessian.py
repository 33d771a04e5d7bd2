"""The second derivatives of a scalar target."""

from __future__ import annotations

from pydantic import Field

from service.queries.kinds.kind import Example, QueryKind
from service.wire.requests import Function, Names, Options, Tensors
from service.wire.responses import Blocks, Computed, Keyed, TensorOut


class Hessian(Function, Options):
    """The second derivatives of a scalar target."""

    inputs: Tensors | None = Field(None, description="A tensor for every input that the answer needs.")
    target: str | None = Field(None, description="What to differentiate; default: the only output.")
    wrt: Names | None = Field(None, description="By what; default: every floating or complex input.")
    sparse: bool | None = Field(None, description="Answer entries with their places instead of whole blocks.")


class HessianAnswer(Computed):
    """Value, gradients, and by two variables a block of shape a.shape + b.shape, or its entries."""

    value: TensorOut
    gradients: Keyed
    hessian: Blocks


_EXAMPLES = (
    Example(
        "A sum of cubes",
        body={"program": "sum(x ** 3)", "inputs": {"x": [1, 2]}},
        answer={
            "value": 9.0,
            "gradients": {"x": [3.0, 12.0]},
            "hessian": {"x": {"x": [[6.0, 0.0], [0.0, 12.0]]}},
        },
    ),
    Example(
        "A diagonal, as entries",
        body={
            "program": "sum(a * x ** 2)",
            "inputs": {"a": 2, "x": [1, 3]},
            "wrt": ["x"],
            "sparse": True,
        },
        answer={
            "value": 20.0,
            "gradients": {"x": [4.0, 12.0]},
            "hessian": {"x": {"x": {"rows": [0, 1], "cols": [0, 1], "values": [4.0, 4.0], "shape": [2, 2]}}},
        },
    ),
)

KIND = QueryKind(
    name="hessian",
    position=60,
    summary="The second derivatives of a scalar target",
    request=Hessian,
    response=HessianAnswer,
    first_tier="thread",
    examples=_EXAMPLES,
)
