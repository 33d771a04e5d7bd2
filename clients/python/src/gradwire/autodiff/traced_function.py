"""A Python function run once on real arguments, ready to be asked about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gradwire._client.client import Client, default_client
from gradwire._client.session import input_values, located
from gradwire._tracing.lower import lower
from gradwire._tracing.node import Array, Edge, Lowered, Op, Recorder
from gradwire._tracing.scopes import named, scope
from gradwire._tracing.structure import leaves
from gradwire._tracing.subgraph import rebuilt, recording
from gradwire._tracing.tensor import Tensor
from gradwire._tracing.tracer import as_edge, trace
from gradwire.autodiff.argument_lists import guarded
from gradwire.autodiff.functional import argument_names, sources_of
from gradwire.autodiff.list_arguments import told_of_lists


class Traced:
    """The outputs of a function and the arguments at some positions, as parts of one graph.

    `sources` are those arguments in their structures; `wrt` and `outputs` what the graph calls them.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        args: Sequence[Any],
        kwargs: dict[str, Any],
        positions: Sequence[int],
        client: Client | None,
        *,
        by: str,
        allow_reads: bool = False,
    ) -> None:
        tape = Recorder()
        names = argument_names(function, len(args))
        arguments = list(args)
        for position in positions:
            arguments[position] = sources_of(names[position], args[position])
        self.sources = tuple(arguments[position] for position in positions)
        label = getattr(function, "__name__", "function")
        with (
            recording(tape),
            scope(
                by, label, named([names[k] for k in positions], self.sources), values=True, free=allow_reads
            ),
            told_of_lists([(names[k], args[k]) for k in positions]),
        ):
            for position in positions:
                arguments[position] = guarded(names[position], args[position], arguments[position])
            answer = function(*arguments, **kwargs)
            edges = [_on(tape, as_edge(leaf)) for leaf in leaves(answer) if leaf is not None]
        self._client = client or default_client()
        inputs = [leaf._edge() for leaf in leaves(self.sources)]
        self._lowered = lower([*edges, *inputs], tape=tape)
        roots = self._lowered.roots
        self._known = self._client._session.known(self._lowered, tuple(dict.fromkeys(roots[: len(edges)])))
        document = self._known.document
        self.answer = answer
        self.edges = edges
        self.outputs = [document.name(ref) for ref in roots[: len(edges)]]
        self.wrt = [document.name(ref) for ref in roots[len(edges) :]]

    @property
    def lowered(self) -> Lowered:
        """The graph that was recorded."""
        return self._lowered

    @property
    def tensors(self) -> Any:
        """What the function answered, as tensors that are fetched when read."""
        return rebuilt(self.answer, [Tensor(edge) for edge in self.edges])

    def ask(self, kind: str, **body: Any) -> Any:
        """Put a question to the server; what is None is left to its defaults."""
        document = self._known.document
        sent = {key: value for key, value in body.items() if value is not None}
        inputs = input_values(self._lowered, document)
        with located(self._lowered, document):
            flow = self._client._session.ask(kind, self._known, {"inputs": inputs, **sent})
            return self._client._driver.run(flow)

    def answered(self, values: Sequence[Any]) -> Any:
        """Values, one for each output, in the structure of what the function answered."""
        return rebuilt(self.answer, values)


def directions(names: Sequence[str], vectors: Any) -> dict[str, Array]:
    """Arrays for the leaves of a structure, by the names of their inputs."""
    arrays = [as_edge(leaf) for leaf in leaves(vectors)]
    return {name: Tensor(edge)._value() for name, edge in zip(names, arrays, strict=True)}


def _on(tape: Recorder, edge: Edge) -> Edge:
    """An op of the tape for anything that a function may answer."""
    if isinstance(edge.node, Op) and tape.holds(edge.node.recorder):
        return edge
    return Edge(trace("identity", (Tensor(edge),)))
