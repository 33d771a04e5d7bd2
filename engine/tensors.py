"""Tensors between JSON and arrays: the four forms a caller may send, and the three an answer may have.

    a   1.5, [[1, 2], [3, 4]]                       dtype: the declared one, else float64
    b   {"dtype": "int64", "data": [0, 2], "shape": [2]}
    c   {"dtype": "float32", "shape": [2], "data": {"encoding": "base64", "buffer": "AACAPwAAAEA="}}
    d   {"tensor": "key"}                           an array that travelled beside the JSON

Reading is strict. A nested list is checked level by level with sets of types and lengths, which costs
no Python loop over the elements; only an error looks for the first offending element.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import prod
from typing import Any, Literal, NoReturn

import numpy as np
import numpy.typing as npt

from engine import dtypes
from engine.errors import (
    DtypeMismatch,
    InvalidTensor,
    ShapeMismatch,
    UnknownField,
    did_you_mean,
)

Array = npt.NDArray[Any]
Encoding = Literal["json", "typed", "base64"]

MAX_NDIM = 64  # NumPy's own limit
_MAX_ELEMENTS = 2**62

_SPECIAL = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_NAMES = {np.dtype(name).newbyteorder(order): name for name in dtypes.ALL for order in ("<", ">", "=")}
_NUMBER = frozenset({int, float})
_ATOM = frozenset({int, float, str, bool})
_DTYPE_HINT = "the dtypes are " + dtypes.names(dtypes.ALL)


@dataclass(frozen=True, slots=True)
class Tensor:
    """An array, and whether it came as a bare number that takes the dtype of what it meets."""

    array: Array
    weak: bool = False


def decode_tensor(
    value: Any,
    *,
    path: str,
    dtype: str | None = None,
    shape: tuple[int | None, ...] | None = None,
    attachments: Mapping[str, Array] | None = None,
) -> Tensor:
    """Read any of the four forms; `dtype` and `shape` are what the function declares for this name.

    The array may be read-only and may share memory with `attachments`. Raises InvalidTensor,
    UnknownField, DtypeMismatch and ShapeMismatch, each naming the JSON path of the first offender.
    """
    weak = False
    if isinstance(value, dict):
        array = _attached(value, path, attachments) if "tensor" in value else _typed(value, path)
        came = dtype_name(array)
        if dtype is not None and came != dtype:
            raise DtypeMismatch(
                f"expected dtype {dtype}, as the function declares, got {came} at {path}",
                path=path,
                hint=f"send {dtype} data, or declare {came}",
            )
    else:
        array = _plain(value, path, dtype or dtypes.DEFAULT)
        weak = dtype is None and array.ndim == 0
    if shape is not None:
        _check_declared_shape(array.shape, shape, path)
    return Tensor(array, weak)


def dtype_name(array: Array) -> str:
    """The name of an array's dtype; NumPy's own attribute takes microseconds to make it."""
    return _NAMES[array.dtype]


def encode_tensor(array: Array, encoding: Encoding = "json") -> Any:
    """An array as JSON-able data; non-finite numbers become the three strings.

    `json`: nested lists, a 0-d tensor a bare number or boolean. `typed`: with dtype and shape.
    `base64`: little-endian bytes in C order. Complex lists have a last axis [re, im].
    """
    array = np.asarray(array)
    if encoding == "base64":
        octets = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        buffer = binascii.b2a_base64(octets, newline=False).decode("ascii")
        data: Any = {"encoding": "base64", "buffer": buffer}
    else:
        data = _to_lists(array)
    if encoding == "json":
        return data
    return {"dtype": dtype_name(array), "shape": list(array.shape), "data": data}


# -- form a: numbers and nested lists ----------------------------------------------------------------


def _plain(value: Any, path: str, dtype: str) -> Array:
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
                f"expected a number, a nested list or a typed tensor, got {_show(value)} at {path}",
                path=path,
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
            _ragged(expected, items[odd], path, shape, odd)
        lengths = set(map(len, items))
        if len(lengths) > 1:
            odd = next(k for k, item in enumerate(items) if len(item) != len(items[0]))
            _ragged(f"a list of {len(items[0])} elements", items[odd], path, shape, odd)
        if len(shape) == MAX_NDIM:
            raise InvalidTensor(f"expected at most {MAX_NDIM} axes, got more at {path}", path=path)
        shape.append(len(items[0]))
        items = list(chain.from_iterable(items))
    return items, tuple(shape)


def _floats(flat: list[Any], shape: Sequence[int], path: str, dtype: str) -> Array:
    types = set(map(type, flat))
    named = str in types
    if not types <= _NUMBER:
        numbers = [_SPECIAL.get(item, item) if type(item) is str else item for item in flat]
        _all_of(_NUMBER, numbers, shape, path, "a number")
    else:
        numbers = flat
    try:
        array = np.array(numbers, dtype=np.float64)
    except OverflowError:
        odd = next(k for k, item in enumerate(numbers) if not _fits_float(item))
        _out_of_range(flat[odd], shape, path, odd, dtype)
    if dtype != "float64":
        with np.errstate(over="ignore"):
            array = array.astype(dtype)
    finite = np.isfinite(array)
    if not finite.all():
        bad = np.flatnonzero(~finite)
        offenders = (int(k) for k in bad if type(flat[k]) is not str) if named else iter(bad.tolist())
        odd = next(offenders, -1)
        if odd >= 0:
            _out_of_range(flat[odd], shape, path, odd, dtype)
    return array


def _integers(flat: list[Any], shape: Sequence[int], path: str, dtype: str) -> Array:
    types = set(map(type, flat))
    if not types <= {int}:
        _all_of(_NUMBER, flat, shape, path, "an integer")
        # 2.0 is the integer 2: JSON does not tell them apart.
        flat = [int(item) if type(item) is float and item.is_integer() else item for item in flat]
        _all_of(frozenset({int}), flat, shape, path, "an integer")
    try:
        return np.array(flat, dtype=dtype)
    except OverflowError:
        limits = np.iinfo(dtype)
        odd = next(k for k, item in enumerate(flat) if not limits.min <= item <= limits.max)
        _out_of_range(flat[odd], shape, path, odd, dtype)


def _booleans(flat: list[Any], shape: Sequence[int], path: str, dtype: str) -> Array:
    _all_of(frozenset({bool}), flat, shape, path, "true or false")
    return np.array(flat, dtype=np.bool_)


_CONVERT: dict[int, Callable[[list[Any], Sequence[int], str, str], Array]] = {
    0: _booleans,
    1: _integers,
    2: _floats,
}


# -- forms b, c and d --------------------------------------------------------------------------------


def _typed(value: dict[str, Any], path: str) -> Array:
    _known_fields(value, ("dtype", "shape", "data"), path)
    for required in ("dtype", "data"):
        if value.get(required) is None:
            raise InvalidTensor(
                f"expected a field '{required}' in the tensor at {path}, got none",
                path=path,
                hint='write {"dtype": "float64", "data": [1, 2]}, or a plain number or list',
            )
    dtype = decode_dtype(value["dtype"], f"{path}.dtype")
    shape = None if value.get("shape") is None else _decode_shape(value["shape"], f"{path}.shape")
    data = value["data"]
    if isinstance(data, dict):
        return _from_base64(data, path, dtype, shape)
    array = _plain(data, f"{path}.data", dtype)
    if shape is None or array.shape == shape:
        return array
    # Lists cannot show the axes after an empty one: [] is every (0, ...), [[], []] every (2, 0, ...).
    if array.size == 0 and array.shape == shape[: array.ndim]:
        return array.reshape(shape)
    raise InvalidTensor(
        f"expected data of shape {list(shape)}, as 'shape' says, got {list(array.shape)} at {path}",
        path=f"{path}.shape",
        hint="leave 'shape' out, or nest the lists to match it",
    )


def decode_dtype(value: Any, path: str) -> str:
    """One of the dtype names, or InvalidTensor with the nearest."""
    if isinstance(value, str) and value in dtypes.ALL:
        return value
    near = did_you_mean(value, dtypes.ALL) if isinstance(value, str) else None
    raise InvalidTensor(
        f"expected the name of a dtype, got {_show(value)} at {path}", path=path, hint=near or _DTYPE_HINT
    )


def _decode_shape(value: Any, path: str) -> tuple[int, ...]:
    if type(value) is not list or any(type(size) is not int or size < 0 for size in value):
        raise InvalidTensor(
            f"expected a list of sizes such as [2, 3], got {_show(value)} at {path}", path=path
        )
    if len(value) > MAX_NDIM or prod(size or 1 for size in value) > _MAX_ELEMENTS:
        raise InvalidTensor(
            f"expected a shape that an array can have, got {_show(value)} at {path}", path=path
        )
    return tuple(value)


def _from_base64(data: dict[str, Any], path: str, dtype: str, shape: tuple[int, ...] | None) -> Array:
    _known_fields(data, ("encoding", "buffer"), f"{path}.data")
    if data.get("encoding") != "base64":
        came = _show(data.get("encoding"))
        raise InvalidTensor(
            f'expected encoding "base64", got {came} at {path}.data.encoding', path=f"{path}.data.encoding"
        )
    buffer, place = data.get("buffer"), f"{path}.data.buffer"
    if not isinstance(buffer, str):
        raise InvalidTensor(f"expected a base64 string, got {_show(buffer)} at {place}", path=place)
    if shape is None:
        raise InvalidTensor(f"expected a field 'shape' beside base64 data at {path}, got none", path=path)
    try:
        octets = binascii.a2b_base64(buffer.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise InvalidTensor(
            f"expected base64 at {place}, got text that is not ({error})",
            path=place,
            hint="use the standard alphabet (A-Z a-z 0-9 + /) with = padding and no line breaks",
        ) from None
    expected = prod(shape) * dtypes.ITEMSIZE[dtype]
    if len(octets) != expected:
        raise InvalidTensor(
            f"expected {expected} bytes for {dtype} of shape {list(shape)}, got {len(octets)} at {place}",
            path=place,
            hint="send the bytes little-endian in C order; check dtype and shape",
        )
    array = np.frombuffer(
        octets, dtype=np.uint8 if dtype == dtypes.BOOL else np.dtype(dtype).newbyteorder("<")
    )
    if dtype == dtypes.BOOL:
        if array.size and array.max() > 1:
            raise InvalidTensor(f"expected bytes 0 and 1 for bool, got {array.max()} at {place}", path=place)
        array = array.view(np.bool_)
    return array.reshape(shape)


def _attached(value: dict[str, Any], path: str, attachments: Mapping[str, Array] | None) -> Array:
    _known_fields(value, ("tensor",), path)
    key = value["tensor"]
    if not isinstance(key, str):
        raise InvalidTensor(f"expected the key of a tensor, got {_show(key)} at {path}.tensor", path=path)
    if attachments is None:
        raise InvalidTensor(
            f'expected an application/x-safetensors body for {{"tensor": ...}} at {path}, got plain JSON',
            path=path,
            hint="send a safetensors body whose metadata key 'request' holds the JSON",
        )
    if key not in attachments:
        raise InvalidTensor(
            f"expected a tensor of the body, got the unknown key {_show(key)} at {path}.tensor",
            path=f"{path}.tensor",
            hint=did_you_mean(key, attachments),
        )
    return attachments[key]


# -- errors and checks -------------------------------------------------------------------------------


def _check_declared_shape(came: tuple[int, ...], declared: tuple[int | None, ...], path: str) -> None:
    fits = len(came) == len(declared) and all(
        want in (None, size) for want, size in zip(declared, came, strict=True)
    )
    if not fits:
        raise ShapeMismatch(
            f"expected shape {list(declared)}, as the function declares, got {list(came)} at {path}",
            path=path,
        )


def _all_of(
    allowed: frozenset[type], flat: list[Any], shape: Sequence[int], path: str, expected: str
) -> None:
    if set(map(type, flat)) <= allowed:
        return
    odd = next(k for k, item in enumerate(flat) if type(item) not in allowed)
    place, item = path + _index(odd, shape), flat[odd]
    hint = None
    if isinstance(item, str) and expected == "a number":
        hint = 'the only strings are "NaN", "Infinity" and "-Infinity"; write numbers without quotes'
    elif isinstance(item, bool):
        hint = "booleans go only where bool is declared; write 1 or 0"
    raise InvalidTensor(f"expected {expected}, got {_show(item)} at {place}", path=place, hint=hint)


def _known_fields(value: dict[str, Any], known: tuple[str, ...], path: str) -> None:
    for field in value:
        if field not in known:
            raise UnknownField(
                f"expected only {', '.join(known)} in the tensor at {path}, got '{field}'",
                path=f"{path}.{field}",
                hint=did_you_mean(field, known),
            )


def _ragged(expected: str, item: Any, path: str, shape: Sequence[int], odd: int) -> NoReturn:
    came = f"a list of {len(item)} elements" if type(item) is list else _show(item)
    place = path + _index(odd, shape)
    raise InvalidTensor(
        f"expected {expected}, as its neighbours are, got {came} at {place}",
        path=place,
        hint="tensors are rectangular: every list at one level has the same length",
    )


def _out_of_range(item: Any, shape: Sequence[int], path: str, odd: int, dtype: str) -> NoReturn:
    place = path + _index(odd, shape)
    shown = "a number beyond float64" if item in (float("inf"), float("-inf")) else _show(item)
    hint = 'write "Infinity" where infinity is meant' if dtypes.is_floating(dtype) else None
    raise InvalidTensor(f"expected a number that fits {dtype}, got {shown} at {place}", path=place, hint=hint)


def _index(flat: int, shape: Sequence[int]) -> str:
    """`[1][0]` for a place counted along the leaves of `shape`."""
    index: list[int] = []
    for size in reversed(shape):
        flat, at = divmod(flat, size)
        index.append(at)
    return "".join(f"[{at}]" for at in reversed(index))


def _fits_float(item: Any) -> bool:
    try:
        float(item)
    except OverflowError:
        return False
    return True


def _show(value: Any) -> str:
    """A short picture of a JSON value, whatever its size."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and value.bit_length() > 128:
        return f"an integer of about {int(value.bit_length() * 0.30103)} digits"
    if isinstance(value, (list, dict)):
        return f"{'a list' if isinstance(value, list) else 'an object'} of {len(value)} elements"
    text = repr(value) if not isinstance(value, str) else f'"{value}"'
    return text if len(text) <= 60 else f"{text[:57]}..."


def _to_lists(array: Array) -> Any:
    if array.dtype.kind == "c":
        array = np.stack([array.real, array.imag], axis=-1)
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return array.tolist()
    return _with_strings(array).tolist()


def _with_strings(array: Array) -> npt.NDArray[np.object_]:
    named = array.astype(object)
    for where, name in (
        (np.isnan(array), "NaN"),
        (array == np.inf, "Infinity"),
        (array == -np.inf, "-Infinity"),
    ):
        named[where] = name
    return named
