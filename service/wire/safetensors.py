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
from safetensors import SafetensorError, deserialize

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


def pack(document: Any, tensors: Mapping[str, Array]) -> bytes:
    """A safetensors answer: `document` as JSON in the metadata key `response`, the arrays as data."""
    response = dumps(document).decode()
    header: dict[str, Any] = {"__metadata__": {"response": response}}
    chunks, offset = [], 0
    for name, array in sorted(tensors.items(), key=lambda item: -item[1].itemsize):  # keeps data aligned
        octets = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        place = [offset, offset + len(octets)]
        header[name] = {"dtype": _CODES[array.dtype.name], "shape": list(array.shape), "data_offsets": place}
        chunks.append(octets)
        offset += len(octets)
    text = dumps(header)
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *chunks])


def has_code(array: Array) -> bool:
    """Whether safetensors can carry this dtype (complex128 it cannot)."""
    return array.dtype.name in _CODES


def _header(body: bytes) -> tuple[dict[str, Any], int]:
    try:
        deserialize(body)  # type: ignore[no-untyped-call]  # a Rust function; it checks the lengths, the offsets and that nothing overlaps
        size = int.from_bytes(body[:8], "little")
        header = loads(body[8 : 8 + size])
    except (SafetensorError, ValueError) as error:
        raise Problem(
            "malformed_json",
            f"expected a safetensors body: {error}",
            path="$",
            hint="write it with the safetensors library, or send application/json",
        ) from None
    assert isinstance(header, dict), "safetensors accepted a header that is no object"
    return header, 8 + size


def _view(body: bytes, start: int, name: str, entry: Mapping[str, Any]) -> Array:
    dtype = _DTYPES.get(entry["dtype"])
    if dtype is None:
        raise InvalidTensor(
            f"expected one of the dtypes {', '.join(_CODES)}, got {entry['dtype']} in the tensor '{name}'",
            path=f"safetensors['{name}']",
            hint="convert it before sending",
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
