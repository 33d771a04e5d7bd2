"""A child process: it computes requests one by one, within its memory limit, and ends with its parents."""

from __future__ import annotations

import gc
import os
import socket
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from engine.runtime import devices
from engine.runtime.executors.executor import executor_for
from service.processes import frames, sandbox
from service.processes.limits import confine
from service.queries.query_request import GraphMissing, QueryRequest
from service.queries.runner import QueryRunner, RunOnDevice
from service.wire.compression import pack_here
from service.wire.problems import Problem, Reply, internal, render
from service.wire.stored_answer import store

#: Answers beyond so many bytes are stored instead of sent over the channel.
STORED_FROM = 2**20


def run_child(
    channel: socket.socket,
    parent: int,
    *,
    address_space: int | None,
    inventory: Mapping[str, Any],
    compress_from: int = 0,
    folders: Mapping[str, Any] | None = None,
    runner: type[QueryRunner] = QueryRunner,
    **settings: Any,
) -> NoReturn:
    """Take calls from `channel` until it closes; then the process ends.

    `inventory` lists the devices that the server found, `settings` are those of a `QueryRunner`. Answers of
    `compress_from` bytes and more are compressed for callers that accept it; 0 compresses none. `folders`
    are those that it may touch, as `sandbox.enter` takes them; None isolates nothing. The child of a GPU has
    no limit of its address space: CUDA does not work under one.
    """
    stored: int | None = None  # the descriptor of the answer before: the server has opened it by now
    try:
        confine(parent, address_space)
        devices.tell(devices.Inventory.read(inventory))
        if folders is not None:
            sandbox.enter(**{name: _paths(value) for name, value in folders.items()})
        # Between calls is the time to collect: among millions of numbers it triples the time of JSON.
        gc.disable()
        gc.freeze()
        answering = runner(**settings)
        device = settings.get("device", devices.CPU)
        while (frame := frames.read_blocking(channel)) is not None:
            if stored is not None:
                os.close(stored)
                stored = None
            head, body, context = frame
            request = QueryRequest.unpack(head, body, context)
            try:
                reply, failure = _answer(answering, request)
                if isinstance(reply, Reply) and 0 < compress_from <= reply.size:
                    reply = pack_here(reply, request.accept_encoding)
            except GraphMissing:
                frames.write_blocking(channel, frames.pack({"graph_missing": True, "failure": None}))
                continue
            if isinstance(reply, RunOnDevice):
                answer: dict[str, Any] = {"run_on_device": reply.device, "failure": None}
                frames.write_blocking(channel, frames.pack(answer))
                continue
            answer = {
                "status": reply.status,
                "media_type": reply.media_type,
                "headers": reply.headers,
                "failure": failure,
            }
            if device != devices.CPU and failure is None:
                answer["device_bytes"] = executor_for(device).bytes_held
            if reply.size > STORED_FROM:
                stored = answer["stored"] = store([reply.body, *reply.parts])
                frames.write_blocking(channel, frames.pack(answer))
            else:
                frames.write_blocking(channel, frames.pack(answer, reply.body, parts=reply.parts))
            del frame, body, context, request, reply
            gc.collect()
            if failure is not None:
                break  # the failure may have left a broken state: a fresh child takes over
    except (BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        pass  # the server has ended
    except OSError:
        traceback.print_exc()
        os._exit(1)
    finally:
        os._exit(0)


def _paths(value: str | list[str]) -> Any:
    return Path(value) if isinstance(value, str) else [Path(one) for one in value]


def out_of_memory() -> Problem:
    """The problem of a query that ran out of memory in spite of its estimate."""
    return Problem(
        "over_limit",
        "the query needed more memory than a process may have, in spite of the estimate",
        hint="make it smaller or split it; the operator may raise GRADWIRE_CHILD_MEMORY_BYTES",
    )


def _answer(runner: QueryRunner, call: QueryRequest) -> tuple[Reply | RunOnDevice, str | None]:
    """The reply, and for the server's log the traceback if the failure is ours or memory ran out."""
    try:
        return runner.answer(call), None
    except GraphMissing:
        raise
    except MemoryError:
        return render(out_of_memory()), "MemoryError"
    except Exception:  # the boundary of the process: everything becomes a reply
        return internal(), traceback.format_exc()
