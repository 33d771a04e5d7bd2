"""How to keep away from where an op is undefined, or infinitely steep, in the user's own expressions."""

from __future__ import annotations

from engine.diagnosis.remedies.factors import cause_of
from engine.diagnosis.remedies.prescription import Prescriber
from engine.diagnosis.texts.fix import Fix, write
from engine.diagnosis.texts.origin import Culprit
from engine.diagnosis.texts.source_text import Expressions, bracket
from engine.ir.tape import Instruction
from engine.passes.stable import HARMLESS

_DIAGONAL = "a little on the diagonal makes a singular matrix regular"
_GUARD = "the branch that is not taken still meets 0 · inf, so its argument is guarded as well"


def keep_away(culprit: Culprit, step: Instruction, prescriber: Prescriber) -> Fix:
    """What to do if nothing in the table of remedies works."""
    expressions = prescriber.expressions
    node = expressions.node(step)
    if step.op.name == "pow" and culprit.edge is not None and culprit.edge.position == 1:
        x, y = (expressions.operand(step, position) for position in (0, 1))
        words = {"x": bracket(x), "y": y, "base": x, "exponent": bracket(y)}
        return Fix("negative_power", words)
    if step.op.family.name == "linalg":
        x, n = expressions.operand(step, 0), expressions.graph.tape.types[step.inputs[0]].shape[-1]
        if len(step.inputs) == 1:
            return write(f"{step.op.name}({x} + 1e-6 * eye({n}))", node, _DIAGONAL)
        return Fix("regular_matrix", {"op": culprit.op, "x": x})
    cause = cause_of(prescriber, step)
    if cause is not None and cause.leaf is not None and not cause.constant:
        words = {"node": node, "cause": cause.clause, "name": cause.subject}
        return Fix("leaf_at_pole", words)
    return Fix("inside_domain", {"node": node, "op": culprit.op})


def guard(step: Instruction, expressions: Expressions) -> Fix | None:
    """The argument replaced where the op is undefined, in the branch not taken: the double where."""
    if step.op.name not in HARMLESS:
        return None
    position, number = HARMLESS[step.op.name]
    harmless = f"{number:g}"
    x = expressions.operand(step, position)
    y = expressions.operand(step, 1 - position) if len(step.inputs) == 2 else ""
    chosen = expressions.selector(step)
    if chosen is None:
        return None
    where, at = chosen
    condition = expressions.text(where.inputs[0])
    safe = f"where({condition}, {x}, {harmless})" if at == 1 else f"where({condition}, {harmless}, {x})"
    call = {
        "divide": f"{bracket(y)} / {safe}",
        "pow": f"{safe} ** {bracket(y)}",
    }.get(step.op.name, f"{step.op.name}({y}, {safe})" if y else f"{step.op.name}({safe})")
    other = expressions.text(where.inputs[3 - at])
    whole = where.inputs[at] in step.outputs
    branches = f"{call}, {other}" if at == 1 else f"{other}, {call}"
    text = f"where({condition}, {branches})" if whole else call
    return write(text, expressions.node(where if whole else step), _GUARD).with_note("on_request")
