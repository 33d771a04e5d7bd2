"""A target that is a whole number: the op that made it one, and what to write in its place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from engine import dtypes
from engine.diagnosis.evidence.structure import Graphing
from engine.diagnosis.remedies.matching import Matching
from engine.diagnosis.remedies.soft import Soft
from engine.diagnosis.remedies.softening import SOFT
from engine.diagnosis.texts.source_text import Expressions
from engine.ir.tape import Instruction

#: Ops that count truth values, and what is like them for numbers between 0 and 1.
_COUNTS = {"count_nonzero": "sum", "any": "max", "all": "min"}


def soft_target(graph: Graphing, names: Mapping[int, str], target: int) -> str | None:
    """What to write for the first op on the way to a target that takes floats and gives whole numbers.

    None if there is none. No values are known yet, so that a steepness is 10.
    """
    toward = graph.toward(target, "value")
    cuts = [step for step in graph.steps if _is_cut(graph, step) and step.outputs[0] in toward]
    if not cuts:
        return None
    matching = Matching(Expressions(graph, names), defaultdict(lambda: np.ones(())))
    cut = cuts[0]
    node = matching.expressions.node(cut)
    what = f"what {node} gives are whole numbers or truth values, which have no slope"
    steps = [cut, *graph.downstream(cut.outputs[0])]
    for candidate in matching.candidates(SOFT, steps):
        remedy = candidate.remedy
        if isinstance(remedy, Soft) and not remedy.loss and candidate.covers_step(cut):
            new = matching.form(candidate, remedy.forms[0]).render(matching.expressions)
            old = matching.expressions.node(candidate.step)
            reader = _count_of(graph, candidate.step)
            if reader is not None:
                new, old = f"{_COUNTS[reader.op.name]}({new})", matching.expressions.node(reader)
            return f"{what}: write `{new}` instead of `{old}`; or differentiate what it is computed from"
    return f"{what}: differentiate what it is computed from"


def _count_of(graph: Graphing, step: Instruction) -> Instruction | None:
    """The count that reads a step's truth values, along all axes."""
    readers = [graph.steps[place] for place in graph.readers.get(step.outputs[0], ())]
    counts = [one for one in readers if one.op.name in _COUNTS and not graph.tape.types[one.outputs[0]].shape]
    return counts[0] if len(readers) == len(counts) == 1 else None


def _is_cut(graph: Graphing, step: Instruction) -> bool:
    types = graph.tape.types
    floats = any(dtypes.is_inexact(types[slot].dtype) for slot in step.inputs)
    return floats and not any(dtypes.is_inexact(types[slot].dtype) for slot in step.outputs)
