"""What to do about a gradient that is zero, NaN or infinite."""

from __future__ import annotations

from engine.diagnosis.remedies.domain_guards import guard, keep_away
from engine.diagnosis.remedies.factors import cause_of
from engine.diagnosis.remedies.leaves import Leaf, leaf_behind, move_leaf
from engine.diagnosis.remedies.log_domain import log_of_parts
from engine.diagnosis.remedies.logits import indexed_softmax
from engine.diagnosis.remedies.plain_truths import zero_divisor
from engine.diagnosis.remedies.prescription import Prescriber
from engine.diagnosis.remedies.rest import fix_of_factor
from engine.diagnosis.remedies.scaling import scale_argument
from engine.diagnosis.remedies.spoiled_data import fix_of_data, fix_of_masks
from engine.diagnosis.remedies.stable_forms import stable_form
from engine.diagnosis.remedies.structural_fixes import fix_of_cut
from engine.diagnosis.texts.fix import Fix
from engine.diagnosis.texts.origin import Culprit
from engine.diagnosis.texts.source_text import Expressions
from engine.dtypes import real_of
from engine.ir.tape import Instruction
from engine.passes.stabilize import Match

_CUTS = frozenset({"nondifferentiable", "to_integer", "stop_gradient", "shape_only"})
_SPOILED = frozenset({"domain", "infinite_derivative", "overflow", "underflow"})
_DOUBTFUL = ("beside", "still")  # notes of fixes that do not do alone


def numeric_fix(
    culprit: Culprit, prescriber: Prescriber, *, is_chosen: bool = False, has_vanished: bool = False
) -> Fix | None:
    """What to do about a gradient that is zero, NaN or infinite.

    `is_chosen` says that the choice behind the culprit, if there is one, takes its elements, `has_vanished`
    that what it reads is 0 only by rounding.
    """
    step, expressions = culprit.step, prescriber.expressions
    if culprit.edge is not None and culprit.reason in _CUTS:  # inside a loop or branch
        return prescriber.soften([culprit.edge.step]) or fix_of_cut(culprit.edge, expressions)
    if step is None:
        return special_fix(culprit, prescriber) or fix_of_data(culprit, prescriber)
    if has_vanished and _match_of(step, expressions) is None:
        return (
            _in_logarithms(step, culprit, prescriber)
            or prescriber.remedy_for(step, culprit.reason)
            or _wider(Fix("too_small", {"node": expressions.node(step)}), step, expressions)
        )
    if culprit.reason in ("domain", "infinite_derivative"):
        fix = zero_divisor(prescriber, step)
        if fix is not None:
            return fix
    fix = special_fix(culprit, prescriber, is_chosen=is_chosen)
    if fix is not None:
        return fix
    if culprit.edge is not None and culprit.reason == "overflow":
        x = expressions.operand(step, culprit.edge.position)
        return _wider(Fix("scale_target", {"x": x}), step, expressions)
    if culprit.reason == "zero_operand":
        return fix_of_factor(culprit, prescriber)
    if culprit.reason == "saturated":
        scaled = scale_argument(prescriber, step)
        if scaled is not None:
            return scaled
    remedy = prescriber.remedy_for(step, culprit.reason)
    if remedy is not None and culprit.reason in ("overflow", "underflow"):
        remedy = _wider(remedy, step, expressions)
    return remedy or _fix_of_reason(culprit, step, expressions)


def special_fix(culprit: Culprit, prescriber: Prescriber, *, is_chosen: bool = False) -> Fix | None:
    """What to write instead, if the place says more about it than the reason alone."""
    step, expressions = culprit.step, prescriber.expressions
    if step is None:
        return fix_of_masks(culprit, expressions)
    fix = _fix_of_functions(culprit, step)
    if fix is not None or culprit.reason not in _SPOILED:
        return fix
    remedy = prescriber.remedy_of_pattern(step, culprit.reason)
    if remedy is not None and not remedy.has_note(*_DOUBTFUL):
        return remedy
    fix = indexed_softmax(step, expressions)
    match = _match_of(step, expressions) if fix is None else None
    if match is not None:
        fix = stable_form(prescriber, match)
    if fix is None or fix.has_note("beside"):
        fix = _in_logarithms(step, culprit, prescriber) or fix
    if fix is not None and fix.has_note("beside"):
        better = prescriber.remedy_for(step, culprit.reason)
        fix = fix if better is None or not better.is_pasted or better.has_note(*_DOUBTFUL) else better
    if fix is None and not is_chosen and expressions.selector(step) is not None:
        fix = guard(step, expressions)
    if fix is not None or culprit.reason not in ("domain", "infinite_derivative"):
        return fix
    return _fix_at_edge(culprit, step, prescriber)


def _in_logarithms(step: Instruction, culprit: Culprit, prescriber: Prescriber) -> Fix | None:
    """The logarithm of something out of range by the logarithms of its parts."""
    return log_of_parts(prescriber, step) if culprit.reason in _SPOILED else None


def _fix_of_functions(culprit: Culprit, step: Instruction) -> Fix | None:
    """What to do about ops that take functions."""
    code = None
    if step.origin.op in ("root", "fixed_point") and culprit.reason not in ("overflow", "underflow"):
        code = "singular_jacobian"
    elif step.op.name == "custom_gradient" and culprit.edge is not None:
        code = "backward_function"
    elif step.op.family.name == "control" and culprit.reason not in ("overflow", "underflow"):
        code = "inner_functions"
    return None if code is None else Fix(code, {"node": culprit.node})


def _fix_at_edge(culprit: Culprit, step: Instruction, prescriber: Prescriber) -> Fix:
    """What to do where something is not defined, or its slope infinite."""
    inside = "/" in culprit.node  # of a function, whose parameters have names of their own
    leaf = None if inside else leaf_behind(prescriber, step)
    moved: Fix | None = None
    if leaf is not None and leaf.first and _is_setting(prescriber, leaf):
        return Fix("other_value", _name_and_value(prescriber, leaf))
    if leaf is not None and leaf.first:
        moved = move_leaf(prescriber, leaf.slot, negative=leaf.negative)
    if moved is not None:
        return moved
    fix = prescriber.remedy_for(step, culprit.reason)
    doubtful = fix is None or not fix.is_pasted or fix.has_note(*_DOUBTFUL)
    if doubtful and leaf is not None and not leaf.first:
        fix = move_leaf(prescriber, leaf.slot, negative=leaf.negative) or fix
    if doubtful and leaf is not None and leaf.first:
        node = {"node": prescriber.expressions.node(step)}
        start = Fix("other_start", {**_name_and_value(prescriber, leaf), **node})
        return start.with_fix("or", fix) if fix is not None and fix.has_note("still") else start
    cause = cause_of(prescriber, step)
    if cause is None or not cause.is_underflow or cause.step is None or step.op.name != "divide":
        return fix or keep_away(culprit, step, prescriber)
    if fix is not None and any("softmax" in edit.new for edit in fix.edits):
        return fix  # it does not underflow: the values may stay as they are
    start = Fix("no_underflow", {"node": prescriber.expressions.node(cause.step)})
    return start if fix is None or not fix.is_pasted else start.with_fix("or", fix)


def _is_setting(prescriber: Prescriber, leaf: Leaf) -> bool:
    """Whether an input is not what is asked about, and meets a constant, as 1 in 1 - rate."""
    trial = prescriber.trial
    return trial is not None and leaf.slot != trial.source and bool(prescriber.value(leaf.slot).all())


def _name_and_value(prescriber: Prescriber, leaf: Leaf) -> dict[str, str]:
    name, value = prescriber.expressions.text(leaf.slot), prescriber.value(leaf.slot).reshape(-1)[0]
    return {"name": name, "value": f"{value:g}"}


def _match_of(step: Instruction, expressions: Expressions) -> Match | None:
    """The first stable form that a step is a part of."""
    matches = (match for match in expressions.offers if any(step is covered for covered in match.steps))
    return next(matches, None)


def _fix_of_reason(culprit: Culprit, step: Instruction, expressions: Expressions) -> Fix | None:
    """What to do if only the reason is known."""
    x = expressions.operand(step, culprit.edge.position if culprit.edge else 0)
    words = {"x": x, "node": expressions.node(step)}
    if culprit.reason == "unselected" and step.op.name == "where":
        return Fix("unselected_where", {"condition": expressions.operand(step, 0)})
    if culprit.reason in ("saturated", "unselected", "stationary", "cancellation", "empty_selection"):
        return Fix(culprit.reason, words)
    if culprit.reason in ("underflow", "overflow"):
        return _wider(Fix(culprit.reason, words), step, expressions)
    return None


def _wider(fix: Fix, step: Instruction, expressions: Expressions) -> Fix:
    """The advice to compute in float64 besides, unless that is done already."""
    narrow = real_of(expressions.graph.tape.types[step.outputs[0]].dtype) != "float64"
    return fix.with_note("wider") if narrow else fix
