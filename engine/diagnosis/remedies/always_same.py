"""Sums and norms that are the same whatever they are computed from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.diagnosis.remedies.prescription import Prescriber
from engine.diagnosis.remedies.table import CANCELS, Remedy
from engine.diagnosis.remedies.zero_remedies import ZERO_REMEDIES
from engine.diagnosis.texts.caveat import LIKELY_MISTAKE, Caveat
from engine.diagnosis.texts.fix import say
from engine.ir.tape import Instruction

#: What holds whatever the values, of all that makes a gradient zero; a part that has no influence is meant
#: now and then, as a bias before a softmax.
ALWAYS = tuple(remedy for remedy in ZERO_REMEDIES if remedy.reasons is CANCELS and "{y}" not in remedy.says)
_ENDS = frozenset({"sum", "mean", "power_norm"})
_BEFORE = frozenset({"softmax", "subtract", "divide", "pow", "square", "multiply"})


def always_the_same(prescriber: Prescriber, steps: Sequence[Instruction]) -> Iterator[Caveat]:
    """Sums and norms that are the same whatever they are computed from, as the sum of a softmax is."""
    maker = prescriber.expressions.maker
    ends = [
        step
        for step in steps
        if step.op.name in _ENDS and (source := maker(step.inputs[0])) and source.op.name in _BEFORE
    ]
    nodes: set[str | None] = set()
    for candidate in prescriber.candidates(ALWAYS, ends) if ends else ():
        remedy, node = candidate.remedy, candidate.step.origin.node
        if not isinstance(remedy, Remedy) or node in nodes or not prescriber.is_whole(candidate.step):
            continue
        nodes.add(node)
        words = prescriber.texts(candidate)
        form = prescriber.form(candidate, remedy.forms[0]) if remedy.forms else None
        fix = say(remedy.plain.format(**words)) if form is None else prescriber.fix_of(candidate, form)
        words |= {"place": f"{candidate.step.origin.op} at '{node}'"}
        yield Caveat(
            LIKELY_MISTAKE, node, f"{{place}}: {remedy.says}, so that nothing comes back.", words, fix
        )
