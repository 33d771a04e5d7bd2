"""Training jobs: submitted, they run on the server whether or not anybody watches."""

from __future__ import annotations

import io
import random
import time
from collections.abc import Mapping, Sequence
from typing import Any, Generic
from urllib.parse import quote

import numpy as np

from gradwire._client.job_documents import job_document
from gradwire._client.session import Session
from gradwire._notices import warn
from gradwire._transport.codec import Array, post, read
from gradwire._transport.driver import D_co, Driven, call, streamed
from gradwire._transport.flow import Flow, Request, Sleep
from gradwire._transport.stream import StreamFlow, follow
from gradwire.errors import JobCancelled, JobFailed, TrainingWarning

FINAL = ("succeeded", "failed", "cancelled")
_FIRST_WAIT, _LONGEST_WAIT = 0.05, 2.0


class Jobs(Driven[D_co]):
    """The jobs of a server: submit, get, list."""

    def __init__(self, driver: D_co, session: Session) -> None:
        super().__init__(driver)
        self._session = session

    @call
    def submit(
        self,
        /,
        program: str | None = None,
        *,
        graph: Mapping[str, Any] | None = None,
        model: Any = None,
        data: Mapping[str, Any],
        idempotency_key: str | None = None,
        **document: Any,
    ) -> Flow[Job[D_co]]:
        """Submit a job that trains a program, a graph or a model of layers, and return its handle.

        `data` are arrays, nested lists or fields of data sets (`dataset["x"]`) by name; large arrays are
        uploaded as data sets first. `parameters` by name are arrays or variables to start from, or {"shape":
        …, "initializer": …} as on the wire. The other keywords are those of `POST /v1/jobs`: target,
        parameters, loss, metrics, optimizer, batch_size, epochs, shuffle, seed, validation_split,
        validation_data, early_stopping, dtype, device.

        Raises ProblemError if the job cannot be trained, and warns with TrainingWarning if it can but is
        unlikely to do what was meant.
        """
        wanted = {"program": program, "graph": graph, "model": model, "data": data, **document}
        if wanted.get("device") is None:
            wanted["device"] = self._session.device
        body = yield from job_document(self._session, wanted)
        request = post("/v1/jobs", body, tensors=False)
        if idempotency_key is not None:
            headers = {**request.headers, "Idempotency-Key": idempotency_key}
            request = Request(request.method, request.path, request.content, headers)
        job = Job(self._driver, self._session, read((yield from self._session.send(request))))
        for warning in job.warnings:
            warn(TrainingWarning, warning["message"], warning["message"])
        return job

    @call
    def get(self, id: str) -> Flow[Job[D_co]]:
        """Return the handle of a job; raises JobNotFound."""
        described = read((yield from self._session.send(Request("GET", f"/v1/jobs/{id}"))))
        return Job(self._driver, self._session, described)

    @call
    def list(self, status: str | None = None, limit: int | None = None) -> Flow[list[Job[D_co]]]:
        """Return jobs, newest first: all, or those of one `status`, and at most `limit`."""
        jobs: list[Job[D_co]] = []
        chosen = "" if status is None else f"&status={quote(status)}"
        cursor = ""
        while True:
            path = f"/v1/jobs?limit={min(limit or 100, 100)}{chosen}{cursor}"
            page = read((yield from self._session.send(Request("GET", path))))
            jobs.extend(Job(self._driver, self._session, each) for each in page["jobs"])
            if not page.get("next_cursor") or (limit is not None and len(jobs) >= limit):
                return jobs[:limit]
            cursor = f"&cursor={quote(page['next_cursor'])}"


class Job(Driven[D_co], Generic[D_co]):
    """A job on the server; `document` is the server's latest description of it."""

    def __init__(self, driver: D_co, session: Session, document: Mapping[str, Any]) -> None:
        super().__init__(driver)
        self._session = session
        self.document = document

    @property
    def id(self) -> str:
        """The id of the job on the server."""
        return str(self.document["id"])

    @property
    def status(self) -> str:
        """Queued, running, paused, succeeded, failed or cancelled, as of the last request."""
        return str(self.document["status"])

    @property
    def progress(self) -> Mapping[str, int]:
        """`epoch`, `epochs`, `step` and `steps`, as of the last request."""
        progress: Mapping[str, int] = self.document["progress"]
        return progress

    @property
    def error(self) -> Mapping[str, Any] | None:
        """The problem that a failed job ended with, otherwise None, as of the last request."""
        error: Mapping[str, Any] | None = self.document.get("error")
        return error

    @property
    def warnings(self) -> list[Mapping[str, Any]]:
        """The warnings of the job, as of the last request; each has `code` and `message`.

        `broadcast`: rows meet a column at `node`; what else looks like a mistake has a code of its own, and a
        `message` with the cure (docs/jobs.md lists them).

        `no_gradient`: a parameter did not learn, with step, node,
        rows and diagnosis. `other_machine`: the job continued on another machine, with `differences`. For a
        job from a list, call `refresh` to get rows and diagnosis.
        """
        return list(self.document.get("warnings", ()))

    @call
    def refresh(self) -> Flow[Job[D_co]]:
        """Request the job's present state from the server; returns the job itself."""
        yield from self._update(Request("GET", self._path()))
        return self

    @call
    def wait(self, timeout: float | None = None) -> Flow[Job[D_co]]:
        """Wait until the job has succeeded; returns the job itself.

        Raises JobFailed with the server's problem, JobCancelled, and TimeoutError after `timeout` seconds;
        the job continues after a timeout.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        pause = _FIRST_WAIT
        while True:
            yield from self._update(Request("GET", self._path()))
            if self.status in FINAL:
                self.check()
                return self
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"the job {self.id} is {self.status} after {timeout} seconds; it goes on")
            yield Sleep(pause * (1 - random.random() / 4))
            pause = min(_LONGEST_WAIT, 1.5 * pause)

    def check(self) -> None:
        """Raise JobFailed or JobCancelled if the job had ended so at the last request."""
        if self.status == "failed":
            raise JobFailed(self.id, self.document.get("error") or {})
        if self.status == "cancelled":
            raise JobCancelled(f"the job {self.id} was cancelled", job_id=self.id)

    @streamed
    def stream(self) -> StreamFlow:
        """Yield events as they happen, from the first one to `end`: kind, data, id.

        After a broken connection the stream resumes after the last event.
        """
        return follow(self._path("/events"), self._session.retry)

    @call
    def cancel(self) -> Flow[Job[D_co]]:
        """End the job; raises WrongState if it has ended."""
        yield from self._update(Request("POST", self._path("/cancel")))
        return self

    @call
    def pause(self) -> Flow[Job[D_co]]:
        """Make the job write a checkpoint and stop until it is resumed."""
        yield from self._update(Request("POST", self._path("/pause")))
        return self

    @call
    def resume(self) -> Flow[Job[D_co]]:
        """Continue a paused job."""
        yield from self._update(Request("POST", self._path("/resume")))
        return self

    @call
    def delete(self) -> Flow[None]:
        """Delete the job, its history and its checkpoints; raises WrongState if it has not ended."""
        yield from self._session.send(Request("DELETE", self._path()))

    @call
    def parameters(self, checkpoint: str | None = None) -> Flow[dict[str, Array]]:
        """Return the parameters by name, as of the last checkpoint or of the one named."""
        chosen = "" if checkpoint is None else f"&checkpoint={quote(checkpoint)}"
        path = self._path(f"/parameters?format=npz{chosen}")
        answer = yield from self._session.send(Request("GET", path))
        with np.load(io.BytesIO(answer.content), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}

    @call
    def predict(
        self,
        inputs: Mapping[str, Any],
        outputs: Sequence[str] | None = None,
        checkpoint: str | None = None,
    ) -> Flow[dict[str, Array]]:
        """Return outputs for new inputs, by name; models of layers have the input `x` and the output `y`."""
        body = {"inputs": dict(inputs), "outputs": outputs, "checkpoint": checkpoint}
        sent = {key: value for key, value in body.items() if value is not None}
        answer = read((yield from self._session.send(post(self._path("/predict"), sent))))
        arrays: dict[str, Array] = answer["outputs"]
        return arrays

    @call
    def metrics(self, by: str = "epoch") -> Flow[list[dict[str, float]]]:
        """Return the metrics of every epoch, or with by="step" of every step."""
        answer = read((yield from self._session.send(Request("GET", self._path(f"/metrics?by={by}")))))
        return [numbers(entry) for entry in answer["metrics"]]

    @call
    def checkpoints(self) -> Flow[list[dict[str, Any]]]:
        """Return the checkpoints that are kept: id, epoch, step, metrics."""
        answer = read((yield from self._session.send(Request("GET", self._path("/checkpoints")))))
        return list(answer["checkpoints"])

    def __repr__(self) -> str:
        return f"Job({self.id!r}, {self.status})"

    def _path(self, rest: str = "") -> str:
        return f"/v1/jobs/{self.id}{rest}"

    def _update(self, request: Request) -> Flow[None]:
        self.document = read((yield from self._session.send(request)))


def numbers(entry: Mapping[str, Any]) -> dict[str, float]:
    """Metrics with NaN and infinities as numbers again."""
    return {key: float(value) if isinstance(value, str) else value for key, value in entry.items()}
