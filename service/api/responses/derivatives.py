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


class EvaluateAnswer(Computed):
    """Values by name."""

    outputs: Keyed


class GradientAnswer(Computed):
    """Value and gradients; keyed by target first where `target` was a list."""

    value: TensorOut | Keyed
    gradients: dict[str, TensorOut | Keyed | None]
    diagnosis: dict[str, Entry | dict[str, Entry]] | None = Field(
        None, description="Entries of gradients that are missing, zero or not finite."
    )
    warnings: list[Warning_] | dict[str, list[Warning_]] | None = Field(
        None, description="With `masked_backward`: the nodes and elements at which it acted."
    )
    receipt: dict[str, Any] | None = Field(
        None, description="With `receipt`: graph, types, engine, method, seed, and the tests of the check."
    )
    graph: dict[str, Any] | None = Field(None, description="With `return_graph`: the answer as a graph.")


class VjpAnswer(Computed):
    """Outputs, and the cotangents pulled back to the inputs."""

    outputs: Keyed
    vjp: dict[str, TensorOut | None]
    diagnosis: dict[str, Entry] | None = None


class JvpAnswer(Computed):
    """Outputs, and how they move along the tangents."""

    outputs: Keyed
    jvp: Keyed


class SparseBlock(Answer):
    """The entries of a block in row-major order, none twice; both sides are flattened in C order."""

    rows: TensorOut
    cols: TensorOut
    values: TensorOut
    shape: list[int] = Field(description="Rows and columns: elements of the one and of the other side.")


Blocks = dict[str, dict[str, SparseBlock | TensorOut]]


class JacobianAnswer(Computed):
    """Outputs, and by output and variable a block of shape out.shape + in.shape, or its entries."""

    outputs: Keyed
    jacobian: Blocks
    method: Literal["forward", "reverse"]


class HessianAnswer(Computed):
    """Value, gradients, and by two variables a block of shape a.shape + b.shape, or its entries."""

    value: TensorOut
    gradients: Keyed
    hessian: Blocks


class HvpAnswer(Computed):
    """Value, gradients, and the Hessian times the vectors."""

    value: TensorOut
    gradients: Keyed
    hvp: Keyed


class GnvpAnswer(Computed):
    """Outputs, and J'J times the vectors."""

    outputs: Keyed
    gnvp: Keyed


class CheckAnswer(Computed):
    """Two tests that share no arithmetic: the order of the Taylor remainder, and <Jv, w> = <v, J'w>."""

    passed: bool
    taylor_order: dict[str, float | str | None] = Field(
        description="By variable: 2 where the gradient is right, null where the target is linear, "
        "NaN where it is not finite."
    )
    dot_product_error: float | str


class NodeEstimate(Answer):
    """One node: its type, its operations, the bytes of its value."""

    node: str
    op: str
    shape: list[int]
    dtype: str
    flops: int
    bytes: int


class Figures(Answer):
    """Operations, and the most bytes alive at once."""

    flops: int
    peak_bytes: int


class JacobianFigures(Answer):
    """Both methods, and the one that `auto` takes."""

    forward: Figures
    reverse: Figures
    cheaper: Literal["forward", "reverse"]


class SparseFigures(Figures):
    """What a sparse matrix takes: products, as many as there are colours, and entries."""

    colours: int
    nonzeros: int
    method: Literal["forward", "reverse"]


class SparseEstimate(Answer):
    """The sparse Jacobian and Hessian; null where they would be refused."""

    jacobian: SparseFigures | None
    hessian: SparseFigures | None


class EstimateAnswer(Answer):
    """What a function would take; null where a call of that kind would be refused."""

    nodes: list[NodeEstimate]
    forward: Figures | None
    gradient: Figures | None
    jacobian: JacobianFigures | None
    hessian: Figures | None
    sparse: SparseEstimate | None = None


class DiagnoseAnswer(Computed):
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
