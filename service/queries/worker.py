"""A child: it answers calls one after the other, within its memory, and dies with its parents."""

from __future__ import annotations

import gc
import os
import socket
import traceback
from collections.abc import Mapping
from typing import Any, NoReturn

from engine.runtime import devices
from engine.runtime.executors.executor import executor_for
from service.processes import frames
from service.processes.limits import confine
from service.queries.query_request import QueryRequest
from service.queries.runner import QueryRunner, RunOnDevice
from service.wire.problems import Problem, Reply, internal, render


def serve(
    channel: socket.socket,
    parent: int,
    *,
    address_space: int | None,
    inventory: Mapping[str, Any],
    runner: type[QueryRunner] = QueryRunner,
    **settings: Any,
) -> NoReturn:
    """Take calls from `channel` until it closes; then the process ends.

    `inventory` is what the server found of devices, `settings` what a `QueryRunner` takes. The child of a GPU
    has no bound of its address space, which CUDA would break.
    """
    try:
        confine(parent, address_space)
        devices.tell(devices.Inventory.read(inventory))
        # Between calls is the time to collect: among millions of numbers it triples the time of JSON.
        gc.disable()
        gc.freeze()
        answering = runner(**settings)
        device = settings.get("device", devices.CPU)
        while (frame := frames.read_blocking(channel)) is not None:
            head, body, known = frame
            reply, failure = _answer(answering, QueryRequest.unpack(head, body, known))
            if isinstance(reply, RunOnDevice):
                answer: dict[str, Any] = {"elsewhere": reply.device, "failure": None}
                frames.write_blocking(channel, frames.pack(answer))
                continue
            answer = {"status": reply.status, "media_type": reply.media_type, "failure": failure}
            if device != devices.CPU and failure is None:
                answer["device_bytes"] = executor_for(device).bytes_held
            frames.write_blocking(channel, frames.pack(answer, reply.body))
            del frame, body, known, reply
            gc.collect()
            if failure is not None:
                break  # whatever went wrong may have left its mark: a fresh child takes over
    except (BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        pass  # the server is gone, and with it the question
    finally:
        os._exit(0)


def out_of_memory() -> Problem:
    """What the caller hears where memory ran out in spite of the estimate."""
    return Problem(
        "over_limit",
        "the query needed more memory than a process may have, in spite of the estimate",
        hint="make it smaller or split it; the operator may raise GRADWIRE_CHILD_MEMORY_BYTES",
    )


def _answer(runner: QueryRunner, call: QueryRequest) -> tuple[Reply | RunOnDevice, str | None]:
    """The reply, and the traceback for the server's log where the failure is ours or memory ran out."""
    try:
        return runner.answer(call), None
    except MemoryError:
        return render(out_of_memory()), "MemoryError"
    except Exception:  # the boundary of the process: everything becomes a reply
        return internal(), traceback.format_exc()
