"""Jobs over HTTP, with a worker beside the app: from the submission to parameters and predictions."""

from __future__ import annotations

import asyncio
import io
import itertools
import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from service.api.responses import jobs as job_responses
from service.jobs import checkpoints, ledger, records
from service.jobs.worker import worker
from tests.service.jobs.world import LINE, classifier, ended, job, job_world, long, submit, until
from tests.service.world import World, problem

pytestmark = pytest.mark.anyio

KINDS = ("epoch", "step")


def by_hand(epochs: int) -> tuple[Any, Any]:
    """The line of LINE in plain NumPy."""
    x, y = np.array([[1], [2], [3]], "f4"), np.array([[2], [4], [6]], "f4")
    w, b = np.array([0.5], "f4"), np.zeros(1, "f4")
    for _ in range(epochs):
        error = w * x + b - y
        w, b = w - np.float32(0.01) * np.mean(2 * error * x), b - np.float32(0.01) * np.mean(2 * error)
    return w, b


async def test_a_job_from_submission_to_predictions(tmp_path: Path) -> None:
    async with job_world(tmp_path) as here:
        job_id = await submit(here, LINE)
        done = await ended(here, job_id)
        job_responses.Job.model_validate(done)
        assert (done["status"], done["error"], done["attempt"]) == ("succeeded", None, 1)
        assert done["progress"] == {"epoch": 20, "epochs": 20, "step": 20, "steps": 20}
        assert done["created_at"] <= done["started_at"] <= done["finished_at"]
        w, b = by_hand(20)
        learned = (await here.client.get(f"/v1/jobs/{job_id}/parameters")).json()
        assert list(learned["parameters"]) == ["W", "b"]
        np.testing.assert_allclose(learned["parameters"]["W"], w, rtol=1e-5)
        np.testing.assert_allclose(learned["parameters"]["b"], b, rtol=1e-5)
        predicted = await here.post(
            f"/v1/jobs/{job_id}/predict", {"inputs": {"x": [[4]]}, "outputs": ["pred"]}
        )
        np.testing.assert_allclose(predicted.json()["outputs"]["pred"], [4 * w + b], rtol=1e-5)
        unnamed = await here.post(f"/v1/jobs/{job_id}/predict", {"inputs": {"x": [[4]]}})
        assert '"outputs": ["pred"]' in problem(unnamed, 422, "missing_input")["hint"]


async def test_a_submission_cut_short_in_its_commit_keeps_its_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait for a commit may be cancelled, the commit itself goes on: the job then is there, and runs."""
    async with job_world(tmp_path) as here:
        write = here.services.database.write

        async def cut(statements: Any, **options: Any) -> Any:
            answer = await write(statements, **options)
            if getattr(statements, "func", None) is ledger.submit:
                raise asyncio.CancelledError
            return answer

        monkeypatch.setattr(here.services.database, "write", cut)
        with pytest.raises(asyncio.CancelledError):
            await here.post("/v1/jobs", LINE)
        [found] = (await here.client.get("/v1/jobs")).json()["jobs"]
        assert (await ended(here, found["id"]))["status"] == "succeeded"


async def test_parameters_in_three_formats(tmp_path: Path) -> None:
    async with job_world(tmp_path) as here:
        job_id = await submit(here, LINE)
        await ended(here, job_id)
        path = f"/v1/jobs/{job_id}/parameters"
        plain = (await here.client.get(path)).json()["parameters"]
        tensors = load((await here.client.get(path, params={"format": "safetensors"})).content)
        archive = np.load(io.BytesIO((await here.client.get(path, params={"format": "npz"})).content))
        for name, value in plain.items():
            np.testing.assert_array_equal(np.float32(value), tensors[name])
            np.testing.assert_array_equal(archive[name], tensors[name])
        [checkpoint] = (await here.client.get(f"/v1/jobs/{job_id}/checkpoints")).json()["checkpoints"]
        named = await here.client.get(path, params={"checkpoint": checkpoint["id"]})
        assert named.json()["parameters"] == plain
        problem(await here.client.get(path, params={"checkpoint": "x"}), 404, "checkpoint_not_found")
        problem(await here.client.get(path, params={"format": "xml"}), 422, "invalid_parameter")


async def test_the_history_has_every_step_once(tmp_path: Path) -> None:
    async with job_world(tmp_path) as here:
        job_id = await submit(here, classifier(epochs=3))
        done = await ended(here, job_id)
        assert done["status"] == "succeeded"
        steps = (await here.client.get(f"/v1/jobs/{job_id}/metrics?by=step")).json()["metrics"]
        assert [row["step"] for row in steps] == list(range(1, done["progress"]["steps"] + 1))
        epochs = (await here.client.get(f"/v1/jobs/{job_id}/metrics")).json()["metrics"]
        assert [row["epoch"] for row in epochs] == [1, 2, 3]
        assert set(epochs[0]) == {"epoch", "step", "loss", "accuracy", "val_loss", "val_accuracy"}
        assert done["metrics"] == {k: v for k, v in epochs[-1].items() if k not in ("epoch", "step")}


async def test_the_same_key_is_the_same_job(tmp_path: Path) -> None:
    async with job_world(tmp_path, work=False) as here:
        key = {"headers": {"Idempotency-Key": "mine"}}
        ids = await asyncio.gather(*(submit(here, LINE, **key) for _ in range(6)))
        assert len(set(ids)) == 1
        problem(await here.post("/v1/jobs", long(), **key), 422, "idempotency_mismatch")
        others = {await submit(here, LINE) for _ in range(2)}
        assert len(others) == 2
        assert len((await here.client.get("/v1/jobs")).json()["jobs"]) == 3
        assert len(list((tmp_path / "data" / "jobs").iterdir())) == 3, "nothing is left of what was not taken"


async def test_pages_and_filters(tmp_path: Path) -> None:
    async with job_world(tmp_path, work=False) as here:
        ids = [await submit(here, LINE) for _ in range(5)]
        await here.client.post(f"/v1/jobs/{ids[1]}/cancel")
        seen: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = (await here.client.get("/v1/jobs", params={"limit": 2, **cursor})).json()
            job_responses.JobPage.model_validate(page)
            seen += [found["id"] for found in page["jobs"]]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert seen == ids[::-1]
        cancelled = (await here.client.get("/v1/jobs?status=cancelled")).json()["jobs"]
        assert [found["id"] for found in cancelled] == [ids[1]]
        problem(await here.client.get("/v1/jobs?status=gone"), 422, "invalid_parameter")


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [
        ({"data": {"x": [[1], [2]], "y": [[1], [2], [3]]}}, "dataset_mismatch", "$.data"),
        ({"data": {"x": [[1]]}}, "missing_input", "$.data"),
        ({"data": {"x": {"dataset": "sha256:0"}, "y": [[1]]}}, "dataset_not_found", "$.data.x.dataset"),
        ({"data": None}, "invalid_document", "$.data"),
        ({"epocs": 3}, "unknown_field", "$.epocs"),
        ({"epochs": 0}, "invalid_attribute", "$.epochs"),
        ({"target": "lost"}, "unknown_name", "$.target"),
        ({"program": "loss = mean(("}, "syntax_error", None),
        ({"device": "cuda"}, "device_unavailable", "$.device"),
    ],
)
async def test_what_cannot_be_trained_is_refused_at_once(
    tmp_path: Path, change: dict[str, Any], code: str, path: str | None
) -> None:
    async with job_world(tmp_path, work=False) as here:
        response = await here.post("/v1/jobs", {**LINE, **change})
        document = problem(response, 404 if code == "dataset_not_found" else 422, code)
        if path is not None:
            assert document["path"] == path
        assert (await here.client.get("/v1/jobs")).json()["jobs"] == []
        folder = tmp_path / "data" / "jobs"
        assert not folder.exists() or not list(folder.iterdir())


async def test_arrays_beside_the_json(tmp_path: Path) -> None:
    async with job_world(tmp_path) as here:
        x = np.array([[1], [2], [3]], "f4")
        body = {**LINE, "data": {"x": {"tensor": "x"}, "y": {"tensor": "y"}}}
        body["parameters"] = {"W": {"value": {"tensor": "W"}}, "b": LINE["parameters"]["b"]}
        import json

        tensors = {"x": x, "y": 2 * x, "W": np.array([0.5], "f4")}
        content = save(tensors, metadata={"request": json.dumps(body)})
        headers = {"Content-Type": "application/x-safetensors"}
        response = await here.client.post("/v1/jobs", content=content, headers=headers)
        assert response.status_code == 202, response.text
        done = await ended(here, response.json()["id"])
        same = await ended(here, await submit(here, LINE))
        assert done["metrics"] == same["metrics"]


async def test_nan_names_its_step_and_node(tmp_path: Path) -> None:
    async with job_world(tmp_path) as here:
        body = {**LINE, "program": "pred = log(W - 0.49) * x + b\nloss = mean((pred - y) ** 2)"}
        failed = await ended(
            here, await submit(here, {**body, "optimizer": {"name": "sgd", "learning_rate": 500}})
        )
        assert failed["status"] == "failed"
        error = failed["error"]
        job_responses.JobProblem.model_validate(error)
        assert error["code"] == "non_finite"
        assert error["node"]
        assert "step" in error["detail"]
        [listed] = (await here.client.get("/v1/jobs")).json()["jobs"]
        job_responses.ListedJob.model_validate(listed)
        assert listed["error"] == {name: value for name, value in error.items() if name != "diagnosis"}


async def test_cancelling_takes_less_than_a_second(tmp_path: Path) -> None:
    async with job_world(tmp_path) as here:
        job_id = await submit(here, long())
        await until(here, job_id, lambda found: found["progress"]["step"] > 0)
        start = time.perf_counter()
        response = await here.client.post(f"/v1/jobs/{job_id}/cancel")
        assert (response.status_code, response.json()["cancel_requested"]) == (202, True)
        done = await ended(here, job_id)
        assert time.perf_counter() - start < 1
        assert (done["status"], done["error"]) == ("cancelled", None)
        problem(await here.client.post(f"/v1/jobs/{job_id}/resume"), 409, "wrong_state")
        problem(await here.client.post(f"/v1/jobs/{job_id}/pause"), 409, "wrong_state")


async def bits(here: World, job_id: str) -> bytes:
    response = await here.client.get(f"/v1/jobs/{job_id}/parameters?format=safetensors")
    assert response.status_code == 200, response.text
    return response.content


async def test_a_pause_changes_no_bit(tmp_path: Path) -> None:
    async with job_world(tmp_path) as here:
        undisturbed = await submit(here, classifier(epochs=25))
        expected = (await ended(here, undisturbed))["progress"]["steps"]
        job_id = await submit(here, classifier(epochs=25))
        await until(here, job_id, lambda found: found["progress"]["step"] > 20)
        assert (await here.client.post(f"/v1/jobs/{job_id}/pause")).status_code == 202
        paused = await until(here, job_id, lambda found: found["status"] == "paused")
        assert 0 < paused["progress"]["step"] < expected
        problem(await here.client.delete(f"/v1/jobs/{job_id}"), 409, "wrong_state")
        assert (await here.client.post(f"/v1/jobs/{job_id}/resume")).json()["status"] == "queued"
        done = await ended(here, job_id)
        assert (done["status"], done["attempt"]) == ("succeeded", 2)
        assert await bits(here, job_id) == await bits(here, undisturbed)
        for by in ("step", "epoch"):
            histories = [
                (await here.client.get(f"/v1/jobs/{name}/metrics?by={by}")).json()
                for name in (job_id, undisturbed)
            ]
            assert histories[0] == histories[1]


def child_of_job() -> int:
    """The process that trains: the one child of a template of jobs that is a child of ours.

    Other tests' servers may be children of this process too; none of them trains now.
    """
    below = [
        pid
        for pid in _children(os.getpid())
        if b"service.jobs.worker.child" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    [pid] = [int(child) for parent in below for child in _children(int(parent))]
    return pid


def _children(pid: int) -> list[str]:
    return [
        child
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]


async def test_a_killed_child_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    async with job_world(tmp_path, checkpoint_steps=50) as here:
        undisturbed = await submit(here, classifier(epochs=25))
        await ended(here, undisturbed)
        job_id = await submit(here, classifier(epochs=25))
        await until(here, job_id, lambda found: found["progress"]["step"] > 60)
        os.kill(child_of_job(), signal.SIGKILL)
        done = await ended(here, job_id)
        assert (done["status"], done["attempt"]) == ("succeeded", 2)
        assert await bits(here, job_id) == await bits(here, undisturbed)
        steps = (await here.client.get(f"/v1/jobs/{job_id}/metrics?by=step")).json()["metrics"]
        assert [row["step"] for row in steps] == list(range(1, done["progress"]["steps"] + 1))
        stream = (await here.client.get(f"/v1/jobs/{job_id}/events")).text
        assert "killed by SIGKILL" in stream, "the job says what happened"


async def test_a_child_that_dies_again_and_again_fails_the_job(tmp_path: Path) -> None:
    async with job_world(tmp_path, job_retries=1) as here:
        job_id = await submit(here, long())
        for attempt in (1, 2):
            await until(
                here, job_id, lambda found, n=attempt: found["attempt"] == n and found["progress"]["step"]
            )
            os.kill(child_of_job(), signal.SIGKILL)
        failed = await ended(here, job_id)
        assert (failed["status"], failed["error"]["code"]) == ("failed", "child_died")
        assert "SIGKILL" in failed["error"]["detail"]


async def test_too_much_memory_fails_the_job_and_nothing_else(tmp_path: Path) -> None:
    async with job_world(tmp_path, job_memory_bytes=60 * 2**20) as here:
        wide = {"type": "Dense", "units": 3000}
        body = classifier(model={"input_shape": [6], "layers": [wide, wide, {"type": "Dense", "units": 3}]})
        failed = await ended(here, await submit(here, body))
        assert (failed["status"], failed["error"]["code"]) == ("failed", "over_limit")
        assert (await ended(here, await submit(here, LINE)))["status"] == "succeeded"


async def test_a_failure_of_ours_is_in_the_log_at_every_level(tmp_path: Path) -> None:
    """The problem says that it is there; here the data of a job vanish while it is paused."""
    async with job_world(tmp_path, log_level="error") as here:
        job_id = await submit(here, long())
        await until(here, job_id, lambda found: found["progress"]["step"] > 0)
        await here.client.post(f"/v1/jobs/{job_id}/pause")
        await until(here, job_id, lambda found: found["status"] == "paused")
        (tmp_path / "data" / "jobs" / job_id / "data" / "0.npy").unlink()
        await here.client.post(f"/v1/jobs/{job_id}/resume")
        failed = await ended(here, job_id)
        assert (failed["status"], failed["error"]["code"]) == ("failed", "internal")
        [line] = await here.logged("attempt ended")
        assert (line["level"], line["job"]) == ("error", job_id)
        assert "no longer on the server's disk" in line["note"]


async def test_a_full_disk_fails_the_job_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    from service.jobs.worker import child

    monkeypatch.setattr(checkpoints, "write", full)
    reported: list[Any] = []

    class Channel:
        """Takes reports."""

    reporter = child._Reporter(Channel())  # type: ignore[arg-type]  # only `send` uses it
    monkeypatch.setattr(reporter, "send", lambda **report: reported.append(report))
    async with job_world(tmp_path, work=False) as here:
        job_id = await submit(here, LINE)
        row = await here.services.database.read(lambda c: _order(c, job_id))
        reporter.conclude(
            lambda report: child._train(
                {**row, "root": str(tmp_path / "data"), "folder": str(tmp_path / "checkpoints")}, report
            )
        )
    [last] = [report["end"] for report in reported if report.get("end")]
    assert (last["status"], last["problem"]["code"]) == ("failed", "disk_full")
    assert last["problem"]["status"] == 507


def _order(connection: Any, job_id: str) -> dict[str, Any]:
    from service.jobs import records

    found = records.stored_job(connection, job_id)
    assert found is not None
    document, data = found
    return {
        "attempt": 1,
        "document": document,
        "data": data["data"],
        "validation": None,
        "types": data["types"],
        "checkpoints": (),
        "checksums": {},
        "every_s": 10,
        "every_steps": None,
    }


async def test_deleting_takes_everything_along(tmp_path: Path) -> None:
    async with job_world(tmp_path) as here:
        job_id = await submit(here, LINE)
        await ended(here, job_id)
        folder = tmp_path / "data" / "jobs" / job_id
        assert folder.is_dir()
        assert (await here.client.delete(f"/v1/jobs/{job_id}")).status_code == 204
        assert not folder.exists()
        for path in ("", "/metrics", "/events", "/checkpoints", "/parameters"):
            problem(await here.client.get(f"/v1/jobs/{job_id}{path}"), 404, "job_not_found")
        problem(await here.client.delete(f"/v1/jobs/{job_id}"), 404, "job_not_found")


async def test_what_has_not_saved_has_no_parameters(tmp_path: Path) -> None:
    async with job_world(tmp_path, work=False) as here:
        job_id = await submit(here, LINE)
        parameters = f"/v1/jobs/{job_id}/parameters"
        waiting = problem(await here.client.get(parameters), 409, "wrong_state")
        assert "wait for a worker" in waiting["hint"]
        assert (await here.client.get(f"/v1/jobs/{job_id}/checkpoints")).json() == {"checkpoints": []}
        assert (await job(here, job_id))["status"] == "queued"
        for word, cure in (("pause", "resume it"), ("cancel", "submit it again")):
            await here.client.post(f"/v1/jobs/{job_id}/{word}")
            asked = {"inputs": {"x": [[4]]}, "outputs": ["pred"]}
            for answer in (
                await here.client.get(parameters),
                await here.post(f"/v1/jobs/{job_id}/predict", asked),
            ):
                assert cure in problem(answer, 409, "wrong_state")["hint"]


async def test_cancelling_what_does_not_run_leaves_no_half_checkpoint(tmp_path: Path) -> None:
    """A worker that was killed while its child saved leaves a half; a cancelled job has no later attempt."""
    async with job_world(tmp_path, work=False) as here:
        for status in ("queued", "paused"):
            job_id = await submit(here, LINE)
            folder = tmp_path / "data" / "jobs" / job_id / "checkpoints"
            (folder / ".7-0.tmp").mkdir()
            if status == "paused":
                await here.client.post(f"/v1/jobs/{job_id}/pause")
                assert list(folder.iterdir()), "another attempt may come"
            await here.client.post(f"/v1/jobs/{job_id}/cancel")
            assert list(folder.iterdir()) == []


async def test_a_long_history_comes_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with job_world(tmp_path) as here:
        job_id = await submit(here, LINE)
        await ended(here, job_id)
        whole = [(await here.client.get(f"/v1/jobs/{job_id}/metrics?by={by}")).json() for by in KINDS]
        assert [len(found["metrics"]) for found in whole] == [20, 20]
        reads: list[int] = []
        read = records.metrics

        def counted(*arguments: Any, limit: int, **named: Any) -> Any:
            found = read(*arguments, limit=limit, **named)
            reads.append(limit)
            return found

        monkeypatch.setattr(records, "metrics", counted)
        for piece in (1, 7, 20):
            monkeypatch.setattr("service.api.routes.job_results._PIECE", piece)
            again = [(await here.client.get(f"/v1/jobs/{job_id}/metrics?by={by}")).json() for by in KINDS]
            assert again == whole
        assert reads.count(7) == 2 * 3
        fresh = await submit(here, {**LINE, "epochs": 1})
        assert (await here.client.get(f"/v1/jobs/{fresh}/metrics")).headers[
            "content-type"
        ] == "application/json"


async def test_the_events_of_a_job_that_has_ended(tmp_path: Path) -> None:
    async with job_world(tmp_path) as here:
        job_id = await submit(here, LINE)
        await ended(here, job_id)
        response = await here.client.get(f"/v1/jobs/{job_id}/events")
        assert response.headers["content-type"].startswith("text/event-stream")
        events = [part.split("\n") for part in response.text.split("\n\n") if part.startswith("id:")]
        ids = [int(lines[0].removeprefix("id: ")) for lines in events]
        kinds = [lines[1].removeprefix("event: ") for lines in events]
        assert ids == sorted(set(ids))
        assert kinds[:2] == ["status", "status"]
        assert kinds[-2:] == ["status", "end"]
        assert kinds.count("step") == kinds.count("epoch") == 20
        middle = {"Last-Event-ID": str(ids[10])}
        rest = await here.client.get(f"/v1/jobs/{job_id}/events", headers=middle)
        assert [int(line[4:]) for line in rest.text.splitlines() if line.startswith("id: ")] == ids[11:]
        over = await here.client.get(f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": str(ids[-1])})
        assert (over.status_code, over.content) == (204, b"")
        bad = await here.client.get(f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": "x"})
        problem(bad, 422, "invalid_parameter")
        assert here.services.streams.pollers == 0


async def test_a_lease_that_runs_out_is_taken_over(tmp_path: Path) -> None:
    async with job_world(tmp_path, job_lease_s=3) as here:
        from sqlalchemy import update

        from service.storage.tables import JOBS

        job_id = await submit(here, {**LINE, "epochs": 400_000})
        await until(here, job_id, lambda found: found["progress"]["step"] > 0)
        # Somebody else's claim, long ago: this worker's attempt is fenced off, then the job comes back.
        stolen = {"attempt": 7, "owner": "worker-9", "lease": 1.0}
        await here.services.database.write(lambda c: c.execute(update(JOBS).values(**stolen)) and None)
        found = await until(here, job_id, lambda found: found["attempt"] == 8)
        assert found["status"] in ("running", "queued")
        lines = await here.logged("attempt ended")
        assert any(line["note"] == "another attempt has the job" for line in lines)
        await here.client.post(f"/v1/jobs/{job_id}/cancel")
        assert (await ended(here, job_id))["status"] == "cancelled"


async def test_a_clock_that_jumps_takes_no_job_from_its_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jumps = itertools.cycle((1e9, 3e9, 2e9))
    monkeypatch.setattr(ledger, "time", SimpleNamespace(time=lambda: next(jumps)))
    monkeypatch.setattr(worker, "_REAP_S", 0.1)
    async with job_world(tmp_path, job_lease_s=1) as here:
        job_id = await submit(here, long())
        await until(here, job_id, lambda found: found["progress"]["step"] > 0)
        await asyncio.sleep(3)
        assert (await job(here, job_id))["attempt"] == 1
        await here.client.post(f"/v1/jobs/{job_id}/cancel")
        assert (await ended(here, job_id))["status"] == "cancelled"


async def test_parameters_that_do_not_learn_are_told(tmp_path: Path) -> None:
    dead = {"dense.kernel": {"value": [[-1.0] * 3]}, "dense.bias": {"value": [-1.0] * 3}}
    layers = [{"type": "Dense", "units": 3, "activation": "relu"}, {"type": "Dense", "units": 1}]
    body = {
        "model": {"input_shape": [1], "layers": layers},
        "loss": "mse",
        "parameters": dead,
        "data": {"x": [[k] for k in range(8)], "y": [[k] for k in range(8)]},
        "optimizer": {"name": "sgd", "learning_rate": 0.001},
        "batch_size": 4,
        "epochs": 10,
        "shuffle": False,
    }
    async with job_world(tmp_path) as here:
        job_id = await submit(here, body)
        done = await ended(here, job_id)
        job_responses.Job.model_validate(done)
        first = done["warnings"][0]
        assert (done["status"], first["parameter"], first["node"]) == (
            *("succeeded", "dense.kernel", "dense/relu"),
        )
        assert (first["step"], first["rows"]) == (20, [4, 5, 6, 7])
        assert first["diagnosis"]["culprits"][0]["reason"] == "unselected"
        listed = (await here.client.get("/v1/jobs")).json()["jobs"]
        job_responses.ListedJob.model_validate(listed[0])
        assert listed[0]["warnings"] == [
            {key: value for key, value in each.items() if key not in ("rows", "diagnosis")}
            for each in done["warnings"]
        ]
        stream = (await here.client.get(f"/v1/jobs/{job_id}/events")).text
        [log] = [part for part in stream.split("\n\n") if "event: log" in part]
        assert '"code":"no_gradient"' in log
        assert (await job(here, await submit(here, LINE)))["warnings"] == []


async def test_a_failed_job_carries_the_diagnosis_with_the_rows(tmp_path: Path) -> None:
    x = [[float(k)] for k in range(8)]
    body = {
        "program": "logs = log(1.0 - w * x)\nloss = mean((logs - y) ** 2)",
        "target": "loss",
        "parameters": {"w": {"value": 0.16}},
        "data": {"x": x, "y": x},
        "optimizer": {"name": "sgd", "learning_rate": 1e-6},
        "batch_size": 4,
        "shuffle": False,
    }
    async with job_world(tmp_path) as here:
        done = await ended(here, await submit(here, body))
        job_responses.Job.model_validate(done)
        error = done["error"]
        assert (error["code"], error["node"], error["step"], error["epoch"]) == ("non_finite", "logs", 2, 1)
        assert error["diagnosis"]["reason"] == "domain"
        assert error["diagnosis"]["rows"] == [7]


async def test_what_a_crash_left_of_a_submission_is_swept(tmp_path: Path) -> None:
    async with job_world(tmp_path, work=False) as here:
        kept = await submit(here, LINE)
        jobs = tmp_path / "data" / "jobs"
        for name in ("job_old", "job_new"):
            (jobs / name / "data").mkdir(parents=True)
        for name in ("job_old", kept):
            os.utime(jobs / name, (time.time() - 7200,) * 2)
        await here.services.sweep()
        assert sorted(path.name for path in jobs.iterdir()) == sorted([kept, "job_new"])


async def test_who_comes_second_to_delete_a_job_is_told_that_it_is_gone(tmp_path: Path) -> None:
    async with job_world(tmp_path) as here:
        job_id = await submit(here, LINE)
        await ended(here, job_id)
        both = await asyncio.gather(*(here.client.delete(f"/v1/jobs/{job_id}") for _ in range(8)))
        assert sorted(response.status_code for response in both) == [204, *[404] * 7]


def test_what_earlier_attempts_left_beside_what_counts_is_cleared_and_nothing_else(tmp_path: Path) -> None:
    for name in (".5-1.tmp", "5-1", "7-2", "7-2-final", "9-3", "11-4", "lost+found"):
        (tmp_path / name).mkdir()
    checkpoints.clear(tmp_path, 3, ("7-2",))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["11-4", "7-2", "9-3", "lost+found"]
    checkpoints.clear(tmp_path / "not there", 3, ())


def test_what_killed_children_were_writing_is_swept_and_nothing_else(tmp_path: Path) -> None:
    for name in (".5-1.tmp", ".7-2-final.tmp", ".9-3.tmp", "5-1"):
        (tmp_path / name).mkdir()
    checkpoints.sweep(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".9-3.tmp", "5-1"]


async def test_rows_that_meet_a_column_are_warned_of_at_submission(tmp_path: Path) -> None:
    """(n, 1) - (n,): it trains to nonsense and succeeds."""
    accident = {**LINE, "data": {"x": [[1], [2], [3]], "y": [2, 4, 6]}}
    async with job_world(tmp_path, work=False) as here:
        answer = (await here.post("/v1/jobs", accident)).json()
        job_responses.Job.model_validate(answer)
        [warning] = answer["warnings"]
        assert (warning["code"], warning["node"]) == ("broadcast", "subtract_1")
        assert "(3, 1) against (3,) to (3, 3)" in warning["message"]
        assert (await job(here, answer["id"]))["warnings"] == [warning]
        [listed] = (await here.client.get("/v1/jobs")).json()["jobs"]
        job_responses.ListedJob.model_validate(listed)
        assert listed["warnings"] == [warning]
        database = here.services.database
        told = await database.read(lambda c: records.events(c, answer["id"], after=0, limit=10))
        assert [event.kind for event in told] == ["status", "log"]
        assert (told[1].data["code"], told[1].data["message"]) == ("broadcast", warning["message"])
        for data in ({"x": [[1], [2], [3]], "y": [[2], [4], [6]]}, {"x": [1, 2, 3], "y": [2, 4, 6]}):
            assert (await here.post("/v1/jobs", {**LINE, "data": data})).json()["warnings"] == []
        model = {"input_shape": [1], "layers": [{"type": "Dense", "units": 1}]}
        network = {"model": model, "loss": "mse", "data": accident["data"]}
        answer = (await here.post("/v1/jobs", network)).json()
        assert answer["warnings"] == [], "losses of models bring both to one shape"
