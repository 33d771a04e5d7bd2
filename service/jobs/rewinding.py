"""What a job forgets when it goes on from a checkpoint: what happened since, which will happen again."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, delete, update

from service.storage.tables import JOB_EVENTS, JOBS


def rewind(connection: Connection, job_id: str, newest: Any) -> dict[str, int]:
    """Remove what happened at a step after the checkpoint `newest` was written: the place of the job now."""
    repeated = (
        JOB_EVENTS.c.job_id == job_id,
        JOB_EVENTS.c.id > (newest.last_event if newest else 0),
        JOB_EVENTS.c.step.is_not(None),
    )
    connection.execute(delete(JOB_EVENTS).where(*repeated))
    place = {"epoch": newest.epoch if newest else 0, "step": newest.step if newest else 0}
    metrics = newest.metrics if newest else "{}"
    connection.execute(update(JOBS).where(JOBS.c.id == job_id).values(**place, metrics=metrics))
    return place
