"""`Client` and `AsyncClient`: addresses, keys, timeouts, and who drives the flows."""

from __future__ import annotations

import atexit
import os
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from gradwire._client.calls import Calls
from gradwire._client.datasets import Datasets
from gradwire._client.default import DefaultClient
from gradwire._client.graphs import Graphs
from gradwire._client.jobs import Jobs
from gradwire._client.session import Session
from gradwire._names.strict import Strict
from gradwire._tracing.values import register_provider
from gradwire._transport.channel import AsyncChannel, SyncChannel
from gradwire._transport.connection import Connection, Settings
from gradwire._transport.driver import AsyncDriver, SyncDriver
from gradwire._transport.flow import Retry
from gradwire._version import __version__
from gradwire.errors import ConfigurationError

if TYPE_CHECKING:
    import httpx

DEFAULT_URL = "http://127.0.0.1:8000"
_FIXED = frozenset(("url", "graphs", "publish", "datasets", "jobs"))
_CURES = dict.fromkeys(("api_key", "timeout", "device", "retry", "transport"), "make another client with it")


_default: DefaultClient[Client] = DefaultClient()


class Client(Strict, Calls[SyncDriver]):
    """A connection to a Gradwire server, with blocking calls; safe to share between threads.

    `url` and `api_key` default to GRADWIRE_URL and GRADWIRE_API_KEY; `unix:///path` is the address of a Unix
    socket. `timeout` is in seconds, for each
    request. `retry` says how temporary failures are retried. `device` (cpu, cuda, cuda:n, auto) is where the
    server computes if a call or a job names no other. Tensors and tapes use the first client that was made.
    Close it, or use it as a context manager.

    A forked child opens its own connections. A client is pickled and copied as its settings, including the
    API key; in one process, all clients from the same pickled settings are one.
    """

    _one_a_process: ClassVar[bool] = True
    _fixed: ClassVar[frozenset[str]] = _FIXED
    _cures: ClassVar[Mapping[str, str]] = _CURES

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float | None = 120.0,
        device: str | None = None,
        retry: Retry = Retry(),  # noqa: B008  # frozen
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        settings = _settings(type(self), url, api_key, timeout, device, retry, transport)
        make = lambda: SyncChannel(transport, _of_http(settings))  # noqa: E731
        driver = SyncDriver(Connection(make, transport), settings)
        super().__init__(driver, Session(retry, device=device, settings=settings))
        self.url = settings.url
        self.graphs: Graphs[SyncDriver] = Graphs(self._driver, self._session)
        self.publish = self.graphs.publish
        self.datasets: Datasets[SyncDriver] = Datasets(self._driver, self._session)
        self.jobs: Jobs[SyncDriver] = Jobs(self._driver, self._session)
        _default.offer(self)

    def close(self) -> None:
        """Close the connections; a default client is then no longer the default."""
        _default.withdraw(self)
        channel = self._driver.connection.close()
        if channel is not None:
            channel.http.close()

    def __reduce__(self) -> Any:
        return self._driver.settings.reduced()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.url!r})"


class AsyncClient(Strict, Calls[AsyncDriver]):
    """The calls of `Client`, to be awaited. Tapes and reading tensors always block, and use a `Client`."""

    _one_a_process: ClassVar[bool] = False  # connections belong to one event loop
    _fixed: ClassVar[frozenset[str]] = _FIXED
    _cures: ClassVar[Mapping[str, str]] = _CURES

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float | None = 120.0,
        device: str | None = None,
        retry: Retry = Retry(),  # noqa: B008  # frozen
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        settings = _settings(type(self), url, api_key, timeout, device, retry, transport)
        make = lambda: AsyncChannel(transport, _of_http(settings))  # noqa: E731
        driver = AsyncDriver(Connection(make, transport), settings)
        super().__init__(driver, Session(retry, device=device, settings=settings))
        self.url = settings.url
        self.graphs: Graphs[AsyncDriver] = Graphs(self._driver, self._session)
        self.publish = self.graphs.publish
        self.datasets: Datasets[AsyncDriver] = Datasets(self._driver, self._session)
        self.jobs: Jobs[AsyncDriver] = Jobs(self._driver, self._session)

    async def close(self) -> None:
        """Close the connections."""
        channel = self._driver.connection.close()
        if channel is not None:
            await channel.http.aclose()

    def __reduce__(self) -> Any:
        return self._driver.settings.reduced()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"AsyncClient({self.url!r})"


def _settings(
    kind: type[Any],
    url: str | None,
    api_key: str | None,
    timeout: float | None,
    device: str | None,
    retry: Retry,
    transport: object,
) -> Settings:
    address = (url or os.environ.get("GRADWIRE_URL") or DEFAULT_URL).rstrip("/")
    if not address.startswith(("http://", "https://", "unix:///")):
        raise ConfigurationError(
            f"expected an address such as {DEFAULT_URL}, or unix:///path of a Unix socket, got {address!r}"
        )
    key = api_key or os.environ.get("GRADWIRE_API_KEY")
    return Settings(kind, address, key, timeout, device, retry, own_transport=transport is not None)


def _of_http(settings: Settings) -> dict[str, Any]:
    """The arguments of an httpx client."""
    # Measured numbers hardly shrink, and packing them takes longer than computing them.
    headers = {"User-Agent": f"gradwire-python/{__version__}", "Accept-Encoding": "identity"}
    if settings.api_key:
        headers["Authorization"] = f"Bearer {settings.api_key}"
    timeout = settings.timeout
    connect = None if timeout is None else min(timeout, 10.0)
    # To connect, to read, to write, and to wait for a connection of the pool.
    limits = (connect, timeout, timeout, timeout)
    if settings.socket_path is not None:  # no proxy of the environment leads to a Unix socket
        uds = {"uds": settings.socket_path, "trust_env": False}
        return {"base_url": "http://localhost", "headers": headers, "timeout": limits, **uds}
    return {"base_url": settings.url, "headers": headers, "timeout": limits}


def default_client() -> Client:
    """Return the client that is used if none is named: the first one made, until it is closed.

    If there is none, one is made from the environment: GRADWIRE_URL (default http://127.0.0.1:8000) and
    GRADWIRE_API_KEY.
    """
    return _default.get(Client)


def set_default_client(client: Client | None) -> None:
    """Make `client` the default; if it is None, the next one made becomes the default."""
    _default.set(client)


@atexit.register
def _close_default() -> None:
    """Nobody else closes a default client that lives as long as the process."""
    client = _default.pop()
    if client is not None:
        client.close()


register_provider(lambda edges: default_client().values(edges))
