"""Any of the four forms of a tensor to an array."""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from engine import dtypes
from engine.arrays.types import Array
from engine.errors import DtypeMismatch, InvalidTensor, did_you_mean
from engine.frontend.tensors.encode import dtype_name
from engine.frontend.tensors.faults import check_declared_shape, check_fields, show
from engine.frontend.tensors.lists import MAX_NDIM, from_lists, from_numbers

_MAX_ELEMENTS = 2**62
_OTHER_NAMES = {
    **dict.fromkeys(("float", "double", "f8", "np.float64"), "float64"),
    **dict.fromkeys(("single", "f4", "np.float32"), "float32"),
    **dict.fromkeys(("half", "f2"), "float16"),
    **dict.fromkeys(("int", "integer", "long", "i8", "np.int64"), "int64"),
    **dict.fromkeys(("short", "i2"), "int16"),
    **dict.fromkeys(("byte", "i1"), "int8"),
    **dict.fromkeys(("boolean", "bool_"), "bool"),
    **dict.fromkeys(("complex", "cdouble", "c16"), "complex128"),
}
_DTYPE_HINT = "the dtypes are " + dtypes.names(dtypes.ALL)


@dataclass(frozen=True, slots=True)
class Tensor:
    """An array, and whether it came as a bare number that takes the dtype of what it meets."""

    array: Array
    weak: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor stands (a JSON path), and the dtype and the shape that the function declares for it."""

    path: str
    dtype: str | None = None
    shape: tuple[int | None, ...] | None = None


def decode_tensors(
    values: Mapping[str, Any], places: Mapping[str, Place], attachments: Mapping[str, Array] | None = None
) -> dict[str, Tensor]:
    """`decode_tensor` of every value, read together if all are short lists of numbers; each has a place."""
    numbers = from_numbers(values)
    tensors = {}
    for name, value in values.items():
        place = places[name]
        if numbers is not None and (place.dtype is None or place.dtype == dtypes.DEFAULT):
            array = numbers[name]
            if place.shape is not None:
                check_declared_shape(array.shape, place.shape, place.path)
            tensors[name] = Tensor(array, place.dtype is None and not array.ndim)
        else:
            tensors[name] = decode_tensor(
                value, path=place.path, dtype=place.dtype, shape=place.shape, attachments=attachments
            )
    return tensors


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
        array = from_lists(value, path, dtype or dtypes.DEFAULT)
        weak = dtype is None and array.ndim == 0
    if shape is not None:
        check_declared_shape(array.shape, shape, path)
    return Tensor(array, weak)


def _typed(value: dict[str, Any], path: str) -> Array:
    check_fields(value, ("dtype", "shape", "data"), path)
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
    array = from_lists(data, f"{path}.data", dtype)
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
    if isinstance(value, str) and value.lower() in _OTHER_NAMES:
        near = f"write '{_OTHER_NAMES[value.lower()]}'"
    raise InvalidTensor(
        f"expected the name of a dtype, got {show(value)} at {path}", path=path, hint=near or _DTYPE_HINT
    )


def _decode_shape(value: Any, path: str) -> tuple[int, ...]:
    if type(value) is not list or any(type(size) is not int or size < 0 for size in value):
        raise InvalidTensor(
            f"expected a list of sizes such as [2, 3], got {show(value)} at {path}", path=path
        )
    if len(value) > MAX_NDIM or prod(size or 1 for size in value) > _MAX_ELEMENTS:
        raise InvalidTensor(
            f"expected a shape that an array can have, got {show(value)} at {path}", path=path
        )
    return tuple(value)


def _from_base64(data: dict[str, Any], path: str, dtype: str, shape: tuple[int, ...] | None) -> Array:
    check_fields(data, ("encoding", "buffer"), f"{path}.data")
    if data.get("encoding") != "base64":
        came = show(data.get("encoding"))
        raise InvalidTensor(
            f'expected encoding "base64", got {came} at {path}.data.encoding', path=f"{path}.data.encoding"
        )
    buffer, place = data.get("buffer"), f"{path}.data.buffer"
    if not isinstance(buffer, str):
        raise InvalidTensor(f"expected a base64 string, got {show(buffer)} at {place}", path=place)
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
    check_fields(value, ("tensor",), path)
    key = value["tensor"]
    if not isinstance(key, str):
        raise InvalidTensor(f"expected the key of a tensor, got {show(key)} at {path}.tensor", path=path)
    if attachments is None:
        raise InvalidTensor(
            f'expected an application/x-safetensors body for {{"tensor": ...}} at {path}, got plain JSON',
            path=path,
            hint="send a safetensors body whose metadata key 'request' holds the JSON",
        )
    if key not in attachments:
        raise InvalidTensor(
            f"expected a tensor of the body, got the unknown key {show(key)} at {path}.tensor",
            path=f"{path}.tensor",
            hint=did_you_mean(key, attachments),
        )
    return attachments[key]
