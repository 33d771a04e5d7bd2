"""The two ways to drive a flow: waiting in this thread, or in this thread's event loop."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

import httpx

from gradwire._flow import Flow, Request, Response, Sleep
from gradwire.errors import NoAnswer, RequestTimeout

P = ParamSpec("P")
T = TypeVar("T")


class SyncDriver:
    """Drives flows with blocking calls; safe to share between threads."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self._url = _urls(http.base_url)

    def run(self, flow: Flow[T]) -> T:
        """Drive `flow` to its end."""
        try:
            step = next(flow)
            while True:
                if isinstance(step, Sleep):
                    time.sleep(step.seconds)
                    step = flow.send(None)
                    continue
                try:
                    answer = self.http.request(
                        step.method,
                        self._url(step.path),
                        content=step.content or None,
                        headers=dict(step.headers),
                    )
                except httpx.TransportError as error:
                    step = flow.throw(_no_answer(error, step, self.http.base_url))
                else:
                    step = flow.send(_response(answer))
        except StopIteration as stop:
            result: T = stop.value
            return result


class AsyncDriver:
    """Drives flows inside an event loop."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http
        self._url = _urls(http.base_url)

    async def run(self, flow: Flow[T]) -> T:
        """Drive `flow` to its end."""
        try:
            step = next(flow)
            while True:
                if isinstance(step, Sleep):
                    await asyncio.sleep(step.seconds)
                    step = flow.send(None)
                    continue
                try:
                    answer = await self.http.request(
                        step.method,
                        self._url(step.path),
                        content=step.content or None,
                        headers=dict(step.headers),
                    )
                except httpx.TransportError as error:
                    step = flow.throw(_no_answer(error, step, self.http.base_url))
                else:
                    step = flow.send(_response(answer))
        except StopIteration as stop:
            result: T = stop.value
            return result


def _urls(base: httpx.URL) -> Callable[[str], httpx.URL]:
    """Whole addresses by path, kept: parsing one takes httpx longer than a small graph takes a server."""
    root = str(base).rstrip("/")
    return functools.lru_cache(maxsize=1024)(lambda path: httpx.URL(root + path))


def _response(answer: httpx.Response) -> Response:
    return Response(answer.status_code, answer.headers, answer.content)


def _no_answer(error: httpx.TransportError, request: Request, base: httpx.URL) -> NoAnswer:
    what = f"{request.method} {str(base).rstrip('/')}{request.path}"
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.UnsupportedProtocol):
        return NoAnswer(
            f"no server answered {what}: {error}; start one with `gradwire-server serve`, "
            "or name its address by gradwire.Client(url) or GRADWIRE_URL"
        )
    if isinstance(error, httpx.TimeoutException):
        return RequestTimeout(
            f"no answer to {what} within the client's timeout ({type(error).__name__}); "
            "give gradwire.Client a longer `timeout`, or ask for less at once",
            sent=True,
        )
    return NoAnswer(
        f"the connection broke off during {what}: {str(error) or type(error).__name__}", sent=True
    )


Driver = SyncDriver | AsyncDriver
D_co = TypeVar("D_co", bound=Driver, covariant=True)


class Driven(Generic[D_co]):
    """Something whose calls are flows, and the driver that runs them."""

    def __init__(self, driver: D_co) -> None:
        self._driver = driver


class call(Generic[P, T]):  # used as a decorator, in lower case as `property` is
    """A method written once as a flow: blocking on a `Driven[SyncDriver]`, awaitable on the other."""

    def __init__(self, method: Callable[Concatenate[Any, P], Flow[T]]) -> None:
        self._method = method
        functools.update_wrapper(self, method)

    @overload
    def __get__(self, owner: None, kind: type) -> call[P, T]: ...

    @overload
    def __get__(self, owner: Driven[SyncDriver], kind: type) -> Callable[P, T]: ...

    @overload
    def __get__(self, owner: Driven[AsyncDriver], kind: type) -> Callable[P, Coroutine[Any, Any, T]]: ...

    def __get__(self, owner: Any, kind: type) -> Any:
        if owner is None:
            return self

        @functools.wraps(self._method)
        def bound(*args: P.args, **kwargs: P.kwargs) -> Any:
            return owner._driver.run(self._method(owner, *args, **kwargs))

        return bound

    def __call__(self, owner: Any, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Called on the class, as a plain method is: `Client.evaluate(client, …)`."""
        return self.__get__(owner, type(owner))(*args, **kwargs)
