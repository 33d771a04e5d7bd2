"""The value of a scalar target and its gradients."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from service.queries.kinds.kind import Example, QueryKind
from service.wire.requests import MASKED_BACKWARD, Function, Names, Options, Tensors
from service.wire.responses import Computed, Entry, Keyed, TensorOut, Warning_


class Gradient(Function, Options):
    """The value of a scalar target and its gradients."""

    inputs: Tensors | None = Field(None, description="A tensor for every input that the answer needs.")
    target: str | Names | None = Field(None, description="What to differentiate; default: the only output.")
    wrt: Names | None = Field(None, description="By what; default: every floating or complex input.")
    unconnected: Literal["null", "zero", "error"] | None = Field(
        None, description="What a gradient that does not exist becomes; default null."
    )
    diagnose: Literal["auto", "full", "off"] | None = Field(
        None, description="When to add `diagnosis`; default auto."
    )
    masked_backward: bool | None = MASKED_BACKWARD
    return_graph: bool | None = Field(
        None, description="Add `graph`: value and gradients as a graph that runs again."
    )
    receipt: bool | None = Field(
        None, description="Add `receipt`: what was differentiated, and how it stood up to the check."
    )


class GradientAnswer(Computed):
    """Value and gradients; keyed by target first if `target` was a list."""

    value: TensorOut | Keyed
    gradients: dict[str, TensorOut | Keyed | None]
    diagnosis: dict[str, Entry | dict[str, Entry]] | None = Field(
        None, description="Entries of gradients that are missing, zero or not finite."
    )
    warnings: list[Warning_] | dict[str, list[Warning_]] | None = Field(
        None, description="Rows that meet a column by accident; with `masked_backward`, where it acted."
    )
    receipt: dict[str, Any] | None = Field(
        None, description="With `receipt`: graph, types, engine, method, seed, and the tests of the check."
    )
    graph: dict[str, Any] | None = Field(None, description="With `return_graph`: the answer as a graph.")


KIND = QueryKind(
    name="gradient",
    position=10,
    summary="The value of a scalar target and its gradients",
    request=Gradient,
    response=GradientAnswer,
    examples=(
        Example(
            "Linear regression",
            body={
                "program": "mean((W * x + b - y) ** 2)",
                "inputs": {"W": [0.5], "b": [0], "x": [[1], [2], [3]], "y": [[2], [4], [6]]},
                "wrt": ["W", "b"],
            },
            answer={"value": 10.5, "gradients": {"W": [-14.0], "b": [-6.0]}},
        ),
    ),
)
