"""Whatever job is submitted is refused, trains, or fails with a problem of its own; then it predicts."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.errors import UserError
from service.jobs import checkpoints, submission
from service.jobs.runner import JobRunner, TrainedModelRef
from service.jobs.submission import SubmissionContext
from service.jobs.worker import child
from service.queries.query_request import QueryRequest
from service.wire.json_numbers import dumps
from service.wire.problems import Reply
from tests.service.fuzz.campaign import cases, run_cases
from tests.service.fuzz.job_documents import Jobs

#: Seconds of processor time for so small a job.
MOST = 20.0


class Report:
    """Takes what the training process reports, and asks it to stop after a few events."""

    def __init__(self) -> None:
        self.events = 0
        self.checkpoint: Mapping[str, Any] | None = None

    @property
    def stop(self) -> bool:
        return self.events >= 8

    def event(self, kind: str, epoch: int | None, step: int | None, data: Mapping[str, Any]) -> None:
        dumps(data)
        self.events += 1

    def due(self) -> bool:
        return False

    def send(self, checkpoint: Mapping[str, Any] | None = None, end: Mapping[str, Any] | None = None) -> None:
        self.checkpoint = checkpoint or self.checkpoint


def test_every_job_is_refused_or_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submission, "sync", lambda path: None)
    monkeypatch.setattr(checkpoints, "_sync", lambda path: None)
    monkeypatch.setattr(checkpoints.os, "fsync", lambda descriptor: None)
    memory = Path("/dev/shm")
    runner = JobRunner(max_peak_bytes=2**27, graph_cache=8, program_cache=64)
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as root:
        run_cases(cases(400), lambda seed: outcome(runner, Path(root), seed))


def outcome(runner: JobRunner, root: Path, seed: int) -> str | None:
    body = Jobs(seed).body()
    context = SubmissionContext(f"job_{seed}", root / "jobs", root / "datasets", {})
    start = time.process_time()
    try:
        fault = _lived(runner, context, body)
    finally:
        shutil.rmtree(root / "jobs", ignore_errors=True)
    took = time.process_time() - start
    return fault or (f"took {took:.0f} s" if took > MOST else None)


def _lived(runner: JobRunner, context: SubmissionContext, body: bytes) -> str | None:
    reply = runner.answer(QueryRequest("submit", body, job=context.pack()))
    assert isinstance(reply, Reply)
    if reply.status != 200:
        return None if reply.status < 500 and b'"code":' in reply.body else reply.body.decode()
    row = json.loads(reply.body)
    data = json.loads(row["data"])
    folder = context.jobs / context.job_id / "checkpoints"
    report = Report()
    spec = {
        "attempt": 1, "document": row["document"], "data": data["data"],
        "validation": data.get("validation_data"), "types": data["types"], "root": str(context.jobs.parent),
        "folder": str(folder), "every_s": 1e9, "every_steps": 1, "checksums": data.get("checksums", {}),
        "checkpoints": (),
    }  # fmt: skip
    try:
        child._train(spec, report)  # type: ignore[arg-type]
    except UserError:
        return None
    if report.checkpoint is None:
        return None
    values = {
        name: {"shape": [1, *t["shape"][1:]], "dtype": t["dtype"]}
        for name, t in data["types"]["data"].items()
    }
    inputs = {name: {**value, "data": _zeros(value["shape"])} for name, value in values.items()}
    saved = (str(report.checkpoint["id"]),)
    job = TrainedModelRef("job", "succeeded", str(folder), saved, row["document"], {"types": data["types"]})
    predicted = runner.answer(
        QueryRequest("predict", json.dumps({"inputs": inputs}).encode(), job=job.pack())
    )
    runner.forget_job("job")
    runner._parameters.discard(("job", saved[0]))
    assert isinstance(predicted, Reply)
    return predicted.body.decode() if predicted.status >= 500 else None


def _zeros(shape: list[int]) -> Any:
    return 0 if not shape else [_zeros(shape[1:]) for _ in range(shape[0])]
