"""max(x, 0), whose 0 is an axis and is meant as a number."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from engine.diagnosis.remedies.calls import call_of
from engine.diagnosis.remedies.prescription import Prescriber
from engine.diagnosis.texts.caveat import LIKELY_MISTAKE, Caveat
from engine.diagnosis.texts.fix import write
from engine.ir.tape import Instruction

#: By reduction how it chooses, and the op on two operands.
_CHOOSES = {"max": ("largest", "larger", "maximum"), "min": ("smallest", "smaller", "minimum")}


def misuses_of_reductions(prescriber: Prescriber, steps: Sequence[Instruction]) -> Iterator[Caveat]:
    """Reductions along axis 0 that were meant to compare with the number 0."""
    for step in steps:
        if step.op.name not in _CHOOSES or step.origin.op != step.op.name:
            continue
        call = call_of(step)
        if call is None or isinstance(call.func, ast.Attribute) or len(call.args) < 2:
            continue
        if not isinstance(call.args[1], ast.Constant) or call.args[1].value != 0:
            continue
        most, more, op = _CHOOSES[step.op.name]
        new = f"{op}({ast.unparse(call.args[0])}, 0)"
        fix = write(new, prescriber.expressions.node(step), f"it is the {more} one of both")
        words = {"op": step.op.name, "node": str(step.origin.node), "most": most}
        yield Caveat(LIKELY_MISTAKE, step.origin.node, "axis_as_number", words, fix)
