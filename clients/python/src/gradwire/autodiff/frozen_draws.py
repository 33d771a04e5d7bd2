"""Random numbers that a published function draws: they are drawn once, when it is traced."""

from __future__ import annotations

import ast
import inspect
import random
import textwrap
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gradwire._locations import Place
from gradwire._notices import warn
from gradwire._tracing.subgraph import label_of
from gradwire._tracing.syntax import name_of, parse
from gradwire.errors import ReadWarning

_GENERATORS = (np.random.Generator, np.random.RandomState, random.Random)
_SETTINGS = {"seed", "get_state", "set_state", "getstate", "setstate", "spawn", "setflags"}
_CLOCKS = {"time", "time_ns", "perf_counter", "monotonic"}


def warn_of_frozen_draws(function: Callable[..., Any]) -> None:
    """Warn if the text of a function that is to be published draws a random number, or reads a clock."""
    for call, place in _draws(function):
        what = "a time that is read" if call.startswith("time.") else "a number that is drawn"
        warn(
            ReadWarning,
            f"{call} in '{label_of(function)}' at {place} runs once, when that is published: "
            f"{what} there is the same at every call. Make it a parameter, "
            f"def {label_of(function)}(x, noise), with a new one for each call; or leave gw.function out",
            ("frozen", call, place.line),
        )


def _draws(function: Callable[..., Any]) -> Iterator[tuple[str, Place]]:
    """The calls of generators from outside in a function's own text, each with its line."""
    plain = inspect.unwrap(function)
    code = getattr(plain, "__code__", None)
    if code is None:
        return
    try:
        lines, first = inspect.getsourcelines(plain)
    except (OSError, TypeError, SyntaxError, ValueError):
        return
    tree = parse(textwrap.dedent("".join(lines)))
    if tree is None:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (written := name_of(node.func)):
            called = _meant(plain, written)
            own, name = getattr(called, "__self__", None), getattr(called, "__name__", "")
            is_draw = isinstance(own, _GENERATORS) and name not in _SETTINGS
            if is_draw or (own is time and name in _CLOCKS):
                yield written, Place(code.co_filename, first + node.lineno - 1)


def _meant(function: Callable[..., Any], written: str) -> Any:
    """What a dotted name in a function's text means; None if that is its own, or is not to be had."""
    first, *rest = written.split(".")
    code = function.__code__
    if first in code.co_freevars:
        try:
            value = (function.__closure__ or ())[code.co_freevars.index(first)].cell_contents
        except ValueError:  # a cell that is not filled yet
            return None
    else:
        value = None if first in code.co_varnames else function.__globals__.get(first)
    for name in rest:
        value = getattr(value, name, None)
    return value
