"""The two ways to drive a flow: waiting in this thread, or in this thread's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from gradwire._forks import leave
from gradwire._names.keywords import allowed_keywords, check_keywords, whole_signature
from gradwire._transport.channel import AsyncChannel, SyncChannel
from gradwire._transport.connection import Connection, Settings
from gradwire._transport.flow import Flow, Read, Request, Sleep, Step
from gradwire._transport.httpx_transport import heading, no_answer
from gradwire._transport.sse import Event
from gradwire._transport.stream import Emit, StreamFlow

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S")


_NOTHING = Request("GET", "")


class _Opened:
    """The open answer of a flow, if it has one: its `chunks`, and the `stack` that closes it.

    In a child that was forked meanwhile it is the parent's to read and to close.
    """

    def __init__(self, stack: type[Any]) -> None:
        self._process = os.getpid()
        self._kind = stack
        self._stack: Any = None
        self.request = _NOTHING
        self.chunks: Any = None

    @property
    def stack(self) -> Any:
        """What closes the answer."""
        if self._stack is None:
            self._stack = self._kind()
        return self._stack

    def leave(self) -> bool:
        """Leave an answer that is the parent's alone; whether it was."""
        if self._process == os.getpid():
            return False
        leave((self._stack, self.chunks))
        self._process, self._stack, self.chunks = os.getpid(), None, None
        return True

    def close(self) -> None:
        """Close the answer."""
        if self._stack is not None and not self.leave():
            self._stack.close()

    async def aclose(self) -> None:
        """Close the answer."""
        if self._stack is not None and not self.leave():
            await self._stack.aclose()


_FORKED = "this process was forked while it read the answer, which is the parent's"


#: What came of a step, or what went wrong: both are the flow's to judge, interruptions included.
_Outcome = tuple[Any, BaseException | None]


def _go_on(flow: Generator[S, Any, Any], came: Any, wrong: BaseException | None) -> S:
    """The next step of a flow; raises StopIteration at its end."""
    return flow.send(came) if wrong is None else flow.throw(wrong)


class SyncDriver:
    """Drives flows with blocking calls; safe to share between threads."""

    def __init__(self, connection: Connection[SyncChannel], settings: Settings) -> None:
        self.connection = connection
        self.settings = settings
        self._error = connection.library.TransportError

    def __reduce__(self) -> Any:
        return self.settings.reduced("_driver")

    def run(self, flow: Flow[T]) -> T:
        """Drive `flow` to its end."""
        opened = _Opened(contextlib.ExitStack)
        try:
            step = next(flow)
            while True:
                step = _go_on(flow, *self._attempt(step, opened))
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            opened.close()

    def stream(self, flow: StreamFlow) -> Iterator[Event]:
        """Drive `flow`, giving its events on."""
        with contextlib.closing(_Opened(contextlib.ExitStack)) as opened:
            try:
                step = next(flow)
                while True:
                    if isinstance(step, Emit):
                        yield step.event
                        step = flow.send(None)
                    else:
                        step = _go_on(flow, *self._attempt(step, opened))
            except StopIteration:
                return

    def _attempt(self, step: Step, opened: _Opened) -> _Outcome:
        try:
            return self._do(step, opened), None
        except self._error as error:
            request = step if isinstance(step, Request) else opened.request
            return None, no_answer(error, request, self.settings.url, self.connection.library)
        except KeyboardInterrupt as interruption:
            return None, interruption

    def _do(self, step: Step, opened: _Opened) -> Any:
        if isinstance(step, Request):
            return self.connection.get().send(step)
        if isinstance(step, Sleep):
            return time.sleep(step.seconds)
        if isinstance(step, Read) and opened.leave():
            raise self.connection.library.ReadError(_FORKED)
        if isinstance(step, Read):
            return None if opened.chunks is None else next(opened.chunks, None)
        opened.close()
        opened.request = step.request
        channel = self.connection.get()
        answer = opened.stack.enter_context(
            channel.http.stream("GET", channel.url(step.request.path), headers=step.request.headers)
        )
        opened.chunks = answer.iter_bytes()
        return heading(answer, answer.read() if answer.is_error else b"")


class AsyncDriver:
    """Drives flows inside an event loop."""

    def __init__(self, connection: Connection[AsyncChannel], settings: Settings) -> None:
        self.connection = connection
        self.settings = settings
        self._error = connection.library.TransportError

    def __reduce__(self) -> Any:
        return self.settings.reduced("_driver")

    async def run(self, flow: Flow[T]) -> T:
        """Drive `flow` to its end."""
        async with contextlib.aclosing(_Opened(contextlib.AsyncExitStack)) as opened:
            try:
                step = next(flow)
                while True:
                    step = _go_on(flow, *(await self._attempt(step, opened)))
            except StopIteration as stop:
                result: T = stop.value
                return result

    async def stream(self, flow: StreamFlow) -> AsyncIterator[Event]:
        """Drive `flow`, giving its events on."""
        async with contextlib.aclosing(_Opened(contextlib.AsyncExitStack)) as opened:
            try:
                step = next(flow)
                while True:
                    if isinstance(step, Emit):
                        yield step.event
                        step = flow.send(None)
                    else:
                        step = _go_on(flow, *(await self._attempt(step, opened)))
            except StopIteration:
                return

    async def _attempt(self, step: Step, opened: _Opened) -> _Outcome:
        try:
            return await self._do(step, opened), None
        except self._error as error:
            request = step if isinstance(step, Request) else opened.request
            return None, no_answer(error, request, self.settings.url, self.connection.library)
        except asyncio.CancelledError as interruption:
            return None, interruption

    async def _do(self, step: Step, opened: _Opened) -> Any:
        if isinstance(step, Request):
            return await self.connection.get().send(step)
        if isinstance(step, Sleep):
            return await asyncio.sleep(step.seconds)
        if isinstance(step, Read) and opened.leave():
            raise self.connection.library.ReadError(_FORKED)
        if isinstance(step, Read):
            return None if opened.chunks is None else await anext(opened.chunks, None)
        await opened.aclose()
        opened.request = step.request
        channel = self.connection.get()
        answer = await opened.stack.enter_async_context(
            channel.http.stream("GET", channel.url(step.request.path), headers=step.request.headers)
        )
        opened.chunks = answer.aiter_bytes()
        return heading(answer, await answer.aread() if answer.is_error else b"")


Driver = SyncDriver | AsyncDriver
D_co = TypeVar("D_co", bound=Driver, covariant=True)


class Driven(Generic[D_co]):
    """Something whose calls are flows, and the driver that runs them."""

    def __init__(self, driver: D_co) -> None:
        self._drives = driver

    @property
    def _driver(self) -> D_co:
        return self._drives


class call(Generic[P, T]):  # used as a decorator, in lower case as `property` is
    """A method written once as a flow: blocking on a `Driven[SyncDriver]`, awaitable on the other.

    `flow` is the flow itself, to be a part of another one: `yield from Jobs.submit.flow(jobs, …)`.
    """

    def __init__(self, method: Callable[Concatenate[Any, P], Flow[T]]) -> None:
        self.flow = method
        functools.update_wrapper(self, method)
        self.__signature__ = whole_signature(method)
        self._bound_signature = self.__signature__.replace(
            parameters=list(self.__signature__.parameters.values())[1:]
        )
        self._allowed = allowed_keywords(method)
        # What `help` and `inspect` read of a bound method; functools.wraps would look it up at each call.
        self._seen = {"__wrapped__": method, "__signature__": self._bound_signature}
        self._texts = method.__doc__, method.__name__, method.__qualname__, method.__module__

    @overload
    def __get__(self, owner: None, kind: type) -> call[P, T]: ...

    @overload
    def __get__(self, owner: Driven[SyncDriver], kind: type) -> Callable[P, T]: ...

    @overload
    def __get__(self, owner: Driven[AsyncDriver], kind: type) -> Callable[P, Coroutine[Any, Any, T]]: ...

    def __get__(self, owner: Any, kind: type) -> Any:
        if owner is None:
            return self

        def bound(*args: P.args, **kwargs: P.kwargs) -> Any:
            if kwargs and self._allowed is not None:
                check_keywords(self.flow.__name__, kwargs, self._allowed)
            return owner._driver.run(self.flow(owner, *args, **kwargs))

        bound.__dict__.update(self._seen)
        bound.__doc__, bound.__name__, bound.__qualname__, bound.__module__ = self._texts
        return bound

    def __call__(self, owner: Any, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Called on the class, as a plain method is: `Client.evaluate(client, …)`."""
        return self.__get__(owner, type(owner))(*args, **kwargs)


class streamed(Generic[P]):  # used as a decorator, as `call` is
    """A method written once as a stream of events: an iterator on the one driver, async on the other.

    `flow` is the stream itself, to be a part of a flow.
    """

    def __init__(self, method: Callable[Concatenate[Any, P], StreamFlow]) -> None:
        self.flow = method
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

        @functools.wraps(self.flow)
        def bound(*args: P.args, **kwargs: P.kwargs) -> Any:
            return owner._driver.stream(self.flow(owner, *args, **kwargs))

        return bound
