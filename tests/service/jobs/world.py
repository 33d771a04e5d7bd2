"""A small setup for a test of jobs: an app, a worker on its loop, and a queue in memory between them."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from service.app import create_app
from service.jobs.queue.memory import MemoryQueue
from service.jobs.states import FINAL
from service.jobs.worker.process import limits_of
from service.jobs.worker.worker import Worker
from service.processes.launcher import ForkServer
from service.settings import Settings
from tests.service.world import World

#: y = 2 x by gradient descent.
LINE: dict[str, Any] = {
    "program": "pred = W * x + b\nloss = mean((pred - y) ** 2)",
    "target": "loss",
    "parameters": {"W": {"value": [0.5]}, "b": {"shape": [1], "initializer": "zeros"}},
    "data": {"x": [[1], [2], [3]], "y": [[2], [4], [6]]},
    "optimizer": {"name": "sgd", "learning_rate": 0.01},
    "batch_size": 3,
    "epochs": 20,
}


def long(epochs: int = 2_000_000) -> dict[str, Any]:
    """A job that runs until it is stopped."""
    return {**LINE, "epochs": epochs}


def classifier(rows: int = 640, epochs: int = 6, **changes: Any) -> dict[str, Any]:
    """A model with shuffling, dropout, a short last batch, validation: all that resuming must keep."""
    x = [[((row * 7 + k * 3) % 11) / 11 for k in range(6)] for row in range(rows)]
    y = {"dtype": "int64", "data": [row % 3 for row in range(rows)]}
    layers = [
        {"type": "Dense", "units": 16, "activation": "relu"},
        {"type": "Dropout", "rate": 0.2},
        {"type": "Dense", "units": 3, "activation": "softmax"},
    ]
    return {
        "model": {"input_shape": [6], "layers": layers},
        "loss": "sparse_categorical_crossentropy",
        "metrics": ["accuracy"],
        "data": {"x": x, "y": y},
        "optimizer": {"name": "adam", "learning_rate": 0.003},
        "batch_size": 7,
        "epochs": epochs,
        "validation_split": 0.1,
        "seed": 3,
        **changes,
    }


@asynccontextmanager
async def job_world(
    folder: Path, *, work: bool = True, module: str = "service.jobs.worker.child", **settings: Any
) -> AsyncIterator[World]:
    """An app with these settings; with `work` also a worker, whose jobs run `serve` of `module`."""
    log = io.StringIO()
    queue = MemoryQueue()
    chosen = Settings(data=folder / "data", **settings)
    app = create_app(chosen, log_stream=log, queue=queue)
    services = app.state.services
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test", timeout=60) as client,
    ):
        worker = Worker(
            services.database,
            queue,
            chosen.jobs_folder,
            name="worker-0",
            limits=limits_of(chosen),
            concurrency=2,
            environment=chosen.blas_environment,
            logger=services.logger,
        )
        worker._template = ForkServer(lambda pid: None, module=module)
        if work:
            await worker.start()
        try:
            yield World(client, services, log)
        finally:
            if work:
                await worker.stop()


async def submit(here: World, body: Any, **options: Any) -> str:
    """Submit a job; its id."""
    response = await here.post("/v1/jobs", body, **options)
    assert response.status_code == 202, response.text
    job = response.json()
    assert response.headers["location"] == f"/v1/jobs/{job['id']}"
    return str(job["id"])


async def job(here: World, job_id: str) -> dict[str, Any]:
    """The job as it stands."""
    response = await here.client.get(f"/v1/jobs/{job_id}")
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def ended(here: World, job_id: str) -> dict[str, Any]:
    """The job after its end."""
    return await until(here, job_id, lambda found: found["status"] in FINAL)


async def until(
    here: World, job_id: str, condition: Any, seconds: float = 30, look_s: float = 0.02
) -> dict[str, Any]:
    """The job, once the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition(found := await job(here, job_id)):
        assert time.monotonic() < deadline, found
        await asyncio.sleep(look_s)
    return found
