"""The parts of an app that endpoints use: made once by `create_app`, found through the request."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from starlette.requests import Request
from structlog.typing import FilteringBoundLogger

from engine.runtime import devices
from service.datasets.folder import DatasetFolder
from service.jobs import records, submission
from service.jobs.queue.dbos import DbosQueue
from service.jobs.queue.port import JobQueue
from service.jobs.runner import JobRunner
from service.jobs.stream import Streams
from service.jobs.worker.supervisor import WorkerSupervisor
from service.queries.pool import ChildPool
from service.queries.tiers import Tiers
from service.settings import Settings
from service.storage.database import Database
from service.storage.graphs import GraphStore
from service.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of one app."""

    settings: Settings
    logger: FilteringBoundLogger
    metrics: Metrics
    database: Database
    graphs: GraphStore
    runner: JobRunner
    pool: ChildPool
    gpus: Mapping[str, ChildPool]
    tiers: Tiers
    datasets: DatasetFolder
    queue: JobQueue
    streams: Streams
    supervisor: WorkerSupervisor

    @classmethod
    def build(
        cls, settings: Settings, logger: FilteringBoundLogger, queue: JobQueue | None = None
    ) -> Services:
        """Open the data folder and make the parts; processes and threads start when first needed."""
        metrics = Metrics()
        database = Database(settings.data)
        limits: dict[str, Any] = {
            "max_peak_bytes": settings.max_peak_bytes,
            "graph_cache": settings.graph_cache,
            "program_cache": settings.program_cache,
            "device_memory": settings.device_memory_bytes,
        }
        found = devices.inventory()
        runner = JobRunner(**limits)
        graphs = GraphStore(database, entries=settings.graph_cache)
        metrics.watch({"graphs": graphs.recent, "programs": runner.compiler})

        def on_failure(why: str) -> None:
            metrics.failures.inc()
            logger.warning("child process failed", why=why.strip().rsplit("\n", 1)[-1])

        child = {"address_space": settings.child_address_space, "inventory": found.document(), **limits}
        shared: Any = {
            "queue_limit": settings.queue_limit,
            "time_limit_s": settings.time_limit_s,
            "environment": settings.blas_environment,
            "on_failure": on_failure,
            "module": JobRunner.__module__,
        }
        pool = ChildPool(size=settings.child_count, config=child, **shared)
        gpus = {}
        for gpu in found.gpus:
            metrics.device_limit.labels(gpu.name).set(gpu.allowed(settings.device_memory_bytes))
            gpus[gpu.name] = ChildPool(
                size=1,
                config={**child, "address_space": None, "device": gpu.name},
                on_device_bytes=metrics.device_memory.labels(gpu.name).set,
                **shared,
            )
        return cls(
            settings=settings,
            logger=logger,
            metrics=metrics,
            database=database,
            graphs=graphs,
            runner=runner,
            pool=pool,
            gpus=gpus,
            tiers=Tiers(settings, runner, pool, metrics, gpus),
            datasets=DatasetFolder(settings.datasets_folder),
            queue=queue or DbosQueue(database),
            streams=Streams(database, poll_s=settings.event_poll_s),
            supervisor=WorkerSupervisor(settings, logger),
        )

    async def sweep(self) -> None:
        """Remove what a crash left in the folders."""

        def known(job_id: str) -> bool:
            with self.database.engine.connect() as connection:
                return records.get(connection, job_id) is not None

        await asyncio.to_thread(self.datasets.sweep)
        await asyncio.to_thread(submission.sweep, self.settings.jobs_folder, known)

    async def close(self) -> None:
        """End every process and thread and close the database."""
        self.streams.close()
        await self.supervisor.close()
        for pool in (self.pool, *self.gpus.values()):
            await pool.close()
        await asyncio.to_thread(self.queue.close)
        self.tiers.close()
        self.database.close()


def services_of(request: Request) -> Services:
    """The services of the app of `request`."""
    return cast(Services, request.app.state.services)
