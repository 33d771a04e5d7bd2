"""Jobs and data sets: against a server with workers, and against a script where the server must misbehave."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

import gradwire as gw
from gradwire._transport.sse import Event, Parser
from gradwire.errors import JobCancelled, JobFailed, JobNotFound, NoAnswer, NonFinite, TrainingWarning
from tests.client.fake import JSON, fake_server, problem

LINE = "pred = W * x + b\nloss = mean((pred - y) ** 2)"
X, Y = np.array([[1.0], [2.0], [3.0]]), np.array([[2.0], [4.0], [6.0]])
START = {"W": {"value": [0.5]}, "b": {"shape": [1], "initializer": "zeros"}}
SSE = {"content-type": "text/event-stream"}


def line(**changes: Any) -> dict[str, Any]:
    """A job that fits a line."""
    rest = {"optimizer": {"name": "sgd", "learning_rate": 0.05}, "batch_size": 3, "dtype": "float64"}
    return {"target": "loss", "data": {"x": X, "y": Y}, "parameters": START, "epochs": 50, **rest, **changes}


def test_a_line_is_fitted_by_a_job(client: gw.Client) -> None:
    job = client.jobs.submit(LINE, **line())
    assert job.wait(60).status == "succeeded"
    learned = job.parameters()
    assert learned["W"][0] == pytest.approx(2.0, abs=0.2)
    predicted = job.predict({"x": [[4.0]]}, outputs=["pred"])["pred"]
    np.testing.assert_allclose(predicted, 4.0 * learned["W"] + learned["b"][None])
    history = job.metrics()
    assert [entry["epoch"] for entry in history] == list(range(1, 51))
    assert history[-1]["loss"] < history[0]["loss"]
    assert len(job.metrics(by="step")) == 50
    assert job.checkpoints()[-1]["epoch"] == 50
    events = list(job.stream())
    assert [event.kind for event in events][-1] == "end"
    assert client.jobs.get(job.id).progress["step"] == 50
    assert job.id in [other.id for other in client.jobs.list(status="succeeded")]
    job.delete()
    with pytest.raises(JobNotFound):
        job.refresh()


def test_a_job_that_diverges_says_where(client: gw.Client) -> None:
    optimizer = {"name": "sgd", "learning_rate": 1e6}
    job = client.jobs.submit(LINE, **line(optimizer=optimizer, epochs=10_000))
    with pytest.raises(JobFailed, match="failed") as caught:
        job.wait(60)
    assert isinstance(caught.value.problem, NonFinite)
    assert caught.value.problem.step is not None
    assert caught.value.problem.diagnosis["reason"] == "overflow"
    assert caught.value.job_id == job.id
    assert job.error is not None
    assert job.error["code"] == "non_finite"


def test_parameters_start_from_arrays_and_variables(client: gw.Client) -> None:
    jobs = [
        client.jobs.submit(LINE, **line(parameters=parameters)).wait(60)
        for parameters in (
            {"W": {"value": [0.5]}, "b": {"value": [0.0]}},
            {"W": np.array([0.5]), "b": [0.0]},
            {"W": gw.Variable([0.5]), "b": {"shape": [1], "initializer": "zeros"}},
        )
    ]
    assert len({str(job.parameters()) for job in jobs}) == 1
    assert jobs[0].error is None


def test_a_job_is_paused_resumed_and_cancelled(client: gw.Client) -> None:
    job = client.jobs.submit(LINE, **line(epochs=10_000_000))
    assert job.pause().status in ("paused", "running", "queued")
    deadline = time.monotonic() + 60
    while job.refresh().status != "paused" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert job.resume().status in ("queued", "running")
    job.cancel()
    with pytest.raises(JobCancelled):
        job.wait(60)


def test_waiting_has_an_end(client: gw.Client) -> None:
    job = client.jobs.submit(LINE, **line(epochs=10_000_000))
    with pytest.raises(TimeoutError, match="it goes on"):
        job.wait(0.1)
    job.cancel()


@pytest.mark.anyio
async def test_jobs_of_the_async_client(url: str) -> None:
    async with gw.AsyncClient(url) as client:
        job = await client.jobs.submit(LINE, **line())
        kinds = [event.kind async for event in job.stream()]
        await job.wait(60)
        learned = await job.parameters()
    assert kinds[-1] == "end"
    assert kinds.count("epoch") == 50
    assert learned["W"].shape == (1,)


def test_data_sets_are_uploaded_once(client: gw.Client, tmp_path: Path) -> None:
    arrays = {"x": np.arange(600_000.0).reshape(-1, 2), "y": np.arange(300_000)}
    first, second = client.datasets.upload(arrays), client.datasets.upload(dict(arrays))
    assert first.id == second.id
    assert (first.rows, set(first.fields)) == (300_000, {"x", "y"})
    assert first["x"].document() == {"dataset": first.id, "field": "x"}
    assert client.datasets.get(first.id).preview is not None
    table = tmp_path / "table.csv"
    table.write_text("a,b,target\n1,2,3\n4,5,6\n")
    columns = client.datasets.upload(table)
    assert columns[["a", "b"]].document()["fields"] == ["a", "b"]
    with pytest.raises(KeyError, match="a, b, target"):
        columns["c"]
    assert {first.id, columns.id} <= {each.id for each in client.datasets.list()}
    client.datasets.delete(columns.id)
    with pytest.raises(ValueError, match=r"\.npy, \.npz, \.csv"):
        client.datasets.upload("table.xls")


@pytest.mark.anyio
async def test_data_sets_of_the_async_client(url: str) -> None:
    async with gw.AsyncClient(url) as client:
        dataset = await client.datasets.upload(np.arange(10.0))
    assert dataset.fields["data"]["dtype"] == "float64"


def test_what_is_known_is_not_sent() -> None:
    described = '{"id":"sha256:1","rows":3,"bytes":9,"fields":{"data":{"shape":[],"dtype":"float64"}}}'
    known = httpx.Response(200, content=described, headers=JSON)
    with fake_server(known, problem(404, "dataset_not_found"), known) as (fake, client):
        client.datasets.upload(np.ones(3))
        client.datasets.upload(np.ones(3))
    assert [request.method for request in fake.requests] == ["GET", "GET", "POST"]
    assert fake.requests[-1].headers["content-type"] == "application/x-npy"


def test_big_arrays_go_through_data_sets_and_small_ones_along(client: gw.Client) -> None:
    x = np.linspace(0.0, 1.0, 40_000).reshape(-1, 1)
    job = client.jobs.submit(LINE, **line(data={"x": x, "y": 2.0 * x}, batch_size=1000, epochs=1))
    job.wait(60)
    assert job.progress["steps"] == 40


# -- the stream ------------------------------------------------------------------------------------------


def test_events_may_be_cut_anywhere() -> None:
    text = (
        'id: 1\nevent: step\ndata: {"loss": "ü"}\n\n: still here\n\nid: 2\r\nevent: end\r\ndata: {}\r\n\r\n'
    )
    expected = [Event("step", {"loss": "ü"}, "1"), Event("end", {}, "2")]
    raw = text.encode()
    for size in range(1, len(raw)):
        parser = Parser()
        found = [event for k in range(0, len(raw), size) for event in parser.feed(raw[k : k + size])]
        assert found == expected
        assert parser.last_id == "2"


def test_lines_of_the_format() -> None:
    parser = Parser()
    assert parser.feed(b"retry: 1500\nid: 7\n\ndata: 1\ndata\ndata:  2\n\n") == [
        Event("message", {"text": "1\n\n 2"}, "7")
    ]
    assert parser.wait == 1.5
    assert parser.feed(b"id: 8\ndata: half") == []
    parser.restart()
    assert parser.last_id == "7"
    assert parser.feed(b"\n\ndata: {}\n\n") == [Event("message", {}, "7")]


def test_a_broken_stream_is_resumed_behind_the_last_event() -> None:
    job = '{"id":"job_1","status":"running","progress":{}}'
    script = (
        httpx.Response(200, content=job, headers=JSON),
        httpx.Response(200, content=b'id: 4\nevent: step\ndata: {"step": 1}\n\nid: 5\neve', headers=SSE),
        httpx.ConnectError("refused"),
        problem(503, "busy"),
        httpx.Response(200, content=b'id: 5\nevent: end\ndata: {"status": "succeeded"}\n\n', headers=SSE),
    )
    with fake_server(*script) as (fake, client):
        events = list(client.jobs.get("job_1").stream())
    assert [(event.kind, event.id) for event in events] == [("step", "4"), ("end", "5")]
    assert [request.headers.get("last-event-id") for request in fake.requests[1:]] == [None, "4", "4", "4"]


def test_a_stream_that_nobody_answers_ends_with_an_error() -> None:
    job = httpx.Response(200, content='{"id":"job_1","status":"running","progress":{}}', headers=JSON)
    refused = [httpx.ConnectError("refused")] * 3
    with fake_server(job, *refused, retry=gw.Retry(3, first_wait=0.0)) as (_, client):
        stream = client.jobs.get("job_1").stream()
        with pytest.raises(NoAnswer, match="no server answered"):
            next(iter(stream))
    gone = problem(404, "job_not_found")
    again = httpx.Response(200, content='{"id":"job_1","status":"running","progress":{}}', headers=JSON)
    with fake_server(again, gone) as (_, client), pytest.raises(JobNotFound):
        list(client.jobs.get("job_1").stream())


def test_rows_that_meet_a_column_are_warned_about_at_the_users_line(client: gw.Client) -> None:
    """(n, 1) - (n,): the job would train to nonsense and succeed."""
    options = {
        "target": "loss",
        "parameters": {"W": {"value": [0.5]}},
        "optimizer": {"name": "sgd", "learning_rate": 0.01},
        "batch_size": 3,
    }
    program = "pred = W * x\nloss = mean((pred - y) ** 2)"
    data = {"x": np.ones((6, 1)), "y": np.arange(6.0)}
    with pytest.warns(TrainingWarning, match=r"subtract_1.*\(3, 1\) against \(3,\)") as caught:
        job = client.jobs.submit(program, data=data, **options)
    assert [Path(each.filename) for each in caught] == [Path(__file__)]
    assert [warning["code"] for warning in job.wait().warnings] == ["broadcast"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert client.jobs.submit(program, data={**data, "y": np.ones((6, 1))}, **options).warnings == []
