"""How to keep away from where an op is undefined, or infinitely steep, in the user's own expressions."""

from __future__ import annotations

from engine import dtypes
from engine.diagnosis.texts.origin import Culprit
from engine.diagnosis.texts.source_text import Expressions, bracketed
from engine.diagnosis.texts.stable_forms import ON_REQUEST
from engine.ir.tape import Instruction
from engine.passes.stable import HARMLESS

# For ops that are undefined, or infinitely steep, somewhere: how to keep away from the place.
_AWAY: dict[str, str] = {
    "sqrt": "sqrt(maximum({x}, 1e-12))",
    "rsqrt": "rsqrt(maximum({x}, 1e-12))",
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
# What is finite everywhere but too steep: moved a little, it keeps a slope.
_MOVED: dict[str, str] = {"sqrt": "sqrt({x} + 1e-12)"}
_SINGULAR: dict[str, str] = {
    "inv": "inv({x} + 1e-6 * eye({n}))",
    "solve": "solve({x} + 1e-6 * eye({n}), {y})",
    "slogdet": "slogdet({x} + 1e-6 * eye({n}))",
}


def kept_away(culprit: Culprit, step: Instruction, expressions: Expressions, *, taken: bool) -> str:
    """What to write where a value or a derivative is not defined, or a derivative is infinite."""
    steep = culprit.reason == "infinite_derivative"
    if step.op.family.name == "linalg" and not steep:
        return _regular(culprit, step, expressions)
    if step.op.name == "pow" and not steep and culprit.edge is not None and culprit.edge.position == 1:
        x, y = (expressions.operand(step, position) for position in (0, 1))
        return (
            f"A negative number has no derivative in its exponent: write {bracketed(x)} ** "
            f"stop_gradient({y}), or keep the base positive, as in maximum({x}, 1e-12) ** {bracketed(y)}."
        )
    return guarded(step, expressions, taken=taken, steep=steep) or (
        f"Keep the argument of {culprit.op} at '{culprit.node}' inside its domain, for example with clip."
    )


def guarded(step: Instruction, expressions: Expressions, *, taken: bool, steep: bool = False) -> str | None:
    """The argument replaced where the op is undefined: in the branch not taken by the double where."""
    if step.op.name not in HARMLESS:
        return None
    position, number = HARMLESS[step.op.name]
    harmless = f"{number:g}"
    x = expressions.operand(step, position)
    y = expressions.operand(step, 1 - position) if len(step.inputs) == 2 else ""
    chosen = None if taken else expressions.selector(step)
    if chosen is None:
        plain = _moved(step, expressions, x, y, steep=steep)
        guard = "or choose with where, guarding the argument itself too"
        return None if plain is None else f"Keep away from the place: {plain}; {guard}."
    where, at = chosen
    condition = expressions.text(where.inputs[0])
    safe = f"where({condition}, {x}, {harmless})" if at == 1 else f"where({condition}, {harmless}, {x})"
    call = {
        "divide": f"{bracketed(y)} / {safe}",
        "pow": f"{safe} ** {bracketed(y)}",
    }.get(step.op.name, f"{step.op.name}({y}, {safe})" if y else f"{step.op.name}({safe})")
    other = expressions.text(where.inputs[3 - at])
    whole = where.inputs[at] in step.outputs
    branches = f"{call}, {other}" if at == 1 else f"{other}, {call}"
    text = f"where({condition}, {branches})" if whole else call
    cure = "The branch that is not taken still meets 0 · inf; guard its argument as well"
    return f"{cure}: {text}{ON_REQUEST}."


def _moved(step: Instruction, expressions: Expressions, x: str, y: str, *, steep: bool) -> str | None:
    """The op on an argument that keeps away from where it is undefined or, being `steep`, infinitely so."""
    name = step.op.name
    if _is_complex(step, expressions) and name != "divide":  # there is no larger and smaller
        return f"({x} + 1e-12) ** {bracketed(y)}" if name == "pow" else f"{name}({x} + 1e-12)"
    power = expressions.graph.tape.constants.get(step.inputs[1]) if name == "pow" else None
    if power is not None and power.ndim == 0 and power < 0 and float(power).is_integer():
        below = bracketed(x) if power == -1 else f"{bracketed(x)} ** {-power:g}"
        return f"divide_no_nan(1, {below})"
    form = (_MOVED.get(name) if steep else None) or _AWAY.get(name)
    return None if form is None else form.format(x=x, y=bracketed(y) if name == "pow" else y)


def _is_complex(step: Instruction, expressions: Expressions) -> bool:
    types = expressions.graph.tape.types
    return any(dtypes.is_complex(types[slot].dtype) for slot in step.inputs)


def _regular(culprit: Culprit, step: Instruction, expressions: Expressions) -> str:
    """What to do about a matrix that has no inverse, or no root."""
    x, n = expressions.operand(step, 0), expressions.graph.tape.types[step.inputs[0]].shape[-1]
    if step.op.name == "cholesky":
        return (
            f"cholesky takes symmetric matrices with positive eigenvalues: make {x} one, as b @ b.T is, or "
            f"add enough to its diagonal, as in cholesky({x} + 1e-6 * eye({n}))."
        )
    form = _SINGULAR.get(step.op.name)
    y = expressions.operand(step, 1) if len(step.inputs) > 1 else ""
    how = f", as in {form.format(x=x, y=y, n=n)}" if form else ""
    return f"{culprit.op} at '{culprit.node}' takes regular matrices: add a little to the diagonal{how}."
