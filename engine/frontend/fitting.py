"""Which change of an operand would make shapes fit: tried on a tape of its own before it is proposed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from engine.dtypes import TensorType
from engine.errors import EngineError, Source
from engine.frontend.graph import Graph, Node
from engine.ir.table import F
from engine.ir.tape import Tape, Variable

_PRODUCTS: Final = frozenset({"matmul", "dot"})
_MOST: Final = 2
_DEEPEST: Final = 4  # sums and signs between a product and where it does not fit
_LONGEST: Final = 60  # characters of a product that is written anew

#: How an operand may be turned: its rank, how that is written, and the change itself.
_TURNS: Final[tuple[tuple[int, str, Callable[[Variable], Any]], ...]] = (
    (2, ".T", lambda x: F.permute_dims(x, axes=(1, 0))),
    (1, "[:, None]", lambda x: F.reshape(x, shape=(x.shape[0], 1))),
)


def proposals(node: Node, graph: Graph, types: Sequence[TensorType]) -> str | None:
    """What could be written for an operand of a node of two whose shapes do not fit; None if nothing fits."""
    elementwise = node.op.family.name == "elementwise"
    if len(types) != 2 or not (elementwise or node.op.name in _PRODUCTS):
        return None
    product = _product(node, graph, types)
    fits = [*([product] if product else []), *_fitting(node, graph, types)][:_MOST]
    return "; or ".join(fits) or None


def _product(node: Node, graph: Graph, types: Sequence[TensorType]) -> str | None:
    """`X @ w` for an X * w of shape (m, n) that meets a vector of m elements."""
    ranks = [len(type.shape) for type in types]
    if sorted(ranks) != [1, 2] or node.op.family.name != "elementwise":
        return None
    matrix = ranks.index(2)
    if types[matrix].shape[0] != types[1 - matrix].shape[0]:
        return None
    operand = node.inputs[matrix]
    for _ in range(_DEEPEST):
        maker = graph.names.get(operand) if isinstance(operand, str) else None
        if maker is None:
            return None
        if maker.op.name == "multiply" and isinstance(maker.source, Source):
            left, right = (_written(one, graph) for one in maker.inputs)
            text = maker.source.text
            if left is None or right is None or len(text) > _LONGEST:
                return None
            return f"write `{left} @ {right}` instead of `{text}`, if each row is to come to one number"
        if maker.op.name not in ("add", "subtract", "negative", "identity") or not maker.inputs:
            return None
        operand = next((one for one in maker.inputs if isinstance(one, str)), "")
    return None


def _fitting(node: Node, graph: Graph, types: Sequence[TensorType]) -> Iterator[str]:
    rank = max(len(type.shape) for type in types)
    for place, type in enumerate(types):
        name = _written(node.inputs[place], graph)
        for needed, suffix, turn in _TURNS:
            if name is None or len(type.shape) != needed:
                continue
            shape = _shape_of(node, types, place, turn)
            if shape is not None and len(shape) <= rank:
                yield f"with `{name}{suffix}` for `{name}` the shape is {shape}"


def _shape_of(
    node: Node, types: Sequence[TensorType], place: int, turn: Callable[[Variable], Any]
) -> tuple[int, ...] | None:
    tape = Tape()
    operands = [tape.input(f"x{k}", type) for k, type in enumerate(types)]
    try:
        operands[place] = turn(operands[place])
        answer = tape.apply(node.op, operands, node.attributes)
    except EngineError:
        return None
    return answer.shape if isinstance(answer, Variable) else None


def _written(operand: str | bool | int | float, graph: Graph) -> str | None:
    """How an operand is written in the program: by its name, or as the expression that it is."""
    if not isinstance(operand, str):
        return None
    operation = graph.names.get(operand)
    if (
        operation is None
        or not isinstance(operation.source, Source)
        or not operand.startswith(f"{operation.op.name}_")
    ):
        return operand
    text = operation.source.text
    return None if len(text) > 40 else text if text.isidentifier() or text.endswith(")") else f"({text})"
