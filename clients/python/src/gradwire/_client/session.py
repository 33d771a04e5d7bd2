"""What a client remembers between calls: how to retry, and the graphs that the server knows already.

A new graph travels inside its call. At its second use it is published under its
hash, once; from then on only numbers travel. If the server has forgotten it, it is published again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from gradwire._forks import renew_after_fork
from gradwire._locations import Place
from gradwire._tracing.caller import caller
from gradwire._tracing.document import Document, names_in, write
from gradwire._tracing.node import Lowered, Op, Parameter, Ref
from gradwire._tracing.scopes import is_traced
from gradwire._transport.codec import Declared, post, read
from gradwire._transport.connection import Settings
from gradwire._transport.flow import Flow, Request, Response, Retry, exchange
from gradwire.errors import GraphNotFound, ProblemError, ReadError


@dataclass(slots=True)
class Known:
    """A graph this client has sent before."""

    document: Document
    id: str | None = None
    uses: int = 0
    summed: bool = False  # as a target it has several elements, so its sum is differentiated


@dataclass(slots=True, eq=False, weakref_slot=True)
class Session:
    """The state behind one client; safe to share between threads."""

    retry: Retry = field(default_factory=Retry)
    graphs: int = 512
    device: str | None = None  # where the server is to compute, unless a call says otherwise
    settings: Settings | None = None  # what the client was made from
    _known: OrderedDict[Hashable, Known] = field(default_factory=OrderedDict)
    _traces: OrderedDict[Hashable, Any] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        renew_after_fork(self)

    def forked(self) -> None:
        """Another thread may have held the lock when this process was forked."""
        self._lock = threading.Lock()

    def __reduce__(self) -> Any:
        if self.settings is None:
            raise TypeError("a session pickles only as a part of a client")
        return self.settings.reduced("_session")

    def known(self, lowered: Lowered, outputs: Sequence[Ref]) -> Known:
        """The entry of a graph; its document is written when it is met for the first time."""
        key = (lowered.key, tuple(outputs))
        with self._lock:
            entry = self._known.get(key)
            if entry is None:
                entry = self._known[key] = Known(write(lowered, outputs))
                if len(self._known) > self.graphs:
                    self._known.popitem(last=False)
            else:
                self._known.move_to_end(key)
        return entry

    def trace(self, key: Hashable) -> Any:
        """What was kept of a trace that was met before; None if nothing is."""
        with self._lock:
            trace = self._traces.get(key)
            if trace is not None:
                self._traces.move_to_end(key)
        return trace

    def keep_trace(self, key: Hashable, trace: Any) -> None:
        """Keep something of a trace, for `trace` to find."""
        with self._lock:
            self._traces[key] = trace
            if len(self._traces) > self.graphs:
                self._traces.popitem(last=False)

    def send(self, request: Request) -> Flow[Response]:
        """One request, with its retries."""
        return exchange(request, self.retry)

    def placed(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The body of a call with this client's device, unless it names one."""
        return body if self.device is None else {"device": self.device, **body}

    def ask(self, kind: str, graph: Known, body: Mapping[str, Any]) -> Flow[Any]:
        """Call a graph: `kind` is the endpoint, `body` everything but the graph."""
        if graph.id is None and graph.uses:
            yield from self.publish(graph)
        graph.uses += 1
        body = self.placed(body)
        if graph.id is None:
            whole = {"graph": graph.document.graph, **body}
            return read((yield from self.send(post(f"/v1/{kind}", whole))))
        try:
            return read((yield from self.send(post(f"/v1/graphs/{graph.id}/{kind}", body))))
        except GraphNotFound:
            yield from self.publish(graph)
            return read((yield from self.send(post(f"/v1/graphs/{graph.id}/{kind}", body))))

    def publish(self, graph: Known) -> Flow[Any]:
        """Publish a graph; returns the server's description of it."""
        body = {"graph": graph.document.graph}
        described = read((yield from self.send(post("/v1/graphs", body, tensors=False))))
        graph.id = described["id"]
        return described


def input_values(lowered: Lowered, document: Document, *, skip: int = 0) -> dict[str, Declared]:
    """The values of a trace's inputs but the first few, by the names that the document gives them."""
    values: dict[str, Declared] = {}
    for position, item in enumerate(lowered.items):
        if item.op is None and position >= skip:
            if item.value is None:
                raise _valueless(item.node, _first_use(lowered, position))
            values[document.names[position]] = Declared(item.value)
    return values


def place_of(name: str | None, lowered: Lowered, document: Document) -> Place | None:
    """The user's line behind a node's name in an answer; `scan_1/tanh_1` is inside a function of `scan_1`."""
    return None if name is None else _place_in(lowered, document.names, name.partition(":")[0])


def _place_in(lowered: Lowered, names: Sequence[str], name: str) -> Place | None:
    location = locate(name, lowered, names)
    if location is not None:
        return location[0].items[location[2]].node.place
    outer = name.partition("/")[0]
    return lowered.items[names.index(outer)].node.place if outer in names else None


def locate(name: str, lowered: Lowered, names: Sequence[str]) -> tuple[Lowered, Sequence[str], int] | None:
    """The trace with a node, its names, and the node's position; None if two inner nodes have the name."""
    name = name.partition(":")[0]
    if name in names:
        return lowered, names, names.index(name)
    outer, _, inner = name.partition("/")
    if outer not in names:
        return None
    node = lowered.items[names.index(outer)].node
    functions = node.functions.values() if isinstance(node, Op) else ()
    places = [place for f in functions if (place := locate(inner, f, names_in(f))) is not None]
    return places[0] if len(places) == 1 else None  # two branches may use one name


@contextmanager
def located(lowered: Lowered, document: Document) -> Iterator[None]:
    """Give problems raised within the user's line that made the node they name."""
    try:
        yield
    except ProblemError as error:
        inside_function = ".functions" in (error.path or "")
        if error.place is None and not inside_function:
            error.place = place_of(error.node, lowered, document)
        raise


def _first_use(lowered: Lowered, position: int) -> Place | None:
    """The user's line of the first op that reads an entry."""
    for item in lowered.items:
        if any(isinstance(ref, tuple) and ref[0] == position for ref in item.inputs):
            return item.node.place
    return None


def _valueless(node: Any, used: Place | None) -> ReadError:
    if isinstance(node, Parameter) and node.function and not is_traced(node):
        origin = f" (made at {used})" if used is not None else ""
        return ReadError(
            f"a tensor of the function '{node.function}'{origin} has left it, in a list or by a name "
            f"outside: it hangs on the argument '{node.name}', which has a value only while "
            f"'{node.function}' runs. Return it from '{node.function}' and use what comes back: gw.scan "
            "stacks what a step returns second, `return carry, y`",
            place=used,
        )
    name = f"'{node.name}'" if isinstance(node, Parameter) else "a parameter"
    return ReadError(
        f"{name} has neither a value nor a shape while its function is traced, once for all values: {_cure()}"
    )


def _cure() -> str:
    """What to write instead of the user's line that asks for a value."""
    expression = caller()
    text = "" if expression is None else expression.text
    if ".gradient(" in text or "apply_gradients(" in text or ".minimize(" in text:
        return (
            "a step of training is no function of arrays: leave @gw.function out, what it calls is sent once "
            "all the same"
        )
    if ".shape" in text or "len(" in text or ".size" in text or ".ndim" in text:
        return (
            "give a size as a parameter with a default, def f(x, n=3), which is baked in; for the mean "
            "of all elements write gradwire.mean(x)"
        )
    return (
        "choose with gradwire.where or gradwire.cond instead of branching, and read values and shapes outside"
    )
