"""Computations about jobs: checking submissions, reading checkpoints, predicting.

It runs where queries run, chosen by `service.queries.tiers`: in a thread, or in a child that can be killed.
What the server knows beside the body comes as the request's `job`.
"""

from __future__ import annotations

import io
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, NoReturn, Self

import numpy as np
from pydantic_core import from_json, to_json
from safetensors.numpy import save

from engine.errors import InternalError, MissingInput
from engine.frontend.tensors import decode_tensor
from engine.training.job.predict import prediction
from engine.training.job.spec import TrainingSpec
from engine.training.model.expand import expand_model
from service.jobs import checkpoints, submission
from service.jobs.checkpoints import Parameters
from service.jobs.submission import SubmissionContext, decode_stored
from service.queries import worker
from service.queries.kinds import KINDS, Computation
from service.queries.query_request import QueryRequest, TooLargeForTier, require_nodes
from service.queries.runner import PreparedQuery, QueryRunner
from service.storage.lru import Lru
from service.wire import requests
from service.wire.encoding import encode_answer, json_reply
from service.wire.json_reader import child_path, parse_object
from service.wire.problems import Problem, Reply
from service.wire.safetensors import MEDIA_TYPE

Format = Literal["json", "npz", "safetensors"]
_SPECS, _CHECKPOINTS = 64, 8
#: Bytes that a decoded job takes for each byte of its document, about.
_SPEC_BYTES = 12
#: A job's function is recorded for each size of batch, differentiated, and planned.
_RECORDINGS = 4
_LAYER_NODES = 3
#: What can be done about a job that has not saved itself, by its status.
_SAVES = {
    "queued": "it saves itself once it runs: wait for a worker to take it",
    "paused": "it was paused before it began: resume it",
    "cancelled": "it was cancelled before it saved itself for the first time: submit it again",
    "failed": "it failed before it saved itself for the first time: its error says why",
}


@dataclass(frozen=True, slots=True)
class TrainedModelRef:
    """A job whose checkpoints are read: those kept, oldest first; for predictions also its document."""

    job_id: str
    status: str
    folder: str
    checkpoints: tuple[str, ...]
    document: str = ""
    data: Mapping[str, Any] | None = None
    format: Format = "json"

    def pack(self) -> bytes:
        """As a call's document."""
        return to_json(asdict(self))

    @classmethod
    def unpack(cls, document: bytes) -> Self:
        """What `pack` packed."""
        fields = from_json(document)
        return cls(**{**fields, "checkpoints": tuple(fields["checkpoints"])})

    def pick_checkpoint(self, wanted: str | None, path: str) -> str:
        """The checkpoint that is asked for, or the newest. Raises Problem."""
        if wanted is not None:
            if wanted in self.checkpoints:
                return wanted
            raise Problem(
                "checkpoint_not_found",
                f"expected a checkpoint that is kept ({', '.join(self.checkpoints) or 'none is'}), "
                f"got '{wanted[:100]}'",
                path=path,
            )
        if not self.checkpoints:
            raise Problem(
                "wrong_state",
                f"expected a job that has saved a checkpoint, got one that is {self.status} and has none",
                path="$url.job_id",
                hint=_SAVES.get(self.status, "it saves every few seconds: ask again in a moment"),
            )
        return self.checkpoints[-1]


class JobRunner(QueryRunner):
    """Computes requests about functions and about jobs; it caches decoded jobs and small checkpoints."""

    computations: ClassVar[Mapping[str, Computation]]

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        cache_bytes: int = settings.get("cache_bytes", 2**28)
        self._specs: Lru[str, TrainingSpec] = Lru(_SPECS, cache_bytes // 8)
        self._parameters: Lru[tuple[str, str], Parameters] = Lru(_CHECKPOINTS, cache_bytes // 4)

    def _prepare(self, call: QueryRequest, most_nodes: int | None) -> PreparedQuery:
        """As for every query; a prediction is an evaluation with what a job has learned."""
        if call.kind == "predict":
            return self._predict(call, most_nodes)
        return super()._prepare(call, most_nodes)

    def expand(self, call: QueryRequest) -> Reply:
        """A model of layers as graphs."""
        parsed = requests.parse(requests.Expand, parse_object(call.body))
        expansion = expand_model(
            parsed.model, loss=parsed.loss, metrics=parsed.metrics or (), dtype=parsed.dtype or "float32"
        )
        return encode_answer(expansion.document(), "json")

    def submit(self, call: QueryRequest, most_nodes: int | None = None) -> Reply:
        """Check a job and store the data of its body: its row for the ledger, as JSON.

        If the data sets that it names were not looked up yet, the reply lists their ids as `datasets`.
        """
        text, attachments = call.split()
        parsed = submission.parse_submission(text, attachments)
        context = SubmissionContext.unpack(call.job)
        if parsed.datasets and context.sets is None:
            return json_reply({"datasets": sorted(parsed.datasets)})
        model = parsed.document.get("model")
        layers = model.get("layers") if isinstance(model, dict) else None
        most = None if most_nodes is None else most_nodes // _RECORDINGS
        if most is not None and isinstance(layers, list) and _LAYER_NODES * len(layers) > most:
            raise TooLargeForTier
        row = submission.prepare(
            parsed,
            context,
            max_peak_bytes=self.max_peak_bytes,
            admit=_at_most(most),
        )
        return json_reply(row)

    def parameters(self, call: QueryRequest) -> Reply:
        """The parameters of a checkpoint in one of the three formats.

        State goes with the bulk ones under its own names.
        """
        job = TrainedModelRef.unpack(call.job)
        learned = self._load_parameters(job, job.checkpoints[-1], "$query.checkpoint")
        if job.format == "json":
            listed = {name: array.tolist() for name, array in learned.parameters.items()}
            return json_reply({"parameters": listed})
        everything = {**learned.parameters, **learned.state}
        arrays = {name: np.array(array, order="C") for name, array in everything.items()}
        if job.format == "safetensors":
            return Reply(200, save(arrays), MEDIA_TYPE)
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        return Reply(200, buffer.getvalue(), "application/octet-stream")

    def forget_job(self, job_id: str) -> None:
        """Drop what is kept of a job; parameters leave with time."""
        self._specs.discard(job_id)

    def _predict(self, call: QueryRequest, most_nodes: int | None) -> PreparedQuery:
        job = TrainedModelRef.unpack(call.job)
        text, attachments = call.split()
        parsed = requests.parse(requests.Predict, parse_object(text))
        checkpoint = job.pick_checkpoint(parsed.checkpoint, "$.checkpoint")
        spec = self._specs.get(job.job_id)
        if spec is None:
            if job.data is None:
                raise InternalError("a prediction came without the types of the job's data")
            most = None if most_nodes is None else most_nodes // _RECORDINGS
            spec = decode_stored(from_json(job.document), job.data, admit=_at_most(most))
            self._specs.put(job.job_id, spec, len(job.document) * _SPEC_BYTES)
        learned = self._load_parameters(job, checkpoint, "$.checkpoint")
        columns = spec.objective.columns
        inputs = {}
        for name, value in parsed.inputs.items():
            declared = columns[name].dtype if name in columns and not isinstance(value, dict) else None
            path = child_path("$.inputs", name)
            inputs[name] = decode_tensor(value, path=path, dtype=declared, attachments=attachments).array
        query, values = prediction(spec, learned.parameters, learned.state, inputs, parsed.outputs)
        try:
            program = self.compiler.compile(query, peak_bytes_limit=self.max_peak_bytes)
        except MissingInput as error:
            if parsed.outputs is None and error.hint:
                error.hint += ', or name outputs that do without it: {"outputs": ["pred"]}'
            raise
        return self.prepared(program, values, parsed.encoding or "json", call)

    def _load_parameters(self, job: TrainedModelRef, checkpoint: str, path: str) -> Parameters:
        """Parameters and state. Raises Problem checkpoint_not_found if they were dropped meanwhile."""
        key = (job.job_id, checkpoint)
        parameters = self._parameters.get(key)
        if parameters is None:
            try:
                parameters = checkpoints.read_parameters(Path(job.folder), checkpoint)
            except FileNotFoundError:
                raise Problem(
                    "checkpoint_not_found",
                    f"expected a checkpoint that is kept, got '{checkpoint[:100]}'",
                    path=path,
                ) from None
            arrays = (*parameters.parameters.values(), *parameters.state.values())
            self._parameters.put(key, parameters, sum(array.nbytes for array in arrays))
        return parameters


#: What is computed about jobs, each with where it may run. A layer may be thirty bytes and takes a third of a
#: millisecond: a model beyond `thread_json_bytes` goes to a child.
JOB_COMPUTATIONS = (
    Computation(
        "expand",
        "thread",
        thread_json_bytes=8 * 1024,
        compute=lambda runner, call, most_nodes: runner.expand(call),
    ),
    Computation("submit", "thread", compute=lambda runner, call, most_nodes: runner.submit(call, most_nodes)),
    Computation("parameters", "thread", compute=lambda runner, call, most_nodes: runner.parameters(call)),
    Computation("predict", "thread"),
)
JobRunner.computations = {**KINDS, **{computation.name: computation for computation in JOB_COMPUTATIONS}}


def run_child(channel: socket.socket, parent: int, **config: Any) -> NoReturn:
    """A child of the pool: takes calls from `channel` until it closes; then the process ends."""
    worker.run_child(channel, parent, runner=JobRunner, **config)


def _at_most(nodes: int | None) -> submission.Admit:
    """What lets a function through that has at most so many nodes, and raises TooLargeForTier for others."""
    return partial(require_nodes, most_nodes=nodes)
