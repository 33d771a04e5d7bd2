"""The history of a long job: every k-th step and every k-th epoch, so that no job fills the disk with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from service.jobs.runner import JobRunner
from service.jobs.submission import SubmissionContext
from service.jobs.worker import child
from service.queries.query_request import QueryRequest
from tests.service.jobs.world import LINE


class Report:
    """Keeps what is reported."""

    stop = False

    def __init__(self) -> None:
        self.places: dict[str, list[int]] = {"epoch": [], "step": []}

    def event(self, kind: str, epoch: int | None, step: int | None, data: Mapping[str, Any]) -> None:
        if kind in self.places and epoch is not None and step is not None:
            self.places[kind].append(epoch if kind == "epoch" else step)

    def due(self) -> bool:
        return False

    def send(self, **report: Any) -> None:
        pass


@pytest.mark.parametrize(("epochs", "batch_size"), [(7, 3), (10, 1), (95, 3), (95, 1), (19, 2)])
def test_steps_and_epochs_are_thinned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epochs: int, batch_size: int
) -> None:
    monkeypatch.setattr(child, "_MOST_ENTRIES", 10)
    context = SubmissionContext("job_a", tmp_path / "jobs", tmp_path / "datasets")
    body = json.dumps({**LINE, "epochs": epochs, "batch_size": batch_size}).encode()
    reply = JobRunner(max_peak_bytes=2**27, graph_cache=8, program_cache=8).answer(
        QueryRequest("submit", body, job=context.pack())
    )
    row = json.loads(reply.body)  # type: ignore[union-attr]  # no program of a GPU
    data = json.loads(row["data"])
    report = Report()
    order = {
        "attempt": 1,
        "document": row["document"],
        "data": data["data"],
        "validation": None,
        "types": data["types"],
        "checksums": data["checksums"],
        "checkpoints": (),
        "every_s": 1e9,
        "root": str(tmp_path),
        "folder": str(tmp_path / "checkpoints"),
        "every_steps": None,
    }
    assert child._train(order, report) == "succeeded"  # type: ignore[arg-type]
    steps = epochs * -(-3 // batch_size)
    for kind, last in (("epoch", epochs), ("step", steps)):
        places = report.places[kind]
        assert places == sorted(set(places))
        assert places[0] == 1
        assert len(places) <= 12
        if last <= 10:
            assert places == list(range(1, last + 1))
    assert report.places["epoch"][-1] == epochs
