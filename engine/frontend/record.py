"""A graph played onto a tape for given shapes and dtypes.

Every node gets slots of its own, so that a gradient with respect to a node's name is that node's alone.
Functions become sub-tapes, made for the types they are called with. Where an input has no value, the
nodes that depend on it are left out, provided that nothing asked for needs them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from engine.dtypes import TensorType
from engine.errors import (
    DtypeMismatch,
    EngineError,
    InternalError,
    MissingInput,
    ShapeMismatch,
    UnknownInput,
    UnknownName,
    did_you_mean,
)
from engine.frontend.argument_order import swapped_arguments
from engine.frontend.fitting import proposals
from engine.frontend.function_checks import Functions, function_attributes
from engine.frontend.graph import Graph, InputSpec, Node, split_reference
from engine.frontend.json_reader import member
from engine.frontend.missing_inputs import cure
from engine.frontend.tensors.faults import check_declared_shape
from engine.ir.function_rules import counted
from engine.ir.table import TABLE
from engine.ir.tape import Tape, Variable

_GIVEN = "$.inputs"


@dataclass(frozen=True, slots=True)
class Recording:
    """The tape, and where each input, constant and node of the graph lies on it.

    `skipped` are the nodes that were left out because an input that they depend on has no value.
    """

    tape: Tape
    slots: Mapping[str, tuple[int, ...]]
    skipped: frozenset[str]

    def slot(self, reference: str) -> int:
        """The slot of `n` or `n:k`; raises UnknownName for an output that the node does not have."""
        return _output(self.slots, reference)


def record(
    graph: Graph,
    types: Mapping[str, TensorType],
    needed: Iterable[str],
    *,
    rewrite: Callable[[Tape], Tape] | None = None,
) -> Recording:
    """Play `graph` onto a new tape; `types` are those of the given inputs, `needed` what is requested.

    The tape of each function goes through `rewrite`, before anything differentiates it.
    Raises UnknownInput, UnknownName, MissingInput, ShapeMismatch and DtypeMismatch, and whatever an op
    refuses, with the place of its node.
    """
    types = _checked(graph, types)
    _check_missing(graph, types, needed)
    player = _Player(Tape(), graph.functions, {}, rewrite)
    for name in graph.inputs:
        if name in types:
            player.slots[name] = (player.tape.input(name, types[name]).slot,)
    skipped = player.play(graph)
    return Recording(player.tape, player.slots, frozenset(skipped))


class _Player:
    """One tape being filled, and the functions met on the way, by the types they were made for."""

    def __init__(
        self,
        tape: Tape,
        functions: Functions,
        tapes: dict[tuple[str, tuple[TensorType, ...]], Tape],
        rewrite: Callable[[Tape], Tape] | None = None,
    ) -> None:
        self.tape = tape
        self.functions = functions
        self.made = tapes
        self.rewrite = rewrite
        self.slots: dict[str, tuple[int, ...]] = {}

    def play(self, graph: Graph) -> list[str]:
        """Record constants and nodes; returns the names of the nodes that could not be."""
        for name, constant in graph.constants.items():
            self.slots[name] = (self.tape.constant(constant.array, weak=constant.weak).slot,)
        skipped: list[str] = []
        for node in graph.nodes:
            try:
                operands = [self._operand(value) for value in node.inputs]
            except KeyError:
                skipped.append(node.name)
                continue
            except EngineError as error:
                raise error.at(node.origin) from None
            with self.tape.at(node.origin):
                try:
                    slots = self.slots[node.name] = self._apply(node, operands)
                    if graph.unpacked.get(node.name, len(slots)) != len(slots):
                        raise ShapeMismatch(
                            f"{graph.unpacked[node.name]} names are given {len(slots)} values",
                            hint="write a name for each value",
                        )
                except ShapeMismatch as error:
                    fits = proposals(node, graph, [operand.type for operand in operands])
                    if fits is not None:
                        error.hint = "; ".join(filter(None, [error.hint, fits]))
                    raise error.at(node.origin) from None
                except DtypeMismatch as error:
                    error.hint = swapped_arguments(node, [v.type for v in operands]) or error.hint
                    raise error.at(node.origin) from None
                except EngineError as error:
                    raise error.at(node.origin) from None
        return skipped

    def _operand(self, value: str | bool | int | float) -> Variable:
        """The variable behind a node's input; raises KeyError if it has no value."""
        if not isinstance(value, str):
            return self.tape.weak(value)
        slots = self.slots.get(value)
        return Variable(self.tape, _output(self.slots, value) if slots is None else slots[0])

    def _apply(self, node: Node, operands: Sequence[Variable]) -> tuple[int, ...]:
        attributes = node.attributes
        if function_attributes(node.op):
            rule = node.op.rules.functions
            if rule is None:
                raise InternalError(f"nothing says how {node.op.name} binds its functions", op=node.op.name)
            attributes = {
                **attributes,
                **rule.bind(_Specializer(self), attributes, [v.type for v in operands]),
            }
        before = len(self.tape.types)
        answer = self.tape.apply(node.op, operands, attributes)
        slots: list[int] = []
        for output in answer if isinstance(answer, tuple) else (answer,):
            shared = output.slot < before or output.slot in self.tape.constants or output.slot in slots
            own = self.tape.apply(TABLE["identity"], [output], {}) if shared else output
            slots.append(own.slot)
        return tuple(slots)

    def specialize(self, name: str, types: Sequence[TensorType]) -> Tape:
        """The function's tape for these types of its inputs."""
        key = (name, tuple(types))
        if key not in self.made:
            function = self.functions[name]
            player = _Player(Tape(), self.functions, self.made, self.rewrite)
            for parameter, type in zip(function.inputs, types, strict=True):
                player.slots[parameter] = (player.tape.input(parameter, type).slot,)
            player.play(function)
            player.tape.outputs = [_output(player.slots, reference) for reference in function.outputs]
            self.made[key] = player.tape if self.rewrite is None else self.rewrite(player.tape)
        return self.made[key]


@dataclass(frozen=True, slots=True)
class _Specializer:
    """What an op's `bind` may ask of the functions: their sizes, and their tapes for given types."""

    player: _Player

    def __call__(self, name: str, types: Sequence[TensorType]) -> Tape:
        return self.player.specialize(name, types)

    def sizes(self, name: str) -> tuple[int, int]:
        """The function's numbers of inputs and outputs."""
        function = self.player.functions[name]
        return len(function.inputs), len(function.outputs)


def _output(slots: Mapping[str, tuple[int, ...]], reference: str) -> int:
    name, output = split_reference(reference)
    outputs = slots[name]
    if output >= len(outputs):
        raise UnknownName(
            f"'{reference}' is not there: '{name}' has {counted(len(outputs), 'output')}",
            hint="outputs count from 0",
        )
    return outputs[output]


# -- what is given -----------------------------------------------------------------------------------


def _checked(graph: Graph, types: Mapping[str, TensorType]) -> dict[str, TensorType]:
    for name in types:
        if name not in graph.inputs:
            kind = "a node" if name in graph.names else "not there"
            raise UnknownInput(
                f"expected values for inputs of the function, got '{name}', which is {kind}",
                path=member(_GIVEN, name),
                hint=did_you_mean(name, graph.inputs)
                or f"the inputs are: {', '.join(list(graph.inputs)[:20]) or 'none'}",
            )
    return {name: _declared(name, type, graph.inputs[name]) for name, type in types.items()}


def _declared(name: str, type: TensorType, spec: InputSpec) -> TensorType:
    """The type of a given input, checked against its declaration."""
    if spec.shape is not None:
        check_declared_shape(type.shape, spec.shape, member(_GIVEN, name))
    if spec.dtype is None:
        return type
    if spec.dtype != type.dtype:
        raise DtypeMismatch(
            f"expected {spec.dtype} for '{name}', as the function declares, got {type.dtype}",
            path=member(_GIVEN, name),
            hint=f"send {spec.dtype} data, or declare {type.dtype}",
        )
    return replace(type, weak=False)


def _check_missing(graph: Graph, types: Mapping[str, TensorType], needed: Iterable[str]) -> None:
    requested_names = dict.fromkeys(split_reference(reference)[0] for reference in needed)
    for name in requested_names:
        if name not in graph.names:
            raise UnknownName(
                f"expected an input, a constant or a node, got '{name}'", hint=did_you_mean(name, graph.names)
            )
    users: dict[str, Node | None] = dict.fromkeys(requested_names)  # name → a node that needs it
    for node in reversed(graph.nodes):
        if node.name in users:
            for value in node.inputs:
                if isinstance(value, str):
                    users[value.partition(":")[0]] = node
    missing = [name for name in graph.inputs if name in users and name not in types]
    if not missing:
        return
    user = users[missing[0]]
    listed = ", ".join(f"'{name}'" for name in missing[:10])
    subject = f"the input {listed} has" if len(missing) == 1 else f"the inputs {listed} have"
    raise MissingInput(
        f"{subject} no value; " + ("it was asked for" if user is None else f"'{user.name}' needs it"),
        path=_GIVEN,
        node=None if user is None else user.name,
        op=None if user is None else user.op.name,
        source=None if user is None else user.source,
        hint=cure(missing, user, graph, types),
    )
