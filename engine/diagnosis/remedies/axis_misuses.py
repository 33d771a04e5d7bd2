"""Axes that are valid and seldom meant: rows that meet columns, a lone index, a softmax across labels."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any

from engine.diagnosis.remedies.calls import call_of
from engine.diagnosis.remedies.prescription import Prescriber
from engine.diagnosis.texts.caveat import LIKELY_MISTAKE, Caveat
from engine.diagnosis.texts.fix import Fix, say, write
from engine.diagnosis.texts.source_text import bracket
from engine.ir.tape import Instruction

#: The ops that these mistakes are about.
OPS_OF_AXES = frozenset({"sum", "mean", "max", "min", "std", "var", "power_norm", "norm"})
_DEEPEST = 4  # steps between a matrix and what is computed from it element by element


def misuses_of_axes(prescriber: Prescriber, steps: Sequence[Instruction]) -> Iterator[Caveat]:
    """What is likely wrong with the axes at some of the steps."""
    yield from _rows_meet_columns(prescriber, steps)
    yield from _lone_indices(prescriber, steps)
    yield from _crossed_softmax(prescriber, steps)
    yield from _whole_rows(prescriber, steps)


def _rows_meet_columns(prescriber: Prescriber, steps: Sequence[Instruction]) -> Iterator[Caveat]:
    """A square matrix that meets the sums of its own rows, which broadcast along the other axis."""
    rows: dict[int, Instruction] = {}
    reshaped: set[int] = set()
    for step in steps:
        shape = prescriber.type(step.inputs[0]).shape if step.inputs else ()
        if step.op.family.name == "reduction":
            along = step.attributes.get("axis") in (1, (1,)) and not step.attributes.get("keepdims")
            if along and len(shape) == 2 and shape[0] == shape[1] > 1:
                rows[step.outputs[0]] = step
        elif step.op.family.name in ("shaping", "indexing"):
            reshaped.add(step.inputs[0])
    if not rows:
        return
    for step in steps:
        if step.op.name not in ("divide", "subtract"):
            continue
        matrix, other = step.inputs
        behind = _chain(prescriber, other)
        row = next((rows[slot] for slot in behind if slot in rows), None)
        if row is None or not reshaped.isdisjoint(behind) or prescriber.type(matrix).ndim != 2:
            continue
        if not {*_chain(prescriber, row.inputs[0])} & {*_chain(prescriber, matrix)}:
            continue
        words = {
            "op": step.origin.op or step.op.name,
            "node": str(step.origin.node),
            "rows": prescriber.expressions.node(row),
            "n": str(prescriber.type(matrix).shape[0]),
        }
        fix = _with_keyword(row, prescriber, "keepdims", True, "each row meets its own number then")
        yield Caveat(LIKELY_MISTAKE, step.origin.node, "rows_meet_columns", words, fix)


def _chain(prescriber: Prescriber, slot: int) -> list[int]:
    """A slot and what it was computed from element by element, with constants or with rows of its own."""
    chain, shape = [slot], prescriber.type(slot).shape
    constants = prescriber.expressions.graph.tape.constants
    for _ in range(_DEEPEST):
        step = prescriber.expressions.graph.makers.get(chain[-1])
        if step is None or step.op.family.name != "elementwise":
            break
        sources = [s for s in step.inputs if s not in constants and prescriber.type(s).shape == shape]
        if not sources or (step.op.name not in ("subtract", "divide") and len({*sources}) > 1):
            break
        chain.append(sources[0])
    return chain


def _with_keyword(step: Instruction, prescriber: Prescriber, name: str, value: Any, why: str) -> Fix:
    """The call of a step with a keyword argument set anew."""
    call = call_of(step)
    if call is None:
        return say(f"Give '{step.origin.node}' {name}={value!r}: {why}")
    call.keywords = [word for word in call.keywords if word.arg != name]
    call.keywords.append(ast.keyword(name, ast.Constant(value)))
    return write(ast.unparse(call), prescriber.expressions.node(step), why)


def _lone_indices(prescriber: Prescriber, steps: Sequence[Instruction]) -> Iterator[Caveat]:
    """An index of one operand of an einsum alone that the output leaves out, while no product is summed."""
    nodes: set[str | None] = set()
    for step in steps:
        if step.origin.op != "einsum" or step.origin.node in nodes:
            continue
        nodes.add(step.origin.node)
        call = call_of(step)
        if call is None or not call.args or not isinstance(call.args[0], ast.Constant):
            continue
        written = str(call.args[0].value)
        better = _paired(written.replace(" ", ""))
        if better is None:
            continue
        lone, operand, new = better
        call.args[0] = ast.Constant(new)
        words = {"node": str(step.origin.node), "index": lone, "operand": operand, "written": written}
        fix = write(ast.unparse(call), prescriber.expressions.node(step), "each row meets each row then")
        yield Caveat(LIKELY_MISTAKE, step.origin.node, "lone_index", words, fix)


def _paired(subscripts: str) -> tuple[str, str, str] | None:
    """The index that is summed in one operand alone, that operand, and the subscripts of a product of both.

    >>> _paired("qd,kd->qd")
    ('k', 'kd', 'qd,kd->qk')
    >>> _paired("qd,kd->qk")
    """
    terms, arrow, out = subscripts.partition("->")
    operands = terms.split(",")
    if not arrow or len(operands) != 2 or "." in subscripts or len(operands[0]) != len(operands[1]):
        return None
    a, b = operands if out == operands[0] else reversed(operands)
    lone = [letter for letter in b if letter not in a]
    shared = [letter for letter in b if letter in a]
    if out != a or len(lone) != 1 or not shared or len(set(a)) != len(a) or len(set(b)) != len(b):
        return None
    new = out.replace(shared[-1], lone[0])
    return lone[0], b, f"{terms}->{new}"


def _crossed_softmax(prescriber: Prescriber, steps: Sequence[Instruction]) -> Iterator[Caveat]:
    """A cross-entropy whose softmax runs along axis 0 of a matrix, and whose labels pick along axis 1."""
    maker, constants = prescriber.expressions.maker, prescriber.expressions.graph.makers
    logged = {step.inputs[0] for step in steps if step.op.name in ("log", "log2", "log10")}
    for step in steps:
        along = step.op.name in ("sum", "mean") and step.attributes.get("axis") in (1, (1,))
        product = maker(step.inputs[0]) if along else None
        if product is None or product.op.name != "multiply":
            continue
        for one, labels in (product.inputs, tuple(reversed(product.inputs))):
            inner = maker(one)
            if inner is not None and inner.op.name == "log":
                is_logarithm, inner = True, maker(inner.inputs[0])
            else:
                is_logarithm = inner is not None and inner.op.name == "log_softmax"
            if inner is None or inner.op.name not in ("softmax", "log_softmax"):
                continue
            shape = prescriber.type(one).shape
            is_logarithm = is_logarithm or step.outputs[0] in logged
            if not is_logarithm or len(shape) != 2 or prescriber.type(labels).shape != shape:
                continue
            if inner.attributes.get("axis") not in (0, (0,)) or min(shape) < 2 or labels in constants:
                continue
            words = {"op": inner.op.name, "node": str(inner.origin.node)}
            words["sum"] = prescriber.expressions.node(step)
            fix = _with_keyword(inner, prescriber, "axis", -1, "the classes of a row lie along its last axis")
            yield Caveat(LIKELY_MISTAKE, inner.origin.node, "crossed_softmax", words, fix)


def _whole_rows(prescriber: Prescriber, steps: Sequence[Instruction]) -> Iterator[Caveat]:
    """The mean or the sum of log_softmax(z)[labels], which takes whole rows by the labels."""
    for step in steps:
        maker = prescriber.expressions.maker(step.inputs[0]) if step.inputs else None
        while maker is not None and maker.op.name == "negative":
            maker = prescriber.expressions.maker(maker.inputs[0])
        whole = step.op.name in ("sum", "mean") and prescriber.type(step.outputs[0]).size == 1
        if not whole or maker is None or maker.op.name != "getitem" or len(maker.inputs) != 2:
            continue
        labels, shape = maker.inputs[1], prescriber.type(maker.inputs[0]).shape
        one_for_each_row = len(shape) == 2 and prescriber.type(labels).shape == shape[:1] and shape[0] > 1
        before = prescriber.expressions.maker(maker.inputs[0])
        if before is not None and before.op.name == "log":
            before = prescriber.expressions.maker(before.inputs[0])
        if not one_for_each_row or before is None or before.op.name not in ("softmax", "log_softmax"):
            continue
        if prescriber.type(maker.outputs[0]).ndim != 2 or before.attributes.get("axis") not in (1, (1,)):
            continue
        x, text = prescriber.expressions.text(maker.inputs[0]), prescriber.expressions.text(labels)
        fix = write(
            f"{bracket(x)}[arange({shape[0]}), {text}]",
            prescriber.expressions.node(maker),
            "each row gives the element of its label",
        )
        words = {"node": str(maker.origin.node), "x": x, "labels": text}
        yield Caveat(LIKELY_MISTAKE, maker.origin.node, "whole_rows", words, fix)
