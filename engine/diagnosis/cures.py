"""What to write instead, in the user's own expressions."""

from __future__ import annotations

from engine import dtypes
from engine.diagnosis.advice import advised
from engine.diagnosis.culprit import Culprit
from engine.diagnosis.expressions import Expressions
from engine.diagnosis.structure import Edge, Finding
from engine.passes.stable import HARMLESS
from engine.tape import Instruction

# For ops that are undefined, or infinitely steep, somewhere: how to keep away from the place.
_AWAY: dict[str, str] = {
    "sqrt": "sqrt({x} + 1e-12)",
    "rsqrt": "rsqrt({x} + 1e-12)",
    "cbrt": "cbrt({x} + 1e-12)",
    "log": "log(maximum({x}, 1e-12))",
    "log2": "log2(maximum({x}, 1e-12))",
    "log10": "log10(maximum({x}, 1e-12))",
    "log1p": "log1p(maximum({x}, -1 + 1e-12))",
    "reciprocal": "divide_no_nan(1, {x})",
    "divide": "divide_no_nan({y}, {x})",
    "pow": "maximum({x}, 1e-12) ** {y}",
    "acos": "acos(clip({x}, -1 + 1e-7, 1 - 1e-7))",
    "asin": "asin(clip({x}, -1 + 1e-7, 1 - 1e-7))",
    "atanh": "atanh(clip({x}, -1 + 1e-7, 1 - 1e-7))",
    "acosh": "acosh(maximum({x}, 1 + 1e-7))",
    "logit": "logit(clip({x}, 1e-7, 1 - 1e-7))",
}


def structural_cure(finding: Finding, name: str, target: str) -> str | None:
    """What to do about a gradient that does not exist."""
    if finding.note is not None:
        hint = finding.note.hint
        return f"{hint[0].upper()}{hint[1:]}." if hint else None
    if finding.status == "integer":
        return f"Give '{name}' a floating dtype, such as float64, or leave it out of wrt."
    if finding.status in ("blocked", "stopped"):
        return cure_of_cut(finding.cuts[0])
    return {
        "other_head": f"Ask for the target that '{name}' feeds, or add that output to '{target}'.",
        "rebound": f"Use '{name}' before it is assigned anew, or give the second value a new name.",
        "shape_only": f"Use the values of '{name}' in '{target}', or leave it out of wrt.",
        "constant": f"Compute '{target}' from '{name}'.",
    }.get(finding.reason or "", f"Use '{name}' in '{target}', or leave it out of wrt.")


def cure_of_cut(edge: Edge) -> str:
    """What to write instead of an op that cuts."""
    if edge.rule is not None and edge.rule.cure:
        return edge.rule.cure
    node = edge.step.origin.node
    if edge.reason == "stop_gradient":
        return f"Remove the stop_gradient at '{node}' if the gradient is wanted."
    if edge.reason == "to_integer":
        return f"Stay in a floating dtype at '{node}', and convert after the target is computed."
    op = edge.step.origin.op or edge.step.op.name
    return (
        f"Replace {op} at '{node}' by a smooth function, or pass the gradient straight through: "
        f"x + stop_gradient({op}(x) - x)."
    )


def numeric_cure(culprit: Culprit, expressions: Expressions, *, taken: bool = False) -> str | None:
    """What to do about a gradient that is zero, NaN or infinite.

    `taken` says that the choice behind the culprit, if there is one, takes its elements.
    """
    step = culprit.step
    if culprit.edge is not None and culprit.reason in _CUTS:  # inside a loop or branch
        return cure_of_cut(culprit.edge)
    if step is None:
        return (
            f"Clean '{culprit.node}' before sending it, or in the program: "
            f"where(isfinite({culprit.node}), {culprit.node}, 0)."
        )
    if step.origin.op in ("root", "fixed_point") and culprit.reason not in ("overflow", "underflow"):
        return (
            f"The Jacobian of the function of '{culprit.node}' is singular or ill-conditioned at the "
            "solution, or its linear system was not solved: look at its Jacobian there, scale the equations, "
            "or raise linear_steps or linear_tolerance."
        )
    if step.op.family.name == "control" and culprit.reason not in ("overflow", "underflow"):
        return f"Look into the functions of '{culprit.node}': diagnose them by themselves on these values."
    if culprit.reason in _SPOILED:
        for match in expressions.offers:
            if any(step is covered for covered in match.steps):
                return advised(match, expressions)
    if culprit.reason == "overflow" and not taken and expressions.selector(step) is not None:
        return _guarded(step, expressions, taken=taken) or _cure_of_reason(culprit, step, expressions)
    if culprit.reason in ("domain", "infinite_derivative"):
        return _guarded(step, expressions, taken=taken) or (
            f"Keep the argument of {culprit.op} at '{culprit.node}' inside its domain, for example with clip."
        )
    return _cure_of_reason(culprit, step, expressions)


_CUTS = frozenset({"nondifferentiable", "to_integer", "stop_gradient", "shape_only"})
_SPOILED = frozenset({"domain", "infinite_derivative", "overflow", "underflow"})


def _cure_of_reason(culprit: Culprit, step: Instruction, expressions: Expressions) -> str | None:
    x = expressions.text(step.inputs[culprit.edge.position if culprit.edge else 0])
    node, op = culprit.node, culprit.op
    narrow = dtypes.real_of(expressions.graph.tape.types[step.outputs[0]].dtype) != "float64"
    wider = ", or in float64 (`dtype`)" if narrow else ""
    if culprit.reason == "unselected" and op in ("relu", "relu6"):
        return f"Use leaky_relu({x}) at '{node}', or start from values for which {x} is positive somewhere."
    if culprit.reason == "unselected" and op in ("clip", "hard_tanh", "hard_sigmoid"):
        return f"Widen the bounds at '{node}', or use a smooth bound such as tanh({x})."
    return {
        "saturated": f"Bring {x} nearer to 0 at '{node}' (scale or normalise it), or use the loss that takes "
        "logits, which does not saturate.",
        "unselected": f"Check the choice at '{node}': if it is meant, the zero is right.",
        "zero_operand": f"Check the other factor at '{node}': if it is a mask, the zero is right; if it is a "
        "starting value, start from small random numbers.",
        "stationary": f"Nothing, where this is the optimum; else start from another point than {x}.",
        "cancellation": f"Nothing, if the target does not depend on it: at '{node}' the parts add up to 0. "
        "Else rewrite the difference so that its terms do not cancel.",
        "underflow": f"Compute with logarithms, so that the factors stay in range{wider}.",
        "overflow": f"Scale {x} down before '{node}', or compute with logarithms{wider}.",
        "empty_selection": f"See that '{node}' selects something, or leave it out where it does not.",
    }.get(culprit.reason)


def _guarded(step: Instruction, expressions: Expressions, *, taken: bool) -> str | None:
    """The argument replaced where the op is undefined: in the branch not taken by the double where."""
    if step.op.name not in HARMLESS:
        return None
    position, number = HARMLESS[step.op.name]
    harmless = f"{number:g}"
    x = expressions.text(step.inputs[position])
    y = expressions.text(step.inputs[1 - position]) if len(step.inputs) == 2 else ""
    chosen = None if taken else expressions.selector(step)
    if chosen is None:
        away = _AWAY.get(step.op.name)
        if away is None:
            return None
        if _is_complex(step, expressions) and "divide_no_nan" not in away:  # there is no larger and smaller
            away = "({x} + 1e-12) ** {y}" if step.op.name == "pow" else f"{step.op.name}({{x}} + 1e-12)"
        plain = away.format(x=x, y=y)
        return f"Keep away from the place: {plain}; or choose with where, guarding the argument itself too."
    where, at = chosen
    condition = expressions.text(where.inputs[0])
    safe = f"where({condition}, {x}, {harmless})" if at == 1 else f"where({condition}, {harmless}, {x})"
    call = {
        "divide": f"{_factor(y)} / {safe}",
        "pow": f"{safe} ** {_factor(y)}",
    }.get(step.op.name, f"{step.op.name}({_factor(y)}, {safe})" if y else f"{step.op.name}({safe})")
    other = expressions.text(where.inputs[3 - at])
    whole = where.inputs[at] in step.outputs
    branches = f"{call}, {other}" if at == 1 else f"{other}, {call}"
    text = f"where({condition}, {branches})" if whole else call
    cure = "The branch that is not taken still meets 0 · inf; guard its argument as well"
    return f"{cure}: {text}; or ask with `stabilize`."


def _is_complex(step: Instruction, expressions: Expressions) -> bool:
    types = expressions.graph.tape.types
    return any(dtypes.is_complex(types[slot].dtype) for slot in step.inputs)


def _factor(text: str) -> str:
    return text if text.replace("_", "").replace(".", "").isalnum() else f"({text})"
