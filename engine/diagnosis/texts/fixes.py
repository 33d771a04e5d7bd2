"""What to write instead, in the user's own expressions."""

from __future__ import annotations

from engine import dtypes
from engine.diagnosis.evidence.structure import Edge, Finding
from engine.diagnosis.remedies.leaves import Leaf, leaf_behind, moved_leaf
from engine.diagnosis.remedies.logits import indexed_softmax
from engine.diagnosis.remedies.prescription import BESIDE, STILL, Prescriber
from engine.diagnosis.remedies.rest import cure_of_factor
from engine.diagnosis.texts.domain_guards import guarded, kept_away
from engine.diagnosis.texts.origin import Culprit
from engine.diagnosis.texts.source_text import Expressions, names_in
from engine.errors import InvalidTarget
from engine.ir.tape import Instruction
from engine.passes.stabilize import Match

_SOFT = frozenset({"softmax", "log_softmax", "logsumexp"})


def structural_fix(finding: Finding, name: str, target: str, expressions: Expressions) -> str | None:
    """What to do about a gradient that does not exist."""
    if finding.note is not None:
        written = _reduced(expressions, target, finding)
        if written is not None:
            return written
        hint = finding.note.hint
        return f"{hint[0].upper()}{hint[1:]}." if hint else None
    if finding.status == "integer":
        return f"Give '{name}' a floating dtype, such as float64, or leave it out of wrt."
    if finding.status in ("blocked", "stopped"):
        return fix_of_cut(finding.cuts[0], expressions)
    if finding.status == "disconnected" and finding.reason in ("unused", "constant"):
        told = _taken_for_another(finding, name, target, expressions)
        if told is not None:
            return told
    return {
        "other_head": f"Ask for the target that '{name}' feeds, or add that output to '{target}'.",
        "rebound": f"Use '{name}' before it is assigned anew, or give the later value a new name.",
        "shape_only": f"Use the values of '{name}' in '{target}', or leave it out of wrt.",
        "constant": f"Compute '{target}' from '{name}'.",
    }.get(finding.reason or "", f"Use '{name}' in '{target}', or leave it out of wrt.")


def _taken_for_another(finding: Finding, name: str, target: str, expressions: Expressions) -> str | None:
    """A name that is read in place of the variable's: one that differs by its case, or a constant."""
    slot, inputs = expressions.graph.outputs.get(target), expressions.graph.tape.inputs
    if slot is None:
        return None
    toward = expressions.graph.toward(slot, "any")
    read = [one for one, at in inputs.items() if at in toward and one != name]
    alike = next((one for one in read if one.lower() == name.lower()), None)
    if alike is not None:
        return f"Write {name} for {alike}, where '{name}' is meant: '{target}' reads '{alike}' only."
    steps = (step for step in expressions.graph.steps if any(made in toward for made in step.outputs))
    words = {word for step in steps for word in names_in(step.origin)}
    known = next((word for word in ("e", "pi") if word in words and word not in inputs), None)
    if known is None:
        return None
    number = {"e": "Euler's number, 2.718", "pi": "3.14159"}[known]
    return (
        f"Give '{known}' a value before it is used, computed from '{name}': nothing assigns it, and no input "
        f"has the name, so that it is {number}."
    )


def _reduced(expressions: Expressions, target: str, finding: Finding) -> str | None:
    """A target of many numbers as one, in the user's own words."""
    slot = expressions.graph.outputs.get(target)
    if slot is None or not isinstance(finding.note, InvalidTarget):
        return None
    type, text = expressions.graph.tape.types[slot], expressions.text(slot)
    if type.size == 1 or not dtypes.is_floating(type.dtype) or text == target:
        return None
    return f"Write mean({text}) or sum({text}) for {text}, or ask for the vjp."


def _is_a_setting(prescriber: Prescriber, leaf: Leaf) -> bool:
    """Whether an input is not what is asked about, and meets a constant, as 1 in 1 - rate."""
    trial = prescriber.trial
    return trial is not None and leaf.slot != trial.source and bool(prescriber.value(leaf.slot).all())


def fix_of_cut(edge: Edge, expressions: Expressions) -> str:
    """What to write instead of an op that cuts, where nothing in the table of soft forms works."""
    origin = edge.step.origin
    op, whole = origin.op or edge.step.op.name, expressions.node(edge.step)
    if edge.reason == "stop_gradient":
        x = expressions.operand(edge.step, edge.position)
        return (
            f"Write {x} for {whole}, unless the gradient is stopped on purpose: then there is none to have."
        )
    if edge.rule is not None and edge.rule.cure and edge.reason != "to_integer":
        inside = edge.step.op.name != op  # of what the op was expanded into, or of its derivative
        return f"Replace {whole} by a smooth function." if inside else edge.rule.cure
    if edge.reason == "to_integer" and edge.rule is not None:
        return (
            f"What {whole} gives are places, which have no slope: use the values that stand there, or weigh "
            "them softly, as softmax does."
        )
    if edge.reason == "to_integer":
        return f"Leave {whole} in a floating dtype, and convert after the target is computed."
    return f"Replace {whole} by a smooth function: {op} is flat wherever it has a slope."


def numeric_fix(
    culprit: Culprit, prescriber: Prescriber, *, taken: bool = False, vanished: bool = False
) -> str | None:
    """What to do about a gradient that is zero, NaN or infinite.

    `taken` says that the choice behind the culprit, if there is one, takes its elements, `vanished` that what
    it reads is 0 only by rounding.
    """
    step, expressions = culprit.step, prescriber.expressions
    if culprit.edge is not None and culprit.reason in _CUTS:  # inside a loop or branch
        return prescriber.softened([culprit.edge.step]) or fix_of_cut(culprit.edge, expressions)
    if step is None:
        return special_fix(culprit, prescriber) or _cure_of_data(culprit, prescriber)
    if vanished and not _offered(step, expressions):
        return prescriber.remedied(step, culprit.reason) or (
            f"What {expressions.node(step)} reads is not 0 but too small for its dtype: compute with "
            f"logarithms, a product as a sum of them{_wider(step, expressions)}."
        )
    cure = special_fix(culprit, prescriber, taken=taken)
    if cure is not None:
        return cure
    if culprit.edge is not None and culprit.reason == "overflow":
        x = expressions.operand(step, culprit.edge.position)
        return f"Scale the target down, or {x} up{_wider(step, expressions)}."
    if culprit.reason == "zero_operand":
        return cure_of_factor(culprit, prescriber)
    if culprit.reason == "saturated":
        scaled = prescriber.scaled(step)
        if scaled is not None:
            return scaled
    told = prescriber.remedied(step, culprit.reason)
    if told is not None and culprit.reason in ("overflow", "underflow"):
        narrow = _wider(step, expressions)
        told = f"{told.removesuffix('.')}{narrow}."
    return told or _cure_of_reason(culprit, step, expressions)


def special_fix(culprit: Culprit, prescriber: Prescriber, *, taken: bool = False) -> str | None:
    """What to write instead, where the place says more about it than the reason alone."""
    step, expressions = culprit.step, prescriber.expressions
    if step is None:
        return _cure_of_masks(culprit, expressions)
    told = _cure_of_functions(culprit, step)
    if told is not None or culprit.reason not in _SPOILED:
        return told
    told = indexed_softmax(step, expressions)
    match = _offered(step, expressions) if told is None else None
    if match is not None:
        told = prescriber.stabilized(match)
    if told is not None and told.endswith(BESIDE):
        better = prescriber.remedied(step, culprit.reason)
        told = told if better is None or better.endswith((BESIDE, STILL)) else better
    if told is None and not taken and expressions.selector(step) is not None:
        told = guarded(step, expressions)
    if told is not None or culprit.reason not in ("domain", "infinite_derivative"):
        return told
    return _cure_at_edge(culprit, step, prescriber)


def _cure_of_functions(culprit: Culprit, step: Instruction) -> str | None:
    """What to do about ops that take functions."""
    if step.origin.op in ("root", "fixed_point") and culprit.reason not in ("overflow", "underflow"):
        return (
            f"The Jacobian of the function of '{culprit.node}' is singular or ill-conditioned at the "
            "solution, or its linear system was not solved: look at its Jacobian there, scale the equations, "
            "or raise linear_steps or linear_tolerance."
        )
    if step.op.name == "custom_gradient" and culprit.edge is not None:
        return f"Look into the backward function of '{culprit.node}': evaluate it by itself on these values."
    if step.op.family.name == "control" and culprit.reason not in ("overflow", "underflow"):
        return f"Look into the functions of '{culprit.node}': diagnose them by themselves on these values."
    return None


def _cure_at_edge(culprit: Culprit, step: Instruction, prescriber: Prescriber) -> str:
    """What to do where something is not defined, or its slope infinite."""
    inside = "/" in culprit.node  # of a function, whose parameters have names of their own
    leaf = None if inside else leaf_behind(prescriber, step)
    moved = None
    if leaf is not None and leaf.first and _is_a_setting(prescriber, leaf):
        name, value = prescriber.expressions.text(leaf.slot), prescriber.value(leaf.slot).reshape(-1)[0]
        return (
            f"Choose another value of '{name}' than {value:g}: what is divided or taken a root of is 0 there."
        )
    if leaf is not None and leaf.first:
        moved = moved_leaf(prescriber, leaf.slot, negative=leaf.negative)
    if moved is not None:
        return moved
    told = prescriber.remedied(step, culprit.reason)
    if (told is None or told.endswith((STILL, BESIDE))) and leaf is not None and not leaf.first:
        told = moved_leaf(prescriber, leaf.slot, negative=leaf.negative) or told
    told = told or kept_away(culprit, step, prescriber.expressions)
    cause = prescriber.cause_of(step)
    exact = "softmax" in told  # which does not underflow: then the values may stay as they are
    if (
        cause is not None
        and cause.vanished
        and cause.step is not None
        and step.op.name == "divide"
        and not exact
    ):
        whole = prescriber.expressions.node(cause.step)
        return f"Start from values for which {whole} does not underflow. Or: {told}"
    if leaf is not None and leaf.first and told.endswith(STILL):
        name, value = prescriber.expressions.text(leaf.slot), prescriber.value(leaf.slot).reshape(-1)[0]
        return f"Choose another value of '{name}' than {value:g}. Or: {told}"
    return told


def _offered(step: Instruction, expressions: Expressions) -> Match | None:
    """The first stable form that a step is a part of."""
    matches = (match for match in expressions.offers if any(step is covered for covered in match.steps))
    return next(matches, None)


def _cure_of_masks(culprit: Culprit, expressions: Expressions) -> str | None:
    """What to do about infinities that came in to mask what a softmax takes."""
    if culprit.slot is None or not _is_infinite(culprit) or not _masks(culprit.slot, expressions):
        return None
    if culprit.op == "constant" and _is_literal(culprit):
        readers = (step for step in expressions.graph.steps if culprit.slot in step.inputs)
        sign = "-" if any(step.op.name == "negative" for step in readers) else ""
        return f"Write {sign}1e9 for {sign}inf: a row of nothing but -inf has no softmax."
    return (
        f"Write a large finite number for each infinity of '{culprit.node}', such as -1e9 for -inf: a row of "
        "nothing but -inf has no softmax."
    )


def _cure_of_data(culprit: Culprit, prescriber: Prescriber) -> str:
    """What to do about a leaf that came in with NaN or infinities."""
    if prescriber.trial is not None and culprit.slot == prescriber.trial.source:
        return (
            f"'{culprit.node}' itself is not finite. If updates made it so, the steps are too large, or go "
            "up where they should go down: start anew with a smaller learning rate, and subtract the "
            "gradient."
        )
    if culprit.op == "constant" and _is_literal(culprit):
        return "Write 1e9 for inf." if _is_infinite(culprit) else "Write a number for nan."
    if culprit.op == "constant":
        how = ", such as 1e9 for inf" if _is_infinite(culprit) else ""
        return f"Write a finite number for the constant '{culprit.node}'{how}."
    return (
        f"Clean '{culprit.node}' before sending it, or in the program: "
        f"where(isfinite({culprit.node}), {culprit.node}, 0)."
    )


def _is_literal(culprit: Culprit) -> bool:
    """Whether a constant was written where it is read, so that its name is not the user's."""
    return culprit.node.partition("_")[0] == "constant"


def _is_infinite(culprit: Culprit) -> bool:
    """Whether what came in is infinite, and nowhere NaN."""
    return all(value in (_INF, -_INF) for value in culprit.evidence.get("value", ()))


def _masks(slot: int, expressions: Expressions) -> bool:
    """Whether a softmax reads what a leaf has a part in."""
    return any(step.origin.op in _SOFT for step in expressions.graph.downstream(slot))


_INF = float("inf")
_CUTS = frozenset({"nondifferentiable", "to_integer", "stop_gradient", "shape_only"})
_SPOILED = frozenset({"domain", "infinite_derivative", "overflow", "underflow"})


def _cure_of_reason(culprit: Culprit, step: Instruction, expressions: Expressions) -> str | None:
    x = expressions.operand(step, culprit.edge.position if culprit.edge else 0)
    node, wider = expressions.node(step), _wider(step, expressions)
    return {
        "saturated": f"Bring {x} nearer to 0 (scale or normalise it), or use the loss that takes logits, "
        "which does not saturate.",
        "unselected": f"Check {_choice(step, expressions)}: if it is meant, the zero is right.",
        "stationary": f"Nothing, where this is the optimum; else start from another value of {x}.",
        "cancellation": f"Nothing, if the target does not depend on it: in {node} the parts add up to 0. "
        "Else rewrite the difference so that its terms do not cancel.",
        "underflow": f"Compute with logarithms, so that the factors of {node} stay in range{wider}.",
        "overflow": f"Scale {x} down in {node}, or compute with logarithms{wider}.",
        "empty_selection": f"See that {node} selects something, or leave it out where it does not.",
    }.get(culprit.reason)


def _choice(step: Instruction, expressions: Expressions) -> str:
    """What a step chooses by."""
    if step.op.name == "where":
        return f"the condition {expressions.operand(step, 0)}, which chooses the other side at every element"
    return f"the choice in {expressions.node(step)}"


def _wider(step: Instruction, expressions: Expressions) -> str:
    """The advice to compute in float64, where that is not done already."""
    narrow = dtypes.real_of(expressions.graph.tape.types[step.outputs[0]].dtype) != "float64"
    return ", or in float64 (`dtype`)" if narrow else ""
