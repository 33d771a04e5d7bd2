"""The worker as a process of its own: its start, its loop, and a graceful end."""

from __future__ import annotations

import asyncio
import signal

from structlog.typing import FilteringBoundLogger

from service.jobs.queue.dbos import DbosQueue
from service.jobs.worker.attempt import Limits
from service.jobs.worker.heartbeat import Heartbeat
from service.jobs.worker.worker import Slot, Worker
from service.settings import Settings
from service.storage.database import Database

_GRACE_S = 20.0


def limits_of(settings: Settings) -> Limits:
    """What the settings allow an attempt."""
    return Limits(
        address_space=settings.job_address_space,
        cpu_seconds=settings.job_cpu_limit_s,
        checkpoint_s=settings.checkpoint_s,
        checkpoint_steps=settings.checkpoint_steps,
        checkpoints_kept=settings.checkpoints_kept,
        retries=settings.job_retries,
        retry_s=settings.job_retry_s,
        lease_s=settings.job_lease_s,
        device_memory=settings.device_memory_bytes,
        isolate=settings.isolate_children,
    )


def run_worker(settings: Settings, logger: FilteringBoundLogger) -> None:
    """Work until SIGTERM or SIGINT, then save and give back what runs."""
    asyncio.run(_work(settings, logger))


async def _work(settings: Settings, logger: FilteringBoundLogger) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    folder = settings.data / "workers"
    slot = Slot(folder)
    heartbeat = Heartbeat(folder, slot.name)
    database = Database(settings.data)
    queue = DbosQueue(database, executor=slot.name)
    worker = Worker(
        database,
        queue,
        settings.jobs_folder,
        name=slot.name,
        limits=limits_of(settings),
        concurrency=settings.job_slots,
        environment=settings.blas_environment,
        logger=logger.bind(worker=slot.name),
    )
    try:
        await worker.start()
        heartbeat.start()
        logger.info("worker started", worker=slot.name, jobs_at_once=settings.job_slots)
        await stopping.wait()
        heartbeat.stop()  # it takes no more jobs
        try:
            await asyncio.wait_for(worker.stop(), _GRACE_S)
        except TimeoutError:
            logger.warning("jobs did not stop in time; another worker resumes them", worker=slot.name)
    finally:
        heartbeat.stop()
        await asyncio.to_thread(queue.close)
        database.close()
        slot.release()
