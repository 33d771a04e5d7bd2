"""The client that tensors, tapes and functions use when none is named.

It is the first `Client` made, until that is closed; else one made from the environment: GRADWIRE_URL
(http://127.0.0.1:8000 where it is not set) and GRADWIRE_API_KEY.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gradwire._tracing.node import Array, Edge

if TYPE_CHECKING:
    from gradwire._client.client import Client

_lock = threading.RLock()
_client: Client | None = None


def _forked() -> None:
    """Another thread may have held the lock when this process was forked."""
    global _lock  # noqa: PLW0603  # there is one default in a process
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def default_client() -> Client:
    """The default client; made from the environment where there is none yet."""
    with _lock:
        if _client is None:
            from gradwire._client.client import Client  # noqa: PLC0415  # the client's own modules import this one

            return Client()  # which enters itself here
        return _client


def set_default_client(client: Client | None) -> None:
    """Make `client` the default; None: the next one made."""
    global _client  # noqa: PLW0603  # there is one default in a process
    with _lock:
        _client = client


def offer(client: Client) -> None:
    """A client was made: it is the default where there is none."""
    with _lock:
        if _client is None:
            set_default_client(client)


def withdraw(client: Client) -> None:
    """A client was closed."""
    with _lock:
        if _client is client:
            set_default_client(None)


@atexit.register
def _close() -> None:
    """Nobody else closes a default client that lives as long as the process."""
    if _client is not None:
        _client.close()


def values(edges: Sequence[Edge]) -> list[Array]:
    """Fetch edges with the default client."""
    return default_client().values(edges)
