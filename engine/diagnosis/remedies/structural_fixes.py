"""What to do about a gradient that does not exist, and about an op that cuts."""

from __future__ import annotations

from engine import dtypes
from engine.diagnosis.evidence.structure import Edge, Finding
from engine.diagnosis.texts.fix import Fix, say
from engine.diagnosis.texts.source_text import Expressions, names_in
from engine.errors import InvalidTarget

#: By the reason why nothing leads from a variable to a target.
_BY_REASON = {
    "other_head": "other_head",
    "rebound": "rebound",
    "shape_only": "shape_only",
    "constant": "constant_target",
}
_NUMBERS = {"e": "Euler's number, 2.718", "pi": "3.14159"}


def structural_fix(finding: Finding, name: str, target: str, expressions: Expressions) -> Fix | None:
    """What to do about a gradient that does not exist."""
    names = {"name": name, "target": target}
    if finding.note is not None:
        reduced = _reduce(expressions, target, finding)
        hint = finding.note.hint
        return reduced or (say(f"{hint[0].upper()}{hint[1:]}") if hint else None)
    if finding.status == "integer":
        return Fix("float_dtype", names)
    if finding.status in ("blocked", "stopped"):
        return fix_of_cut(finding.cuts[0], expressions)
    if finding.status == "disconnected" and finding.reason in ("unused", "constant"):
        mixed_up = _mixed_up(finding, name, target, expressions)
        if mixed_up is not None:
            return mixed_up
    if finding.overwritten is not None:
        return Fix("overwritten", {"later": finding.heads[0], "lost": str(finding.overwritten.node)})
    return Fix(_BY_REASON.get(finding.reason or "", "unused"), names)


def _mixed_up(finding: Finding, name: str, target: str, expressions: Expressions) -> Fix | None:
    """A name that is read in place of the variable's: one that differs by its case, or a constant."""
    slot, inputs = expressions.graph.outputs.get(target), expressions.graph.tape.inputs
    if slot is None:
        return None
    toward = expressions.graph.toward(slot, "any")
    read = [one for one, at in inputs.items() if at in toward and one != name]
    alike = next((one for one in read if one.lower() == name.lower()), None)
    if alike is not None:
        return Fix("differs_by_case", {"name": name, "other": alike, "target": target})
    steps = (step for step in expressions.graph.steps if any(output in toward for output in step.outputs))
    words = {word for step in steps for word in names_in(step.origin)}
    number = next((word for word in _NUMBERS if word in words and word not in inputs), None)
    return (
        Fix("named_constant", {"word": number, "name": name, "number": _NUMBERS[number]}) if number else None
    )


def _reduce(expressions: Expressions, target: str, finding: Finding) -> Fix | None:
    """A target of many numbers as one, in the user's own words."""
    slot = expressions.graph.outputs.get(target)
    if slot is None or not isinstance(finding.note, InvalidTarget):
        return None
    type, text = expressions.graph.tape.types[slot], expressions.text(slot)
    if type.size == 1 or not dtypes.is_floating(type.dtype) or text == target:
        return None
    maker = expressions.maker(slot)
    residual = maker is not None and maker.op.name == "subtract"
    return Fix("reduce_residual" if residual else "reduce_target", {"target": text})


def fix_of_cut(edge: Edge, expressions: Expressions) -> Fix:
    """What to write instead of an op that cuts, if nothing in the table of soft forms works."""
    origin = edge.step.origin
    op, node = origin.op or edge.step.op.name, expressions.node(edge.step)
    if edge.reason == "stop_gradient":
        return Fix("stopped", {"x": expressions.operand(edge.step, edge.position), "node": node})
    if edge.rule is not None and edge.rule.cure and edge.reason != "to_integer":
        inside = edge.step.op.name != op  # of what the op was expanded into, or of its derivative
        return Fix("inner_cut", {"node": node}) if inside else say(edge.rule.cure)
    if edge.reason == "to_integer":
        return Fix("integers" if edge.rule is None else "places", {"node": node})
    return Fix("flat_op", {"node": node, "op": op})
