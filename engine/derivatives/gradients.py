"""Gradients of one or many targets, with the reason where one is missing: gradient and diagnose."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine import dtypes
from engine.arrays.types import Array
from engine.derivatives.derivative_nodes import recorded
from engine.derivatives.draft import (
    Draft,
    Inputs,
    Outputs,
    Values,
    in_user_convention,
    slot_of,
    unique,
    wrt_slots,
)
from engine.derivatives.last_diagnosis import LastDiagnosis
from engine.derivatives.masked import Watched, warnings_of, watched
from engine.derivatives.query import Query
from engine.diagnosis import (
    Diagnosis,
    Graphing,
    Look,
    Suspicion,
    Watch,
    dead_ends,
    first_suspicious,
    real_square,
    render_caveat,
    soft_target,
    static_warnings,
    suspicion_of,
    unread_inputs,
    value_warnings,
    value_watches,
)
from engine.dtypes import TensorType
from engine.errors import DerivativeNotImplemented, InvalidTarget, Unconnected
from engine.frontend.record import Recording
from engine.ir.tape import Tape
from engine.transforms.masks import Masks
from engine.transforms.vjp import backward, ones, zeros


def gradient(query: Query) -> Draft:
    """Values of one or many targets and their gradients, with the reason where one is missing."""
    return _gradients(query, _gradient_answer)


def diagnose(query: Query) -> Draft:
    """For each variable whether its gradient exists, and if not, why."""
    return _gradients(query, _diagnose_answer)


@dataclass(slots=True)
class _Differentiated:
    """One target: where its value and gradients lie among the outputs, and who can say why.

    `tests` says of each gradient that exists where it lies, and whether it looks wrong; they are made at the
    first answer, which shows whether there is one gradient or one for each row of a batch. `acted` tells
    where `masked_backward` acted, `warnings` are those that hold whatever the values; `watches`
    are those that take a value, which lies among the outputs.
    """

    examination: Diagnosis
    value: int
    gradients: dict[str, int | None]
    acted: tuple[Watched, ...] = ()
    warnings: tuple[dict[str, Any], ...] = ()
    watches: tuple[Watch, ...] = ()
    watched_at: Mapping[int, int] = field(default_factory=dict)
    tests: tuple[tuple[str, int, Suspicion], ...] = ()
    last: LastDiagnosis = field(default_factory=LastDiagnosis)

    def make_tests(self, values: Values) -> tuple[tuple[str, int, Suspicion], ...]:
        """Fill in `tests` for answers like `values`."""
        examination, types = self.examination, self.examination.graph.tape.types
        tests = []
        for name, place in self.gradients.items():
            if place is not None and name in examination.live:
                type = types[examination.variables[name]]
                rows = values[place].ndim > len(type.shape)
                tests.append((name, place, suspicion_of(type, rows=rows, faint=_FAINT.get(type.dtype, 0.0))))
        self.tests = tuple(tests)
        return self.tests

    @property
    def target(self) -> str:
        """The target's name."""
        return self.examination.target


#: The sum of magnitudes below which a gradient is looked at, for rounding may be all that it is.
_FAINT = {"float64": 1e-13}
Answer = Callable[[Query, _Differentiated, Values, Inputs], dict[str, Any]]


def _gradients(query: Query, answer: Answer) -> Draft:
    targets = query.chosen_targets()
    query.check_wrt()
    recording = recorded(query, unique(*targets, *(query.wrt or ())))
    tape = recording.tape
    slots = wrt_slots(query, recording)
    heads = {name: recording.slots[name][0] for name in query.graph.outputs if name in recording.slots}
    lost = {name: query.graph.origin_of(node) for name, node in query.graph.overwritten.items()}
    graph = Graphing(tape, tuple(tape.instructions), heads, query.graph.rebound, lost)
    names = user_names(recording)
    outputs = Outputs(tape)
    results = []
    for target in targets:
        slot = slot_of(recording, target, "$.target")
        note = why_no_target(tape.types[slot], target, residual=is_difference(tape, slot))
        if note is not None and dtypes.is_complex(tape.types[slot].dtype):
            note.hint = real_square(graph, names, slot) or note.hint
        elif note is not None and tape.types[slot].size == 1:
            note.hint = soft_target(graph, names, slot) or note.hint
        examination = Diagnosis(graph, names, slots, target, slot, note, query.masked_backward)
        results.append(_differentiate(query, examination, outputs))

    def assemble(values: Values, inputs: Inputs) -> dict[str, Any]:
        answers = {result.target: answer(query, result, values, inputs) for result in results}
        if not query.target_list:
            return answers[targets[0]]
        keyed: dict[str, Any] = {}
        for target, one in answers.items():
            for key, value in one.items():
                keyed.setdefault(key, {})[target] = value
        return keyed

    is_diagnosed = query.kind == "diagnose" or query.diagnose == "full"
    nbytes = max((result.examination.look_bytes for result in results), default=0) if is_diagnosed else 0
    warnings = tuple(warning for result in results for warning in result.warnings)
    return Draft(tape, assemble, look_bytes=nbytes, exports=_exports(query, results), warnings=warnings)


def _exports(query: Query, results: Sequence[_Differentiated]) -> dict[str, int]:
    """`value` and `gradients/W`, with the target in between where several were requested."""
    named: dict[str, int] = {}
    for result in results:
        middle = f"/{result.examination.target}" if query.target_list else ""
        named[f"value{middle}"] = result.value
        for name, place in result.gradients.items():
            if place is not None:
                named[f"gradients{middle}/{name}"] = place
    return {name.replace(":", "."): place for name, place in named.items()}


def _differentiate(query: Query, examination: Diagnosis, outputs: Outputs) -> _Differentiated:
    tape, slot, variables = outputs.tape, examination.slot, examination.variables
    if examination.note is not None:
        if query.kind != "diagnose":
            raise examination.note
        return _Differentiated(examination, outputs.add(slot), dict.fromkeys(variables))
    try:
        seed = {slot: ones(tape, tape.variable(slot))}
        masks = Masks.of(tape, [slot]) if query.masked_backward else None
        adjoints = backward(tape, seed, [variables[name] for name in examination.live], masks=masks)
    except DerivativeNotImplemented as error:
        if query.kind != "diagnose":
            raise
        adjoints, masks = {}, None
        examination.refuse(error)
    places: dict[str, int | None] = {}
    for name, s in variables.items():
        adjoint = adjoints.get(s)
        if adjoint is None and query.kind == "gradient":
            _refuse_unconnected(query, examination, name)
            if query.unconnected == "zero":
                adjoint = zeros(tape, tape.variable(s))
        places[name] = None if adjoint is None else outputs.add(in_user_convention(adjoint).slot)
    acted = () if masks is None else watched(masks, outputs)
    warnings: tuple[dict[str, Any], ...] = ()
    watches: tuple[Watch, ...] = ()
    watched_at: dict[int, int] = {}
    if query.kind == "gradient" and query.diagnose != "off":
        sources = [variables[name] for name in examination.live]
        warnings = static_warnings(examination.graph, sources, slot, examination.names)
        watches = value_watches(examination.graph, sources, slot, examination.names)
        watched_at = {one: outputs.add(one) for watch in watches for one in watch.slots}
    if query.diagnose != "off":
        warnings = (*warnings, *_warnings_of_program(query, examination))
    return _Differentiated(examination, outputs.add(slot), places, acted, warnings, watches, watched_at)


def _warnings_of_program(query: Query, examination: Diagnosis) -> Iterator[dict[str, Any]]:
    """What the program leaves out: inputs that nothing reads, and values."""
    variables, graph = examination.variables, query.graph
    unread = [name for name in graph.unread if name in query.inputs and name not in variables]
    yield from map(render_caveat, unread_inputs(examination.graph, unread, query.inputs))
    targets = query.targets or (examination.target,)
    dead = dead_ends(graph, targets, query.inputs, variables, chosen=query.targets is not None)
    yield from map(render_caveat, dead)


def _refuse_unconnected(query: Query, examination: Diagnosis, name: str) -> None:
    if query.unconnected != "error":
        return
    entry = examination.structural(name)
    culprit: dict[str, Any] = next(iter(entry["culprits"]), {})
    raise Unconnected(
        entry["message"],
        path="$.wrt",
        node=culprit.get("node"),
        op=culprit.get("op"),
        source=culprit.get("source"),
        hint=entry["fix"],
    )


def is_difference(tape: Tape, slot: int) -> bool:
    """Whether a slot holds a difference, as residuals are."""
    makers = {output: step for step in tape.instructions for output in step.outputs}
    step = makers.get(slot)
    while step is not None and step.op.name == "identity":
        step = makers.get(step.inputs[0])
    return step is not None and step.op.name == "subtract"


def why_no_target(type: TensorType, target: str, *, residual: bool = False) -> InvalidTarget | None:
    """The error for a target that is not one real floating number, None for one that is.

    Of a `residual`, a difference, the squares are added up, and not the numbers with their signs.
    """
    if type.size != 1 and residual:
        return InvalidTarget(
            f"the target '{target}' has shape {type.shape}; a gradient is of one number, not {type.size}",
            path="$.target",
            node=target,
            hint=f"reduce it first, as in sum({target} ** 2), for residuals with their signs would cancel; "
            "or ask for the jacobian, or the gnvp, of all of them",
        )
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
            hint=f"take real({target}), imag({target}) or abs({target}), or ask for the vjp"
            if dtypes.is_complex(type.dtype)
            else "differentiate what it was computed from, before the conversion",
        )
    return None


def _gradient_answer(query: Query, result: _Differentiated, values: Values, inputs: Inputs) -> dict[str, Any]:
    gradients = {name: None if i is None else values[i] for name, i in result.gradients.items()}
    answer: dict[str, Any] = {"value": values[result.value], "gradients": gradients}
    if query.masked_backward:
        answer["warnings"] = warnings_of(result.acted, values)
    if query.diagnose == "off":
        return answer
    if result.warnings:
        answer["warnings"] = [*result.warnings, *answer.get("warnings", ())]
    if result.watches:
        warnings = _told_by(result, values)
        if warnings:
            answer["warnings"] = [*answer.get("warnings", ()), *warnings]
    wrong = gradients
    spoiled = False
    if query.diagnose == "auto":
        tests = result.tests or result.make_tests(values)
        suspicious = [name for name, place, looks_wrong in tests if looks_wrong(values[place])]
        spoiled = not np.isfinite(values[result.value]).all()
        if not suspicious and len(tests) == len(gradients) and not spoiled:
            return answer
        healthy = set() if spoiled else {name for name, *_ in tests}.difference(suspicious)
        wrong = {name: value for name, value in gradients.items() if name not in healthy}
    if wrong:
        entries = _entries(result, wrong, inputs, full=query.diagnose == "full")
        if query.diagnose == "auto" and not spoiled:
            entries = {name: entry for name, entry in entries.items() if not _is_small(entry, wrong[name])}
        if entries:
            answer["diagnosis"] = entries
    return answer


def _is_small(entry: Mapping[str, Any], gradient: Array | None) -> bool:
    """Whether a gradient is only small, and not what rounding leaves of zero."""
    return entry["status"] == "ok" and gradient is not None and bool(np.any(gradient)) and not entry["fix"]


def _told_by(result: _Differentiated, values: Values) -> list[dict[str, Any]]:
    """The warnings that the values of the watches give."""
    places = result.watched_at
    caveats = value_warnings(result.watches, lambda slot: np.asarray(values[places[slot]]))
    return [render_caveat(caveat) for caveat in caveats]


def _diagnose_answer(query: Query, result: _Differentiated, values: Values, inputs: Inputs) -> dict[str, Any]:
    gradients = {name: None if i is None else values[i] for name, i in result.gradients.items()}
    answer = {"value": values[result.value], "variables": _entries(result, gradients, inputs, full=True)}
    return {**answer, "warnings": list(result.warnings)} if result.warnings else answer


def _entries(
    result: _Differentiated, gradients: Mapping[str, Array | None], inputs: Inputs, *, full: bool
) -> dict[str, Any]:
    """The diagnosis of each variable; of a batch, that of the first row that looks wrong.

    A `full` look is counted in the estimate; any other is kept small.
    """
    read = [inputs[name] for name in result.examination.graph.tape.inputs if name in inputs]
    return result.last.find(
        f"{full} {list(gradients)}",
        [*gradients.values(), *read],
        lambda: _examined(result.examination, gradients, inputs, full=full),
    )


def _examined(
    examination: Diagnosis, gradients: Mapping[str, Array | None], inputs: Inputs, *, full: bool
) -> tuple[dict[str, Any], bool]:
    """The entries, and whether every look that they needed was to be had."""
    looks: dict[int | None, Look | None] = {}
    entries = {}
    for name, value in gradients.items():
        row = None if value is None or not _has_rows(examination, name, value) else _wrong_row(value)

        def look(row: int | None = row) -> Look | None:
            if row not in looks:
                row_inputs = _at_row(examination, inputs, row)
                looks[row] = examination.look(row_inputs, full=full)
            return looks[row]

        gradient = value if value is None or row is None else np.asarray(value[row])
        entries[name] = examination.entry(name, gradient, look)
        if row is not None:
            entries[name]["message"] = f"In row {row} of the batch: {entries[name]['message']}"
    return entries, all(look is not None for look in looks.values())


def _has_rows(examination: Diagnosis, name: str, gradient: Array) -> bool:
    """Whether a gradient comes for each row of a batch."""
    return gradient.ndim > examination.graph.tape.types[examination.variables[name]].ndim


def _at_row(examination: Diagnosis, inputs: Inputs, row: int | None) -> Inputs:
    tape = examination.graph.tape
    return {
        name: inputs[name][row]
        if row is not None and inputs[name].ndim > tape.types[slot].ndim
        else inputs[name]
        for name, slot in tape.inputs.items()
        if name in inputs
    }


def _wrong_row(gradient: Array) -> int | None:
    """The first row that looks wrong, else the first."""
    return (first_suspicious(gradient) or 0) if len(gradient) else None


def user_names(recording: Recording) -> dict[int, str]:
    """The user's name of every slot that has one; inner steps go by the node that they belong to."""
    names: dict[int, str] = {}
    for step in recording.tape.instructions:
        if step.origin.node is not None:
            names.update(dict.fromkeys(step.outputs, step.origin.node))
    for name, slots in recording.slots.items():
        for k, slot in enumerate(slots):
            names[slot] = f"{name}:{k}" if k else name
    return names
