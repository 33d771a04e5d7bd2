"""A complex target: the square that was meant as that of a magnitude."""

from __future__ import annotations

from collections.abc import Mapping

from engine import dtypes
from engine.diagnosis.evidence.structure import Graphing
from engine.diagnosis.texts.source_text import Expressions, bracket
from engine.errors import Source
from engine.ir.tape import Instruction


def real_square(graph: Graphing, names: Mapping[int, str], target: int) -> str | None:
    """What to write so that a target is real, if it is complex because something complex was squared."""
    expressions, toward = Expressions(graph, names), graph.toward(target, "any")
    for step in graph.steps:
        if not _is_square(graph, step) or step.outputs[0] not in toward:
            continue
        if not dtypes.is_complex(graph.tape.types[step.inputs[0]].dtype):
            continue
        x, node, source = expressions.text(step.inputs[0]), expressions.node(step), step.origin.source
        line = f" in line {source.line}" if isinstance(source, Source) else ""
        return (
            f"write `abs({x}) ** 2` instead of `{node}`{line}: {x} is complex, as its square is; the square "
            f"of its magnitude is real, as is real(conj({x}) * {bracket(x)})"
        )
    return None


def _is_square(graph: Graphing, step: Instruction) -> bool:
    if step.op.name == "pow":
        exponent = graph.tape.constants.get(step.inputs[1])
        return exponent is not None and exponent.size == 1 and complex(exponent.item()) == 2
    return step.op.name == "square" or (step.op.name == "multiply" and step.inputs[0] == step.inputs[1])
