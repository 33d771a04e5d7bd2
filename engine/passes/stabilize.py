"""Rewrite what overflows, underflows or is undefined on the way to a finite result, where that is requested.

It runs on a tape as it was recorded, before anything is differentiated, so that derivatives are those of the
stable form. The table is in `engine.passes.stable`; a diagnosis offers the same rewrites.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from engine import dtypes
from engine.errors import EngineError, Origin
from engine.ir.tape import Instruction, Tape, Variable
from engine.passes.rewrite import Rewrite as Copy
from engine.passes.stable import GUARD, REWRITES, Bound, Matcher, Rewrite, guarded
from engine.passes.stable.patterns import play

#: Ops that only choose, repeat and arrange elements of their first input: a logarithm may go before them.
_ARRANGING = frozenset(
    {
        "broadcast_to", "diagonal", "expand_dims", "flip", "gather", "getitem", "identity", "permute_dims",
        "pick_class", "read_along_axis", "read_diagonal", "reshape", "roll", "squeeze", "tile",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Match:
    """A rewrite of `before` at `step`; it covers `steps`, and `arranged` stand between it and its inside."""

    rewrite: Rewrite
    before: str
    step: Instruction
    bound: Bound
    steps: tuple[Instruction, ...]
    arranged: tuple[Instruction, ...] = ()


@dataclass(frozen=True, slots=True)
class Applied:
    """A rewrite that was made, and the user's node in which."""

    rewrite: Rewrite
    before: str
    origin: Origin


@dataclass(slots=True)
class Stabilized:
    """The new tape, the slots in place of others, and what was rewritten."""

    tape: Tape
    stands_for: dict[int, int]
    applied: list[Applied] = field(default_factory=list)

    def slot(self, slot: int) -> int:
        """Where the value of a slot lies now."""
        return self.stands_for.get(slot, slot)


def stabilize(tape: Tape, variables: Iterable[int] = ()) -> Stabilized:
    """The tape in stable forms. The slots of `variables` stay on the paths that they are on."""
    copy = Copy(tape)
    matcher = Matcher(copy.target, frozenset(variables))
    answer = Stabilized(copy.target, copy.stands_for)
    for step in tape.instructions:
        start = len(copy.target.instructions)
        resolved = replace(step, inputs=copy.resolved(step.inputs))
        with copy.target.at(step.origin):
            rewritten = _rewritten(matcher, resolved)
        if rewritten is None:
            del copy.target.instructions[start:]
            copy.keep(step, resolved.inputs)
        else:
            rewrite, before, variable = rewritten
            copy.stands_for[step.outputs[0]] = variable.slot
            answer.applied.append(Applied(rewrite, before, step.origin))
        for new in islice(copy.target.instructions, start, None):
            matcher.learn(new)
    copy.finish()
    return answer


def _rewritten(matcher: Matcher, step: Instruction) -> tuple[Rewrite, str, Variable] | None:
    """The first rewrite that gives the same shape and dtype, recorded."""
    if not _is_real(matcher.tape, step.outputs):
        return None
    type = matcher.tape.types[step.outputs[0]]
    if step.op.name == "where":
        chosen = guarded(matcher, step)
        return None if chosen is None else (GUARD, GUARD.before[0], chosen[0])
    for match in matches_of(matcher, step):
        start = len(matcher.tape.instructions)
        try:
            variable = _played(matcher.tape, match)
        except EngineError:
            variable = None
        if isinstance(variable, Variable) and (variable.shape, variable.dtype) == (type.shape, type.dtype):
            return match.rewrite, match.before, variable
        del matcher.tape.instructions[start:]
    return None


def matches_of(matcher: Matcher, step: Instruction) -> Iterator[Match]:
    """Every rewrite that applies to a step, the most specific first."""
    yield from _of_table(matcher, step)
    if step.op.name == "log":
        yield from _behind_arranging(matcher, step)


_TABLE = [
    (rewrite, text, pattern)
    for rewrite in REWRITES
    for text, pattern in zip(rewrite.before, rewrite.patterns, strict=True)
]
_BY_ROOT = {
    op: [place for place, (*_, pattern) in enumerate(_TABLE) if pattern.op == op]
    for op in {pattern.op for *_, pattern in _TABLE}
}


def _of_table(matcher: Matcher, step: Instruction) -> Iterator[Match]:
    guises = [guise for guise in matcher.guises(step) if guise.op in _BY_ROOT]
    for place in sorted({place for guise in guises for place in _BY_ROOT[guise.op]}):
        rewrite, text, pattern = _TABLE[place]
        for bound, steps in matcher.matches(pattern, step, guises):
            if _fits(matcher, rewrite, step, bound):
                counted = _counted(matcher.tape, rewrite, bound, steps)
                yield Match(rewrite, text, step, counted, tuple(steps))


def _behind_arranging(matcher: Matcher, step: Instruction) -> Iterator[Match]:
    """log(softmax(x)[i]) as log_softmax(x)[i]."""
    arranged: list[Instruction] = []
    slot = step.inputs[0]
    while slot not in matcher.opaque:
        maker = matcher.makers.get(slot)
        if maker is None or maker.op.name not in _ARRANGING:
            break
        arranged.append(maker)
        slot = maker.inputs[0]
    if not arranged or slot in matcher.opaque:
        return
    for match in _of_table(matcher, replace(step, inputs=(slot,))):
        yield replace(match, steps=(step, *arranged, *match.steps[1:]), arranged=tuple(arranged))


def _fits(matcher: Matcher, rewrite: Rewrite, step: Instruction, bound: Bound) -> bool:
    slots = [slot for letter, slot in bound.items() if letter.islower() and isinstance(slot, int)]
    real = _is_real(matcher.tape, slots)
    return real and (rewrite.when is None or rewrite.when(matcher, step, bound))


def _is_real(tape: Tape, slots: Sequence[int]) -> bool:
    types = [tape.types[slot] for slot in slots]
    return all(dtypes.is_floating(type.dtype) and type.size > 0 for type in types)


def _counted(tape: Tape, rewrite: Rewrite, bound: Bound, steps: Sequence[Instruction]) -> Bound:
    """With `n`, the number of elements in a mean, where the replacement speaks of it."""
    if "n" not in rewrite.after or "x" not in bound:
        return bound
    mean = next((step for step in steps if step.op.name == "mean"), None)
    if mean is None:
        return bound
    return {**bound, "n": tape.types[mean.inputs[0]].size / tape.types[mean.outputs[0]].size}


def _played(tape: Tape, match: Match) -> Any:
    variable = play(match.rewrite.replacement, tape, match.bound)
    for step in reversed(match.arranged):
        others = [tape.variable(slot) for slot in step.inputs[1:]]
        variable = tape.apply(step.op, [variable, *others], step.attributes)
    return variable


def offers(tape: Tape, steps: Sequence[Instruction]) -> Iterator[Match]:
    """The rewrites that apply to a recording as it stands; `steps` are its forward part."""
    matcher = Matcher(tape)
    for step in steps:
        if step.op.name != "where" and _is_real(tape, step.outputs):
            yield from islice(matches_of(matcher, step), 1)
        matcher.learn(step)


__all__ = ["Applied", "Match", "Stabilized", "offers", "stabilize"]
