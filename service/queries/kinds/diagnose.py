"""Why each gradient is what it is."""

from __future__ import annotations

from pydantic import Field

from service.queries.kinds.kind import Example, QueryKind
from service.wire.requests import MASKED_BACKWARD, Function, Names, Options, Tensors
from service.wire.responses import Computed, Entry, TensorOut


class Diagnose(Function, Options):
    """Why each gradient is what it is."""

    inputs: Tensors | None = Field(None, description="A tensor for every input that the answer needs.")
    target: str | None = Field(None, description="What to differentiate; default: the only output.")
    wrt: Names | None = Field(None, description="By what; default: every input that is used or declared.")
    masked_backward: bool | None = MASKED_BACKWARD


class DiagnoseAnswer(Computed):
    """A status per variable, with reasons and cures."""

    value: TensorOut
    variables: dict[str, Entry]


_EXAMPLES = (
    Example(
        "Rounding cuts the path",
        body={
            "program": "loss = mean((round(w * x) - y) ** 2)",
            "inputs": {"w": 1.3, "x": [1, 2], "y": [1, 2]},
            "target": "loss",
            "wrt": ["w"],
        },
        answer={
            "value": 0.5,
            "variables": {
                "w": {
                    "status": "blocked",
                    "reason": "nondifferentiable",
                    "culprits": [
                        {
                            "node": "round_1",
                            "op": "round",
                            "input": 0,
                            "elements": [[0], [1]],
                            "count": 2,
                            "reason": "nondifferentiable",
                            "evidence": {},
                            "source": {"line": 1, "column": 13, "text": "round(w * x)"},
                        }
                    ],
                    "path": ["w", "multiply_1", "round_1", "subtract_1", "pow_1", "loss"],
                    "message": "No gradient flows from 'w' to 'loss': every path is cut by round "
                    "at 'round_1' (round is piecewise constant).",
                    "fix": "Write w * x + stop_gradient(round(w * x) - w * x) for round(w * x): the value "
                    "is the same, and the gradient passes straight through.",
                    "warnings": [],
                    "stats": {
                        "shape": [],
                        "min": None,
                        "max": None,
                        "norm": None,
                        "zeros": None,
                        "nonfinite": None,
                    },
                }
            },
        },
    ),
)

KIND = QueryKind(
    name="diagnose",
    position=90,
    summary="Why each gradient is what it is",
    request=Diagnose,
    response=DiagnoseAnswer,
    examples=_EXAMPLES,
)
