"""Waits until a server is ready, or says what is wrong."""

from __future__ import annotations

import time
from typing import Any

import httpx


def until(client: httpx.Client, status: int, seconds: float = 120, **counts: int) -> dict[str, Any]:
    """What /readyz says once it has this status and these counts of workers."""
    deadline = time.monotonic() + seconds
    while True:
        response = client.get("/readyz")
        told: dict[str, Any] = response.json()
        if response.status_code == status and counts.items() <= told["workers"].items():
            return told
        assert time.monotonic() < deadline, told
        time.sleep(0.1)
