"""What a verdict says to people: one sentence of what is so and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.diagnosis.causes.provenance import Cause
from engine.diagnosis.evidence.element_masks import LISTED
from engine.diagnosis.evidence.structure import Edge, Finding
from engine.diagnosis.evidence.surroundings import Surroundings
from engine.diagnosis.remedies.factors import POLE_AT, cause_of, factor_of
from engine.diagnosis.remedies.loops import condition_of
from engine.diagnosis.remedies.prescription import Prescriber
from engine.diagnosis.texts.origin import Culprit
from engine.errors import Source
from engine.ir.tape import Instruction

SHORT = 60  # characters of an operand that a message has room for

_BECAUSE = {
    "saturated": "{it} is saturated: its slope rounds to 0{there}",
    "unselected": "{it} does not select it{there}, so nothing comes back",
    "other_branch": "{it} takes the other branch{there}, so nothing comes back",
    "flat": "{it} is on its flat side{there}, so nothing comes back",
    "zero_operand": "{it} multiplies by 0{there}",
    "factor": "{it} multiplies by {factor}",
    "stationary": "the slope of {it} is 0{there}, and the zero is right",
    "inside": "no gradient passes {it}{there}",
    "backward": "the backward function of {it} answers 0{there}",
    "kink": "{it} has a kink{there}, where its slope is taken as 0",
    "cancellation": "terms of opposite sign cancel at {it}",
    "underflow": "what passes {it} is too small for its dtype{there}",
    "empty_selection": "{it} selects no element",
    "infinite_derivative": "the derivative of {it} is infinite{there}",
    "overflow": "{it} is too large for its dtype{there}",
    "steep": "what passes {it} is too large for its dtype{there}",
    "domain": "{it} is not defined{there}",
    "undefined_inside": "something inside {it} is not defined on these values",
    "singular": "{it} was given a singular matrix{place}",
    "indefinite": "{it} was given a matrix that is not positive definite{place}",
    "slopeless": "the derivative of {it} is not defined{there}",
    "nondifferentiable": "no gradient passes {it}",
    "to_integer": "no gradient passes {it}, where the floats end",
    "stop_gradient": "it is stopped on purpose by {it}",
    "shape_only": "{it} reads the shape alone",
    "nonfinite_input": "the data of '{node}' are not finite{there}",
    "constant": "the constant '{node}' is not finite{there}",
}


def structural_message(finding: Finding, name: str, target: str, dtype: str) -> str:
    """The sentence for a gradient that does not exist."""
    if finding.note is not None:
        return f"{finding.note.detail[0].upper()}{finding.note.detail[1:]}."
    if finding.status == "integer":
        return f"'{name}' is {dtype}, and only floating tensors carry gradients."
    if finding.status == "disconnected":
        return _disconnected(finding, name, target)
    verb = "cut" if finding.status == "blocked" else "stopped on purpose"
    return (
        f"No gradient flows from '{name}' to '{target}': every path is {verb} by {list_cuts(finding.cuts)}."
    )


def numeric_message(
    status: str,
    culprits: Sequence[Culprit],
    finding: Finding,
    name: str,
    target: str,
    prescriber: Prescriber | None = None,
    mistake: str | None = None,
) -> str:
    """The sentence for a gradient that exists, with what made it zero, NaN or infinite.

    `mistake` is what is wrong, where that is known in more words than a reason has.
    """
    subject = f"the gradient of '{target}' with respect to '{name}'"
    sentence = {
        "ok": f"{subject} exists and is finite",
        "zero": f"{subject} exists, and every element is zero",
        "nan": f"{subject} has NaN elements",
        "inf": f"{subject} has infinite elements",
    }[status]
    if culprits:
        sentence += f": {because(culprits[0], prescriber, mistake)}"
        others = list(dict.fromkeys(f"'{culprit.node}'" for culprit in culprits[1:]))
        others = [other for other in others if other != f"'{culprits[0].node}'"]
        if others:
            more = " and more" if len(others) > LISTED else ""
            sentence += f"; see {', '.join(others[:LISTED])}{more} too"
    sentence = f"{sentence[0].upper()}{sentence[1:]}."
    if finding.partial:
        sentence += f" A part of the dependence carries no gradient: {list_cuts(finding.partial)}."
    return sentence


_AROUND: Mapping[Surroundings, str] = {
    "minimum": "Close by '{target}' is larger on every side that was tried: '{name}' is at a minimum.",
    "maximum": "Close by '{target}' is smaller on every side that was tried: '{name}' is at a maximum.",
    "saddle": "Close by '{target}' is larger on one side and smaller on another: '{name}' is at a saddle.",
    "flat": "Close by '{target}' has the same value everywhere that was tried: '{name}' alone does not "
    "change it.",
}


def surroundings_sentence(around: Surroundings, name: str, target: str) -> str:
    """What the target does near a point at which its gradient is zero."""
    return _AROUND[around].format(name=name, target=target)


def unread_message(finding: Finding, name: str, target: str) -> str:
    """The sentence for a gradient of zeros, where inside of a loop or branch nothing reads the values."""
    return (
        f"The gradient of '{target}' with respect to '{name}' exists, and every element is zero: as it ran, "
        f"{_disconnected(finding, name, target)}"
    )


def idle_message(step: Instruction, name: str, target: str) -> str:
    """That a loop took no step, and why."""
    zero = f"The gradient of '{target}' with respect to '{name}' exists, and every element is zero"
    place = f"{step.origin.op} at '{step.origin.node}'"
    if step.op.name == "while_steps":
        condition = condition_of(step)
        what = "its condition" if condition is None else f"its condition {condition}"
        return f"{zero}: {place} took no step: {what} was false at once."
    return f"{zero}: {place} took no step: there was nothing to go over."


def because(culprit: Culprit, prescriber: Prescriber | None = None, mistake: str | None = None) -> str:
    """Why a culprit does what it does, with the first element as proof, and the data behind it."""
    it = f"{culprit.op} at '{culprit.node}'"
    if mistake is not None:
        return f"{mistake} ({it})"
    manner, factor = _manner(culprit), ""
    if manner == "kink" and prescriber is not None and not prescriber.is_on_kink(_step(culprit)):
        manner = "stationary"
    zero = factor_of(prescriber, culprit) if prescriber is not None and manner == "zero_operand" else None
    if zero is not None:
        manner, factor = "factor", _zero_factor(*zero)
    words = _BECAUSE[manner].format(
        it=it, node=culprit.node, there=_there(culprit, prescriber), place=_place(culprit), factor=factor
    )
    return words + _behind(culprit, prescriber)


def _step(culprit: Culprit) -> Instruction:
    assert culprit.step is not None
    return culprit.step


def _zero_factor(text: str, cause: Cause | None) -> str:
    """A factor that is 0, and why."""
    if _is_number(text):
        return text
    if cause is None or cause.constant or (cause.subject == text and cause.leaf is None):
        return f"{text}, which is 0"
    if cause.subject == text:
        return f"{text}, which {cause.predicate}"
    return f"{text}, which is 0 because {cause.clause}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _behind(culprit: Culprit, prescriber: Prescriber | None) -> str:
    """The data that make what a step reads 0, where that is not what it reads itself."""
    if prescriber is None or culprit.step is None or culprit.reason not in ("domain", "infinite_derivative"):
        return ""
    cause = cause_of(prescriber, culprit.step)
    operands = [prescriber.operand_text(culprit.step, i) for i in range(len(culprit.step.inputs))]
    if cause is None or cause.leaf == culprit.step.inputs[POLE_AT[culprit.step.op.name]]:
        return ""
    if cause.subject in operands and cause.code in ("value", "infinite"):
        return ""
    return f", because {cause.clause}"


def _manner(culprit: Culprit) -> str:
    """The reason, more closely if the op says more."""
    op = None if culprit.step is None else culprit.step.op
    if culprit.edge is not None and culprit.reason in ("domain", "overflow"):  # the value itself is there
        return "slopeless" if culprit.reason == "domain" else "steep"
    if culprit.op == "constant" and culprit.reason == "nonfinite_input":
        return "constant"
    if op is not None and culprit.reason == "domain" and op.family.name == "control":
        return "undefined_inside"
    if op is not None and culprit.reason == "domain" and op.family.name == "linalg":
        return "indefinite" if op.name == "cholesky" else "singular"
    if op is not None and culprit.reason == "stationary" and op.family.name == "control":
        return "backward" if op.name == "custom_gradient" else "inside"
    if op is not None and culprit.reason == "stationary" and op.derivative.nonsmooth_at is not None:
        return "kink"
    if op is not None and culprit.reason == "unselected" and op.family.name == "elementwise":
        if culprit.op != op.name and len(op.inputs) > 1:
            return "unselected"  # a choice within an op that was expanded
        return "other_branch" if len(op.inputs) > 1 else "flat"
    return culprit.reason


def _there(culprit: Culprit, prescriber: Prescriber | None = None) -> str:
    shown = {
        _called(culprit, name, prescriber): _number(values[0])
        for name, values in culprit.evidence.items()
        if name not in ("cotangent", "term", "iteration")
        and values
        and isinstance(values[0], int | float | list)
    }
    proof = [f"{name} = {value}" for name, value in shown.items() if name != value]  # a number proves nothing
    if "iteration" in culprit.evidence:
        proof.append(f"iteration {culprit.evidence['iteration']}")
    if not proof:
        return _place(culprit)
    place = _element(culprit)
    return f" at {', '.join(proof)}" + (f" ({place})" if place else "")


def _called(culprit: Culprit, name: str, prescriber: Prescriber | None) -> str:
    """An operand as it was written, else by its parameter."""
    step = culprit.step
    if prescriber is None or step is None or step.origin.op not in (step.op.name, None):
        return name
    for position in range(len(step.inputs)):
        if name in (step.op.input(position).name, f"{step.op.input(position).name}_{position}"):
            written = prescriber.expressions.operand(step, position)
            return written if len(written) <= SHORT else name
    return name


def _place(culprit: Culprit) -> str:
    place = _element(culprit)
    if culprit.step is not None and culprit.step.op.family.name == "linalg":  # of a batch, not of a matrix
        where = [element[:-2] for element in culprit.elements[:1]]
        return f" at {where[0]} of the batch" if where and where[0] else ""
    return f" at {place}" if place else ""


def _element(culprit: Culprit) -> str:
    return f"element {culprit.elements[0]}" if culprit.elements and culprit.elements[0] else ""


def _number(value: int | float | list[float]) -> str:
    """A number of the evidence; of a complex one both parts."""
    if not isinstance(value, list):
        return f"{value:.6g}"
    real, imag = value
    return f"{real:.6g}{imag:+.6g}i"


def describe(edge: Edge) -> str:
    """The op and node of a cut, and what the op is."""
    origin = edge.step.origin
    op = origin.op or edge.step.op.name
    why = "its output is not floating" if edge.rule is None else edge.rule.why
    return f"{op} at '{origin.node}' ({why})"


def list_cuts(edges: Sequence[Edge]) -> str:
    """Cuts in a row, the first few."""
    words = list(dict.fromkeys(describe(edge) for edge in edges))
    more = f" and {len(words) - LISTED} more" if len(words) > LISTED else ""
    return ", ".join(words[:LISTED]) + more


def _disconnected(finding: Finding, name: str, target: str) -> str:
    if finding.reason == "shape_only":
        return (
            f"'{target}' depends on the shape of '{name}' and not on its values: {list_cuts(finding.cuts)}."
        )
    if finding.overwritten is not None:
        lost, source = finding.overwritten, finding.overwritten.source
        line = f" of line {source.line}" if isinstance(source, Source) else ""
        return (
            f"'{target}' does not depend on '{name}', which feeds '{lost.node}'{line} alone: nothing reads "
            f"that, because its name was assigned anew, as node '{finding.heads[0]}'."
        )
    if finding.reason == "rebound":
        return (
            f"'{name}' was assigned anew, and '{target}' uses the later value, node '{finding.heads[0]}': "
            "the first has no part in it."
        )
    if finding.reason == "constant":
        return f"'{target}' is a constant: no input has a part in it."
    if finding.reason == "other_head":
        heads = ", ".join(f"'{head}'" for head in finding.heads[:LISTED])
        return f"'{target}' does not depend on '{name}', which feeds only {heads}."
    return f"'{target}' does not depend on '{name}': nothing that leads to the target reads it."
