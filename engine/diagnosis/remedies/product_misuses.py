"""Products that the shapes betray: X * w for X @ w, and v.T of a vector, which is v.

A product element by element is what is written; that a vector of data meets it along the other axis, or that
a vector was transposed to make a matrix, tells that another one is meant.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Sequence

from engine.diagnosis.evidence.structure import Graphing
from engine.diagnosis.remedies.prescription import Prescriber
from engine.diagnosis.texts.caveat import LIKELY_MISTAKE, Caveat
from engine.diagnosis.texts.fix import Fix, write
from engine.diagnosis.texts.source_text import bracket
from engine.ir.tape import Instruction

#: The ops that these mistakes are about.
OPS_OF_PRODUCTS = frozenset({"multiply", "permute_dims"})
#: Ops that compare a prediction with data, element by element.
_COMPARES = frozenset({"subtract", "squared_difference"})
_SIGNS = {"multiply": "*", "add": "+", "subtract": "-", "divide": "/"}
_TRANSPOSES = frozenset({"permute_dims", "matrix_transpose", "swapaxes"})


def misuses_of_products(
    prescriber: Prescriber, steps: Sequence[Instruction], sources: Collection[int]
) -> Iterator[Caveat]:
    """What is likely wrong with the products at some of the steps; `sources` are what is learned."""
    learned: set[int] | None = None
    for step in steps:
        if step.op.name in _SIGNS:
            yield from _flat_transpose(prescriber, step)
        if step.op.name == "multiply":
            met = _matrix_by_vector(prescriber, step)
            if met is None:
                continue
            if learned is None:
                learned = {*sources}
                for source in sources:
                    graph = prescriber.expressions.graph
                    learned.update(slot for later in graph.downstream(source) for slot in later.outputs)
            yield from _unreduced(prescriber, step, *met, learned)


# -- a vector transposed -----------------------------------------------------------------------------------


def _flat_transpose(prescriber: Prescriber, step: Instruction) -> Iterator[Caveat]:
    """V * v.T and x - x.T of vectors, which stay vectors."""
    turned = [_is_turned(prescriber, slot) for slot in step.inputs]
    if not any(turned) or _is_summed(prescriber, step, turned):
        return
    types = [prescriber.type(slot) for slot in step.inputs]
    texts = [_bare(prescriber.expressions.operand(step, place)) for place in (0, 1)]
    vector = texts[turned.index(True)]
    if max(type.ndim for type in types) == 2:
        by = " @ ".join(map(bracket, texts))
    elif types[0].shape != types[1].shape or types[0].size < 2:
        return
    elif step.op.name == "multiply":
        by = (
            f"outer({texts[0]}, {texts[1]})"
            if not turned[0]
            else f"{bracket(texts[0])} @ {bracket(texts[1])}"
        )
    else:
        first, second = map(bracket, texts)
        column, sign = "[:, None]", _SIGNS[step.op.name]
        by = f"{first}{column} {sign} {second}" if not turned[0] else f"{first} {sign} {second}{column}"
    words = {"op": step.op.name, "node": str(step.origin.node), "vector": vector}
    fix = write(by, prescriber.expressions.node(step), "a vector has one axis, and no transpose")
    yield Caveat(LIKELY_MISTAKE, step.origin.node, "flat_transpose", words, fix)


def _is_turned(prescriber: Prescriber, slot: int) -> bool:
    step = prescriber.expressions.graph.makers.get(slot)
    return step is not None and step.op.name in _TRANSPOSES and prescriber.type(slot).ndim == 1


def _is_summed(prescriber: Prescriber, step: Instruction, turned: Sequence[bool]) -> bool:
    """Whether a product of vectors is summed at once, as sum(v.T * w), which is their inner product."""
    graph = prescriber.expressions.graph
    read = [graph.steps[place] for place in graph.readers.get(step.outputs[0], ())]
    flat = all(prescriber.type(slot).ndim < 2 for slot in step.inputs)
    return step.op.name == "multiply" and flat and bool(read) and all(one.op.name == "sum" for one in read)


def _bare(text: str) -> str:
    """A text without the transposition around it."""
    try:
        node = ast.parse(text, mode="eval").body
    except SyntaxError:
        return text
    if isinstance(node, ast.Attribute) and node.attr in ("T", "mT"):
        return ast.unparse(node.value)
    if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in (
        "transpose",
        "matrix_transpose",
        "t",
    ):
        inner = node.func.value if isinstance(node.func, ast.Attribute) else node.args[0]
        return ast.unparse(inner)
    return text


# -- a product that is not summed --------------------------------------------------------------------------


def _matrix_by_vector(prescriber: Prescriber, step: Instruction) -> tuple[int, int] | None:
    """The places of a square matrix and of a vector in a product of both."""
    ranks = [prescriber.type(slot).ndim for slot in step.inputs]
    if sorted(ranks) != [1, 2]:
        return None
    matrix, vector = ranks.index(2), ranks.index(1)
    shape = prescriber.type(step.inputs[matrix]).shape
    square = shape[0] == shape[1] > 1 and prescriber.type(step.inputs[vector]).shape == shape[:1]
    return (matrix, vector) if square else None


def _unreduced(
    prescriber: Prescriber, step: Instruction, matrix: int, vector: int, learned: Collection[int]
) -> Iterator[Caveat]:
    """X * w of a square matrix that meets a vector of data, one number a row, along its columns."""
    graph = prescriber.expressions.graph
    if step.inputs[vector] not in learned or _is_elementwise(prescriber, step.inputs[matrix]):
        return
    meeting = _meeting(graph, prescriber, step, learned)
    if meeting is None:
        return
    compared, data, summed = meeting
    texts = [prescriber.expressions.operand(step, place) for place in (matrix, vector)]
    n = str(prescriber.type(step.inputs[vector]).size)
    words = {"node": str(compared.origin.node), "n": n, "product": prescriber.expressions.node(step)}
    words |= {"data": prescriber.expressions.text(data), "op": compared.origin.op or compared.op.name}
    if summed is None:
        product = " @ ".join(map(bracket, texts))
        fix = write(product, prescriber.expressions.node(step), "each row comes to one number then")
        yield Caveat(LIKELY_MISTAKE, compared.origin.node, "unreduced_product", words, fix)
    elif summed.attributes.get("axis") in (0, (0,)):
        words["sum"] = prescriber.expressions.node(summed)
        fix = _along_rows(prescriber, summed, texts)
        yield Caveat(LIKELY_MISTAKE, summed.origin.node, "summed_along_columns", words, fix)


def _along_rows(prescriber: Prescriber, summed: Instruction, texts: Sequence[str]) -> Fix:
    product = " @ ".join(map(bracket, texts))
    return write(product, prescriber.expressions.node(summed), "each row comes to one number then")


def _is_elementwise(prescriber: Prescriber, slot: int) -> bool:
    """Whether a matrix was computed from a difference or a quotient with rows, as what is standardised is."""
    step = prescriber.expressions.maker(slot)
    return step is not None and step.op.name in ("subtract", "divide")


def _meeting(
    graph: Graphing, prescriber: Prescriber, step: Instruction, learned: Collection[int]
) -> tuple[Instruction, int, Instruction | None] | None:
    """The step that compares a product, or its sum along an axis, with a vector of data, and what is summed;
    all of the comparison has to come to one number.
    """
    behind, summed = set(step.outputs), None
    n = prescriber.type(step.outputs[0]).shape[0]
    for later in graph.downstream(step.outputs[0]):
        if behind.isdisjoint(later.inputs):
            continue
        if later.op.name in _COMPARES:
            others = [slot for slot in later.inputs if slot not in behind]
            data = [slot for slot in others if slot not in learned and slot in graph.tape.inputs.values()]
            if len(data) == 1 and prescriber.type(data[0]).shape == (n,):
                return (later, data[0], summed) if _ends_in_one(graph, prescriber, later) else None
        if later.op.family.name == "reduction":
            if summed is not None or prescriber.type(later.outputs[0]).shape != (n,):
                return None
            summed = later
        elif later.op.family.name != "elementwise":
            return None
        behind.update(later.outputs)
    return None


def _ends_in_one(graph: Graphing, prescriber: Prescriber, step: Instruction) -> bool:
    """Whether a comparison is squared, or taken by its size, and comes to one number."""
    results, squared = set(step.outputs), step.op.name == "squared_difference"
    for later in graph.downstream(step.outputs[0]):
        if results.isdisjoint(later.inputs):
            continue
        squared = squared or later.op.name in ("pow", "square", "abs", "multiply", "matmul", "huber")
        if prescriber.type(later.outputs[0]).size == 1:
            return squared or later.op.name in ("norm", "power_norm")
        results.update(later.outputs)
    return False
