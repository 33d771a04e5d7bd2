"""What to do where the target stands still: at a minimum, behind a factor of 0, in an idle loop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from engine.diagnosis.evidence.surroundings import Surroundings
from engine.diagnosis.remedies.loops import condition_of, other_way
from engine.diagnosis.remedies.prescription import Prescriber
from engine.diagnosis.texts.origin import Culprit
from engine.ir.tape import Instruction

_JUMPING = frozenset({"atan2", "angle"})  # ops of which values close by say nothing


def cure_at_rest(
    around: Surroundings | None, culprit: Culprit, name: str, target: str, prescriber: Prescriber
) -> str | None:
    """What to do at a point at which the target does not change at first order; None where more is to say."""
    step = culprit.step
    if step is None or step.op.family.name == "control" or step.op.name in _JUMPING:
        return None
    if culprit.reason == "cancellation":
        told = prescriber.remedied(step, culprit.reason)
        if told is None and around == "flat":
            told = (
                f"Leave '{name}' out, or let it into '{target}' in another way: in "
                f"{prescriber.expressions.node(step)} its parts cancel whatever it is."
            )
        if told is not None:
            return told
    if around == "minimum":
        return f"Nothing: '{target}' is at a minimum in '{name}'; for training, that is the end."
    if around == "maximum":
        return f"Start from another value of '{name}': this one is at a maximum of '{target}'."
    if around == "saddle" and culprit.reason != "zero_operand":
        return f"Start from another value of '{name}': this one is between a rise and a fall of '{target}'."
    return None


def cure_of_idle(step: Instruction) -> str:
    """What to do about a loop that took no step."""
    if step.op.name != "while_steps":
        return f"Give '{step.origin.node}' at least one element to go over, or a length of at least 1."
    condition = condition_of(step)
    turned = None if condition is None else other_way(condition)
    if turned is not None:
        return (
            f"Write {turned} for {condition}, if the comparison stands the wrong way round; else start from "
            "values for which it holds."
        )
    return f"Start '{step.origin.node}' from values for which its condition holds."


def cure_of_warnings(warnings: Iterable[Mapping[str, Any]], cures: Sequence[str]) -> str | None:
    """What to do about a gradient that exists, and is likely not meant; None where all is well."""
    if cures:
        return cures[0]
    told = (warning["message"] for warning in warnings if warning["code"] == "broadcast")
    return next(told, "").partition("every other. ")[2] or None


def cure_of_factor(culprit: Culprit, prescriber: Prescriber) -> str:
    """What to do about a factor of 0: it depends on where the 0 comes from."""
    told = prescriber.factor_of(culprit)
    if told is None:
        whole = culprit.node if culprit.step is None else prescriber.expressions.node(culprit.step)
        return f"Start from other values: {whole} multiplies by 0."
    text, cause = told
    if cause is None:
        return f"See to it that {text} is not 0, if it is not meant to be."
    if cause.constant:
        return f"Write another number than 0 for {text}: what it multiplies has no part in the target."
    if cause.vanished:
        return f"Bring {text} back into range: {cause.clause}."
    if cause.step is not None and not cause.vanished:
        told_of_step = prescriber.remedied(cause.step, "unselected")
        if told_of_step is not None:
            return told_of_step
    if cause.leaf is not None:
        name = prescriber.expressions.text(cause.leaf)
        if prescriber.value(cause.leaf).size == 1:
            return f"Give '{name}' another value than 0: what it multiplies has no part in the target."
        return (
            f"Start '{name}' from small random numbers instead of 0, if it holds weights; if it holds labels "
            "or a mask, see that they are meant to be 0."
        )
    return f"See to it that {text} is not 0: {cause.clause}."
