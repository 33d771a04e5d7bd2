"""TensorFlow's spellings of calls, and the calls that mean something else there.

Keywords in TensorFlow's spelling are understood wherever they have a counterpart. What the same call would
silently mean otherwise there is refused where the user's module calls this package `tf`: the error has the
difference, and how to say either. `spellings` has the table.
"""

from __future__ import annotations

import functools
import inspect
import sys
from types import FunctionType
from typing import Any

from gradwire._names.missing import advice
from gradwire._names.tensorflow import called_tf
from gradwire._tracing.spellings import SPELLINGS, Options, Spelling
from gradwire.errors import TensorFlowDifference

#: Of every function: a name for TensorFlow's graph means nothing here.
_COMMON = {"name": ""}


def respell(namespace: dict[str, Any]) -> None:
    """Let the functions of a module understand TensorFlow's spellings."""
    for name, value in namespace.items():
        if isinstance(value, FunctionType) and value.__module__.startswith("gradwire."):
            namespace[name] = spelled(value)


_OPS = "gradwire._tracing.ops"

#: Keywords of PyTorch's, and of others, by what they are called here.
_KEYWORDS = {
    "dim": "axis",
    "dims": "axis",
    "keepdim": "keepdims",
    "keep_dims": "keepdims",
    "out_dtype": "dtype",
    "unbiased": "correction",
    "ddof": "correction",
    "a_min": "min",
    "a_max": "max",
    "eps": "epsilon",
    "negative_slope": "alpha",
    "label": "y_true",
    "target": "y_true",
    "input": "y_pred",
    "logits": "y_pred",
}


@functools.cache
def _keywords(function: FunctionType) -> frozenset[str]:
    return frozenset(inspect.signature(function).parameters)


def _unknown_keyword(name: str, options: Options, keywords: frozenset[str]) -> str:
    """What is said of a keyword that a function does not have."""
    keyword = next(each for each in options if each not in keywords)
    meant = _KEYWORDS.get(keyword)
    if meant is None or meant not in keywords:
        text = advice(keyword, (), keywords, "it takes") or f"it takes {', '.join(keywords)}"
    else:
        text = f"it is called {meant} here: {name}(..., {meant}={options[keyword]!r:.40})"
    return f"{name}() has no keyword '{keyword}'; {text}"


@functools.cache  # a function has one wrapper, under all its names
def spelled(function: FunctionType) -> Any:
    """`function`, which also understands TensorFlow's spelling; it itself if that has none of its own."""
    name = function.__name__
    spelling = SPELLINGS.get(name)
    if spelling is None:
        return _checked(function) if function.__module__ == _OPS else function

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        if options:
            options = _renamed(name, spelling, args, options)
        if spelling.differs is not None and called_tf(sys._getframe(1)):
            why = spelling.differs(args, options)
            if why is not None:
                raise TensorFlowDifference(f"{name}: {why}")
        if spelling.convert is not None:
            args, options = spelling.convert(args, options)
        if options and not options.keys() <= _keywords(function):
            raise TypeError(_unknown_keyword(name, options, _keywords(function)))
        return function(*args, **options)

    call.__module__ = "gradwire"  # where it is found, as pickling wants to know
    return call


def _checked(function: FunctionType) -> Any:
    """`function`, which tells of keywords that it does not have."""

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        if options and not options.keys() <= _keywords(function):
            options = _renamed(function.__name__, Spelling(), args, options)
            if not options.keys() <= _keywords(function):
                raise TypeError(_unknown_keyword(function.__name__, options, _keywords(function)))
        return function(*args, **options)

    call.__module__ = "gradwire"
    return call


def _renamed(name: str, spelling: Spelling, args: tuple[Any, ...], options: Options) -> Options:
    renamed: Options = {}
    for key, value in options.items():
        own = spelling.keywords.get(key, _COMMON.get(key, key))
        if own == "":  # a name for TensorFlow's graph, or an option left at its default
            continue
        if own.startswith("!"):
            if value is not None and not (isinstance(value, int) and value == 0):
                raise TensorFlowDifference(f"{name}: TensorFlow's option `{key}` is not here; {own[1:]}")
            continue
        if own in renamed:
            raise TypeError(f"{name}() got `{key}` and another spelling of it")
        renamed[own] = value
    return renamed
