"""What to do if the target stands still: at a minimum, behind a factor of 0, in an idle loop."""

from __future__ import annotations

import numpy as np

from engine.diagnosis.evidence.surroundings import Surroundings, surroundings
from engine.diagnosis.remedies.factors import factor_of
from engine.diagnosis.remedies.loops import condition_of, turn_comparison
from engine.diagnosis.remedies.prescription import Prescriber
from engine.diagnosis.remedies.range_remedies import BRACKETS
from engine.diagnosis.texts.fix import Fix
from engine.diagnosis.texts.origin import Culprit
from engine.ir.tape import Instruction

_ELSEWHERE = 2  # sets of other values that are tried
_JUMPING = frozenset({"atan2", "angle"})  # ops of which values close by say nothing


def fix_at_rest(
    around: Surroundings | None, culprit: Culprit, name: str, target: str, prescriber: Prescriber
) -> Fix | None:
    """What to do at a point at which the target does not change at first order; None if more is to say."""
    step = culprit.step
    if step is None or step.op.family.name == "control" or step.op.name in _JUMPING:
        return None
    names = {"name": name, "target": target}
    if culprit.reason == "cancellation":
        remedy = prescriber.remedy_for(step, culprit.reason)
        if remedy is None and around == "flat":
            code = "cancels_whatever" if _cancels_elsewhere(prescriber, name) else "cancels_always"
            remedy = Fix(code, {**names, "node": prescriber.expressions.node(step)})
        if remedy is not None:
            return remedy
    if around in ("minimum", "maximum") or (around == "saddle" and culprit.reason != "zero_operand"):
        return Fix(around, names)
    return None


def _cancels_elsewhere(prescriber: Prescriber, name: str) -> bool:
    """Whether a variable has no influence on the target with other values of all other inputs either."""
    trial = prescriber.trial
    if trial is None:
        return False
    draw = np.random.default_rng(0)
    for _ in range(_ELSEWHERE):
        moved = {
            one: value * draw.uniform(0.8, 1.25, value.shape).astype(value.dtype)
            if value.dtype.kind == "f" and one != name
            else value
            for one, value in trial.inputs.items()
        }
        if surroundings(trial.tape, trial.steps, moved, name, trial.target) != "flat":
            return False
    return True


def fix_of_idle(step: Instruction) -> Fix:
    """What to do about a loop that took no step."""
    node = {"node": str(step.origin.node)}
    if step.op.name != "while_steps":
        return Fix("empty_scan", node)
    condition = condition_of(step)
    turned = None if condition is None else turn_comparison(condition)
    if condition is None or turned is None:
        return Fix("idle", node)
    return Fix("idle_comparison", {**node, "condition": condition, "turned": turned})


def fix_of_factor(culprit: Culprit, prescriber: Prescriber) -> Fix:
    """What to do about a factor of 0: it depends on where the 0 comes from."""
    factor = factor_of(prescriber, culprit)
    if factor is None:
        whole = culprit.node if culprit.step is None else prescriber.expressions.node(culprit.step)
        return Fix("factor_unknown", {"node": whole})
    text, cause = factor
    if cause is None:
        return Fix("factor_zero", {"text": text})
    if cause.constant:
        return Fix("factor_constant", {"text": text})
    if cause.is_underflow:
        bracketed = None if cause.step is None else prescriber.remedy_for(cause.step, "underflow", BRACKETS)
        if bracketed is not None:
            return bracketed
        return Fix("factor_vanished", {"text": text, "cause": cause.clause})
    if cause.step is not None:
        remedy = prescriber.remedy_for(cause.step, "unselected")
        if remedy is not None:
            return remedy
    if cause.leaf is not None:
        name = prescriber.expressions.text(cause.leaf)
        return Fix(
            "factor_scalar" if prescriber.value(cause.leaf).size == 1 else "factor_array", {"name": name}
        )
    return Fix("factor_caused", {"text": text, "cause": cause.clause})
