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

#: Ops that compare two tensors element by element, which no reduction has to follow.
_COMPARISONS = frozenset({"subtract", "squared_difference", "sigmoid_cross_entropy"})
#: Ops whose mean over all pairs is what it is over the elements, each by itself.
_ADDITIVE = frozenset({"add", "subtract"})
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
    """A warning for each step of `path` in which rows meet a column: in comparisons, and in any other op on
    elements whose result is reduced. `path` is some of the steps of `graph`, in forward order; `fix_of` is
    what to write instead of a step, `on_purpose` are inputs that were made columns before they came in.
    """
    makers: dict[int, Instruction] | None = None
    met_before: set[int] = set()
    meetings: list[tuple[int, int, int]] = []
    path = _with_factors(path, graph, shape_of)
    for place, step in enumerate(path):
        met = _meet(step, shape_of)
        if met is None:
            if not met_before.isdisjoint(step.inputs) and step.op.family.name == "elementwise":
                met_before.update(step.outputs)
            continue
        rows, column = met
        if makers is None:
            makers = {slot: one for one in graph.steps for slot in one.outputs}
        if _is_meant(column, makers, graph.tape.constants, shape_of, on_purpose):
            continue
        met_before.update(step.outputs)
        meetings.append((place, rows, column))
    for place, rows, column in meetings:
        step = path[place]
        if step.op.name not in _COMPARISONS and not _is_reduced(path[place:], shape_of, met_before):
            continue
        node, n = step.origin.node, shape_of(rows)[0]
        pair = step.inputs if len(step.inputs) == 2 else (rows, column)
        words = {"first": str(shape_of(pair[0])), "second": str(shape_of(pair[1]))}
        words |= {"result": str((n, n)), "op": step.origin.op or step.op.name, "node": str(node)}
        yield Caveat("broadcast", node, "broadcast", words, fix_of(step))


def _with_factors(path: Sequence[Instruction], graph: Graphing, shape_of: ShapeOf) -> Sequence[Instruction]:
    """The steps of a path, and those that make factors of it from data, as y * x in y * x * w."""
    on_path = {id(step) for step in path}
    data = [step for step in graph.steps if id(step) not in on_path and _meet(step, shape_of) is not None]
    if not data:
        return path
    read = {slot for step in path if step.op.name not in _ADDITIVE for slot in step.inputs}
    for step in reversed(graph.steps):
        if step.op.family.name == "elementwise" and not read.isdisjoint(step.outputs):
            read.update(step.inputs)
    relevant = {id(step) for step in data if not read.isdisjoint(step.outputs)} | on_path
    return [step for step in graph.steps if id(step) in relevant] if len(relevant) > len(on_path) else path


def _meet(step: Instruction, shape_of: ShapeOf) -> tuple[int, int] | None:
    """The slots of the rows and of the column, if rows (n,) meet a column (n, 1) of as many elements in a
    step, and nothing that is (n, n) already.
    """
    if step.op.family.name != "elementwise" or len(step.inputs) < 2:
        return None
    rows = column = None
    for slot in step.inputs:
        shape = shape_of(slot)
        if len(shape) == 1 and shape[0] > 1:
            rows = slot
        elif len(shape) == 2 and shape[1] == 1 and shape[0] > 1:
            column = slot
        elif prod(shape) != 1:
            return None
    if rows is None or column is None or shape_of(column) != (*shape_of(rows), 1):
        return None
    return rows, column


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


def _is_reduced(steps: Sequence[Instruction], shape_of: ShapeOf, squares: Container[int]) -> bool:
    """Whether all of what the first step makes comes to one number, and meets nothing on the way that is a
    matrix of its own: `squares` were made by such meetings. The mean of a sum is that of its terms.
    """
    results, linear = set(steps[0].outputs), steps[0].op.name in _ADDITIVE
    for step in steps[1:]:
        met = results.intersection(step.inputs)
        if not met:
            continue
        if step.op.family.name == "reduction":
            if prod(shape_of(step.outputs[0])) == 1:
                return not (linear and step.op.name == "mean")
        elif step.op.family.name != "elementwise" or any(
            _is_matrix(shape_of(slot)) and slot not in results and slot not in squares for slot in step.inputs
        ):
            return False
        linear = linear and step.op.name in (*_ADDITIVE, "mean", "negative")
        results.update(step.outputs)
    return False


def _is_matrix(shape: Shape) -> bool:
    return len(shape) > 1 and prod(shape) > max(shape)
