"""The parts of an app that endpoints use: made once by `create_app`, found through the request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope
from structlog.typing import FilteringBoundLogger

from engine.runtime import devices
from service.datasets.folder import DatasetFolder
from service.datasets.unpacker import Unpacker
from service.jobs import records, submission
from service.jobs.queue.dbos import DbosQueue
from service.jobs.queue.port import JobQueue
from service.jobs.runner import JobRunner
from service.jobs.stream import Streams
from service.jobs.worker.elsewhere import WorkersElsewhere
from service.jobs.worker.supervisor import WorkerSupervisor
from service.processes.membership import Membership
from service.processes.sandbox import Isolation
from service.queries.pool import ChildPool
from service.queries.shared_pool import Pool, PoolElsewhere, ServedPool
from service.queries.tiers import Tiers
from service.queries.turns import Caller
from service.settings import Settings
from service.storage.database import Database
from service.storage.graphs import GraphStore
from service.telemetry.metrics import Metrics
from service.wire.held_bytes import HeldBytes, Share

Endpoint = Callable[[Request], Awaitable[Response]]

#: Bytes that each child may keep at least, whatever the number of children.
_CHILD_CACHE = 32 * 2**20


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
    gpus: Mapping[str, Pool]
    tiers: Tiers
    bodies: HeldBytes
    datasets: DatasetFolder
    unpacker: Unpacker
    queue: JobQueue
    streams: Streams
    supervisor: WorkerSupervisor | WorkersElsewhere
    membership: Membership | None
    isolation: Isolation

    @classmethod
    def build(
        cls,
        settings: Settings,
        logger: FilteringBoundLogger,
        queue: JobQueue | None = None,
        membership: Membership | None = None,
    ) -> Services:
        """Open the data folder and make the parts; processes and threads start when first needed.

        With `membership` this is one of several processes: each GPU belongs to one of them, and none of them
        keeps the workers.
        """
        metrics = Metrics()
        database = Database(settings.data)
        native_folder = settings.jobs_folder.parent / "native"
        for folder in (settings.jobs_folder, settings.datasets_folder, native_folder):
            folder.mkdir(mode=0o700, exist_ok=True)  # a child may touch only what is there when it starts
        isolation = Isolation.probe() if settings.isolate_children else Isolation.none()
        if not all(isolation.as_dict().values()):
            logger.warning("children are not isolated from everything", **isolation.as_dict())
        limits: dict[str, Any] = {
            "max_peak_bytes": settings.max_peak_bytes,
            "max_answer_bytes": settings.max_answer_bytes,
            "graph_cache": settings.graph_cache,
            "program_cache": settings.program_cache,
            "device_memory": settings.device_memory_bytes,
            "cache_bytes": settings.cache_bytes,
            "native_folder": str(native_folder),
        }
        inventory = devices.inventory()
        runner = JobRunner(**limits, compiles=False)
        graphs = GraphStore(database, entries=settings.graph_cache, most_bytes=settings.cache_bytes // 8)
        metrics.watch({"graphs": graphs.recent, "programs": runner.compiler})

        def on_failure(why: str) -> None:
            metrics.failures.inc()
            logger.warning("child process failed", why=why.strip().rsplit("\n", 1)[-1])

        child = {
            "address_space": settings.child_address_space,
            "inventory": inventory.document(),
            "compress_from": settings.compress_from_bytes,
            "folders": settings.child_folders,
            **limits,
            "cache_bytes": max(_CHILD_CACHE, settings.cache_bytes // settings.child_count),
        }
        shared: Any = {
            "queue_limit": settings.queue_limit,
            "time_limit_s": settings.time_limit_s,
            "environment": settings.blas_environment,
            "on_failure": on_failure,
            "module": JobRunner.__module__,
        }
        pool = ChildPool(size=settings.child_count, config=child, **shared)
        gpus: dict[str, Pool] = {}
        for number, gpu in enumerate(inventory.gpus):
            metrics.device_limit.labels(gpu.name).set(gpu.allowed(settings.device_memory_bytes))
            if membership is not None and membership.owner(number) != membership.index:
                gpus[gpu.name] = PoolElsewhere(membership.gpu_socket(number))
                continue
            own = ChildPool(
                size=1,
                config={**child, "address_space": None, "folders": None, "device": gpu.name},
                on_device_bytes=metrics.device_memory.labels(gpu.name).set,
                **shared,
            )
            gpus[gpu.name] = own if membership is None else ServedPool(own, membership.gpu_socket(number))
        supervisor: WorkerSupervisor | WorkersElsewhere = (
            WorkerSupervisor(settings, logger) if membership is None else WorkersElsewhere(membership.channel)
        )
        datasets = DatasetFolder(settings.datasets_folder)
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
            bodies=HeldBytes(settings.max_body_bytes_held, "request bodies", "GRADWIRE_MAX_BODY_BYTES_HELD"),
            datasets=datasets,
            unpacker=Unpacker(
                datasets,
                settings.blas_environment,
                address_space=settings.child_address_space,
                time_limit_s=settings.time_limit_s,
            ),
            queue=queue or DbosQueue(database),
            streams=Streams(database, poll_s=settings.event_poll_s),
            supervisor=supervisor,
            membership=membership,
            isolation=isolation,
        )

    async def start(self) -> None:
        """Start the template of the child processes and the workers, and take what others send."""
        await self.pool.start()
        for pool in self.gpus.values():
            if isinstance(pool, ServedPool):
                await pool.start()
        self.supervisor.start()
        if self.membership is None or self.membership.index == 0:
            await self.sweep()

    def measure(self) -> None:
        """Set the gauges that nobody sets when they change."""
        self.metrics.children.set(self.tiers.children)
        self.metrics.followed.set(self.streams.pollers)

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
        await self.unpacker.close()
        for pool in (self.pool, *self.gpus.values()):
            await pool.close()
        await asyncio.to_thread(self.queue.close)
        self.tiers.close()
        self.database.close()


def caller_of(scope: Scope) -> Caller:
    """Who sent a request: address and port; None if they are not known, as over a Unix socket."""
    client: Caller = scope.get("client")
    return client


def holding_body(endpoint: Endpoint) -> Endpoint:
    """An endpoint whose `read_body` counts the bytes of the body until the response is made."""

    @wraps(endpoint)
    async def hold(request: Request) -> Response:
        caller = caller_of(request.scope)
        with Share(services_of(request).bodies, caller[0] if caller else "") as request.state.share:
            return await endpoint(request)

    return hold


def services_of(request: Request) -> Services:
    """The services of the app of `request`."""
    return cast(Services, request.app.state.services)
