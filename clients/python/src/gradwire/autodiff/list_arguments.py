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


_AS_A_DICT = re.compile(r"unsupported operand type.*'dict'|bad operand type.*'dict'")


@contextmanager
def told_of_lists(arguments: Sequence[tuple[str, Any]]) -> Iterator[None]:
    """Inside, an error of a list that is used as an array names the argument that came in as one.

    `arguments` are names and values. Python's own error stays the cause.
    """
    try:
        yield
    except (TypeError, AttributeError) as error:
        _tell_of_dicts(arguments, error)
        argument = next(((name, value) for name, value in arguments if _is_of_numbers(value)), None)
        if (
            argument is None
            or type(error) not in (TypeError, AttributeError)
            or "was given as a" in str(error)
        ):
            raise
        if not _AS_AN_ARRAY.search(str(error)):
            raise
        raise type(error)(told(str(error), *argument)) from error


def told(error: str, name: str, value: Sequence[Any]) -> str:
    """What is said of an argument that came in as a list, or tuple, of numbers and is used as an array."""
    kind = type(value).__name__
    return (
        f"{error}: '{name}' was given as a {kind}, and so is a {kind} of {len(value)} separate tensors, "
        f"on which no arithmetic works; pass an array: {name} = np.array({_shown(value)})"
    )


def _tell_of_dicts(arguments: Sequence[tuple[str, Any]], error: Exception) -> None:
    """Raise the error of a dict that is used as an array, with the key to read."""
    argument = next(((name, value) for name, value in arguments if isinstance(value, dict) and value), None)
    if argument is None or type(error) is not TypeError or not _AS_A_DICT.search(str(error)):
        return
    name, value = argument
    raise TypeError(
        f"{error}: '{name}' was given as a dict, on which no arithmetic works: compute with its values, "
        f"such as {name}[{next(iter(value))!r}]"
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
