"""The first value that is not finite, with names: what a failed training job reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.arrays.types import Array
from engine.diagnosis.causes.nonfinite import Birth, evidence_of, find_births
from engine.diagnosis.evidence.element_masks import nonfinite, places, rows_of
from engine.diagnosis.evidence.interpreter import Values, replay
from engine.diagnosis.evidence.structure import Graphing
from engine.diagnosis.evidence.unroll import UNROLLABLE, TooLong, lay_out
from engine.diagnosis.remedies.numeric_fixes import special_fix
from engine.diagnosis.remedies.prescription import Prescriber
from engine.diagnosis.texts.fix import Fix
from engine.diagnosis.texts.origin import Culprit, of_step
from engine.diagnosis.texts.rendering import render_fix
from engine.diagnosis.texts.source_text import Expressions
from engine.errors import Origin
from engine.ir.tape import Instruction, Tape

LARGEST_LAYOUT = 256 << 20  # bytes of values beyond which a loop is not laid out


@dataclass(frozen=True, slots=True)
class Nonfinite:
    """The first birth, with names: what a failed training job reports.

    `rows` are the rows of the batch in which it lies, where the tensor has the batch as its first axis; `fix`
    is what to write instead, where that is more than the reason says.
    """

    node: str | None
    op: str
    reason: str
    elements: list[list[int]]
    count: int
    evidence: dict[str, Any]
    source: Any
    rows: list[int] | None
    message: str
    fix: str | None = None


def first_nonfinite(
    tape: Tape,
    inputs: Mapping[str, Array],
    *,
    outputs: Iterable[int] | None = None,
    batch: int | None = None,
    forward: int | None = None,
) -> Nonfinite | None:
    """The node that first made a NaN or an infinity that reached an output, None where all are finite.

    `tape` is one as recorded, before any pass, adjoints and updates included if wanted; `outputs` are the
    slots to explain (those of the tape if absent); `batch` is the number of rows, for naming rows; `forward`
    how many instructions come before the adjoints, whose poles are infinite derivatives.
    """
    steps: Sequence[Instruction] = tape.instructions
    ahead = len(steps) if forward is None else forward
    wanted = tuple(tape.outputs if outputs is None else outputs)
    values = replay(tape, steps, inputs)
    first = _first(steps, values, wanted)
    iteration = None
    local: Mapping[int, str] = {}
    if first is not None and first.step is not None and first.step.op.name in UNROLLABLE:
        try:  # look inside
            layout = lay_out(tape, steps, inputs, limit=LARGEST_LAYOUT, read=wanted)
        except TooLong:
            pass
        else:
            ahead = [*layout.starts, len(layout.steps)][ahead]
            tape, steps, values, local = layout.tape, layout.steps, layout.values, layout.names
            first = _first(steps, values, wanted)
            iteration = None if first is None else layout.iteration(first.step)
    if first is None:
        return None
    if first.reason == "domain" and any(step is first.step for step in steps[ahead:]):
        first = replace(first, reason="infinite_derivative")
    fix = _fix(tape, steps[:ahead], first, values, local)
    report = _report(tape, first, values, batch)
    if fix is not None:
        report = replace(report, fix=render_fix(fix.without_note("on_request")))  # jobs have no `stabilize`
    if iteration is None:
        return report
    return replace(report, evidence={**report.evidence, "iteration": iteration})


def _first(steps: Sequence[Instruction], values: Values, outputs: Iterable[int]) -> Birth | None:
    """The first birth behind these slots."""
    wrong = {slot: nonfinite(values[slot]) for slot in outputs}
    births = find_births(steps, values, {slot: mask for slot, mask in wrong.items() if mask.any()})
    return births[0] if births else None


def _report(tape: Tape, birth: Birth, values: Values, batch: int | None) -> Nonfinite:
    origin = Origin() if birth.step is None else birth.step.origin
    names = {slot: name for name, slot in tape.inputs.items()}
    data = "input" if birth.slot in names else "constant"
    op = data if birth.step is None else origin.op or birth.step.op.name
    node = origin.node if birth.step is not None else names.get(birth.slot)
    rows = rows_of(birth.mask) if batch is not None and birth.mask.shape[:1] == (batch,) else None
    count = int(birth.mask.sum())
    where = "" if rows is None else f" in {list_rows(rows)} of the batch"
    verb = "came in with" if birth.step is None else "was the first to make"
    subject = f"{op} '{node}'"
    if birth.reason == "infinite_derivative":
        subject = f"the derivative of {subject}"
    return Nonfinite(
        node=node,
        op=op,
        reason=birth.reason,
        elements=places(birth.mask),
        count=count,
        evidence=evidence_of(birth, values),
        source=origin.source,
        rows=rows,
        message=f"{subject} {verb} {count} non-finite "
        f"{'element' if count == 1 else 'elements'}{where} ({birth.reason}).",
    )


def list_rows(rows: Sequence[int]) -> str:
    """Rows in a sentence.

    >>> list_rows([3]), list_rows([3, 17])
    ('row 3', 'rows 3, 17')
    """
    return f"{'row' if len(rows) == 1 else 'rows'} {', '.join(map(str, rows))}"


def _fix(
    tape: Tape, steps: Sequence[Instruction], birth: Birth, values: Values, local: Mapping[int, str]
) -> Fix | None:
    """What to write instead; `steps` are those before the adjoints, `local` names inside functions."""
    names = {slot: step.origin.node for step in steps for slot in step.outputs if step.origin.node}
    names |= {slot: name for name, slot in tape.inputs.items()} | dict(local)
    prescriber = Prescriber(Expressions(Graphing(tape, steps, {}), names), values, None)
    evidence = evidence_of(birth, values)
    if birth.step is None:
        op = "input" if birth.slot in tape.inputs.values() else "constant"
        node = names.get(birth.slot, op)
        return special_fix(Culprit(node, op, birth.reason, evidence=evidence, slot=birth.slot), prescriber)
    origin = birth.step.origin
    blamed = birth.step
    if birth.reason == "infinite_derivative":  # the adjoint's own step is nothing that a user wrote
        own = (step for step in steps if step.origin.node == origin.node and step.op.name == origin.op)
        step = next(own, None)
        if step is None:
            return None
        blamed = step
    return special_fix(of_step(blamed, birth.mask, birth.reason, evidence), prescriber)
