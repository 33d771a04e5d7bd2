"""Safetensors bodies: the JSON rides in the header's metadata, the arrays follow as raw bytes.

Layout: 8 bytes little-endian header length, a JSON header `{name: {dtype, shape, data_offsets}}` with an
optional `__metadata__` of strings, then the data. Reading copies nothing: the arrays are views of the body.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import InvalidTensor
from service.wire.json_numbers import dumps, loads
from service.wire.problems import Problem

MEDIA_TYPE = "application/x-safetensors"

_DTYPES = {
    "BOOL": "bool",
    "I8": "int8",
    "I16": "int16",
    "I32": "int32",
    "I64": "int64",
    "U8": "uint8",
    "U16": "uint16",
    "U32": "uint32",
    "U64": "uint64",
    "F16": "float16",
    "F32": "float32",
    "F64": "float64",
    "C64": "complex64",
}
#: What the format has beside these.
_FOREIGN = frozenset(
    ["BF16", "F4", "F6_E2M3", "F6_E3M2", "F8_E4M3", "F8_E4M3FNUZ", "F8_E5M2", "F8_E5M2FNUZ", "F8_E8M0"]
)
#: Tensors of at least so many bytes on average are not copied into one body.
_IN_PARTS = 2**18
_MOST_AXES = 64
_CODES = {name: code for code, name in _DTYPES.items()}

Array = npt.NDArray[Any]


def unpack(body: bytes) -> tuple[bytes, dict[str, Array]]:
    """The JSON of the metadata key `request`, and the arrays as read-only views.

    Raises Problem malformed_json if the framing is broken, InvalidTensor for a dtype we do not have.
    """
    header, start = _header(body)
    metadata = header.pop("__metadata__", None)
    request = metadata.get("request") if isinstance(metadata, dict) else None
    if not isinstance(request, str):
        raise Problem(
            "malformed_json",
            "expected the request's JSON in the safetensors metadata under 'request', got none",
            path="__metadata__.request",
            hint="save_file(tensors, metadata={'request': json.dumps(request)})",
        )
    return request.encode(), {name: _view(body, start, name, entry) for name, entry in header.items()}


def pack(document: Any, tensors: Mapping[str, Array]) -> tuple[bytes, tuple[memoryview, ...]]:
    """A safetensors answer: `document` as JSON in the metadata key `response`, the arrays as data.

    It comes as its beginning and the parts that follow. Large arrays are parts as they lie in memory, which
    copies none of them; small ones are in the beginning.
    """
    response = dumps(document).decode()
    header: dict[str, Any] = {"__metadata__": {"response": response}}
    parts, offset = [], 0
    for name, array in sorted(tensors.items(), key=lambda item: -item[1].itemsize):  # keeps data aligned
        flat = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(-1)
        octets = flat.view(np.uint8)
        place = [offset, offset + octets.size]
        header[name] = {"dtype": _CODES[array.dtype.name], "shape": list(array.shape), "data_offsets": place}
        parts.append(octets.data)
        offset += octets.size
    text = dumps(header)
    text += b" " * (-len(text) % 8)
    start = [len(text).to_bytes(8, "little"), text]
    if offset < _IN_PARTS * max(1, len(parts)):
        return b"".join([*start, *parts]), ()
    return b"".join(start), tuple(parts)


def has_code(array: Array) -> bool:
    """Whether safetensors can carry this dtype (complex128 it cannot)."""
    return array.dtype.name in _CODES


def _header(body: bytes) -> tuple[dict[str, Any], int]:
    """The header and where the data begins. Raises Problem malformed_json if they do not fit together."""
    size = int.from_bytes(body[:8], "little")
    try:
        if len(body) < 8 or size > len(body) - 8:
            raise ValueError(f"its header of {size} bytes is not there")
        header = loads(body[8 : 8 + size])
        if not isinstance(header, dict):
            raise ValueError("its header is no JSON object")
        _check_layout(header, len(body) - 8 - size)
    except ValueError as error:
        raise Problem(
            "malformed_json",
            f"expected a safetensors body: {error}",
            path="$",
            hint="write it with the safetensors library, or send application/json",
        ) from None
    return header, 8 + size


def _check_layout(header: Mapping[str, Any], data: int) -> None:
    """Raise ValueError unless the tensors cover the `data` bytes without gaps and overlaps.

    The library checks the same, but copies every tensor while it does.
    """
    places = []
    for name, entry in header.items():
        if name == "__metadata__":
            if entry is not None and not _is_text(entry):
                raise ValueError("__metadata__ is no object of strings")
            continue
        try:
            dtype, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        except (KeyError, TypeError, ValueError):
            raise ValueError(f"the tensor '{name}' lacks dtype, shape or two data_offsets") from None
        if type(shape) is not list or not all(type(one) is int and one >= 0 for one in (*shape, begin, end)):
            raise ValueError(f"shape and data_offsets of the tensor '{name}' are no sizes")
        if type(dtype) is not str:
            raise ValueError(f"the dtype of the tensor '{name}' is not a string")
        if dtype in _DTYPES:
            expected = prod(shape) * np.dtype(_DTYPES[dtype]).itemsize
            if end - begin != expected:
                raise ValueError(f"the tensor '{name}' takes {expected} bytes and has {end - begin}")
        elif dtype not in _FOREIGN:
            raise ValueError(f"the dtype of the tensor '{name}' is none of the format")
        places.append((begin, end, name))
    reached = 0
    for begin, end, name in sorted(places):
        if begin != reached or end < begin:
            raise ValueError(f"the tensor '{name}' does not begin where the one before ends")
        reached = end
    if reached != data:
        raise ValueError(f"its tensors take {reached} bytes and it has {data}")


def _is_text(entry: Any) -> bool:
    return isinstance(entry, dict) and all(isinstance(value, str) for value in entry.values())


def _view(body: bytes, start: int, name: str, entry: Mapping[str, Any]) -> Array:
    dtype = _DTYPES.get(entry["dtype"])
    if dtype is None:
        raise InvalidTensor(
            f"expected one of the dtypes {', '.join(_CODES)}, got {entry['dtype']} in the tensor '{name}'",
            path=f"safetensors['{name}']",
            hint="convert it before sending",
        )
    if len(entry["shape"]) > _MOST_AXES:
        raise InvalidTensor(
            f"expected at most {_MOST_AXES} axes, got {len(entry['shape'])} in the tensor '{name}'",
            path=f"safetensors['{name}']",
            hint="reshape it before sending",
        )
    count, offset = prod(entry["shape"]), start + entry["data_offsets"][0]
    raw = np.uint8 if dtype == "bool" else np.dtype(dtype).newbyteorder("<")
    array = np.frombuffer(body, raw, count, offset).reshape(entry["shape"])
    if dtype == "bool":
        if array.size and array.max() > 1:
            raise InvalidTensor(
                f"expected bytes 0 and 1 for bool in the tensor '{name}', got {array.max()}",
                path=f"safetensors['{name}']",
            )
        array = array.view(np.bool_)
    return array if array.flags.aligned else array.copy()
