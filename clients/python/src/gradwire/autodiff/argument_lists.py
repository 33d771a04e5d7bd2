"""Lists of numbers as arguments of a traced function: Python repeats and joins them, and computes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from gradwire._tracing.structure import leaves
from gradwire.autodiff.list_arguments import told


class ArgumentList(list[Any]):
    """A list of numbers that came in as the argument `name`; `*` and `+` are refused on it."""

    def __init__(self, items: Any = (), name: str = "it", argument: Sequence[Any] = ()) -> None:
        super().__init__(items)
        self._name = name
        self._argument = argument

    def __mul__(self, other: Any) -> NoReturn:
        raise TypeError(told("Python repeats a list that is multiplied", self._name, self._argument))

    __rmul__ = __mul__
    __imul__ = __mul__

    def __add__(self, other: Any) -> Any:
        if isinstance(other, list) and len(other) != len(self):
            return [*self, *other]  # they are meant to be joined
        raise TypeError(told("Python joins lists that are added", self._name, self._argument))

    __iadd__ = __add__  # the argument is left as it is

    def __reduce__(self) -> Any:
        return list, (list(self),)


ArgumentList.__name__ = "list"  # as Python calls it in its own errors


def guarded(name: str, value: Any, traced: Any) -> Any:
    """`traced`, the argument that `value` became, as a list that refuses arithmetic if it holds numbers only.

    Lists of arrays, such as the weights of layers, may be joined and stay as they are.
    """
    if type(traced) is not list or not traced or not all(_is_number(leaf) for leaf in leaves(value)):
        return traced
    parts = [guarded(name, a, b) for a, b in zip(value, traced, strict=True)]
    return ArgumentList(parts, name, value)


def _is_number(leaf: Any) -> bool:
    return not isinstance(leaf, str) and getattr(leaf, "shape", ()) == ()
