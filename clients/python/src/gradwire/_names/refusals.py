"""Errors for what is not here: attributes, settings and names that other libraries have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NoReturn

from gradwire._names.counterparts import TENSORS

_FEW = 40  # names that are listed where none is near


def hint_for(name: str, table: Mapping[str, str], known: Iterable[str] = ()) -> str:
    """What to write instead of `name`, with a colon before it; empty where nothing is near."""
    if name in table:
        return f": {table[name]}"
    near = get_close_matches(name, [k for k in known if not k.startswith("_")], 2, 0.72)
    return f": did you mean {' or '.join(map(repr, near))}?" if near else ""


def refuse(thing: Any, name: str, table: Mapping[str, str]) -> NoReturn:
    """Raise the AttributeError of an object, with what to write instead."""
    kind = type(thing)
    told = hint_for(name, {} if name.startswith("__") else table, dir(kind))
    raise AttributeError(f"'{kind.__name__}' object has no attribute '{name}'{told}", name=name, obj=thing)


def refuse_settings(
    what: str, unknown: Iterable[str], known: Iterable[str], table: Mapping[str, str]
) -> None:
    """Raise TypeError for keyword arguments that `what` does not have, with what to write instead."""
    known = tuple(known)
    for name in unknown:
        told = hint_for(name, table, known) or f": it takes {', '.join(known)}"
        raise TypeError(f"{what} got an unexpected keyword argument '{name}'{told}")


def names_of(module: str, table: Mapping[str, str], namespace: Mapping[str, Any]) -> Callable[[str], Any]:
    """A module's `__getattr__`: names that it does not have, told with what to write instead."""

    def missing(name: str) -> NoReturn:
        told = hint_for(name, {} if name.startswith("__") else table, namespace)
        public = namespace.get("__all__", ())
        if not told and not name.startswith("_") and len(public) < _FEW:
            told = f": there are {', '.join(public)}"
        raise AttributeError(f"module '{module}' has no attribute '{name}'{told}", name=name)

    return missing


class _Settable:
    """An attribute that other libraries let users set on their tensors, refused either way."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, thing: Any, kind: type) -> Any:
        return self if thing is None else refuse(thing, self._name, TENSORS)

    def __set__(self, thing: Any, value: Any) -> NoReturn:
        refuse(thing, self._name, TENSORS)


class Refusing:
    """A tensor or variable: what other libraries do with theirs is refused with what to write instead."""

    __slots__ = ()

    if not TYPE_CHECKING:  # else every attribute would have a type

        def __getattr__(self, name: str) -> NoReturn:
            refuse(self, name, TENSORS)

        grad, requires_grad, data = _Settable("grad"), _Settable("requires_grad"), _Settable("data")

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        kind = type(self)
        cure = (
            "variable.assign(gw.index_set(variable, values, index)) binds all of it anew"
            if hasattr(kind, "assign")
            else "x = gw.index_set(x, values, index) makes another tensor; to fill one in a loop, collect "
            "its parts in a list and gw.stack(parts)"
        )
        raise TypeError(
            f"'{kind.__name__}' object does not support item assignment, it never changes in place: {cure}"
        )

    def __delitem__(self, key: Any) -> NoReturn:
        raise TypeError(
            f"'{type(self).__name__}' object does not support item deletion: select what stays, as in x[1:]"
        )

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> NoReturn:
        name = getattr(function, "__name__", "function")
        raise TypeError(
            f"torch.{name} takes no {cls.__name__} of gradwire: gw.{name} records here, and "
            "torch.as_tensor(x.numpy()) makes a constant of its value there"
        )
