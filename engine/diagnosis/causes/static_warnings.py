"""Warnings that hold whatever the values: found from the recording alone, in the bodies of loops as well."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from engine import dtypes
from engine.diagnosis.causes.broadcasts import broadcasts, is_column_on_purpose, may_broadcast
from engine.diagnosis.causes.cotangents import ignored_cotangents
from engine.diagnosis.causes.warnings import column
from engine.diagnosis.evidence.structure import Graphing
from engine.diagnosis.remedies.always_same import always_the_same
from engine.diagnosis.remedies.axis_misuses import OPS_OF_AXES, misuses_of_axes
from engine.diagnosis.remedies.formula_misuses import OPS_OF_FORMULAS, misuses_of_formulas
from engine.diagnosis.remedies.misuses import MISUSED_OPS, static_misuses
from engine.diagnosis.remedies.name_misuses import OPS_OF_NAMES, misuses_of_names
from engine.diagnosis.remedies.prescription import Prescriber
from engine.diagnosis.remedies.probability_misuses import missing_probabilities
from engine.diagnosis.remedies.product_misuses import OPS_OF_PRODUCTS, misuses_of_products
from engine.diagnosis.remedies.residual_misuses import misuses_of_residuals
from engine.diagnosis.texts.caveat import Caveat
from engine.diagnosis.texts.rendering import render_caveat
from engine.diagnosis.texts.source_text import Expressions
from engine.ir.tape import Instruction, Tape
from engine.transforms.vjp import carries, depending_on

_LOOKED_INTO = frozenset({"scan_loop", "while_steps", "cond", "checkpoint"})
_WORTH_A_LOOK = (
    _LOOKED_INTO
    | MISUSED_OPS
    | OPS_OF_AXES
    | OPS_OF_FORMULAS
    | OPS_OF_PRODUCTS
    | OPS_OF_NAMES
    | {"custom_gradient"}
)


def static_warnings(
    graph: Graphing, sources: Iterable[int], target: int, names: Mapping[int, str]
) -> tuple[dict[str, Any], ...]:
    """The warnings on the way from the slots `sources` to the slot `target`, as they go on the wire.

    `names` are the user's names of slots. It is done once, when a gradient is recorded: no run waits for it.
    """
    if not any(_is_worth_a_look(step) for step in graph.steps) and not may_broadcast(graph):
        return ()
    prescriber = Prescriber(Expressions(graph, names), {}, None)
    caveats = _warnings_in(graph, tuple(sources), [target], frozenset(), prescriber)
    unique = {(caveat.code, caveat.node): caveat for caveat in reversed([*caveats])}
    return tuple(render_caveat(caveat) for caveat in reversed(unique.values()))


def _is_worth_a_look(step: Instruction) -> bool:
    return step.op.name in _WORTH_A_LOOK


def _warnings_in(
    graph: Graphing,
    sources: Sequence[int],
    targets: Sequence[int],
    on_purpose: Collection[int],
    prescriber: Prescriber | None = None,
) -> Iterator[Caveat]:
    """The warnings in a graph, and in the functions of its loops and branches.

    `on_purpose` are inputs that were made columns outside of it. A `prescriber` fixes in the user's words.
    """
    path = _path(graph, sources, targets)
    types = graph.tape.types
    yield from broadcasts(
        path,
        graph,
        lambda slot: types[slot].shape,
        lambda step: column(step, [types[slot].ndim for slot in step.inputs], prescriber),
        on_purpose,
    )
    yield from ignored_cotangents(path)
    if prescriber is not None:
        yield from static_misuses(prescriber, path, frozenset(sources))
        toward = {slot for target in targets for slot in graph.toward(target, "any")}
        leading = [step for step in graph.steps if any(slot in toward for slot in step.outputs)]
        yield from misuses_of_axes(prescriber, leading)
        yield from misuses_of_formulas(prescriber, leading, sources)
        yield from misuses_of_products(prescriber, leading, sources)
        yield from missing_probabilities(prescriber, leading, sources)
        yield from misuses_of_names(prescriber, leading)
        for target in targets:
            yield from misuses_of_residuals(prescriber, target, sources)
        yield from always_the_same(prescriber, path)
    for step in path:
        if step.op.name not in _LOOKED_INTO:
            continue
        for function in step.attributes.values():
            if isinstance(function, Tape):
                yield from _warnings_of_function(graph, step, function, on_purpose)


def _warnings_of_function(
    graph: Graphing, step: Instruction, function: Tape, on_purpose: Collection[int]
) -> Iterator[Caveat]:
    inputs = list(function.inputs.values())
    outer = step.inputs[
        len(step.inputs) - len(inputs) :
    ]  # a predicate stands before the operands of a branch
    columns = {
        inner
        for inner, slot in zip(inputs, outer, strict=False)
        if slot in on_purpose or is_column_on_purpose(slot, graph)
    }
    floating = [slot for slot in inputs if dtypes.is_inexact(function.types[slot].dtype)]
    key = ("warnings", frozenset(columns))
    if key not in function.derived:  # a function may be called many times
        inside = Graphing(function, function.instructions, {})
        function.derived[key] = tuple(_warnings_in(inside, floating, function.outputs, columns))
    yield from function.derived[key]


def _path(graph: Graphing, sources: Iterable[int], targets: Sequence[int]) -> list[Instruction]:
    """The steps that carry a gradient from a source to a target, in order."""
    toward = {slot for target in targets for slot in graph.toward(target, "gradient")}
    needed = depending_on(graph.tape, graph.steps, sources)
    return [
        step
        for step in graph.steps
        if any(slot in toward for slot in step.outputs)
        and any(slot in needed and carries(graph.tape, step, k) for k, slot in enumerate(step.inputs))
    ]
