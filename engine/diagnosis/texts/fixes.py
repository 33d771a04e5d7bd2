"""What to write instead, in the user's own expressions."""

from __future__ import annotations

from engine import dtypes
from engine.diagnosis.evidence.structure import Edge, Finding
from engine.diagnosis.texts.domain_guards import guarded, kept_away
from engine.diagnosis.texts.origin import Culprit
from engine.diagnosis.texts.source_text import Expressions, bracketed
from engine.diagnosis.texts.stable_forms import advised
from engine.errors import Source
from engine.ir.tape import Instruction
from engine.passes.stabilize import Match

_SOFT = frozenset({"softmax", "log_softmax", "logsumexp"})


def structural_fix(finding: Finding, name: str, target: str, expressions: Expressions) -> str | None:
    """What to do about a gradient that does not exist."""
    if finding.note is not None:
        hint = finding.note.hint
        return f"{hint[0].upper()}{hint[1:]}." if hint else None
    if finding.status == "integer":
        return f"Give '{name}' a floating dtype, such as float64, or leave it out of wrt."
    if finding.status in ("blocked", "stopped"):
        return fix_of_cut(finding.cuts[0], expressions)
    return {
        "other_head": f"Ask for the target that '{name}' feeds, or add that output to '{target}'.",
        "rebound": f"Use '{name}' before it is assigned anew, or give the later value a new name.",
        "shape_only": f"Use the values of '{name}' in '{target}', or leave it out of wrt.",
        "constant": f"Compute '{target}' from '{name}'.",
    }.get(finding.reason or "", f"Use '{name}' in '{target}', or leave it out of wrt.")


def fix_of_cut(edge: Edge, expressions: Expressions) -> str:
    """What to write instead of an op that cuts."""
    origin = edge.step.origin
    node, op = origin.node, origin.op or edge.step.op.name
    if edge.rule is not None and edge.rule.cure:
        inside = edge.step.op.name != op  # of what the op was expanded into, or of its derivative
        return f"Replace {op} at '{node}' by a smooth function." if inside else edge.rule.cure
    if edge.reason == "stop_gradient":
        return f"Remove the stop_gradient at '{node}' if the gradient is wanted."
    if edge.reason == "to_integer" and edge.rule is not None:
        return (
            f"What {op} at '{node}' answers are places, which have no slope: use the values that stand "
            "there, or weigh them softly, as in softmax(k * x)."
        )
    if edge.reason == "to_integer":
        return f"Stay in a floating dtype at '{node}', and convert after the target is computed."
    x = expressions.operand(edge.step, edge.position)
    whole = origin.source.text if isinstance(origin.source, Source) else f"{op}({x})"
    return (
        f"Replace {op} at '{node}' by a smooth function, or pass the gradient straight through: "
        f"{x} + stop_gradient({whole} - {bracketed(x)})."
    )


def numeric_fix(
    culprit: Culprit, expressions: Expressions, *, taken: bool = False, vanished: bool = False
) -> str | None:
    """What to do about a gradient that is zero, NaN or infinite.

    `taken` says that the choice behind the culprit, if there is one, takes its elements, `vanished` that what
    it reads is 0 only by rounding.
    """
    step = culprit.step
    if culprit.edge is not None and culprit.reason in _CUTS:  # inside a loop or branch
        return fix_of_cut(culprit.edge, expressions)
    if step is None:
        return special_fix(culprit, expressions) or _cure_of_data(culprit)
    if vanished and not _offered(step, expressions):
        return (
            f"What {culprit.op} at '{culprit.node}' reads is not 0 but too small for its dtype: compute with "
            f"logarithms, a product as a sum of them{_wider(step, expressions)}."
        )
    cure = special_fix(culprit, expressions, taken=taken)
    if cure is None and culprit.edge is not None and culprit.reason == "overflow":
        return f"Scale the target down, or what '{culprit.node}' reads up{_wider(step, expressions)}."
    return cure or _cure_of_reason(culprit, step, expressions)


def special_fix(culprit: Culprit, expressions: Expressions, *, taken: bool = False) -> str | None:
    """What to write instead, where the place says more about it than the reason alone."""
    step = culprit.step
    if step is None:
        return _cure_of_masks(culprit, expressions)
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
    match = _offered(step, expressions) if culprit.reason in _SPOILED else None
    if match is not None:
        return advised(match, expressions)
    if culprit.reason == "overflow" and not taken and expressions.selector(step) is not None:
        return guarded(step, expressions, taken=taken)
    if culprit.reason in ("domain", "infinite_derivative"):
        return kept_away(culprit, step, expressions, taken=taken)
    return None


def _offered(step: Instruction, expressions: Expressions) -> Match | None:
    """The first stable form that a step is a part of."""
    matches = (match for match in expressions.offers if any(step is covered for covered in match.steps))
    return next(matches, None)


def _cure_of_masks(culprit: Culprit, expressions: Expressions) -> str | None:
    """What to do about infinities that came in to mask what a softmax takes."""
    if culprit.slot is None or not _is_infinite(culprit) or not _masks(culprit.slot, expressions):
        return None
    return (
        f"Write a large finite number for each infinity of '{culprit.node}', such as -1e9 for -inf: a row of "
        "nothing but -inf has no softmax."
    )


def _cure_of_data(culprit: Culprit) -> str:
    """What to do about a leaf that came in with NaN or infinities."""
    if culprit.op == "constant":
        how = ", such as 1e9 for inf" if _is_infinite(culprit) else ""
        return f"Write a finite number for the constant '{culprit.node}'{how}."
    return (
        f"Clean '{culprit.node}' before sending it, or in the program: "
        f"where(isfinite({culprit.node}), {culprit.node}, 0)."
    )


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
    node, op = culprit.node, culprit.op
    wider = _wider(step, expressions)
    if culprit.reason == "unselected" and op in ("relu", "relu6"):
        x = expressions.argument(step)
        return f"Use leaky_relu({x}) at '{node}', or start from values for which {x} is positive somewhere."
    if culprit.reason == "unselected" and op in ("clip", "hard_tanh", "hard_sigmoid"):
        x = expressions.argument(step)
        return f"Widen the bounds at '{node}', or use a smooth bound such as tanh({x})."
    return {
        "saturated": f"Bring {x} nearer to 0 at '{node}' (scale or normalise it), or use the loss that takes "
        "logits, which does not saturate.",
        "unselected": f"Check the choice at '{node}': if it is meant, the zero is right.",
        "zero_operand": f"Check the other factor at '{node}': if it is a mask, the zero is right; if it is a "
        "starting value, start from small random numbers.",
        "stationary": f"Nothing, where this is the optimum; else start from another value of {x}.",
        "cancellation": f"Nothing, if the target does not depend on it: at '{node}' the parts add up to 0. "
        "Else rewrite the difference so that its terms do not cancel.",
        "underflow": f"Compute with logarithms, so that the factors stay in range{wider}.",
        "overflow": f"Scale {x} down before '{node}', or compute with logarithms{wider}.",
        "empty_selection": f"See that '{node}' selects something, or leave it out where it does not.",
    }.get(culprit.reason)


def _wider(step: Instruction, expressions: Expressions) -> str:
    """The advice to compute in float64, where that is not done already."""
    narrow = dtypes.real_of(expressions.graph.tape.types[step.outputs[0]].dtype) != "float64"
    return ", or in float64 (`dtype`)" if narrow else ""
