"""Form a: a number or a rectangular nested list, checked level by level at C speed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from math import isfinite
from typing import Any

import numpy as np

from engine import dtypes
from engine.arrays.types import Array
from engine.errors import InvalidTensor
from engine.frontend.tensors.faults import all_of, out_of_range, ragged, show
from engine.ir.json_numbers import NON_FINITE

MAX_NDIM = 64  # NumPy's own limit

_NUMBER = frozenset({int, float})
_ATOM = frozenset({int, float, str, bool})
_SHORT = 256  # numbers in all


def from_numbers(values: Mapping[str, Any]) -> dict[str, Array] | None:
    """The float64 arrays, parts of one, of numbers, short lists of numbers and short lists of such lists.

    None if a value is anything else, what is faulty included: `from_lists` reads it, or says what is wrong.
    Requests that repeat are mostly of this form, and spend more on a general reader than on their numbers.
    """
    flat: list[Any] = []
    parts: list[tuple[str, int, int, tuple[int, ...]]] = []
    for name, value in values.items():
        start = len(flat)
        if type(value) is not list:
            shape: tuple[int, ...] = ()
            flat.append(value)
        elif not 0 < len(value) <= _SHORT:
            return None
        elif type(value[0]) is list:
            shape = (len(value), len(value[0]))
            for row in value:
                if type(row) is not list or len(row) != shape[1]:
                    return None
                flat += row
        else:
            shape = (len(value),)
            flat += value
        parts.append((name, start, len(flat), shape))
    if len(flat) > _SHORT or not _NUMBER.issuperset(map(type, flat)):
        return None
    try:
        if not isfinite(sum(flat)):
            return None
        numbers = np.array(flat, np.float64)
    except OverflowError:
        return None
    return {name: numbers[start:stop].reshape(shape) for name, start, stop, shape in parts}


def from_lists(value: Any, path: str, dtype: str) -> Array:
    """The array of `dtype` that a number or nested list makes; complex data have a last axis [re, im].

    Raises InvalidTensor with the path of the first offending element.
    """
    flat, shape = _flatten(value, path)
    if not dtypes.is_complex(dtype):
        return _CONVERT[dtypes.kind(dtype)](flat, shape, path, dtype).reshape(shape)
    if 0 in shape:  # the axis [re, im] lies below the empty one, where lists cannot show it
        return np.empty(shape, dtype)
    if not shape or shape[-1] != 2:
        came = f"a last axis of {shape[-1]}" if shape else "a bare number"
        raise InvalidTensor(
            f"expected {dtype} data with a last axis [re, im], got {came} at {path}",
            path=path,
            hint="write the complex number 1+2i as [1, 2]",
        )
    pairs = _floats(flat, shape, path, dtypes.real_of(dtype))
    return pairs.view(dtype).reshape(shape[:-1])


def _flatten(value: Any, path: str) -> tuple[list[Any], tuple[int, ...]]:
    """The leaves in C order and the shape of a rectangular nested list (or of one bare value)."""
    if type(value) is not list:
        if type(value) not in _ATOM:
            raise InvalidTensor(
                f"expected a number, a nested list or a typed tensor, got {show(value)} at {path}",
                path=path,
                hint="leave the name out if it has no value" if value is None else None,
            )
        return [value], ()
    items, shape = value, [len(value)]
    while items:
        types = set(map(type, items))
        if list not in types:
            break
        if len(types) > 1:
            first = type(items[0]) is list
            odd = next(k for k, item in enumerate(items) if (type(item) is list) is not first)
            expected = f"a list of {len(items[0])} elements" if first else "a number"
            ragged(expected, items[odd], path, shape, odd)
        lengths = set(map(len, items))
        if len(lengths) > 1:
            odd = next(k for k, item in enumerate(items) if len(item) != len(items[0]))
            ragged(f"a list of {len(items[0])} elements", items[odd], path, shape, odd)
        if len(shape) == MAX_NDIM:
            raise InvalidTensor(f"expected at most {MAX_NDIM} axes, got more at {path}", path=path)
        shape.append(len(items[0]))
        items = list(chain.from_iterable(items))
    return items, tuple(shape)


def _floats(flat: list[Any], shape: Sequence[int], path: str, dtype: str) -> Array:
    types = set(map(type, flat))
    named = str in types
    if not types <= _NUMBER:
        numbers = [NON_FINITE.get(item, item) if type(item) is str else item for item in flat]
        all_of(_NUMBER, numbers, shape, path, "a number")
    else:
        numbers = flat
    try:
        array = np.array(numbers, dtype=np.float64)
    except OverflowError:
        odd = next(k for k, item in enumerate(numbers) if not _fits_float(item))
        out_of_range(flat[odd], shape, path, odd, dtype)
    if dtype != "float64":
        with np.errstate(over="ignore"):
            array = array.astype(dtype)
    finite = np.isfinite(array)
    if not finite.all():
        bad = np.flatnonzero(~finite)
        offenders = (int(k) for k in bad if type(flat[k]) is not str) if named else iter(bad.tolist())
        odd = next(offenders, -1)
        if odd >= 0:
            out_of_range(flat[odd], shape, path, odd, dtype)
    return array


def _integers(flat: list[Any], shape: Sequence[int], path: str, dtype: str) -> Array:
    types = set(map(type, flat))
    if not types <= {int}:
        all_of(_NUMBER, flat, shape, path, "an integer")
        # 2.0 is the integer 2: JSON does not tell them apart.
        flat = [int(item) if type(item) is float and item.is_integer() else item for item in flat]
        all_of(frozenset({int}), flat, shape, path, "an integer")
    try:
        return np.array(flat, dtype=dtype)
    except OverflowError:
        limits = np.iinfo(dtype)
        odd = next(k for k, item in enumerate(flat) if not limits.min <= item <= limits.max)
        out_of_range(flat[odd], shape, path, odd, dtype)


def _booleans(flat: list[Any], shape: Sequence[int], path: str, dtype: str) -> Array:
    all_of(frozenset({bool}), flat, shape, path, "true or false")
    return np.array(flat, dtype=np.bool_)


_CONVERT: dict[int, Callable[[list[Any], Sequence[int], str, str], Array]] = {
    0: _booleans,
    1: _integers,
    2: _floats,
}


def _fits_float(item: Any) -> bool:
    try:
        float(item)
    except OverflowError:
        return False
    return True
