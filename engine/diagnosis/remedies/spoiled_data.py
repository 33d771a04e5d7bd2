"""What to do about data that came in with NaN or infinities."""

from __future__ import annotations

from engine.diagnosis.remedies.missing_values import without_missing
from engine.diagnosis.remedies.prescription import Prescriber
from engine.diagnosis.texts.fix import Fix
from engine.diagnosis.texts.origin import Culprit
from engine.diagnosis.texts.source_text import Expressions

_SOFT = frozenset({"softmax", "log_softmax", "logsumexp"})
_INF = float("inf")


def fix_of_masks(culprit: Culprit, expressions: Expressions) -> Fix | None:
    """What to do about infinities that came in to mask what a softmax takes."""
    if culprit.slot is None or not _is_infinite(culprit) or not _masks(culprit.slot, expressions):
        return None
    if culprit.op == "constant" and _is_literal(culprit):
        readers = (step for step in expressions.graph.steps if culprit.slot in step.inputs)
        sign = "-" if any(step.op.name == "negative" for step in readers) else ""
        return Fix("mask_literal", {"sign": sign})
    return Fix("mask_data", {"node": culprit.node})


def fix_of_data(culprit: Culprit, prescriber: Prescriber) -> Fix:
    """What to do about a leaf that came in with NaN or infinities."""
    node = {"node": culprit.node}
    if prescriber.trial is not None and culprit.slot == prescriber.trial.source:
        return Fix("variable_not_finite", node)
    kind = "inf" if _is_infinite(culprit) else "nan"
    if culprit.op == "constant":
        return Fix(f"{'literal' if _is_literal(culprit) else 'constant'}_{kind}", node)
    masked = None if culprit.slot is None else without_missing(prescriber, culprit.slot)
    return masked or Fix("clean", node)


def _is_literal(culprit: Culprit) -> bool:
    """Whether a constant was written where it is read, so that its name is not the user's."""
    return culprit.node.partition("_")[0] == "constant"


def _is_infinite(culprit: Culprit) -> bool:
    """Whether what came in is infinite, and nowhere NaN."""
    return all(value in (_INF, -_INF) for value in culprit.evidence.get("value", ()))


def _masks(slot: int, expressions: Expressions) -> bool:
    """Whether a softmax reads what a leaf has a part in."""
    return any(step.origin.op in _SOFT for step in expressions.graph.downstream(slot))
