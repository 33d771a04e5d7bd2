"""One HTTP client in each process: a forked child makes its own, and what pickles makes it from settings."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from gradwire._forks import leave, renew_after_fork
from gradwire._transport.channel import AsyncChannel, SyncChannel
from gradwire._transport.flow import Retry
from gradwire.errors import ConfigurationError

H = TypeVar("H", SyncChannel, AsyncChannel)

_WITHOUT_SOCKETS = ("MockTransport", "WSGITransport", "ASGITransport")


class Connection(Generic[H]):
    """The channel that `make` made in this process; safe to share between threads."""

    def __init__(self, make: Callable[[], H], transport: object = None) -> None:
        self._make: Callable[[], H] = make
        self._transport = transport
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._channel: H | None = make()
        self.closed = False
        self.library = self._channel.library
        self.base_url = self._channel.http.base_url
        renew_after_fork(self)

    def get(self) -> H:
        """The channel of this process.

        Raises ConfigurationError after `close`, and in a forked child where the user's own transport, and
        with it its sockets, is the parent's.
        """
        if self._process != os.getpid():
            self.forked()  # forked by something that tells Python nothing of it
        channel = self._channel
        if channel is not None:
            return channel
        with self._lock:
            if self._channel is None:
                self._check()
                self._channel = self._make()
            return self._channel

    def forked(self) -> None:
        """Leave the parent's client alone, and make another when it is needed."""
        if self._process == os.getpid():
            return
        if self._channel is not None:
            leave(self._channel)
        self._lock = threading.Lock()
        self._channel = None
        self._process = os.getpid()

    def close(self) -> H | None:
        """No more requests; what is returned has connections that are still to be closed."""
        if self._process != os.getpid():
            self.forked()
        self.closed = True
        channel, self._channel = self._channel, None
        return channel

    def _check(self) -> None:
        if self.closed:
            raise ConfigurationError("this client is closed; make another gradwire.Client")
        without = tuple(getattr(self.library, name) for name in _WITHOUT_SOCKETS)
        if self._transport is not None and not isinstance(self._transport, without):
            raise ConfigurationError(
                "this client was made with a transport of its own, whose connections belong to the process "
                "that made it; make a gradwire.Client, and its transport, in the child process"
            )


@dataclass(frozen=True, slots=True)
class Settings:
    """What a client is made from, in this process or in another; `kind` is its class."""

    kind: type[Any]
    url: str
    api_key: str | None = field(repr=False)
    timeout: float | None
    device: str | None
    retry: Retry
    own_transport: bool = False

    @property
    def socket_path(self) -> str | None:
        """The path of the Unix socket that the address names, if it names one."""
        return self.url.removeprefix("unix://") if self.url.startswith("unix://") else None

    def client(self) -> Any:
        """A client with these settings; all that were unpickled in a process are one, while it is open."""
        client = _unpickled.get(self)
        if client is None or client._driver.connection.closed:
            client = self.kind(
                self.url, self.api_key, timeout=self.timeout, device=self.device, retry=self.retry
            )
            if self.kind._one_a_process:
                _unpickled[self] = client
        return client

    def reduced(self, part: str = "") -> tuple[Any, ...]:
        """How a client, or an attribute of it, pickles; raises TypeError where it cannot."""
        if self.own_transport:
            raise TypeError(
                "a client that was made with a transport of its own cannot be pickled or copied; make it in "
                "the process that uses it"
            )
        return _restored, (self, part)


_unpickled: dict[Settings, Any] = {}


@atexit.register
def _close() -> None:
    """Nobody else closes a client that came with a task."""
    for client in _unpickled.values():
        client.close()


def _restored(settings: Settings, part: str) -> Any:
    client = settings.client()
    return getattr(client, part) if part else client
