"""Gradients of one or many targets, with the reason where one is missing: gradient and diagnose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine import dtypes
from engine.backward import backward, ones, zeros
from engine.derivatives.draft import Draft, Outputs, Values, slot_of, unique, wrt_slots
from engine.diagnosis import Finding, Graphing, entry, examine
from engine.dtypes import TensorType
from engine.errors import DerivativeNotImplemented, InvalidTarget, Unconnected
from engine.query import Query
from engine.record import Recording, record


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
    recording = record(query.graph, query.inputs, unique(*targets, *(query.wrt or ())))
    tape = recording.tape
    wanted = wrt_slots(query, recording)
    heads = {name: recording.slots[name][0] for name in query.graph.outputs if name in recording.slots}
    graph = Graphing(tape, tuple(tape.instructions), heads, query.graph.rebound)
    context = _Context(query, graph, _names(recording, query), wanted)
    outputs = Outputs(tape)
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


def _differentiate(context: _Context, recording: Recording, outputs: Outputs, target: str) -> _Differentiated:
    tape, query = recording.tape, context.query
    slot = slot_of(recording, target, "$.target")
    wrong = why_no_target(tape.types[slot], target)
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


def why_no_target(type: TensorType, target: str) -> InvalidTarget | None:
    """The error for a target that is not one real floating number, None for one that is."""
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
