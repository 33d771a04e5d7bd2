"""The remedy for a culprit, looked for in the tables and tried on the values of the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from engine.diagnosis.causes.provenance import Causes
from engine.diagnosis.remedies.factors import cause_of
from engine.diagnosis.remedies.forms import Form
from engine.diagnosis.remedies.matching import Candidate, Matching
from engine.diagnosis.remedies.pole_remedies import POLE_REMEDIES
from engine.diagnosis.remedies.relaxation import relax
from engine.diagnosis.remedies.soft import Soft
from engine.diagnosis.remedies.softening import SOFT
from engine.diagnosis.remedies.table import Remedy
from engine.diagnosis.remedies.trial import Outcome, Replacement, Trial
from engine.diagnosis.remedies.zero_remedies import ZERO_REMEDIES
from engine.diagnosis.texts.fix import Edit, Fix, say, write
from engine.diagnosis.texts.origin import Culprit
from engine.ir.tape import Instruction

_SAYING = tuple(remedy for remedy in (*ZERO_REMEDIES, *POLE_REMEDIES) if remedy.says)
_CURING = tuple(remedy for remedy in (*ZERO_REMEDIES, *POLE_REMEDIES) if not remedy.says)
_KNOWN = tuple(remedy for remedy in _CURING if remedy.known)
_CHANGED = 1e-4  # of a value, beyond which a form is another function


@dataclass
class Prescriber(Matching):
    """Fixes for one variable and one target; `trial` is None without values to try them on."""

    trial: Trial | None

    @cached_property
    def causes(self) -> Causes:
        """Where values came from."""
        return Causes(self.values, self.expressions)

    # -- trying --------------------------------------------------------------------------------------------

    def outcome(self, step: Instruction | None, slot: int, form: Form) -> Outcome | None:
        """What comes out with a form in the place of a slot; None if that cannot be said."""
        return self.outcome_of([Replacement(step, slot, form)])

    def outcome_of(self, replacements: Sequence[Replacement]) -> Outcome | None:
        """What comes out with all of these in place; None if that cannot be said."""
        return None if self.trial is None else self.trial.outcome(replacements)

    @property
    def trial_slots(self) -> tuple[Sequence[int], Sequence[int]]:
        """The slots of all variables that are asked about, and that of the target, if they are known."""
        return ((), ()) if self.trial is None else (self.trial.sources, (self.trial.target,))

    @property
    def can_try(self) -> bool:
        """Whether there are values to try a remedy on, and few enough."""
        return self.trial is not None and self.trial.is_possible

    def best_fix(self, candidate: Candidate, *, zero_will_do: bool = False) -> tuple[Fix, bool] | None:
        """The first form of an entry that works, and whether no gradient is zero with it.

        With `zero_will_do` one with a gradient of 0 is offered if no other works.
        """
        fallback: Fix | None = None
        for text in candidate.remedy.forms:
            form = self.form(candidate, text)
            if not self.can_try:
                return self.fix_of(candidate, form), True
            outcome = self._outcome_with(candidate, form)
            exact = isinstance(candidate.remedy, Remedy) and candidate.remedy.exact
            if outcome is None or not (outcome.is_sensible or (exact and outcome.is_finite)):
                continue
            fix = self._with_change(self.fix_of(candidate, form), candidate, outcome)
            if outcome.is_healthy or exact:
                return fix, True
            fallback = fallback or fix
        return (fallback, False) if zero_will_do and fallback is not None else None

    def _outcome_with(self, candidate: Candidate, form: Form) -> Outcome | None:
        step = candidate.step
        if "W" in form.words:  # the node itself, whose text has names that are no letters
            words = {letter: word for letter, word in form.words.items() if letter != "W"}
            form = Form(form.text, {**form.slots, "W": step.outputs[0]}, words)
        assert self.trial is not None
        if isinstance(candidate.remedy, Soft) and candidate.remedy.loss:
            maker = self.expressions.graph.makers.get(self.trial.target)
            return None if maker is None else self.outcome(maker, self.trial.target, form)
        return self.outcome(step, step.outputs[0], form)

    def fix_of(self, candidate: Candidate, form: Form) -> Fix:
        """A form of an entry as a fix."""
        written = form.render(self.expressions)
        why = candidate.remedy.why.format(**self.texts(candidate))
        if isinstance(candidate.remedy, Soft) and candidate.remedy.loss:
            return Fix("train", {"new": written, "why": why}, (Edit(written, ""),))
        return write(written, self.expressions.node(candidate.step), why)

    def _with_change(self, fix: Fix, candidate: Candidate, outcome: Outcome) -> Fix:
        """A note of the first finite value that changes, unless the entry says so itself."""
        if isinstance(candidate.remedy, Soft) or candidate.remedy.keeps or not outcome.replacements:
            return fix
        old, new = self.value(candidate.step.outputs[0]), outcome.replacements[0]
        if old.shape != new.shape or old.dtype.kind not in "fc":
            return fix
        with np.errstate(all="ignore"):
            changed = np.isfinite(old) & (np.abs(new - old) > _CHANGED * (1 + np.abs(old)))
        if not changed.any():
            return fix
        place = tuple(int(i) for i in np.argwhere(changed)[0])
        where = f" at element {list(place)}" if place else ""
        return fix.with_note("changes", new=f"{new[place]:.6g}", old=f"{old[place]:.6g}", place=where)

    # -- remedies of the tables ----------------------------------------------------------------------------

    def soften(self, cuts: Sequence[Instruction]) -> Fix | None:
        """What to write in place of what has no slope; None if nothing in the table works."""
        steps = [*self.expressions.graph.downstream(cuts[0].inputs[0])] if cuts else []
        untried: Fix | None = None
        flat: Fix | None = None
        for candidate in self.candidates(SOFT, steps):
            covered = [cut for cut in cuts if candidate.covers_step(cut)]
            if not covered:
                continue
            best = self.best_fix(candidate, zero_will_do=True)
            if best is not None and best[1]:
                lossy = not (isinstance(candidate.remedy, Soft) and candidate.remedy.loss)
                relaxed = self._relax(cuts) if lossy and self._is_read_elsewhere(candidate, covered) else None
                return relaxed or best[0]
            if best is not None:
                flat = flat or best[0]
            if untried is None and len(cuts) > 1 and candidate.covers_step(cuts[0]):
                untried = self.fix_of(candidate, self.form(candidate, candidate.remedy.forms[0]))
                untried = untried.with_note("each")
        return self._relax(cuts) or flat or untried

    def _relax(self, cuts: Sequence[Instruction]) -> Fix | None:
        """Everything that is computed with the cuts' truth values, in numbers between 0 and 1."""
        relaxed = relax(self, cuts)
        if relaxed is None:
            return None
        fix, replacements = relaxed
        outcome = self.outcome_of(replacements) if self.can_try else None
        return fix if outcome is not None and outcome.is_healthy else None

    def _is_read_elsewhere(self, candidate: Candidate, cuts: Sequence[Instruction]) -> bool:
        """Whether other steps than those of the candidate read what a cut makes, on a way to the target."""
        graph = self.expressions.graph
        assert self.trial is not None
        toward = graph.toward(self.trial.target, "value")
        return any(
            not candidate.covers_step(graph.steps[place])
            and any(slot in toward for slot in graph.steps[place].outputs)
            for cut in cuts
            for slot in cut.outputs
            for place in graph.readers.get(slot, ())
        )

    def remedy_of_pattern(self, step: Instruction, reason: str) -> Fix | None:
        """The remedy of a whole formula that is known by a name, of which the step is a part."""
        return self.remedy_for(step, reason, _KNOWN)

    def remedy_for(self, step: Instruction, reason: str, table: Sequence[Remedy] = _CURING) -> Fix | None:
        """What to write in place of the step that is to blame."""
        steps = [step, *self.expressions.graph.downstream(step.outputs[0])]
        fallback: Fix | None = None
        partial: Fix | None = None
        words: Fix | None = None
        for candidate in self.candidates(table, steps):
            remedy = candidate.remedy
            assert isinstance(remedy, Remedy)
            if reason not in remedy.reasons or not candidate.covers_step(step):
                continue
            if not remedy.forms:
                words = words or self.words_of(candidate)
                if remedy.final:
                    break
                continue
            best = self.best_fix(candidate, zero_will_do=True)
            if best is None:
                partial = partial or self._locally(candidate)
                if partial is None and remedy.final:
                    words = words or self.words_of(candidate)
                    break
                continue
            fix, healthy = best
            if healthy or (remedy.right and candidate.step.op.name != "divide"):
                return fix
            if remedy.plain:
                words = words or self.words_of(candidate)
                if remedy.final:
                    break
                continue
            fallback = fallback or fix.with_note("still")
        return partial or words or fallback

    def _locally(self, candidate: Candidate) -> Fix | None:
        """The first form that is finite where it stands, though something else is not."""
        remedy = candidate.remedy
        if self.trial is None or (isinstance(remedy, Remedy) and remedy.alone):
            return None
        for text in remedy.forms:
            form = self.form(candidate, text)
            outcome = self._outcome_with(candidate, form) if self.can_try else None
            if outcome is None and self.can_try:
                continue  # there would be no gradient
            spoiled_elsewhere = outcome is None or not outcome.is_finite  # and not only too large
            if spoiled_elsewhere and self.trial.holds(candidate.step, form):
                return self.fix_of(candidate, form).with_note("beside")
        return None

    # -- known mistakes ------------------------------------------------------------------------------------

    def known_mistake(self, steps: Sequence[Instruction], culprits: Sequence[Culprit]) -> Candidate | None:
        """The first entry that says more than a reason does, at one of the steps."""
        reasons = {culprit.reason for culprit in culprits}
        entered = {
            (id(c.step), c.edge.position) for c in culprits if c.step is not None and c.edge is not None
        }
        for candidate in self.candidates(_SAYING, steps):
            remedy = candidate.remedy
            assert isinstance(remedy, Remedy)
            fits = remedy.position is None or (id(candidate.step), remedy.position) in entered
            if fits and not reasons.isdisjoint(remedy.reasons):
                return candidate
        return None

    def mistake_text(self, candidate: Candidate) -> str:
        """What is wrong, in words."""
        assert isinstance(candidate.remedy, Remedy)
        return candidate.remedy.says.format(**self.texts(candidate))

    def fix_of_mistake(self, candidate: Candidate) -> Fix:
        """The fix of an entry that says what is wrong."""
        best = self.best_fix(candidate) if candidate.remedy.forms else None
        return best[0] if best is not None else self.words_of(candidate) or Fix("meant")

    def words_of(self, candidate: Candidate) -> Fix | None:
        """What an entry says to do if no form helps."""
        remedy = candidate.remedy
        assert isinstance(remedy, Remedy)
        if not remedy.plain:
            return None
        cause = cause_of(self, candidate.step)
        texts = self.texts(candidate)
        repeats = cause is None or (cause.subject in texts.values() and cause.leaf is not None)
        because = "" if cause is None or repeats else f", because {cause.clause}"
        return say(remedy.plain.format(**texts, because=because))

    def depends(self, slot: int) -> bool:
        """Whether a variable that is asked for has a part in a slot."""
        return self.trial is None or slot in self._dependent

    @cached_property
    def _dependent(self) -> frozenset[int]:
        assert self.trial is not None
        graph, slots = self.expressions.graph, {self.trial.source, *self.trial.sources}
        for source in tuple(slots):
            slots.update(slot for step in graph.downstream(source) for slot in step.outputs)
        return frozenset(slots)
