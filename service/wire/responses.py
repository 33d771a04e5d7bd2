"""What responses share, as pydantic models, for the OpenAPI document and for tests.

Responses are written by `encoding` from the engine's trees, never through these models.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

OUT_TENSOR_SCHEMA: dict[str, Any] = {"x-schema": "TensorOut"}


TensorOut = Annotated[Any, WithJsonSchema(OUT_TENSOR_SCHEMA)]


Keyed = dict[str, TensorOut]


class Answer(BaseModel):
    """The base of responses: no field beyond the documented ones."""

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
    """Figures of a gradient; null if there is none."""

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


class RewriteMade(Answer):
    """An expression that was computed in a stable form, and the node that it belongs to."""

    rewrite: str
    node: str | None
    op: str | None
    before: str
    after: str
    source: Source | str | None


class Computed(Answer):
    """What every call that computes can answer beside its numbers."""

    rewrites: list[RewriteMade] | None = Field(
        None, description="With `stabilize`: what was computed in a stable form."
    )
    warnings: list[Warning_] | dict[str, list[Warning_]] | None = Field(
        None,
        description="What is likely a mistake, by target if there are several; left out if nothing is.",
    )


class SparseBlock(Answer):
    """The entries of a block in row-major order, none twice; both sides are flattened in C order."""

    rows: TensorOut
    cols: TensorOut
    values: TensorOut
    shape: list[int] = Field(description="Rows and columns: elements of the one and of the other side.")


Blocks = dict[str, dict[str, SparseBlock | TensorOut]]


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
