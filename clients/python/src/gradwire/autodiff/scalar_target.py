"""What a function answers that is to be differentiated: one number, or an error that says what to return."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from gradwire._tracing.operators import Operators
from gradwire.errors import InvalidTarget, TraceError


def check_function(name: str, function: Any, argnums: Any) -> None:
    """Raise TypeError for a value in place of a function, and for an argument in place of `argnums`."""
    if not callable(function):
        raise TypeError(
            f"expected a function for gw.{name}, got {type(function).__name__}: write "
            f"gw.{name}(f)(x), with f a function of x"
        )
    positions = argnums if isinstance(argnums, tuple | list) else (argnums,)
    names = list(parameters) if (parameters := _parameters(function)) else []
    if positions and all(isinstance(p, str) and p in names for p in positions):
        indices = [names.index(p) for p in positions]
        raise TypeError(
            f"expected positions of arguments as `argnums` of gw.{name}, got the name {argnums!r}: write "
            f"argnums={indices[0] if isinstance(argnums, str) else tuple(indices)}"
        )
    if any(isinstance(p, bool) or not isinstance(p, int | np.integer) for p in positions):
        raise TypeError(
            f"expected positions of arguments as `argnums` of gw.{name}, for example 0 or (0, 1), got "
            f"{_kind(argnums)}: gw.{name}(f) returns a function, which is then called, gw.{name}(f)(x)"
        )


def _parameters(function: Callable[..., Any]) -> list[str]:
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return []


def target_of(
    function: Callable[..., Any], answer: Any, has_aux: bool, name: str = "grad"
) -> tuple[Any, Any]:
    """The number that `function` answered, and the rest with `has_aux`; raises TraceError for others."""
    text = f"{_label(function)} returned {{}}; gw.{name} differentiates one number: "
    if has_aux:
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            raise TraceError(
                text.format(_kind(answer))
                + "with has_aux=True a function returns a pair, `return loss, rest`; leave has_aux out "
                "if there is no rest"
            )
        answer, aux = answer
    else:
        aux = None
    if isinstance(answer, Operators):
        return answer, aux
    if answer is None:
        raise TraceError(text.format("None") + "end it with `return loss`")
    if isinstance(answer, tuple) and len(answer) > 1:
        raise TraceError(
            text.format(f"a tuple of {len(answer)}")
            + "return the loss alone, or pass has_aux=True if there are two and the first is the loss; "
            "for all of them gw.jacobian(f)"
        )
    if isinstance(answer, dict | set | tuple | list):
        size = len(answer)
        cure = "return answer[0]" if isinstance(answer, tuple | list) and size == 1 else _REDUCE
        if isinstance(answer, dict):
            cure = "return one of its values, such as the loss"
        raise TraceError(text.format(f"a {type(answer).__name__} of {size}") + cure)
    array = np.asarray(answer)
    if array.dtype.kind not in "biufc":
        raise TraceError(text.format(_kind(answer)) + "return the loss, a tensor")
    if array.size != 1:
        raise TraceError(text.format(f"an array of shape {array.shape}") + _REDUCE)
    return answer, aux


@contextmanager
def told_of(function: Callable[..., Any], name: str = "grad") -> Iterator[None]:
    """Inside, a target of several elements is told as what the function returned."""
    try:
        yield
    except InvalidTarget as error:
        if "shape" in error.detail:
            cure = _OF_RESIDUALS if _RESIDUALS.search(getattr(function, "__name__", "")) else _REDUCE
            error.problem["hint"] = f"{_label(function)} returned more than one number: {cure}"
        raise


_REDUCE = "reduce it, as in `return gw.sum(...)` or gw.mean(...), or ask for all derivatives: gw.jacobian(f)"


_RESIDUALS = re.compile(r"resid|error|err$|diff", re.IGNORECASE)
_OF_RESIDUALS = (
    "for least squares return the sum of their squares, `return gw.sum((...) ** 2)`; for all derivatives ask "
    "for gw.jacobian(f)"
)


def _label(function: Callable[..., Any]) -> str:
    name = getattr(function, "__name__", "the function")
    code = getattr(function, "__code__", None)
    at = f" ({code.co_filename}:{code.co_firstlineno})" if code else ""
    return f"{'the lambda' if name == '<lambda>' else f'the function {name!r}'}{at}"


def _kind(thing: Any) -> str:
    return (
        "None"
        if thing is None
        else f"{'an' if type(thing).__name__[0] in 'aeiou' else 'a'} {type(thing).__name__}"
    )
