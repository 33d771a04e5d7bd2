"""The cure for a culprit, looked for in the tables and tried on the values of the run before it is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from engine import arrays
from engine.arrays.types import Array
from engine.diagnosis.causes.provenance import Cause, Causes
from engine.diagnosis.evidence.element_masks import Mask
from engine.diagnosis.remedies.forms import Form
from engine.diagnosis.remedies.logits import rearranged
from engine.diagnosis.remedies.pole_remedies import POLE_REMEDIES
from engine.diagnosis.remedies.softening import SOFT, Soft, words_of
from engine.diagnosis.remedies.table import Remedy
from engine.diagnosis.remedies.trial import Outcome, Trial
from engine.diagnosis.remedies.zero_remedies import ZERO_REMEDIES
from engine.diagnosis.texts.origin import Culprit
from engine.diagnosis.texts.source_text import Expressions
from engine.diagnosis.texts.stable_forms import ON_REQUEST, advised, form_of
from engine.dtypes import TensorType
from engine.ir.tape import Instruction
from engine.passes.stabilize import Match
from engine.passes.stable.patterns import Bound, Call

#: By op the operand at whose 0 (or below) it is not defined, or infinitely steep.
POLE_AT: Mapping[str, int] = {
    "divide": 1, "reciprocal": 0, "log": 0, "log2": 0, "log10": 0, "sqrt": 0, "rsqrt": 0, "cbrt": 0, "pow": 0,
    "xlogy": 1, "digamma": 0, "gammaln": 0,
}  # fmt: skip
_SAYING = tuple(remedy for remedy in (*ZERO_REMEDIES, *POLE_REMEDIES) if remedy.says)
_CURING = tuple(remedy for remedy in (*ZERO_REMEDIES, *POLE_REMEDIES) if not remedy.says)
FEW = 12  # steps behind a factor that are looked at
EACH = "Every other cut on the way has to go as well."
BESIDE = "That alone is not enough: something else is not finite either."
STILL = "Its gradient is 0 at these values all the same: start from others."


@dataclass(frozen=True, slots=True)
class Found:
    """A remedy whose pattern matched at a step, with what its letters are bound to."""

    remedy: Remedy | Soft
    step: Instruction
    bound: Bound
    covers: tuple[Instruction, ...]


@dataclass
class Prescriber:
    """Cures for one variable and one target; `trial` is None where there are no values to try them on."""

    expressions: Expressions
    values: Mapping[int, Array]
    trial: Trial | None

    def value(self, operand: Any) -> Array:
        """The value of a slot, or a number."""
        return np.asarray(operand) if isinstance(operand, float) else np.asarray(self.values[operand])

    def type(self, slot: int) -> TensorType:
        """The type of a slot."""
        return self.expressions.graph.tape.types[slot]

    def written(self, step: Instruction, position: int) -> str:
        """What a step reads, as it is written there."""
        return self.expressions.operand(step, position)

    @cached_property
    def causes(self) -> Causes:
        """Where values came from."""
        return Causes(self.values, self.expressions)

    def found(self, table: Sequence[Remedy | Soft], steps: Sequence[Instruction]) -> Iterator[Found]:
        """Every entry of a table that matches at one of the steps, in the order of the table."""
        at: dict[str, list[tuple[int, Instruction, list[Any]]]] = {}
        for place, step in enumerate(steps):
            guises = list(self.expressions.matcher.guises(step))
            for op in {seen.op for seen in guises}:
                at.setdefault(op, []).append((place, step, guises))
        for remedy in table:
            for pattern in remedy.patterns:
                for _, step, guises in at.get(pattern.op, ()):
                    yield from self._matches(remedy, pattern, step, guises)

    def _matches(
        self, remedy: Remedy | Soft, pattern: Call, step: Instruction, guises: list[Any]
    ) -> Iterator[Found]:
        for bound, covered in self.expressions.matcher.matches(pattern, step, guises):
            try:
                fits = remedy.when is None or remedy.when(self, step, bound)
            except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError, OverflowError):
                fits = False
            if fits and (self.is_whole(step) or (isinstance(remedy, Remedy) and remedy.says)):
                yield Found(remedy, step, bound, tuple(covered))
                return

    def is_whole(self, step: Instruction) -> bool:
        """Whether a step is all that a node of the user's came to."""
        return step.origin.op == step.op.name or self._counts[step.origin.node] == 1

    @cached_property
    def _counts(self) -> Counter[str | None]:
        return Counter(step.origin.node for step in self.expressions.graph.steps)

    def on_kink(self, step: Instruction) -> bool:
        """Whether some element lies where the slope of a step is a convention."""
        if step.op.derivative.nonsmooth_at is None:
            return False
        with np.errstate(all="ignore"):
            hit = step.op.derivative.nonsmooth_at(
                arrays.numpy_namespace(), *(self.value(slot) for slot in step.inputs), **step.attributes
            )
        return bool(np.any(hit))

    def form(self, found: Found, text: str) -> Form:
        """A form of an entry, its letters bound."""
        slots = {k: v for k, v in found.bound.items() if k.islower() and isinstance(v, int)}
        numbers = {k: f"{v:g}" for k, v in found.bound.items() if k.islower() and isinstance(v, float)}
        settings = {k: _setting(k, v, self, found) for k, v in found.bound.items() if k.isupper()}
        more: Mapping[str, str] = {}
        if isinstance(found.remedy, Soft):
            more = words_of(self, found.step, found.bound) if "x" in found.bound else {}
            more = {**more, "W": self.expressions.node(found.step)}
        elif found.remedy.words is not None:
            more = found.remedy.words(self, found.step, found.bound)
        names = {}
        own = found.step.origin.op == found.step.op.name and len(found.covers) == 1
        for letter, slot in slots.items():
            if own and slot in found.step.inputs:
                names[letter] = self.expressions.operand(found.step, found.step.inputs.index(slot))
        return Form(text, slots, {**numbers, **settings, **more}, names)

    # -- trying --------------------------------------------------------------------------------------------

    def try_form(self, step: Instruction | None, slot: int, form: Form) -> Outcome | None:
        """What comes out with a form in the place of a slot; None where that cannot be said."""
        return None if self.trial is None else self.trial.outcome(step, slot, form)

    @property
    def can_try(self) -> bool:
        """Whether there are values to try a cure on, and few enough."""
        return self.trial is not None and self.trial.possible

    def best(self, found: Found, *, right: bool = False) -> tuple[str, bool] | None:
        """The first form of an entry that works, as a text, and whether its gradient is not zero.

        With `right` one whose gradient is 0 will do.
        """
        fallback: str | None = None
        for text in found.remedy.forms:
            form = self.form(found, text)
            if not self.can_try:
                return self._told(found, form), True
            outcome = self._outcome(found, form)
            if outcome is None or not outcome.finite:
                continue
            if outcome.healthy:
                return self._told(found, form), True
            fallback = fallback or self._told(found, form)
        return (fallback, False) if right and fallback is not None else None

    def _outcome(self, found: Found, form: Form) -> Outcome | None:
        if "W" in form.words:  # the node itself, whose text has names that are no letters
            form = Form(form.text.replace("W", "W_"), {**form.slots, "W_": found.step.outputs[0]}, form.words)
        assert self.trial is not None
        if isinstance(found.remedy, Soft) and found.remedy.loss:
            made = self.expressions.graph.makers.get(self.trial.target)
            return None if made is None else self.try_form(made, self.trial.target, form)
        return self.try_form(found.step, found.step.outputs[0], form)

    def _told(self, found: Found, form: Form) -> str:
        written = form.written(self.expressions)
        why = found.remedy.why.format(**self._texts(found))
        if isinstance(found.remedy, Soft) and found.remedy.loss:
            return f"Train on {written} instead: {why}."
        return f"Write {written} for {self.original(found)}: {why}."

    def original(self, found: Found) -> str:
        """What is to be replaced, as it was written."""
        return self.expressions.node(found.step)

    def _texts(self, found: Found) -> dict[str, str]:
        texts = {
            k: self.expressions.text(v) if isinstance(v, int) else f"{v:g}"
            for k, v in found.bound.items()
            if k.islower() and isinstance(v, int | float)
        }
        return {**texts, "node": self.expressions.node(found.step)}

    def says(self, found: Found) -> str:
        """What is wrong, in words."""
        assert isinstance(found.remedy, Remedy)
        return found.remedy.says.format(**self._texts(found))

    def plain(self, found: Found) -> str:
        """What to do where no form helps."""
        assert isinstance(found.remedy, Remedy)
        return found.remedy.plain.format(**self._texts(found))

    # -- cures ---------------------------------------------------------------------------------------------

    def softened(self, cuts: Sequence[Instruction]) -> str | None:
        """What to write in place of what has no slope; None where nothing in the table works."""
        steps = [*self.expressions.graph.downstream(cuts[0].inputs[0])] if cuts else []
        untried: str | None = None
        flat: str | None = None
        for found in self.found(SOFT, steps):
            if not any(step is cut for step in found.covers for cut in cuts):
                continue
            best = self.best(found, right=True)
            if best is not None and best[1]:
                return best[0]
            if best is not None:
                flat = flat or best[0]
            if untried is None and len(cuts) > 1 and any(step is cuts[0] for step in found.covers):
                untried = f"{self._told(found, self.form(found, found.remedy.forms[0]))} {EACH}"
        return flat or untried

    def remedied(self, step: Instruction, reason: str) -> str | None:
        """What to write in place of the step that is to blame."""
        steps = [step, *self.expressions.graph.downstream(step.outputs[0])]
        fallback: str | None = None
        partial: str | None = None
        for found in self.found(_CURING, steps):
            remedy = found.remedy
            assert isinstance(remedy, Remedy)
            if reason not in remedy.reasons or not any(step is one for one in found.covers):
                continue
            best = self.best(found, right=True)
            if best is None:
                partial = partial or self._locally(found)
                continue
            text, healthy = best
            if healthy or (remedy.right and found.step.op.name != "divide"):
                return text
            fallback = fallback or f"{text} {STILL}"
        return fallback or partial

    def _locally(self, found: Found) -> str | None:
        """The first form that is finite where it stands, though something else is not."""
        if self.trial is None:
            return None
        for text in found.remedy.forms:
            form = self.form(found, text)
            if self.trial.holds(found.step, form):
                return f"{self._told(found, form)} {BESIDE}"
        return None

    def said(self, steps: Sequence[Instruction], culprits: Sequence[Culprit]) -> Found | None:
        """The first entry that says more than a reason does, at one of the steps."""
        reasons = {culprit.reason for culprit in culprits}
        entered = {
            (id(c.step), c.edge.position) for c in culprits if c.step is not None and c.edge is not None
        }
        for found in self.found(_SAYING, steps):
            remedy = found.remedy
            assert isinstance(remedy, Remedy)
            fits = remedy.position is None or (id(found.step), remedy.position) in entered
            if fits and not reasons.isdisjoint(remedy.reasons):
                return found
        return None

    def cure_said(self, found: Found) -> str:
        """The cure of an entry that says what is wrong."""
        best = self.best(found) if found.remedy.forms else None
        return best[0] if best is not None else self.plain(found) or "Nothing, if that is meant."

    def stabilized(self, match: Match) -> str | None:
        """A stable form, where it helps."""
        if not self._absorbs(match):
            return None
        arranged = self.arranged(match)
        if arranged is not None:
            return arranged
        form = form_of(match, self.expressions)
        told = advised(match, self.expressions)
        if not self.can_try or form is None:
            return told
        outcome = self.try_form(match.step, match.step.outputs[0], form)
        if outcome is None or outcome.finite:
            return told
        assert self.trial is not None
        return f"{told} {BESIDE}" if self.trial.holds(match.step, form) else None

    def _absorbs(self, match: Match) -> bool:
        """Whether a factor goes with its logarithm element by element, and is not 0 as a whole by chance."""
        if not match.rewrite.name.removeprefix("negative_").startswith("xlog"):
            return True
        x, y = (match.bound[letter] for letter in "xy")
        return not isinstance(x, int) or self.type(x).size > 1 or self.type(y).size == 1

    def arranged(self, match: Match) -> str | None:
        """log(softmax(x)[i]) as log_softmax(x)[i]: the indexing is done anew."""
        if not match.arranged:
            return None
        inner = form_of(match, self.expressions)
        if inner is None:
            return None
        written = rearranged(match.arranged, inner.written(self.expressions), self.expressions)
        if written is None:
            return None
        return f"Write {written} for {self.expressions.node(match.step)}: {match.rewrite.why}{ON_REQUEST}."

    def scaled(self, step: Instruction) -> str | None:
        """What is saturated, of a smaller argument."""
        if step.origin.op != step.op.name or len(step.inputs) != 1 or not self.can_try:
            return None
        axis = step.attributes.get("axis")
        if set(step.attributes) - {"axis"}:
            return None
        x = step.inputs[0]
        more = (
            ""
            if axis is None or tuple(axis) == (self.type(x).ndim - 1,)
            else f", axis={axis[0] if len(axis) == 1 else axis!r}"
        )
        value = np.abs(np.asarray(self.value(x), float))
        most = float(value[np.isfinite(value)].max(initial=1.0))
        for power in (0, 1, 2):
            scale = 10 ** (max(1, int(np.ceil(np.log10(max(most, 1.0))))) + power)
            form = Form(
                f"{step.op.name}(x / S{more})",
                {"x": x},
                {"S": str(scale)},
                {"x": self.expressions.operand(step, 0)},
            )
            outcome = self.try_form(step, step.outputs[0], form)
            if outcome is not None and outcome.healthy:
                written = form.written(self.expressions)
                return (
                    f"Write {written} for {self.expressions.node(step)}: its argument goes up to {most:.6g}, "
                    "and beyond about 20 the slope rounds to 0; scale or normalise the data, or start from "
                    "smaller weights."
                )
        return None

    def factor_of(self, culprit: Culprit) -> tuple[str, Cause | None] | None:
        """What a culprit multiplies by, as it was written, and why that is 0."""
        edge, step = culprit.edge, culprit.step
        if edge is None or step is None:
            return None
        mask = mask_of(culprit.elements, self.value(edge.slot).shape)
        met = self.causes.factor(step, edge.position, mask)
        if met is None:
            return None
        slot, zero = met
        position = next(i for i, other in enumerate(step.inputs) if other == slot and i != edge.position)
        return self.expressions.operand(step, position), self.causes.of_zero(slot, zero)

    def behind_factor(self, culprit: Culprit) -> list[Instruction]:
        """The steps that make the factor that a culprit multiplies by, the last few."""
        told = culprit.step if culprit.reason == "zero_operand" and culprit.edge is not None else None
        ahead = [slot for i, slot in enumerate(told.inputs) if i != culprit.input] if told is not None else []
        steps: list[Instruction] = []
        while ahead and len(steps) < FEW:
            step = self.expressions.graph.makers.get(ahead.pop())
            if step is not None and not any(step is known for known in steps):
                steps.append(step)
                ahead += step.inputs
        return steps

    def cause_of(self, step: Instruction) -> Cause | None:
        """Why what a step is not defined for is 0."""
        position = POLE_AT.get(step.op.name)
        if position is None:
            return None
        slot = step.inputs[position]
        zero = np.asarray(self.value(slot) == 0)
        return self.causes.of_zero(slot, zero) if zero.any() else None


def mask_of(elements: Sequence[Sequence[int]], shape: tuple[int, ...]) -> Mask:
    """The elements that are listed; all of them where none fits."""
    mask = np.zeros(shape, bool)
    for place in elements:
        if len(place) == len(shape) and all(i < size for i, size in zip(place, shape, strict=True)):
            mask[tuple(place)] = True
    return mask if mask.any() else np.ones(shape, bool)


def _setting(letter: str, value: Any, prescriber: Prescriber, found: Found) -> str:
    """An attribute as it is written, or nothing for one that is at its default."""
    if letter in ("A", "B"):
        axes = (value,) if isinstance(value, int) else tuple(value or ())
        x = found.bound.get("x")
        ndim = prescriber.type(x).ndim if isinstance(x, int) else 0
        if axes == tuple(range(ndim)) and not isinstance(value, int):
            return ""
        return repr(axes[0] if len(axes) == 1 else axes)
    if value is False or value is None or (letter == "C" and value == 0):
        return ""
    return repr(value)
