"""Keywords that are declared once, in a TypedDict, and passed as `**options: Unpack[…]`.

Type checkers read the TypedDict; `whole_signature` writes its keys out for `help`, and `check_keywords`
refuses the others, as a signature of its own would.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Iterable
from typing import Any, ParamSpec, TypeVar, get_type_hints

from gradwire._names.missing import advice

P = ParamSpec("P")
T = TypeVar("T")


def whole_signature(function: Callable[..., Any]) -> inspect.Signature:
    """The signature of a function, with the keys of `**options: Unpack[…]` as keywords of their own.

    A key that is not required has the default None.
    """
    signature = inspect.signature(function)
    parameters: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        options = _options_of(function, parameter)
        if options is None:
            parameters.append(parameter)
            continue
        for name in get_type_hints(options):
            annotation = _written(options, name)
            parameters.append(
                inspect.Parameter(name, parameter.KEYWORD_ONLY, default=None, annotation=annotation)
            )
    return signature.replace(parameters=parameters)


def allowed_keywords(function: Callable[..., Any]) -> frozenset[str] | None:
    """What a function with `**options: Unpack[…]` takes by name; None for another function."""
    parameters = inspect.signature(function).parameters.values()
    if all(_options_of(function, parameter) is None for parameter in parameters):
        return None
    return frozenset(whole_signature(function).parameters) - {"self"}


def check_keywords(what: str, keywords: Iterable[str], allowed: Collection[str]) -> None:
    """Raise TypeError for a keyword that `what` does not have, with the nearest that it has."""
    for name in keywords:
        if name not in allowed:
            text = advice(name, names=sorted(allowed), listing="it takes")
            raise TypeError(f"{what} has no keyword '{name}'; {text}")


def with_options(method: Callable[P, T]) -> Callable[P, T]:
    """Decorate a method with `**options: Unpack[…]`: its signature is written out, and others are refused."""
    allowed = allowed_keywords(method) or frozenset()

    @functools.wraps(method)
    def checked(*args: P.args, **keywords: P.kwargs) -> T:
        check_keywords(method.__name__, keywords, allowed)
        return method(*args, **keywords)

    checked.__signature__ = whole_signature(method)  # type: ignore[attr-defined]  # what `inspect` reads
    return checked


def _options_of(function: Callable[..., Any], parameter: inspect.Parameter) -> type[Any] | None:
    """The TypedDict behind `**options`, if the parameter is that."""
    annotation = parameter.annotation
    if parameter.kind is not parameter.VAR_KEYWORD or not isinstance(annotation, str):
        return None
    if not annotation.startswith("Unpack["):
        return None
    options: type[Any] = function.__globals__[annotation.removeprefix("Unpack[").removesuffix("]")]
    return options


def _written(options: type[Any], name: str) -> str:
    """The type of a key as it was written."""
    annotation = options.__annotations__[name]
    return str(getattr(annotation, "__forward_arg__", annotation))
