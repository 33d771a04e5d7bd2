"""The shapes of responses about jobs, data sets and models."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict

from service.wire.responses import Answer, Keyed, ProblemDocument


class DatasetField(Answer):
    """One field of a data set; the shape of one row."""

    shape: list[int]
    dtype: str


class DatasetSummary(Answer):
    """A data set."""

    id: str
    rows: int
    bytes: int
    fields: dict[str, DatasetField]


class DatasetAnswer(DatasetSummary):
    """A data set with the first rows of every field."""

    preview: Keyed


class DatasetPage(Answer):
    """A page of data sets, oldest first."""

    datasets: list[DatasetSummary]
    next_cursor: str | None


class Progress(Answer):
    """How far a job is; epochs and steps count from 1, 0 is before the first."""

    epoch: int
    epochs: int
    step: int
    steps: int


class ListedProblem(ProblemDocument):
    """Why a job failed; of numbers that are not finite also the step."""

    step: int | None = None
    epoch: int | None = None


class JobProblem(ListedProblem):
    """The same, with the diagnosis of numbers that are not finite."""

    diagnosis: dict[str, Any] | None = None


class FunctionWarning(Answer):
    """What looks like a mistake in a submission: rows that meet a column by accident, a backward function
    that ignores its cotangent, targets among the parameters, a target without a minimum, or a schedule or
    early stopping that does not fit the run. `node` is null if it is about none.
    """

    code: Literal[
        "broadcast",
        "likely_mistake",
        "unbounded",
        "rate_vanishes",
        "rate_grows",
        "warmup_too_long",
        "schedule_too_long",
        "early_stopping_mode",
    ]
    node: str | None
    message: str


class Difference(Answer):
    """What differs between two machines."""

    what: str
    before: str | int | None
    now: str | int | None


class MachineWarning(Answer):
    """The job went on from a checkpoint that another machine or library wrote: last digits may differ."""

    code: Literal["other_machine"]
    message: str
    differences: list[Difference]
    epoch: int
    step: int


class ListedStall(Answer):
    """What looks wrong in a job that runs on: `no_gradient`, a parameter that did not move, or a mistake."""

    code: str
    parameter: str | None
    epoch: int
    step: int
    node: str | None
    op: str | None
    reason: str | None
    message: str


class Stall(ListedStall):
    """The same, with the rows of the data behind it and the diagnosis."""

    rows: list[int] | None
    diagnosis: dict[str, Any] | None


class JobFacts(Answer):
    """The fields that a job has alone and in lists."""

    id: str
    status: Literal["queued", "running", "paused", "succeeded", "failed", "cancelled"]
    created_at: str
    started_at: str | None
    finished_at: str | None
    progress: Progress
    metrics: dict[str, float | str]
    attempt: int
    cancel_requested: bool


class Job(JobFacts):
    """A job."""

    error: JobProblem | None
    warnings: list[FunctionWarning | MachineWarning | Stall]


class ListedJob(JobFacts):
    """A job in a list; the long fields of its problem and warnings are left out."""

    error: ListedProblem | None
    warnings: list[FunctionWarning | MachineWarning | ListedStall]


class JobPage(Answer):
    """A page of jobs, newest first."""

    jobs: list[ListedJob]
    next_cursor: str | None


class MetricsAnswer(Answer):
    """What every step or epoch reported."""

    metrics: list[dict[str, float | str]]


class Checkpoint(Answer):
    """A checkpoint that is kept."""

    id: str
    epoch: int
    step: int
    metrics: dict[str, float | str]


class CheckpointList(Answer):
    """Checkpoints, oldest first."""

    checkpoints: list[Checkpoint]


class ParametersAnswer(Answer):
    """Parameters by name."""

    parameters: Keyed


class ExpandAnswer(Answer):
    """A model of layers as graphs."""

    model_config = ConfigDict(extra="allow")

    train: dict[str, Any]
    predict: dict[str, Any]
    parameters: dict[str, dict[str, Any]]
    state: dict[str, dict[str, Any]]
