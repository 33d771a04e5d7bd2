"""Lists of numbers given to functions that are differentiated: each element is an argument of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from gradwire._tracing.node import Traced

#: How Python complains of a list or tuple that is used as an array.
_AS_AN_ARRAY = re.compile(r"\b(?:list|tuple|sequence)\b")


@contextmanager
def told_of_lists(arguments: Sequence[tuple[str, Any]]) -> Iterator[None]:
    """Inside, an error of a list that is used as an array names the argument that came in as one.

    `arguments` are names and values. Python's own error stays the cause.
    """
    try:
        yield
    except (TypeError, AttributeError) as error:
        given = next(((name, value) for name, value in arguments if _is_of_numbers(value)), None)
        if given is None or type(error) not in (TypeError, AttributeError):
            raise
        if not _AS_AN_ARRAY.search(str(error)):
            raise
        name, value = given
        kind = type(value).__name__
        raise type(error)(
            f"{error}: '{name}' was given as a {kind}, and so is a {kind} of {len(value)} separate tensors, "
            f"on which no arithmetic works; pass an array: {name} = np.array({_shown(value)})"
        ) from error


def _is_of_numbers(value: Any) -> bool:
    """Whether a value is a list or tuple, of numbers, arrays or such lists."""
    if not isinstance(value, list | tuple) or not value:
        return False
    kinds = (bool, int, float, complex, np.generic, np.ndarray, Traced)
    return all(isinstance(item, kinds) or _is_of_numbers(item) for item in value)


def _shown(value: Sequence[Any]) -> str:
    text = repr(value)
    return text if len(text) <= 40 and "\n" not in text else "[...]"
