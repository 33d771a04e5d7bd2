"""The client that tensors, tapes and functions use if none is named: the first one made, until it closes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from gradwire._forks import renew_after_fork

C = TypeVar("C")


class DefaultClient(Generic[C]):
    """Holds one client for this process; safe to share between threads, and renewed in forked children."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._process = os.getpid()
        self._client: C | None = None
        renew_after_fork(self)

    def get(self, make: Callable[[], C]) -> C:
        """The client; if there is none, `make` makes one, which offers itself."""
        with self._lock:
            return make() if self._client is None else self._client

    def set(self, client: C | None) -> None:
        """Make `client` the default; None: the next one made."""
        with self._lock:
            self._client = client

    def offer(self, client: C) -> None:
        """A client was made: it becomes the default if there is none."""
        with self._lock:
            if self._client is None:
                self._client = client

    def withdraw(self, client: C) -> None:
        """A client was closed: if it is the default, there is none from here on."""
        with self._lock:
            if self._client is client:
                self._client = None

    def pop(self) -> C | None:
        """The default client, which is the default no longer."""
        with self._lock:
            client, self._client = self._client, None
            return client

    def forked(self) -> None:
        """Another thread may have held the lock when this process was forked."""
        if self._process != os.getpid():
            self._lock = threading.RLock()
            self._process = os.getpid()
