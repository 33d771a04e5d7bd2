"""A target that is no real floating number: what to differentiate in its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gradwire._client.pasting import made_as
from gradwire._client.session import locate
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
    return (
        f"return a real number: {module}.real({whole}), {module}.imag({whole}) or {module}.abs({whole}); "
        f"for all derivatives of a complex function {module}.jacobian(f)"
    )
