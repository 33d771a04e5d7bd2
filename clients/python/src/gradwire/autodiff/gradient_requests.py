"""One question about a tape, put to a server: the lowered trace, who is called what, and the answer."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gradwire._client.findings import OK, finding, with_own_words, without_stops
from gradwire._client.pasting import is_generated
from gradwire._client.products import block
from gradwire._client.session import Known, Session, input_values, locate, located, place_of
from gradwire._locations import Place
from gradwire._tracing.lower import lower
from gradwire._tracing.node import Array, Edge, Leaf, Lowered, Op, Recorder, remember
from gradwire._tracing.trail import trail_of
from gradwire._transport.codec import Declared
from gradwire._transport.flow import Flow
from gradwire.autodiff.target_dtype import told_of_dtype
from gradwire.autodiff.variable_findings import blaming_variables, with_mixing
from gradwire.errors import InvalidTarget, ProblemError
from gradwire.results import Finding, Sparse

Options = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """Something to differentiate by: its present edge and, for a variable, the owner of its values."""

    label: str
    edge: Edge
    owner: object | None = None

    def same(self, other: Source) -> bool:
        """Whether both mean the same variable or tensor."""
        if self.owner is not None:
            return self.owner is other.owner
        return self.edge.node is other.edge.node and self.edge.index == other.edge.index


@dataclass(slots=True)
class Question:
    """Target and sources, put in order.

    `wrt[k]` are the names of source k; a variable that was assigned while the tape ran has one for each
    of its values. `options` go with every request. `value`, `diagnosis` and `warnings` come with the answer.
    `inputs` are the values to send. `lower` puts the trace in order: that of a trace that was met before is
    needed only to say where something is in the user's file.
    """

    target: Edge
    sources: Sequence[Source]
    known: Known
    wrt: Sequence[Sequence[str]]
    inputs: Mapping[str, Declared]
    lower: Callable[[], Lowered]
    options: Mapping[str, Any] = field(default_factory=dict)
    value: Array | None = None
    diagnosis: Mapping[str, Any] = field(default_factory=dict)
    warnings: Sequence[Mapping[str, Any]] = ()
    _lowered: Lowered | None = None
    _leaves: Sequence[Leaf] | None = None

    @property
    def leaves(self) -> Sequence[Leaf]:
        """The values that the trace reads; of one that was met before, without putting it in order."""
        if self._leaves is None:
            self._leaves = [item.node for item in self.lowered.items if isinstance(item.node, Leaf)]
        return self._leaves

    @property
    def lowered(self) -> Lowered:
        """The trace in order."""
        if self._lowered is None:
            self._lowered = self.lower()
        return self._lowered

    @contextmanager
    def located(self) -> Iterator[None]:
        """Give problems raised within the user's line that made the node they name."""
        try:
            yield
        except ProblemError:
            document = self.known.document
            with located(self.lowered, document), told_of_dtype(self.lowered, document.names):
                raise

    def body(self) -> dict[str, Any]:
        """What every request about it holds."""
        wrt = list(dict.fromkeys([name for names in self.wrt for name in names]))
        return {"inputs": self.inputs, "wrt": wrt, **self.options}

    def finding(self, source: Source) -> Finding | None:
        """What is known about a source; None where its gradient has not been asked for."""
        for k, mine in enumerate(self.sources):
            if mine.same(source):
                name = self.wrt[k][0]
                entry = self.diagnosis.get(name, OK)
                result = finding(source.label, entry, self._place, name, target=self.target.node.place)
                result = without_stops(result, self._borders(), self._place)
                node = source.edge.node
                if is_generated(name) or (isinstance(node, Leaf) and node.path):
                    result = replace(result, message=result.message.replace(f"'{name}'", f"'{source.label}'"))
                result = blaming_variables(result, self._variables())
                result = with_mixing(result, len(self.wrt[k]))
                return with_own_words(result, self.locate)
        return None

    def warned(self) -> list[tuple[Mapping[str, Any], Place | None]]:
        """The answer's warnings, each with the user's line that it is about."""
        places = [self._place(warning.get("node")) for warning in self.warnings]
        return list(zip(self.warnings, places, strict=True))

    def _borders(self) -> dict[str, str]:
        """What came into the tape as a constant, by the name of the node that stopped it."""
        document = self.known.document
        return {
            document.names[k]: document.name(item.inputs[0])
            for k, item in enumerate(self.lowered.items)
            if item.border and isinstance(item.inputs[0], tuple)
        }

    def locate(self, name: str) -> tuple[Lowered, Sequence[str], int] | None:
        """The trace with a node, its names, and the node's position."""
        return locate(name, self.lowered, self.known.document.names)

    def _variables(self) -> set[str]:
        """The names of the graph's inputs that are variables."""
        names = self.known.document.names
        return {names[k] for positions in _positions_by_owner(self.lowered).values() for k in positions}

    def _place(self, name: str | None) -> Place | None:
        return place_of(name, self.lowered, self.known.document)


def question(
    session: Session, tape: Recorder, target: Edge, sources: Sequence[Source], options: Options
) -> Question:
    """Put a target and what it is differentiated by in order, unless this trace was met before."""
    key = trace_key(tape, target, sources)
    met = None if key is None else session.trace(key)
    trail = trail_of(tape)
    if met is not None and trail is not None:
        leaves = {name: trail.leaves[number] for name, number in met.inputs}
        return Question(
            target,
            sources,
            met.known,
            met.wrt,
            {name: Declared(leaf.value) for name, leaf in leaves.items()},
            lambda: _lower(tape, target, sources),
            options,
            _leaves=list(leaves.values()),
        )
    query = _new_question(session, tape, target, sources, options)
    if key is not None and trail is not None:
        numbers = trail.numbers_of(item.node for item in query.lowered.items if item.op is None)
        names = [
            name
            for name, item in zip(query.known.document.names, query.lowered.items, strict=True)
            if item.op is None
        ]
        if numbers is not None:
            pairs = tuple(zip(names, numbers, strict=True))
            session.keep_trace(key, MetTrace(query.known, query.wrt, pairs))
    return query


@dataclass(frozen=True, slots=True)
class MetTrace:
    """What is kept of a trace: its graph, and the numbers of its inputs on a tape's trail, by name."""

    known: Known
    wrt: Sequence[Sequence[str]]
    inputs: Sequence[tuple[str, int]]


def trace_key(tape: Recorder, target: Edge, sources: Sequence[Source]) -> Hashable | None:
    """What says which trace a question is about, in short; None if the tape's trail does not say it."""
    trail = trail_of(tape)
    if trail is None or type(target.node) is not Op:
        return None
    parts: list[Hashable] = []
    for source in sources:
        owner = source.owner
        number = trail.number(source.edge, tape) if owner is None else trail.owner(owner)
        if number is None:
            return None
        parts.append((source.owner is None, number, source.edge.index))
    end = trail.number(target, tape)
    return None if end is None or trail.state is None else (trail.state, end, target.index, tuple(parts))


def _lower(tape: Recorder, target: Edge, sources: Sequence[Source]) -> Lowered:
    """The trace of a target and sources, those that it does not read included."""
    tensors = [source.edge for source in sources if source.owner is None]
    lowered = lower([target, *tensors], tape=tape)
    read = _positions_by_owner(lowered)
    unread = [source.edge for source in sources if source.owner is not None and source.owner not in read]
    return lower([target, *tensors, *unread], tape=tape) if unread else lowered


def _new_question(
    session: Session, tape: Recorder, target: Edge, sources: Sequence[Source], options: Options
) -> Question:
    lowered = _lower(tape, target, sources)
    read = _positions_by_owner(lowered)
    graph = session.known(lowered, lowered.roots[:1])
    document = graph.document
    roots = iter(lowered.roots[1:])
    wrt = [
        [document.name(next(roots))]
        if source.owner is None
        else [document.names[k] for k in read[source.owner]]
        for source in sources
    ]
    inputs = input_values(lowered, document)
    return Question(target, sources, graph, wrt, inputs, lambda: lowered, options, _lowered=lowered)


def _positions_by_owner(lowered: Lowered) -> dict[object, list[int]]:
    positions: dict[object, list[int]] = {}
    for position, item in enumerate(lowered.items):
        if isinstance(item.node, Leaf) and item.node.owner is not None:
            positions.setdefault(item.node.owner, []).append(position)
    return positions


def ask_gradients(
    session: Session,
    tape: Recorder,
    target: Edge,
    sources: Sequence[Source],
    options: Options,
    *,
    zero: bool,
    sums: bool,
) -> Flow[tuple[Question, list[Array | None]]]:
    """Gradients of a target; with `sums`, one of several elements is summed, as TensorFlow does.

    That a target has several elements shows in the answer to its first request; it is remembered.
    """
    query = question(session, tape, target, sources, options)
    if not query.known.summed:
        try:
            gradients = yield from _ask(session, query, zero=zero)
            if isinstance(target.node, Op) and query.value is not None:
                remember(target, query.value)
            return query, gradients
        except InvalidTarget:
            if not sums:
                raise
            summed = question(session, tape, _sum_of(target, tape), sources, options)
            try:
                gradients = yield from _ask(session, summed, zero=zero)
            except InvalidTarget:
                gradients = None
            if gradients is None:
                raise  # the first complaint, which is about what the user wrote
            query.known.summed = True
            return summed, gradients
    summed = question(session, tape, _sum_of(target, tape), sources, options)
    return summed, (yield from _ask(session, summed, zero=zero))


def ask_reasons(
    session: Session, tape: Recorder, target: Edge, sources: Sequence[Source], options: Options
) -> Flow[Question]:
    """A diagnosis of every source; a target of several elements is summed, as for gradients."""
    query = question(session, tape, target, sources, options)
    if not query.known.summed:
        yield from _diagnose(session, query)
        if query.value is None or query.value.size == 1:
            return query
    summed = question(session, tape, _sum_of(target, tape), sources, options)
    yield from _diagnose(session, summed)
    return summed


def ask_jacobian(
    session: Session,
    tape: Recorder,
    target: Edge,
    sources: Sequence[Source],
    watched: Sequence[Source],
    options: Options,
    *,
    zero: bool,
    sparse: bool,
) -> Flow[list[Array | Sparse | None]]:
    """Blocks of a target's Jacobian by each source; None (or zeros) for one that the target never reads."""
    query = question(session, tape, target, sources, options)
    document = query.known.document
    reached = query.lowered.reached()
    wanted = [
        [n for n in names if document.names.index(n.partition(":")[0]) in reached] if s in watched else []
        for s, names in zip(sources, query.wrt, strict=True)
    ]
    output = document.graph["outputs"][0]
    flat = list(dict.fromkeys(name for names in (query.wrt if zero else wanted) for name in names))
    if not flat:
        return [None] * len(sources)
    body = {**query.body(), "wrt": flat, "outputs": [output], "sparse": sparse or None}
    with located(query.lowered, document):
        answer = yield from session.ask("jacobian", query.known, body)
    blocks = {name: block(value) for name, value in answer["jacobian"][output].items()}
    if isinstance(target.node, Op):
        remember(target, answer["outputs"][output])
    return [
        _joined([blocks[n] for n in value]) if value else (_none_of(blocks[names[0]]) if zero else None)
        for names, value in zip(query.wrt, wanted, strict=True)
    ]


def _joined(parts: Sequence[Any]) -> Any:
    """The sum of blocks, dense or sparse."""
    return functools.reduce(operator.add, parts)


def _none_of(value: Any) -> Any:
    """A block like another, without entries that are not zero."""
    if not isinstance(value, Sparse):
        return np.zeros_like(value)
    nowhere = value.rows[:0]
    return Sparse(nowhere, nowhere, value.values[..., :0], value.shape)


def _ask(session: Session, query: Question, *, zero: bool) -> Flow[list[Array | None]]:
    options = {"unconnected": "zero"} if zero else {}
    with query.located():
        answer = yield from session.ask("gradient", query.known, {**query.body(), **options})
    query.value = answer["value"]
    query.diagnosis = answer.get("diagnosis") or {}
    query.warnings = answer.get("warnings") or ()
    return [_total([answer["gradients"][name] for name in names]) for names in query.wrt]


def _diagnose(session: Session, query: Question) -> Flow[None]:
    with located(query.lowered, query.known.document):
        answer = yield from session.ask("diagnose", query.known, query.body())
    query.value, query.diagnosis = answer["value"], answer["variables"]


def _sum_of(target: Edge, tape: Recorder) -> Edge:
    node = Op("sum", (target,), {}, target.node.place, tape)
    if tape.trail is not None:
        tape.trail.note(node)
    return Edge(node)


def _total(parts: Sequence[Array | None]) -> Array | None:
    present = [part for part in parts if part is not None]
    return None if not present else present[0] if len(present) == 1 else np.sum(present, axis=0)
