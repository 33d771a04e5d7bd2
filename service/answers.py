"""The shapes of answers, for OpenAPI and for the tests that hold the server to it.

Answers are written by `encoding.py` from the engine's trees, never through these models.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

OUT_TENSOR_SCHEMA: dict[str, Any] = {"x-schema": "TensorOut"}

TensorOut = Annotated[Any, WithJsonSchema(OUT_TENSOR_SCHEMA)]
Keyed = dict[str, TensorOut]


class Answer(BaseModel):
    """What every answer shares: no field beyond the documented ones."""

    model_config = ConfigDict(extra="forbid")


class Source(Answer):
    """Where in the program a node was written; line from 1, column from 0."""

    line: int
    column: int
    text: str


class Culprit(Answer):
    """A node that cuts or spoils the gradient."""

    node: str
    op: str
    input: int | None
    elements: list[list[int]]
    count: int | None
    reason: str
    evidence: dict[str, Any]
    source: Source | str | None


class Warning_(Answer):
    """Something to know about a gradient that exists."""

    model_config = ConfigDict(extra="forbid", title="Warning")

    code: str
    node: str | None
    message: str


class Stats(Answer):
    """Figures of a gradient; null where there is none."""

    shape: list[int] | None
    min: float | str | None
    max: float | str | None
    norm: float | str | None
    zeros: int | None
    nonfinite: int | None


class Entry(Answer):
    """The diagnosis of one variable."""

    status: Literal[
        "invalid_target", "integer", "disconnected", "stopped", "blocked", "nan", "inf", "zero", "ok"
    ]
    reason: str | None
    culprits: list[Culprit]
    path: list[str]
    message: str
    fix: str | None
    warnings: list[Warning_]
    stats: Stats


class EvaluateAnswer(Answer):
    """Values by name."""

    outputs: Keyed


class GradientAnswer(Answer):
    """Value and gradients; keyed by target first where `target` was a list."""

    value: TensorOut | Keyed
    gradients: dict[str, TensorOut | Keyed | None]
    diagnosis: dict[str, Entry | dict[str, Entry]] | None = Field(
        None, description="Entries of gradients that are missing, zero or not finite."
    )


class VjpAnswer(Answer):
    """Outputs, and the cotangents pulled back to the inputs."""

    outputs: Keyed
    vjp: dict[str, TensorOut | None]
    diagnosis: dict[str, Entry] | None = None


class DiagnoseAnswer(Answer):
    """A status per variable, with reasons and cures."""

    value: TensorOut
    variables: dict[str, Entry]


class InputDeclaration(Answer):
    """What a graph declares of an input."""

    shape: list[int | None] | None = None
    dtype: str | None = None


class GraphSummary(Answer):
    """A published graph."""

    id: str
    inputs: dict[str, InputDeclaration]
    outputs: list[str]
    nodes: int


class GraphAnswer(GraphSummary):
    """A published graph with its canonical document."""

    graph: dict[str, Any]


class GraphPage(Answer):
    """A page of published graphs, oldest first."""

    graphs: list[GraphSummary]
    next_cursor: str | None


class OpList(Answer):
    """Every op."""

    count: int
    ops: list[dict[str, Any]]


class Health(Answer):
    """The process lives."""

    status: Literal["ok"]
    version: str


class Readiness(Answer):
    """Whether calls can be served, and each part's state."""

    status: Literal["ready", "not_ready"]
    checks: dict[str, str]
    devices: list[str]


class ProblemDocument(Answer):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    path: str | None
    node: str | None
    op: str | None
    hint: str | None
    source: Source | str | None
    estimate: dict[str, Any] | None


class ProblemKind(Answer):
    """What a code means and what to do about it."""

    code: str
    status: int
    title: str
    cure: str
