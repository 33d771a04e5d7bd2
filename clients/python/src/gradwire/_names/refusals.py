"""Modules, tensors and variables that say what to write instead of names that other libraries have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from gradwire._names.counterparts import TENSORS
from gradwire._names.missing import INSTEAD, Table, unknown

_FEW = 40  # names that are listed where none is near


def names_of(module: str, namespace: Mapping[str, Any], *tables: Table) -> Callable[[str], Any]:
    """A module's `__getattr__`: the error for names that it does not have, with what to write instead."""

    def missing(name: str) -> NoReturn:
        public = [each for each in namespace["__all__"] if not each.startswith("_")]
        raise unknown(module, name, tables, public, "there are" if len(public) < _FEW else None)

    return missing


class _Settable:
    """An attribute that other libraries let users set on their tensors, refused either way."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, thing: Any, kind: type) -> Any:
        if thing is None:
            return self
        raise _absent(thing, self._name)

    def __set__(self, thing: Any, value: Any) -> NoReturn:
        raise _absent(thing, self._name)


def _absent(thing: Any, name: str) -> AttributeError:
    kind = type(thing)
    names = [each for each in dir(kind) if not isinstance(getattr(kind, each, None), _Settable)]
    return unknown(f"'{kind.__name__}' object", name, (TENSORS, INSTEAD), names)


def _instead_of_assigning(key: Any, is_variable: bool) -> str:
    """What to write for `x[key] = value`: a choice by a mask, or another tensor."""
    x = "variable" if is_variable else "x"
    if hasattr(key, "_edge") or getattr(getattr(key, "dtype", None), "kind", "") == "b":
        whole = f"gw.where(mask, values, {x})"
    else:
        whole = f"gw.index_set({x}, values, {_written(key)})"
    if is_variable:
        return f"variable.assign({whole}) binds all of it anew"
    filled = "to fill one in a loop, collect its parts in a list and gw.stack(parts)"
    return f"x = {whole} makes another tensor; {filled}"


def _written(key: Any) -> str:
    """An index as `index_set` takes it."""
    if isinstance(key, int | slice):
        return _part(key)
    if isinstance(key, tuple) and all(isinstance(part, int | slice) for part in key):
        return f"({', '.join(map(_part, key))})"
    return "index"


def _part(part: int | slice) -> str:
    if isinstance(part, int):
        return str(part)
    return f"slice({part.start}, {part.stop}, {part.step})"


class Refusing:
    """A tensor or variable: what other libraries do with theirs is refused with what to write instead."""

    __slots__ = ()

    if not TYPE_CHECKING:  # else every attribute would have a type

        def __getattr__(self, name: str) -> NoReturn:
            raise _absent(self, name)

        grad, requires_grad, data = _Settable("grad"), _Settable("requires_grad"), _Settable("data")

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        kind = type(self)
        raise TypeError(
            f"'{kind.__name__}' object does not support item assignment, it never changes in place: "
            f"{_instead_of_assigning(key, hasattr(kind, 'assign'))}"
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
