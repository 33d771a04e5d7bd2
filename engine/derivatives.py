"""The kinds of question: how each is recorded on a tape, and how its outputs make the answer.

A kind is one entry of `KINDS`: which names it needs, and a function that plays the question onto a
recording and says how the answer is put together. Answers have the shape of the wire format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from engine import dtypes
from engine.backward import backward, ones, zeros
from engine.diagnosis import Finding, Graphing, entry, examine
from engine.dtypes import TensorType
from engine.errors import (
    DerivativeNotImplemented,
    DtypeMismatch,
    InvalidTarget,
    MissingInput,
    ShapeMismatch,
    Unconnected,
)
from engine.graph import split_reference
from engine.query import Query
from engine.record import Recording, record
from engine.tape import Tape

Values = Sequence[npt.NDArray[Any]]
Assemble = Callable[[Values], dict[str, Any]]

COTANGENT = "cotangent:"  # names of cotangents on a tape; no name of a graph has a colon


@dataclass(slots=True)
class Draft:
    """A tape whose outputs answer a query, and how they are put together."""

    tape: Tape
    assemble: Assemble = lambda values: {}
    cotangents: dict[str, TensorType] = field(default_factory=dict)


class _Outputs:
    """Slots of a tape collected as its outputs; `add` answers the place in the list of values."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self._places: dict[int, int] = {}

    def add(self, slot: int) -> int:
        if slot not in self._places:
            self._places[slot] = len(self.tape.outputs)
            self.tape.outputs.append(slot)
        return self._places[slot]


def draft_of(query: Query) -> Draft:
    """Record the question; raises every UserError that the graph or the question earns."""
    return KINDS[query.kind](query)


def slot_of(recording: Recording, name: str, path: str) -> int:
    """The slot of a name or of `n:k`; raises MissingInput where it was skipped for want of a value."""
    node, output = split_reference(name)
    slots = recording.slots.get(node)
    if slots is None:
        raise MissingInput(
            f"'{name}' depends on inputs that have no value", path=path, hint="give them under `inputs`"
        )
    slot: int = slots[output]
    return slot


def evaluate(query: Query) -> Draft:
    """The values of outputs or nodes."""
    chosen = query.chosen_outputs()
    recording = record(query.graph, query.inputs, chosen)
    outputs = _Outputs(recording.tape)
    places = {name: outputs.add(slot_of(recording, name, "$.outputs")) for name in chosen}
    return Draft(recording.tape, lambda values: {"outputs": {name: values[i] for name, i in places.items()}})


def vjp(query: Query) -> Draft:
    """Values of outputs, and their cotangents pulled back to `wrt`."""
    chosen = query.chosen_outputs()
    query.check_wrt()
    given = dict(query.cotangents or {})
    recording = record(query.graph, query.inputs, _unique(*chosen, *given, *(query.wrt or ())))
    tape = recording.tape
    outputs = _Outputs(tape)
    places = {name: outputs.add(slot_of(recording, name, "$.outputs")) for name in chosen}
    types, seeds = {}, {}
    for name, type in given.items():
        slot = slot_of(recording, name, "$.cotangents")
        types[name] = _cotangent_type(name, type, tape.types[slot])
        seeds[slot] = tape.input(f"{COTANGENT}{name}", types[name])
    wanted = _wrt_slots(query, recording)
    adjoints = backward(tape, seeds, [slot for slot in wanted.values() if _carries(tape, slot)])
    pulled: dict[str, int | None] = {
        name: outputs.add(adjoints[slot].slot) if slot in adjoints else None for name, slot in wanted.items()
    }
    missing = {name: tape.types[wanted[name]] for name, place in pulled.items() if place is None}

    def assemble(values: Values) -> dict[str, Any]:
        absent = {name: np.zeros(type.shape, type.dtype) for name, type in missing.items()}
        return {
            "outputs": {name: values[i] for name, i in places.items()},
            "vjp": {name: absent[name] if i is None else values[i] for name, i in pulled.items()},
        }

    return Draft(tape, assemble, types)


def _cotangent_type(name: str, given: TensorType, output: TensorType) -> TensorType:
    """The type in which a cotangent enters: its output's; raises ShapeMismatch, DtypeMismatch."""
    path = f"$.cotangents.{name}"
    if not dtypes.is_inexact(output.dtype):
        raise DtypeMismatch(
            f"output '{name}' is {output.dtype}, which carries no gradient", path=path, hint="leave it out"
        )
    if given.shape != output.shape:
        raise ShapeMismatch(
            f"expected a cotangent of shape {output.shape} for '{name}', got {given.shape}",
            path=path,
            hint="a cotangent has the shape of its output",
        )
    return TensorType(output.shape, output.dtype)


def gradient(query: Query) -> Draft:
    """Values of one or many targets and their gradients, with the reason where one is missing."""
    return _gradients(query, _gradient_answer)


def diagnose(query: Query) -> Draft:
    """For each variable whether its gradient exists, and if not, why."""
    return _gradients(query, _diagnose_answer)


@dataclass(slots=True)
class _Differentiated:
    """One target: where its value and gradients lie among the outputs, and what the structure says."""

    target: str
    value: int
    gradients: dict[str, int | None]
    findings: dict[str, Finding]


@dataclass(slots=True)
class _Context:
    """What the assembling of an answer needs of the recording."""

    query: Query
    graph: Graphing
    names: dict[int, str]
    slots: dict[str, int]

    def entry(self, result: _Differentiated, name: str, gradient: Any) -> dict[str, Any]:
        """The diagnosis of one variable."""
        return entry(
            result.findings[name],
            name=name,
            target=result.target,
            graph=self.graph,
            names=self.names,
            gradient=gradient,
            type=self.graph.tape.types[self.slots[name]],
        )


Answer = Callable[[_Context, _Differentiated, Values], dict[str, Any]]


def _gradients(query: Query, answer: Answer) -> Draft:
    targets = query.chosen_targets()
    query.check_wrt()
    recording = record(query.graph, query.inputs, _unique(*targets, *(query.wrt or ())))
    tape = recording.tape
    wanted = _wrt_slots(query, recording)
    heads = {name: recording.slots[name][0] for name in query.graph.outputs if name in recording.slots}
    graph = Graphing(tape, tuple(tape.instructions), heads, query.graph.rebound)
    context = _Context(query, graph, _names(recording, query), wanted)
    outputs = _Outputs(tape)
    results = [_differentiate(context, recording, outputs, target) for target in targets]

    def assemble(values: Values) -> dict[str, Any]:
        answers = {result.target: answer(context, result, values) for result in results}
        if not query.target_list:
            return answers[targets[0]]
        keyed: dict[str, Any] = {}
        for target, one in answers.items():
            for key, value in one.items():
                keyed.setdefault(key, {})[target] = value
        return keyed

    return Draft(tape, assemble)


def _differentiate(
    context: _Context, recording: Recording, outputs: _Outputs, target: str
) -> _Differentiated:
    tape, query = recording.tape, context.query
    slot = slot_of(recording, target, "$.target")
    wrong = _why_no_target(tape.types[slot], target)
    if wrong is not None:
        if query.kind != "diagnose":
            raise wrong
        findings = {name: Finding("invalid_target", None, note=wrong) for name in context.slots}
        return _Differentiated(target, outputs.add(slot), dict.fromkeys(context.slots), findings)
    findings = {name: examine(context.graph, s, name, slot) for name, s in context.slots.items()}
    live = [s for name, s in context.slots.items() if findings[name].status == "ok"]
    value = tape.variable(slot)
    try:
        adjoints = backward(tape, {slot: ones(tape, value)}, live)
    except DerivativeNotImplemented as error:
        if query.kind != "diagnose":
            raise
        adjoints = {}
        findings = {
            name: Finding("blocked", "not_implemented", note=error) if found.status == "ok" else found
            for name, found in findings.items()
        }
    places: dict[str, int | None] = {}
    for name, s in context.slots.items():
        adjoint = adjoints.get(s)
        if adjoint is None and query.kind == "gradient":
            _refuse_unconnected(query, target, name, context, findings[name])
            if query.unconnected == "zero":
                adjoint = zeros(tape, tape.variable(s))
        places[name] = None if adjoint is None else outputs.add(adjoint.slot)
    return _Differentiated(target, outputs.add(slot), places, findings)


def _refuse_unconnected(query: Query, target: str, name: str, context: _Context, finding: Finding) -> None:
    if query.unconnected != "error":
        return
    result = _Differentiated(target, 0, {}, {name: finding})
    told = context.entry(result, name, None)
    culprit: dict[str, Any] = next(iter(told["culprits"]), {})
    raise Unconnected(
        told["message"],
        path="$.wrt",
        node=culprit.get("node"),
        op=culprit.get("op"),
        source=culprit.get("source"),
        hint=told["fix"],
    )


def _why_no_target(type: TensorType, target: str) -> InvalidTarget | None:
    if type.size != 1:
        return InvalidTarget(
            f"the target '{target}' has shape {type.shape}; a gradient is of one number, not {type.size}",
            path="$.target",
            node=target,
            hint=f"reduce it first, as in sum({target}) or mean({target}), or ask for the vjp",
        )
    if not dtypes.is_floating(type.dtype):
        return InvalidTarget(
            f"the target '{target}' is {type.dtype}; a gradient is of a real floating number",
            path="$.target",
            node=target,
            hint="differentiate what it was computed from, before the conversion",
        )
    return None


def _gradient_answer(context: _Context, result: _Differentiated, values: Values) -> dict[str, Any]:
    gradients = {name: None if i is None else values[i] for name, i in result.gradients.items()}
    answer: dict[str, Any] = {"value": values[result.value], "gradients": gradients}
    mode = context.query.diagnose
    if mode == "off":
        return answer
    told = {
        name: context.entry(result, name, value)
        for name, value in gradients.items()
        if mode == "full" or result.findings[name].status != "ok" or _is_suspicious(value)
    }
    if told:
        answer["diagnosis"] = told
    return answer


def _diagnose_answer(context: _Context, result: _Differentiated, values: Values) -> dict[str, Any]:
    told = {
        name: context.entry(result, name, None if place is None else values[place])
        for name, place in result.gradients.items()
    }
    return {"value": values[result.value], "variables": told}


def _is_suspicious(gradient: npt.NDArray[Any] | None) -> bool:
    """Missing, not finite, or zero in every element."""
    if gradient is None:
        return True
    return gradient.size > 0 and (not np.isfinite(gradient).all() or not gradient.any())


def _wrt_slots(query: Query, recording: Recording) -> dict[str, int]:
    """The slots of the variables: those named, else every floating or complex input that has a value."""
    if query.wrt is not None:
        return {name: slot_of(recording, name, "$.wrt") for name in query.wrt}
    types = recording.tape.types
    given = {name: recording.slots[name][0] for name in query.graph.inputs if name in recording.slots}
    return {name: slot for name, slot in given.items() if dtypes.is_inexact(types[slot].dtype)}


def _carries(tape: Tape, slot: int) -> bool:
    return dtypes.is_inexact(tape.types[slot].dtype)


def _names(recording: Recording, query: Query) -> dict[int, str]:
    """The user's name of every slot that has one; inner steps go by the node that they belong to."""
    names: dict[int, str] = {}
    for step in recording.tape.instructions:
        if step.origin.node is not None:
            names.update(dict.fromkeys(step.outputs, step.origin.node))
    for name, slots in recording.slots.items():
        for k, slot in enumerate(slots):
            names[slot] = f"{name}:{k}" if k else name
    return names


def _unique(*names: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


KINDS: Mapping[str, Callable[[Query], Draft]] = {
    "evaluate": evaluate,
    "gradient": gradient,
    "vjp": vjp,
    "diagnose": diagnose,
}
