"""A body on its way to the disk: counted, hashed, and never held in memory whole."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

from service.wire.problems import Problem

_CHUNK = 2**20


async def receive(stream: AsyncIterator[bytes], target: Path, *, limit: int) -> tuple[str, int]:
    """Write the stream to `target`: the SHA-256 of its bytes in hex, and their number.

    Raises Problem body_too_large. OSError passes through, such as that of a full disk.
    """
    digest, size = hashlib.sha256(), 0
    pending: list[bytes] = []
    waiting = 0
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
    try:

        def flush(chunks: list[bytes]) -> None:
            for chunk in chunks:
                digest.update(chunk)
                view = memoryview(chunk)
                while view:
                    view = view[os.write(descriptor, view) :]

        async for chunk in stream:
            size += len(chunk)
            if size > limit:
                raise Problem(
                    "body_too_large",
                    f"expected a data set of at most {limit} bytes, got more",
                    hint="split it, or let the operator raise GRADWIRE_MAX_DATASET_BYTES",
                    headers={"Connection": "close"},
                )
            pending.append(chunk)
            waiting += len(chunk)
            if waiting >= _CHUNK:
                await asyncio.to_thread(flush, pending)
                pending, waiting = [], 0
        await asyncio.to_thread(flush, pending)
    finally:
        os.close(descriptor)
    return digest.hexdigest(), size
