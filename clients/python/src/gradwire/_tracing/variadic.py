"""Arguments of ops that take any number of arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def arguments(
    given: Sequence[Any], attributes: Mapping[str, Any], order: Sequence[str]
) -> tuple[Sequence[Any], dict[str, Any]]:
    """The arrays and the attributes: `f(a, b, axis=1)`, `f([a, b], axis=1)` and `f([a, b], 1)` are one.

    Lists one after the other are arrays too: `f([1.0], [2.0])`. Raises TypeError where more positional
    attributes are given than there are.
    """
    if not given or not isinstance(given[0], list | tuple):
        return given, dict(attributes)
    arrays, *positional = given
    if any(not isinstance(value, int | float | str | None) for value in positional):
        return given, dict(attributes)
    if len(positional) > len(order):
        raise TypeError(
            f"expected at most {len(order)} attributes after the list of arrays ({', '.join(order)})"
        )
    return arrays, {**attributes, **dict(zip(order, positional, strict=False))}
