"""Warnings that take a value or two to know: singular matrices, labels, lost digits.

What has to be looked at is chosen when a gradient is recorded: a function without such a place costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.arrays.types import Array
from engine.diagnosis.causes.equal_units import equal_units
from engine.diagnosis.causes.label_warnings import class_indices
from engine.diagnosis.causes.label_watches import OPS_OF_LABELS, label_watches
from engine.diagnosis.causes.lost_digits import OPS_BEHIND, differences
from engine.diagnosis.causes.narrow_casts import narrow_casts
from engine.diagnosis.causes.unit_warnings import wrong_units
from engine.diagnosis.evidence.structure import Graphing
from engine.diagnosis.texts.caveat import LIKELY_MISTAKE, Caveat
from engine.diagnosis.texts.fix import write
from engine.diagnosis.texts.source_text import Expressions, bracket
from engine.ir.tape import Instruction

LARGEST = 128  # rows of a matrix beyond which its condition is not looked at
SINGULAR = 1e-3  # times the reciprocal of the rounding unit: the condition beyond which three digits are left
_SOLVERS = ("inv", "solve")
#: Ops without which there is nothing to look at; a difference alone is none of a table's rows.
_LOOKED_AT = frozenset(
    {*_SOLVERS, *OPS_OF_LABELS, *OPS_BEHIND}
    | {"matmul", "softmax", "log_softmax", "astype", "sin", "tan", "pow"}
)


@dataclass(frozen=True, slots=True)
class Watch:
    """The slots of values, and what they tell; the values may have leading axes of rows."""

    slots: tuple[int, ...]
    tell: Callable[..., Caveat | None]


def value_watches(
    graph: Graphing, sources: Iterable[int], target: int, names: Mapping[int, str]
) -> tuple[Watch, ...]:
    """What to look at on the way to the slot `target`, with the variables in the slots `sources`."""
    if not any(step.op.name in _LOOKED_AT for step in graph.steps):
        return ()
    toward, expressions = graph.toward(target, "any"), Expressions(graph, names)
    steps = [step for step in graph.steps if any(slot in toward for slot in step.outputs)]
    learned = tuple(sources)
    looks = (
        *differences(expressions, steps),
        *equal_units(expressions, steps, learned),
        *label_watches(expressions, steps, learned),
        *class_indices(expressions, steps, learned),
        *narrow_casts(expressions, steps),
        *wrong_units(expressions, steps),
    )
    watches = (Watch(slots, tell) for slots, tell in looks)
    return (*_matrices(expressions, steps), *watches)


def value_warnings(watches: Iterable[Watch], value_of: Callable[[int], Array]) -> Iterator[Caveat]:
    """What the watches tell of the values."""
    for watch in watches:
        caveat = watch.tell(*map(value_of, watch.slots))
        if caveat is not None:
            yield caveat


# -- matrices ----------------------------------------------------------------------------------------------


def _matrices(expressions: Expressions, steps: Sequence[Instruction]) -> Iterator[Watch]:
    types = expressions.graph.tape.types
    for step in steps:
        if step.op.name not in _SOLVERS:
            continue
        type = types[step.inputs[0]]
        if type.dtype in ("float32", "float64") and 1 < type.shape[-1] <= LARGEST:
            yield Watch((step.inputs[0],), _of_matrix(expressions, step))


def _of_matrix(expressions: Expressions, step: Instruction) -> Callable[[Array], Caveat | None]:
    def tell(matrices: Array) -> Caveat | None:
        worst = condition(matrices)
        if worst is None or worst <= SINGULAR / float(np.finfo(matrices.dtype).eps):
            return None
        text, n = expressions.operand(step, 0), matrices.shape[-1]
        node, op = step.origin.node, step.origin.op or step.op.name
        old = expressions.node(step)
        new = f"{bracket(text)} + 1e-6 * eye({n})"
        why = "a little on the diagonal makes it regular; or leave out the columns that depend on others"
        pasted = old.replace(text, new, 1) if text in old else new
        fix = write(pasted, old if text in old else text, why)
        words = {"op": op, "node": str(node), "text": text, "condition": f"{worst:.0e}"}
        return Caveat(LIKELY_MISTAKE, node, "singular_up_to_rounding", words, fix)

    return tell


def condition(matrices: Array) -> float | None:
    """The largest condition number of square matrices (…, n, n), however rows and columns are scaled.

    None if one is singular or not finite, which is told where its inverse is not finite either.
    """
    with np.errstate(all="ignore"):
        columns = np.abs(matrices).max(axis=-2, keepdims=True)
        scaled = matrices / np.where(columns > 0, columns, 1)
        if not np.isfinite(scaled).all() or not scaled.size:
            return None
        try:
            np.linalg.inv(matrices)
        except np.linalg.LinAlgError:
            return None
        try:
            both = np.abs(np.linalg.inv(scaled)) @ np.abs(scaled)
        except np.linalg.LinAlgError:  # scaled, it has an exact 0 as its pivot
            return 1 / float(np.finfo(matrices.dtype).eps)
    worst = float(both.sum(axis=-1).max())
    return worst if np.isfinite(worst) else None
