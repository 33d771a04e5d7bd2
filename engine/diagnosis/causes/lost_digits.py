"""Differences of numbers that are nearly the same, whose digits are lost: found by the values of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from engine.arrays.types import Array
from engine.diagnosis.evidence.structure import Graphing
from engine.diagnosis.remedies.cancelling import CANCELLING, Cancelling
from engine.diagnosis.remedies.forms import Form
from engine.diagnosis.texts.caveat import Caveat
from engine.diagnosis.texts.fix import write
from engine.diagnosis.texts.source_text import Expressions
from engine.ir.tape import Instruction

#: Ops at which a row of the table begins.
OPS_OF_DIFFERENCES = frozenset(pattern.op for row in CANCELLING for pattern in row.patterns)
#: Ops one of which stands behind each difference of the table.
OPS_BEHIND = frozenset({"mean", "sum", "erf", "ndtr", "sigmoid", "tanh", "exp", "cos", "cosh", "log", "sqrt"})
_LOGARITHMS = frozenset({"log", "log2", "log10", "log1p"})
_SCALES = frozenset({"multiply", "divide", "negative", "pow", "sqrt", "where", "abs", "astype"})
_LARGEST = 1 << 20  # elements beyond which digits are not looked at
Told = Callable[[Array], Caveat | None]


def differences(
    expressions: Expressions, steps: Sequence[Instruction]
) -> Iterator[tuple[tuple[int, ...], Told]]:
    """The slots to look at, with what its value tells."""
    matcher, types = expressions.matcher, expressions.graph.tape.types
    covered: set[int] = set()
    for step in reversed(steps):
        if step.op.name not in OPS_OF_DIFFERENCES or id(step) in covered:
            continue
        guises = list(matcher.guises(step))
        for row in CANCELLING:
            match = next(iter(matcher.matches(row.patterns[0], step, guises)), None)
            if match is None:
                continue
            bound, steps_of_row = match
            x = bound["x"]
            fits = (
                isinstance(x, int) and types[x].dtype in ("float32", "float64") and types[x].size <= _LARGEST
            )
            if fits and (not row.relative or _needs_digits(expressions.graph, step, x)):
                covered.update(map(id, steps_of_row))
                yield (x,), _told(expressions, step, row, bound)
            break


def _needs_digits(graph: Graphing, step: Instruction, x: int) -> bool:
    """Whether a logarithm is taken of what a step makes, or something divided by it, or it by what x has a
    part in or is computed from, as in (1 - cos(x)) / x ** 2.
    """
    results = set(step.outputs)
    for later in graph.downstream(step.outputs[0]):
        if later.op.name in _LOGARITHMS and later.inputs[0] in results:
            return True
        if later.op.name == "divide" and later.inputs[1] in results:
            return True
        if (
            later.op.name == "divide"
            and later.inputs[0] in results
            and _are_related(graph, later.inputs[1], x)
        ):
            return True
        if later.op.name in _SCALES and not results.isdisjoint(later.inputs):
            results.update(later.outputs)
    return False


def _are_related(graph: Graphing, slot: int, x: int) -> bool:
    """Whether two slots are computed from the same input."""
    inputs = {*graph.tape.inputs.values()}

    def leaves(start: int) -> set[int]:
        ahead, visited = [start], {start}
        while ahead:
            step = graph.makers.get(ahead.pop())
            for one in () if step is None else step.inputs:
                if one not in visited:
                    visited.add(one)
                    ahead.append(one)
        return visited & inputs

    return not leaves(slot).isdisjoint(leaves(x))


def _told(expressions: Expressions, step: Instruction, row: Cancelling, bound: dict[str, Any]) -> Told:
    def tell(value: Array) -> Caveat | None:
        if not row.is_lost(value, bound.get("A")):
            return None
        slots = {letter: slot for letter, slot in bound.items() if letter.islower() and isinstance(slot, int)}
        words = {"A": _axes(bound.get("A"), value.ndim), "K": "True" if bound.get("K") else ""}
        old, new = expressions.node(step), Form(row.form, slots, words).render(expressions)
        node = step.origin.node
        arguments = {"op": step.origin.op or step.op.name, "node": str(node), "text": old}
        return Caveat(
            "likely_mistake", node, "lost_digits", arguments, write(new, old, "it keeps its digits")
        )

    return tell


def _axes(axes: Any, ndim: int) -> str:
    """Axes as they are written, nothing for all of them."""
    if axes is None or tuple(axes if isinstance(axes, Sequence) else (axes,)) == tuple(range(ndim)):
        return ""
    return repr(axes[0] if isinstance(axes, Sequence) and len(axes) == 1 else axes)
