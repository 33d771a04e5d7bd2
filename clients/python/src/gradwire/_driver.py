"""The two ways to drive a flow: waiting in this thread, or in this thread's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

import httpx

from gradwire._flow import Flow, Request, Sleep
from gradwire._sse import Event
from gradwire._stream import Emit, Open, StreamFlow
from gradwire._transport import async_content, content, no_answer, opened, response, urls

P = ParamSpec("P")
T = TypeVar("T")


class SyncDriver:
    """Drives flows with blocking calls; safe to share between threads."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self._url = urls(http.base_url)

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
                        content=content(step),
                        headers=dict(step.headers),
                    )
                except httpx.TransportError as error:
                    step = flow.throw(no_answer(error, step, self.http.base_url))
                else:
                    step = flow.send(response(answer))
        except StopIteration as stop:
            result: T = stop.value
            return result

    def stream(self, flow: StreamFlow) -> Iterator[Event]:
        """Drive `flow`, giving its events on."""
        chunks: Iterator[bytes] = iter(())
        request = Request("GET", "")
        with contextlib.ExitStack() as stack:
            try:
                step = next(flow)
                while True:
                    if isinstance(step, Emit):
                        yield step.event
                        step = flow.send(None)
                    elif isinstance(step, Sleep):
                        time.sleep(step.seconds)
                        step = flow.send(None)
                    else:
                        try:
                            if isinstance(step, Open):
                                stack.close()
                                request = step.request
                                answer = stack.enter_context(
                                    self.http.stream("GET", self._url(request.path), headers=request.headers)
                                )
                                chunks = answer.iter_bytes()
                                found: Any = opened(answer, answer.read() if answer.is_error else b"")
                            else:
                                found = next(chunks, None)
                        except httpx.TransportError as error:
                            step = flow.throw(no_answer(error, request, self.http.base_url))
                        else:
                            step = flow.send(found)
            except StopIteration:
                return


class AsyncDriver:
    """Drives flows inside an event loop."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http
        self._url = urls(http.base_url)

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
                        content=async_content(step),
                        headers=dict(step.headers),
                    )
                except httpx.TransportError as error:
                    step = flow.throw(no_answer(error, step, self.http.base_url))
                else:
                    step = flow.send(response(answer))
        except StopIteration as stop:
            result: T = stop.value
            return result

    async def stream(self, flow: StreamFlow) -> AsyncIterator[Event]:
        """Drive `flow`, giving its events on."""
        chunks: AsyncIterator[bytes] | None = None
        request = Request("GET", "")
        async with contextlib.AsyncExitStack() as stack:
            try:
                step = next(flow)
                while True:
                    if isinstance(step, Emit):
                        yield step.event
                        step = flow.send(None)
                    elif isinstance(step, Sleep):
                        await asyncio.sleep(step.seconds)
                        step = flow.send(None)
                    else:
                        try:
                            if isinstance(step, Open):
                                await stack.aclose()
                                request = step.request
                                answer = await stack.enter_async_context(
                                    self.http.stream("GET", self._url(request.path), headers=request.headers)
                                )
                                chunks = answer.aiter_bytes()
                                found: Any = opened(answer, await answer.aread() if answer.is_error else b"")
                            else:
                                found = None if chunks is None else await anext(chunks, None)
                        except httpx.TransportError as error:
                            step = flow.throw(no_answer(error, request, self.http.base_url))
                        else:
                            step = flow.send(found)
            except StopIteration:
                return


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


class streamed(Generic[P]):  # used as a decorator, as `call` is
    """A method written once as a stream of events: an iterator on the one driver, async on the other."""

    def __init__(self, method: Callable[Concatenate[Any, P], StreamFlow]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    @overload
    def __get__(self, owner: None, kind: type) -> streamed[P]: ...

    @overload
    def __get__(self, owner: Driven[SyncDriver], kind: type) -> Callable[P, Iterator[Event]]: ...

    @overload
    def __get__(self, owner: Driven[AsyncDriver], kind: type) -> Callable[P, AsyncIterator[Event]]: ...

    def __get__(self, owner: Any, kind: type) -> Any:
        if owner is None:
            return self

        @functools.wraps(self._method)
        def bound(*args: P.args, **kwargs: P.kwargs) -> Any:
            return owner._driver.stream(self._method(owner, *args, **kwargs))

        return bound
