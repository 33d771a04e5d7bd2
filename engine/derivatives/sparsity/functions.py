"""Patterns through the functions of an op: calls, branches, gradients of the user's making, loops step by
step.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from engine.derivatives.sparsity.known_values import KnownValues, Source
from engine.derivatives.sparsity.pattern import Matrix, Pass, Patterns
from engine.ir.dependence import Inside, Stepwise
from engine.ir.function_rules import outputs_of
from engine.ir.tape import Instruction, Tape

ENTRIES_PER_INSTRUCTION = 1024  # what may have so many entries may follow a loop for one instruction


def dependence(
    tape: Tape, variables: Sequence[int], slots: Collection[int], known_values: KnownValues, most: int
) -> dict[int, Matrix]:
    """The patterns of `slots` with respect to `variables`; a slot that depends on none is absent.

    The columns are the elements of the variables, one variable after the other. Raises TooDense if any
    pattern, also of a slot on the way, would have more than `most` entries, rows or columns.
    """
    return Pass.over(tape, variables, slots, known_values, most, through)


def through(
    walk: Pass, step: Instruction, moving: Sequence[int], reach: Inside | Stepwise
) -> Patterns | None:
    """The patterns of an op's outputs; None if everything may depend on everything."""
    if isinstance(reach, Stepwise):
        return _looped(walk, step, moving)
    answers: dict[int, list[Matrix]] = {}
    for name in reach.names:
        function = step.attributes[name]
        passed = _pulled if reach.adjoint else _called
        for slot, pattern in passed(walk, step, moving, reach, function):
            answers.setdefault(slot, []).append(pattern)
    return {slot: walk.union(parts) for slot, parts in answers.items()}


def _called(
    walk: Pass, step: Instruction, moving: Sequence[int], reach: Inside, function: Tape
) -> list[tuple[int, Matrix]]:
    inputs = list(function.inputs.values())
    patterns = {inputs[i - reach.first]: walk.found[step.inputs[i]] for i in moving if i >= reach.first}
    sources = {
        inner: partial(walk.value_of, outer)
        for inner, outer in zip(inputs, step.inputs[reach.first :], strict=False)
    }
    reached = walk.inner(function, sources).run(patterns)
    pairs = zip(step.outputs, function.outputs, strict=True)
    return [(slot, reached[own]) for slot, own in pairs if own in reached]


def _pulled(
    walk: Pass, step: Instruction, moving: Sequence[int], reach: Inside, function: Tape
) -> list[tuple[int, Matrix]]:
    """The Jacobian of a function with its own gradient is what that says: its pattern, transposed.

    Tangents may be given by another function than cotangents. Where they are, nothing is known.
    """
    types = walk.tape.types
    if step.attributes.get("jvp") is not None:
        return [(slot, walk.whole(step, i, slot)) for slot in step.outputs for i in moving]
    first = len(step.inputs) + len(step.outputs)
    cotangents = list(function.inputs.values())[first:]
    answers = [function.outputs[i] for i in moving]
    pulled = walk.beside(function, cotangents, answers)
    ends = np.cumsum([0, *(types[slot].size for slot in step.outputs)])
    ahead: list[tuple[int, Matrix]] = []
    for i, answer in zip(moving, answers, strict=True):
        source = step.inputs[i]
        back = pulled.get(answer)
        if back is None:
            continue
        if back.shape[0] != types[source].size:  # a cotangent that broadcasts to what it belongs to
            own = function.types[answer].shape
            spread = np.broadcast_to(np.arange(back.shape[0]).reshape(own), types[source].shape)
            back = walk.select(back, spread.reshape(-1))
        turned = back.T.tocsr()
        for slot, start, end in zip(step.outputs, ends[:-1], ends[1:], strict=True):
            ahead.append((slot, walk.checked(turned[start:end] @ walk.found[source])))
    return ahead


# -- loops -------------------------------------------------------------------------------------------


def _looped(walk: Pass, step: Instruction, moving: Sequence[int]) -> Patterns | None:
    """A scan, step by step, where its steps are not too many.

    Where the count comes as an input and is not known, each result may be that of any step.
    """
    body: Tape = step.attributes["body"]
    carry, scanned = step.attributes["carry"], step.attributes["scanned"]
    types, slots = walk.tape.types, step.inputs
    steps = types[slots[carry]].shape[0] if scanned else int(step.attributes["length"] or 0)
    if steps * len(body.instructions) > walk.most // ENTRIES_PER_INSTRUCTION:
        return None
    count = walk.value_of(slots[-1]) if step.attributes["counted"] else np.asarray(steps)
    order = range(steps if count is None else min(int(count), steps))
    inputs = list(body.inputs.values())
    rows = {i: types[slots[i]].size // steps for i in range(carry, carry + scanned) if steps}
    carried: list[Matrix | None] = [walk.found.get(slot) for slot in slots[:carry]]
    ever = [[pattern] for pattern in carried]
    shapes = outputs_of(body)
    stacks: list[list[Matrix | None]] = [[None] * steps for _ in shapes]  # results, then what was carried in
    for k in reversed(order) if step.attributes["reverse"] else order:
        patterns = {inner: p for inner, p in zip(inputs, carried, strict=False) if p is not None}
        for i in moving:
            if i >= carry and i < len(inputs):
                pattern = walk.found[slots[i]]
                patterns[inputs[i]] = pattern[k * rows[i] : (k + 1) * rows[i]] if i in rows else pattern
        for place, pattern in enumerate(carried):
            stacks[len(shapes) - carry + place][k] = pattern
        reached = walk.inner(body, _sources(walk, inputs, slots, carry, scanned, k)).run(patterns)
        answers = [reached.get(slot) for slot in body.outputs]
        carried = answers[:carry]
        for place, pattern in enumerate(answers[carry:]):
            stacks[place][k] = pattern
        for all_of, pattern in zip(ever, carried, strict=True):
            all_of.append(pattern)
    ends = carried if count is not None else [_any_of(walk, parts) for parts in ever]
    sizes = [type.size for type in (*shapes[carry:], *shapes[:carry])]
    piled = [walk.piled(stack, size) for stack, size in zip(stacks, sizes, strict=True)]
    return {
        slot: pattern
        for slot, pattern in zip(step.outputs, [*ends, *piled], strict=True)
        if pattern is not None and pattern.nnz
    }


def _any_of(walk: Pass, parts: Sequence[Matrix | None]) -> Matrix | None:
    present = [part for part in parts if part is not None]
    return walk.union(present) if present else None


def _sources(
    walk: Pass, inputs: Sequence[int], slots: Sequence[int], carry: int, scanned: int, k: int
) -> Mapping[int, Source]:
    """What a step knows: of what is scanned its row, and the constants; not what is carried."""

    def row(slot: int) -> Any:
        value = walk.value_of(slot)
        return None if value is None else value[k]

    sources: dict[int, Source] = {}
    for i, inner in enumerate(inputs[carry:], carry):
        sources[inner] = partial(row if i < carry + scanned else walk.value_of, slots[i])
    return sources
