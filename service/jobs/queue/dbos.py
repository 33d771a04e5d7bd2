"""The queue on DBOS: hand-overs are workflows in the same database, committed together with the job's row.

Only a job's id and a number cross, as JSON. What must hold for jobs does not rest on DBOS: its recovery may
deliver again what ran already (the number tells), and its notice of cancelled steps takes a second where
ours takes a fifth (the worker looks at the job's row itself).
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from service.jobs.queue.port import Deliver, Delivery, Key
from service.storage.database import Database

if TYPE_CHECKING:
    from dbos import DBOSClient, EnqueueOptions

_APPLICATION = "gradwire"
_QUEUE = "gradwire_jobs"
_WORKFLOW = "gradwire_attempt"
#: Pinned: by itself DBOS hashes the source, and what an older server handed over would wait for ever.
_VERSION = "1"
_POLL_S = 0.1
#: The priority of a job that was never begun.
_BEHIND = 1
_MAX_RECOVERIES = 20
_WAITING = ["ENQUEUED", "DELAYED"]
_ENDED = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]
_STATES: dict[str, Delivery] = {"ENQUEUED": "waiting", "DELAYED": "waiting", "PENDING": "delivered"}


class DbosQueue:
    """Hand-overs as DBOS workflows. Importing and connecting wait until the first use.

    `executor` names this process among the workers; only one living process may have it.
    """

    def __init__(self, database: Database, *, executor: str | None = None) -> None:
        self._database = database
        self._executor = executor
        self._lock = threading.Lock()
        self._open: DBOSClient | None = None
        self._listening = False

    def prepare(self) -> None:
        """Import DBOS, create its tables, connect: half a second the first time, then nothing."""
        self._client()

    def enqueue(
        self,
        connection: Connection,
        job_id: str,
        delivery: int,
        delay_s: float = 0.0,
        *,
        first: bool = False,
    ) -> None:
        """Hand over within the transaction: one commit for the job and its hand-over."""
        client = self._open
        assert client is not None, "prepare first: creating tables waits for the transaction that would wait"
        options: EnqueueOptions = {
            "workflow_name": _WORKFLOW,
            "queue_name": _QUEUE,
            "workflow_id": _workflow_id(job_id, delivery),
            "app_version": _VERSION,
        }
        if not first:
            options["priority"] = _BEHIND  # without a number it is first
        if delay_s:
            options["delay_seconds"] = delay_s
        client.enqueue_in_transaction(connection, options, job_id, delivery)

    def cancel(self, job_id: str, delivery: int) -> None:
        """Cancel the workflow."""
        self._client().cancel_workflow(_workflow_id(job_id, delivery))

    def resume(self, job_id: str, delivery: int) -> None:
        """Let the workflow wait for a worker again."""
        self._client().resume_workflow(_workflow_id(job_id, delivery), queue_name=_QUEUE)

    def status(self, job_id: str, delivery: int) -> Delivery:
        """How far the workflow is."""
        from dbos import error  # noqa: PLC0415

        try:
            status = self._client().retrieve_workflow(_workflow_id(job_id, delivery)).get_status()
        except error.DBOSNonExistentWorkflowError:
            return "unknown"
        return _STATES.get(status.status, "done")

    def over(self, limit: int) -> list[Key]:
        """Workflows that have ended."""
        ended = self._client().list_workflows(
            status=_ENDED, name=_WORKFLOW, limit=limit, load_input=False, load_output=False
        )
        return [_key(workflow.workflow_id) for workflow in ended]

    def forget(self, keys: Sequence[Key]) -> None:
        """Delete workflows with their inputs, steps and outcomes; what waits is cancelled first.

        Only what has ended is deleted: DBOS would go on to write about a workflow that runs.
        """
        client = self._client()
        ids = [_workflow_id(*key) for key in keys]

        def found(status: list[str]) -> list[str]:
            listed = client.list_workflows(
                workflow_ids=ids, status=status, load_input=False, load_output=False
            )
            return [workflow.workflow_id for workflow in listed]

        for waiting in found(_WAITING):
            client.cancel_workflow(waiting)
        if ended := found(_ENDED):
            client.delete_workflows(ended)

    async def listen(self, deliver: Deliver, *, concurrency: int) -> None:
        """Start DBOS in this process; hand-overs run on the loop that calls this."""
        loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._launch, deliver, loop, concurrency)

    def _launch(self, deliver: Deliver, loop: asyncio.AbstractEventLoop, concurrency: int) -> None:
        assert self._executor is not None, "a listener has a name of its own"
        from dbos import DBOS, DBOSPortableJSONSerializer  # noqa: PLC0415

        self._client()
        DBOS(
            config={
                "name": _APPLICATION,
                "system_database_url": str(self._database.engine.url),
                "sys_db_pool_size": 4,
                "executor_id": self._executor,
                "application_version": _VERSION,
                "serializer": DBOSPortableJSONSerializer(),
                "log_level": "WARNING",
                "enable_otlp": False,
                "use_listen_notify": False,
            }
        )

        @DBOS.step(name="gradwire_attempt_step", preemptible=True)
        async def step(job_id: str, delivery: int) -> None:
            """One attempt, on the worker's own loop."""
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_run(job_id, delivery), loop))

        async def _run(job_id: str, delivery: int) -> None:
            await deliver(job_id, delivery)

        @DBOS.workflow(name=_WORKFLOW, max_recovery_attempts=_MAX_RECOVERIES)
        async def attempt(job_id: str, delivery: int) -> None:
            """One hand-over. The tables of jobs decide what it does, and how often."""
            await step(job_id, delivery)

        DBOS.listen_queues([_QUEUE])
        DBOS.launch()
        DBOS.register_queue(
            _QUEUE, worker_concurrency=concurrency, polling_interval_sec=_POLL_S, on_conflict="always_update"
        )
        self._listening = True

    def close(self) -> None:
        """Stop DBOS and close its connections."""
        if self._listening:
            from dbos import DBOS  # noqa: PLC0415

            self._listening = False
            DBOS.destroy(destroy_registry=True)
        with self._lock:
            client, self._open = self._open, None
        if client is not None:
            client.destroy()

    def _client(self) -> DBOSClient:
        with self._lock:
            if self._open is None:
                _quiet()
                from dbos import DBOS, DBOSClient, DBOSPortableJSONSerializer  # noqa: PLC0415

                DBOS.migrate(str(self._database.engine.url))
                self._open = DBOSClient(
                    system_database_engine=self._database.engine,
                    serializer=DBOSPortableJSONSerializer(),
                    application_name=_APPLICATION,
                )
            return self._open


def _workflow_id(job_id: str, delivery: int) -> str:
    return f"{job_id}.{delivery}"


def _key(workflow_id: str) -> Key:
    job_id, _, delivery = workflow_id.rpartition(".")
    return job_id, int(delivery)


def _quiet() -> None:
    """Send DBOS's warnings to our log; without a handler DBOS writes a banner to the console."""
    logger = logging.getLogger("dbos")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    logger.setLevel(logging.WARNING)
