"""Arguments of ops that take any number of arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gradwire._tracing.tracer import explicit


def arguments(
    args: Sequence[Any], attributes: Mapping[str, Any], order: Sequence[str], joins: str = ""
) -> tuple[Sequence[Any], dict[str, Any]]:
    """The arrays and the attributes: `f(a, b, axis=1)`, `f([a, b], axis=1)` and `f([a, b], 1)` are one.

    Lists one after the other are arrays too: `f([1.0], [2.0])`. Raises TypeError if more positional
    attributes are given than there are, or if one tensor alone is given to an op that `joins` a list: NumPy
    would take it for the list of its rows.
    """
    if joins and len(args) == 1 and not isinstance(args[0], list | tuple):
        raise TypeError(
            f"{joins} joins a list of tensors, got one {type(args[0]).__name__}; write {joins}([x]) for a "
            "list of one. NumPy would join the rows of x, which stand together in x already: reshape or "
            "moveaxis it"
        )
    if not args or not isinstance(args[0], list | tuple):
        return args, dict(attributes)
    arrays, *positional = args
    if any(not isinstance(value, int | float | str | None) for value in positional):
        return args, dict(attributes)
    if len(positional) > len(order):
        raise TypeError(
            f"expected at most {len(order)} attributes after the list of arrays ({', '.join(order)})"
        )
    return arrays, {**attributes, **dict(zip(order, map(explicit, positional), strict=False))}
