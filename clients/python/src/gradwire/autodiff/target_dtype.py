"""A target that is no real floating number: what to differentiate in its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gradwire._client.pasting import made_as
from gradwire._client.session import locate
from gradwire._locations import Place
from gradwire._tracing.caller import expression_at
from gradwire._tracing.node import Leaf, Lowered, Op
from gradwire._tracing.texts import operand_at, records
from gradwire.errors import InvalidTarget

_COMPARED = {"greater", "greater_equal", "less", "less_equal", "equal", "not_equal"}


@contextmanager
def told_of_dtype(lowered: Lowered, names: Any) -> Iterator[None]:
    """Inside, a target that is no floating number is told with the form that has a slope."""
    try:
        yield
    except InvalidTarget as error:
        kind = re.search(r" is (int|uint|bool|complex)\d*;", error.detail)
        hint = None
        if kind is not None and kind[1] == "complex":
            hint = _of_complex(lowered, names, error.node)
        elif kind is not None:
            hint = _hint(lowered, names, error.node)
        if hint is not None:
            error.problem["hint"] = hint
        raise


def _hint(lowered: Lowered, names: Any, node: str | None) -> str | None:
    """What to write, by the op behind the target that has no slope."""
    location = None if node is None else locate(node, lowered, names)
    for _ in range(8):
        if location is None:
            return None
        whole, node_names, position = location
        item = whole.items[position]
        culprit = item.node
        if isinstance(culprit, Leaf):
            name = (
                culprit.name
                if culprit.owner is not None and culprit.name != "Variable"
                else made_as(culprit.place)
            )
            maker = "gw.Variable" if culprit.owner is not None else "gw.constant"
            return (
                f"'{name or 'a value'}' holds {culprit.value.dtype}, which has no gradient: make it a "
                f"floating one, {maker}(value, dtype='float64')"
            )
        if not isinstance(culprit, Op):
            return None
        expression = expression_at(culprit.place)
        module = expression.source.alias("gradwire") if expression else "gradwire"
        first = operand_at(culprit.place, item.op, 0, len(item.inputs))
        x = first.text if first else "x"
        if item.op in ("argmax", "argmin"):
            best = "max" if item.op == "argmax" else "min"
            return (
                f"the index of the {'largest' if best == 'max' else 'smallest'} element has no slope: return "
                f"that element itself, {module}.{best}({x}); to train a classifier, take a loss of the "
                f"scores, such as {module}.sparse_categorical_crossentropy(labels, scores, from_logits=True)"
            )
        if item.op in _COMPARED:
            second = operand_at(culprit.place, item.op, 1, 2)
            y = second.text if second else "y"
            a, b = (x, y) if item.op.startswith("greater") else (y, x)
            return (
                f"a comparison has no slope: take a soft one, {module}.sigmoid(10 * ({a} - {b})), or a loss "
                "of the values themselves"
            )
        if item.op == "astype":
            return f"a conversion to whole numbers has no slope: leave it out, and compute with {x} itself"
        operand = next((one for one in item.inputs if isinstance(one, tuple)), None)
        if operand is None:
            return None
        location = whole, node_names, operand[0]
    return None


def _of_complex(lowered: Lowered, names: Any, node: str | None) -> str | None:
    """The real numbers that may be meant by a complex target, in the user's text."""
    location = None if node is None else locate(node, lowered, names)
    if location is None:
        return None
    item = location[0].items[location[2]]
    expression = expression_at(item.node.place)
    if expression is None or not records(expression.node, item.op or ""):
        return None
    module, whole = expression.source.alias("gradwire"), expression.text
    squared = _square(location[0], location[2])
    if squared is not None:
        base, text, place = squared
        where = f" at {place.file}:{place.line}" if place is not None else ""
        return (
            f"a sum of squares of complex numbers is complex, and no distance: take the squares of the "
            f"magnitudes, {module}.abs({base}) ** 2 for {text}{where}. The real or imaginary part, or the "
            "magnitude of the sum, is another function, which has no minimum or another one"
        )
    if _holds(location[0], location[2], "conj"):
        return (
            f"return a real number: {module}.real({whole}); if it is a product of z with its conjugate, or "
            "with a Hermitian matrix between them, the imaginary part is 0"
        )
    return (
        f"return a real number: {module}.real({whole}), {module}.imag({whole}) or {module}.abs({whole}); "
        f"for all derivatives of a complex function {module}.jacobian(f)"
    )


_TO_SQUARES = frozenset({"sum", "mean", "add", "subtract", "negative", "divide", "multiply", "reshape"})


def _square(whole: Lowered, position: int) -> tuple[str, str, Place | None] | None:
    """The base, the text and the place of the square behind a target that is the sum of squares."""
    for at in _behind(whole, position, _TO_SQUARES):
        item = whole.items[at]
        place = item.node.place
        base = operand_at(place, item.op, 0, len(item.inputs))
        expression = expression_at(place)
        if base is None or expression is None:
            continue
        if item.op == "pow" and item.inputs[1] == 2:
            return base.text, expression.text, place
        if item.op == "square":
            return base.text, expression.text, place
        second = operand_at(place, item.op, 1, 2) if item.op == "multiply" else None
        if second is not None and second.text == base.text:
            return base.text, expression.text, place
    return None


def _holds(whole: Lowered, position: int, op: str) -> bool:
    return any(whole.items[at].op == op for at in _behind(whole, position, None))


def _behind(whole: Lowered, position: int, through: frozenset[str] | None) -> Iterator[int]:
    """The positions of the ops behind a target, the nearest first; only behind those of `through`."""
    ahead, visited = [position], {position}
    while ahead:
        at = ahead.pop(0)
        item = whole.items[at]
        if item.op is None:
            continue
        yield at
        if through is not None and item.op not in through:
            continue
        for operand in item.inputs:
            if isinstance(operand, tuple) and operand[0] not in visited:
                visited.add(operand[0])
                ahead.append(operand[0])
