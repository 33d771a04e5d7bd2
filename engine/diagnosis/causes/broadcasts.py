"""Rows that meet a column by accident: (n,) and (n, 1) broadcast to (n, n), each element against each other.

Shapes alone tell, so that it is found when a function is recorded, before any number is there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from math import prod

from engine.diagnosis.evidence.structure import Graphing
from engine.diagnosis.texts.caveat import Caveat
from engine.diagnosis.texts.fix import Fix
from engine.ir.tape import Instruction

Shape = tuple[int, ...]
ShapeOf = Callable[[int], Shape]

#: Ops that compare two tensors element by element; losses that reduce bring both to one shape themselves.
_COMPARISONS = frozenset({"subtract", "squared_difference", "sigmoid_cross_entropy"})
_PRODUCTS = frozenset({"multiply", "divide"})
RESHAPE = Fix("reshape")


def may_broadcast(graph: Graphing) -> bool:
    """Whether rows meet a column in any step: the quick test before a way to a target is looked for."""
    types = graph.tape.types
    return any(_meet(step, lambda slot: types[slot].shape) is not None for step in graph.steps)


def broadcasts(
    path: Sequence[Instruction],
    graph: Graphing,
    shape_of: ShapeOf,
    fix_of: Callable[[Instruction], Fix] = lambda step: RESHAPE,
    on_purpose: Collection[int] = (),
) -> Iterator[Caveat]:
    """A warning for each step of `path` in which rows meet a column: in comparisons, and in products and
    quotients that are summed. `path` is some of the steps of `graph`, in forward order; `fix_of` is what to
    write instead of a step, `on_purpose` are inputs that were made columns before they came in.
    """
    makers: dict[int, Instruction] | None = None
    for place, step in enumerate(path):
        met = _meet(step, shape_of)
        if met is None or (step.op.name in _PRODUCTS and not _is_summed(path[place:], shape_of)):
            continue
        if makers is None:
            makers = {slot: one for one in graph.steps for slot in one.outputs}
        if _is_meant(met, makers, graph.tape.constants, shape_of, on_purpose):
            continue
        a, b = (shape_of(slot) for slot in step.inputs)
        node, n = step.origin.node, max(*a, *b)
        words = {"first": str(a), "second": str(b), "result": str((n, n))}
        words |= {"op": step.origin.op or step.op.name, "node": str(node)}
        yield Caveat("broadcast", node, "broadcast", words, fix_of(step))


def _meet(step: Instruction, shape_of: ShapeOf) -> int | None:
    """The slot of the column, if rows (n,) meet a column (n, 1) of as many elements in a step."""
    if step.op.name not in _PRODUCTS and step.op.name not in _COMPARISONS:
        return None
    rows, column = sorted(step.inputs, key=lambda slot: len(shape_of(slot)))
    n = shape_of(rows)
    return column if len(n) == 1 and n[0] > 1 and shape_of(column) == (*n, 1) else None


def is_column_on_purpose(slot: int, graph: Graphing) -> bool:
    """Whether a slot was reshaped or indexed, so that its shape is meant, whatever it is in a loop's body."""
    maker = graph.makers.get(slot)
    return maker is not None and maker.op.family.name in ("shaping", "indexing")


def _is_meant(
    column: int,
    makers: Mapping[int, Instruction],
    constants: Container[int],
    shape_of: ShapeOf,
    on_purpose: Collection[int],
) -> bool:
    """Whether the column was made of rows on purpose, as in x[:, None] - x; steps that compute with it and
    with constants alone change nothing about that.
    """
    shape = shape_of(column)
    while (step := makers.get(column)) is not None:
        if step.op.family.name in ("shaping", "indexing"):
            return shape_of(step.inputs[0]) == shape[:1]
        sources = [slot for slot in step.inputs if slot not in constants]
        if step.op.family.name != "elementwise" or len(sources) != 1 or shape_of(sources[0]) != shape:
            return False
        [column] = sources
    return column in on_purpose


def _is_summed(steps: Sequence[Instruction], shape_of: ShapeOf) -> bool:
    """Whether all of what the first step makes is added up, and nothing else of its shape meets it before."""
    outputs = set(steps[0].outputs)
    for step in steps[1:]:
        met = outputs.intersection(step.inputs)
        if not met:
            continue
        if step.op.family.name == "reduction":
            return prod(shape_of(step.outputs[0])) == 1
        others = [prod(shape_of(slot)) for slot in step.inputs if slot not in outputs]
        if step.op.family.name != "elementwise" or any(size > 1 for size in others):
            return False
        outputs.update(step.outputs)
    return False
