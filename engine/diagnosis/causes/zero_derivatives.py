"""Why a Hessian, a Jacobian or a product with one is zero, as far as the recording shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.diagnosis.causes.piecewise import kinks_of
from engine.diagnosis.evidence.structure import Graphing, examine
from engine.diagnosis.remedies.structural_fixes import structural_fix
from engine.diagnosis.texts.caveat import Caveat
from engine.diagnosis.texts.fix import Fix, write
from engine.diagnosis.texts.messages import structural_message
from engine.diagnosis.texts.source_text import Expressions

#: What has curvature in place of ops that have none.
_SMOOTH: Mapping[str, str] = {
    "abs": "sqrt({x} ** 2 + 1e-6)",
    "relu": "softplus({x})",
    "max": "logsumexp({x})",
}
_FLAT = frozenset({"saturated", "unselected"})


@dataclass(frozen=True, slots=True)
class Zero:
    """A derivative that is zero: `what` it is called, of which order, of which target, by which variable."""

    what: str
    order: int
    target: str
    variable: str


def why_zero_derivative(
    graph: Graphing, names: Mapping[int, str], zero: Zero, slot: int, source: int
) -> Caveat | None:
    """The warning for a derivative of `slot` by `source` that is zero; None if nothing shows why, or it is
    meant, as that of a linear function is.
    """
    finding = examine(graph, source, zero.variable, slot)
    expressions = Expressions(graph, names)
    words = {"what": zero.what, "target": zero.target, "name": zero.variable}
    if finding.status == "blocked":
        dtype = graph.tape.types[source].dtype
        words["because"] = structural_message(finding, zero.variable, zero.target, dtype)
        node = finding.cuts[0].step.origin.node
        fix = structural_fix(finding, zero.variable, zero.target, expressions)
        return Caveat("dead_path", node, "zero_by_cut", words, fix)
    if finding.status != "ok":
        return None
    if zero.order == 1:
        flat = [
            step
            for step in kinks_of(graph, source, slot, flat=True) or ()
            if step.op.derivative.zero_reason in _FLAT
        ]
        if not flat:
            return None
        words |= {"op": flat[0].origin.op or flat[0].op.name, "node": str(flat[0].origin.node)}
        return Caveat(
            "dead_path", flat[0].origin.node, "zero_by_flat_side", words, Fix("diagnose_sum", words)
        )
    kinks = kinks_of(graph, source, slot)
    if not kinks:
        return None
    step = kinks[0]
    words |= {"op": step.origin.op or step.op.name, "node": str(step.origin.node)}
    form, x, old = _SMOOTH.get(step.op.name), expressions.operand(step, 0), expressions.node(step)
    fix = (
        Fix("curved", words)
        if form is None or step.origin.op != step.op.name
        else write(
            form.format(x=f"({x})" if form.startswith("sqrt") else x),
            old,
            "it is nearly the same, and has curvature",
        )
    )
    return Caveat("likely_mistake", step.origin.node, "piecewise_linear", words, fix)
