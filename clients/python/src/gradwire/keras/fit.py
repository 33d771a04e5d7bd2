"""From a compiled model and arrays to a job, and the job's progress shown while it runs."""

from __future__ import annotations

import os
import sys
from asyncio import CancelledError
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from math import ceil, floor
from threading import RLock
from typing import Any

from tqdm import tqdm
from tqdm.std import TqdmDefaultWriteLock

from gradwire._client.datasets import Column
from gradwire._client.job_documents import optimizer_document
from gradwire._client.jobs import FINAL, Job, numbers
from gradwire._client.uploads import array_of
from gradwire._notices import warn
from gradwire._transport.driver import D_co
from gradwire._transport.flow import Flow, Sleep
from gradwire._transport.sse import Event
from gradwire._transport.stream import each
from gradwire.errors import ConfigurationError, GradwireError, TrainingWarning, WrongState
from gradwire.keras.callbacks import Callback, EarlyStopping, LearningRateScheduler

_LOOK_S = 0.1


def _forked() -> None:
    """Another thread may have been drawing a bar when this process was forked."""
    locks = getattr(tqdm.get_lock(), "locks", [])
    locks[:] = [RLock() if lock is TqdmDefaultWriteLock.th_lock else lock for lock in locks]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


class _Stopped(Exception):
    """A callback wants the job to end."""


def settings_of(
    callbacks: Sequence[Callback],
    optimizer: Any,
    rows: int,
    batch_size: int,
    epochs: int,
    names: Mapping[str, str],
) -> dict[str, Any]:
    """What callbacks change about a job; raises ConfigurationError for things that are none.

    `names` are what metrics are called here, by their names on the wire.
    """
    there = {here: name for name, here in names.items()}
    settings: dict[str, Any] = {"optimizer": optimizer_document(optimizer)}
    for callback in callbacks:
        if isinstance(callback, Callback):
            callback.check()
        if isinstance(callback, EarlyStopping):
            ending = callback.document()
            ending["monitor"] = there.get(ending["monitor"], ending["monitor"])
            settings["early_stopping"] = ending
        elif isinstance(callback, LearningRateScheduler):
            document = settings["optimizer"]
            rate = document.get("learning_rate", 0.001)
            start = rate if isinstance(rate, int | float) else float(rate["initial_learning_rate"])
            schedule = callback.tabulated(start, epochs, ceil(rows / batch_size))
            settings["optimizer"] = {**document, "learning_rate": schedule.document()}
        elif not isinstance(callback, Callback):
            raise ConfigurationError(
                f"expected callbacks of gradwire.callbacks, got {type(callback).__name__}; those of Keras "
                "run inside its own training loop, which a job has not"
            )
    return settings


def pair(x: Any, y: Any) -> dict[str, Any]:
    """The data of a model's job."""
    return {"x": x, "y": y}


def rows_of(x: Any, validation_split: float) -> int:
    """How many rows are trained on."""
    count = x.shape[0] if isinstance(x, Column) else len(array_of(x))
    return floor(count * (1 - validation_split)) if validation_split else count


def follow(
    job: Job[D_co],
    callbacks: Sequence[Callback],
    stop: Callable[[], bool],
    names: Mapping[str, str],
    *,
    bar: bool,
) -> Flow[None]:
    """Read a job's events to the end, metrics renamed by `names`; raises JobFailed, JobCancelled.

    Interrupted, or where a callback raises, the job is cancelled. Where `stop` answers true after an epoch it
    saves itself first.
    """
    calling = False
    try:
        calling = True
        for callback in callbacks:
            callback.on_train_begin()
        calling = False
        with tqdm(total=job.progress.get("steps"), disable=not bar, file=sys.stdout, unit="step") as shown:

            def report(event: Event) -> None:
                nonlocal calling
                _show(shown, event.kind, event.data, names)
                warns = event.data.get("warnings") or event.data.get("code") in (
                    "no_gradient",
                    "other_machine",
                )
                if event.kind == "log" and warns:
                    warn(TrainingWarning, event.data["message"], event.data["message"])
                if event.kind == "epoch":
                    logs = numbers({k: v for k, v in event.data.items() if k not in ("epoch", "step")})
                    calling = True
                    for callback in callbacks:
                        callback.on_epoch_end(int(event.data["epoch"]) - 1, _flat(logs, names))
                    calling = False
                    if stop():
                        raise _Stopped

            yield from each(Job.stream.flow(job), report)
    except _Stopped:
        yield from _saved(job)
        return
    except BaseException as error:
        if calling or isinstance(error, KeyboardInterrupt | CancelledError):
            with suppress(GradwireError):  # it may have ended in the same moment
                yield from Job.cancel.flow(job)
        raise
    yield from Job.wait.flow(job)


def _saved(job: Job[D_co]) -> Flow[None]:
    """Have the job save itself and end; what it has learned by then can be read."""
    with suppress(WrongState):  # it has ended in the same moment
        yield from Job.pause.flow(job)
    while job.status not in ("paused", *FINAL):
        yield Sleep(_LOOK_S)
        yield from Job.refresh.flow(job)
    if job.status == "paused":
        yield from Job.cancel.flow(job)
    elif job.status != "succeeded":
        job.check()


def _show(bar: Any, kind: str, data: Mapping[str, Any], names: Mapping[str, str]) -> None:
    if kind not in ("step", "epoch"):
        return
    step = int(data.get("step") or 0)
    if step > bar.n:
        bar.update(step - bar.n)
    if kind == "epoch":
        logs = numbers({k: v for k, v in data.items() if k not in ("epoch", "step")})
        bar.set_description(f"epoch {data['epoch']}", refresh=False)
        bar.set_postfix({name: f"{value:.4g}" for name, value in _flat(logs, names).items()})


def _flat(logs: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, float]:
    nested = logs.get("metrics")
    flat = numbers(nested) if isinstance(nested, Mapping) else logs
    return {names.get(name, name): value for name, value in flat.items()}
