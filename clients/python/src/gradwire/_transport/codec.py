"""Arrays to request bodies, and answers back to arrays.

Per tensor, JSON lists up to 16 elements and base64 above; past 16 KiB together, a safetensors body
whose metadata carry the JSON. Measured on one core, encoding / decoding in µs (JSON, base64,
safetensors): 8 elements 7/4, 4/3, 6/3; 64 elements 38/22, 6/7, 7/5; 4,096 elements 2,040/1,880,
138/214, 12/5. Below a few hundred elements base64 and safetensors cost the same, and JSON can be read.
"""

from __future__ import annotations

import binascii
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from gradwire._names.json_numbers import dumps
from gradwire._transport.flow import Request, Response
from gradwire.errors import UnexpectedAnswer

Array = npt.NDArray[Any]

_ATOMS = frozenset((str, int, float, bool, list, tuple, type(None)))  # in which no arrays are looked for
SMALL_ELEMENTS = 16
BULK_BYTES = 16 * 1024
SAFETENSORS = "application/x-safetensors"

_PLAIN_JSON = {"Content-Type": "application/json", "Accept": "application/json"}
_BULK = {"Content-Type": SAFETENSORS, "Accept": f"{SAFETENSORS}, application/problem+json"}


@dataclass(frozen=True, slots=True)
class Declared:
    """An array whose dtype the function declares, so that short ones travel as bare lists."""

    array: Array


def post(path: str, body: Mapping[str, Any], *, tensors: bool = True) -> Request:
    """A POST of `body`, which may hold arrays anywhere; `tensors`: the answer holds some too."""
    arrays: list[Array] = []
    _gather(body, arrays)
    if sum(array.nbytes for array in arrays) > BULK_BYTES:
        attachments: dict[str, Array] = {}
        text = dumps(_replace(body, attachments), default=_item)
        return Request("POST", path, save(attachments, {"request": text}), _BULK)
    fields = {"encoding": "base64", **body} if tensors else body
    return Request("POST", path, dumps(_replace(fields, None), default=_item).encode(), _PLAIN_JSON)


def read(response: Response) -> Any:
    """The answer's JSON, with NumPy arrays in place of typed tensors; raises UnexpectedAnswer."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip()
    try:
        if kind == SAFETENSORS:
            return _revive(json.loads(_metadata(response.content)["response"]), load(response.content))
        return _revive(json.loads(response.content), {}) if response.content else None
    except (ValueError, KeyError, TypeError, SafetensorError) as error:
        start = response.content[:80]
        raise UnexpectedAnswer(
            f"expected an answer in Gradwire's format, got {kind or 'no content type'} {start!r}: {error}",
            status=response.status,
        ) from error


def plain(array: Array) -> Any:
    """Nested lists; a complex number becomes [re, im]."""
    if array.dtype.kind == "c":
        array = np.stack([array.real, array.imag], axis=-1)
    return array.tolist()


def _gather(value: Any, arrays: list[Array]) -> None:
    if type(value) is Declared:
        arrays.append(value.array)
    elif isinstance(value, np.ndarray):
        arrays.append(value)
    elif isinstance(value, dict) or (type(value) not in _ATOMS and isinstance(value, Mapping)):
        for item in value.values():
            _gather(item, arrays)


def _replace(value: Any, attachments: dict[str, Array] | None) -> Any:
    """`value` with its arrays written down, or moved into `attachments` where there are any."""
    declared = type(value) is Declared
    if declared or isinstance(value, np.ndarray):
        array = value.array if declared else value
        if attachments is not None and array.dtype.kind != "c":
            key = str(len(attachments))
            attachments[key] = np.ascontiguousarray(array).reshape(array.shape)
            return {"tensor": key}
        return _inline(array, declared=declared)
    if isinstance(value, dict) or (type(value) not in _ATOMS and isinstance(value, Mapping)):
        return {key: _replace(item, attachments) for key, item in value.items()}
    return value


def _inline(array: Array, *, declared: bool) -> Any:
    if array.size <= SMALL_ELEMENTS and array.size:
        data = plain(array)
        if declared or (array.ndim and array.dtype == np.float64):
            return data
        return {"dtype": array.dtype.name, "shape": list(array.shape), "data": data}
    octets = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    buffer = binascii.b2a_base64(octets, newline=False).decode("ascii")
    data = {"encoding": "base64", "buffer": buffer}
    return {"dtype": array.dtype.name, "shape": list(array.shape), "data": data}


def _metadata(content: bytes) -> dict[str, str]:
    """The metadata in a safetensors header: eight bytes of length, then JSON."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    metadata: dict[str, str] = header["__metadata__"]
    return metadata


_LITTLE = sys.byteorder == "little"
_TYPED = {"dtype", "shape", "data"}


def _revive(value: Any, attachments: Mapping[str, Array]) -> Any:
    if isinstance(value, list):
        return [_revive(item, attachments) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 3 and value.keys() == _TYPED:
        return _array(value)
    if len(value) == 1 and isinstance(value.get("tensor"), str):
        return attachments[value["tensor"]]
    return {key: _revive(item, attachments) for key, item in value.items()}


def _array(value: Mapping[str, Any]) -> Array:
    dtype, shape, data = np.dtype(value["dtype"]), tuple(value["shape"]), value["data"]
    if isinstance(data, dict):
        octets = bytearray(binascii.a2b_base64(data["buffer"]))  # which the array is written to in place
        if not _LITTLE:
            return np.frombuffer(octets, dtype.newbyteorder("<")).astype(dtype).reshape(shape)
        return np.frombuffer(octets, dtype).reshape(shape)
    if dtype.kind == "c":
        pairs = np.array(data, np.float64).reshape(*shape, 2)
        return np.asarray(pairs[..., 0] + 1j * pairs[..., 1]).astype(dtype)
    return np.array(data, dtype).reshape(shape)  # NumPy reads the names of NaN and infinities


def _item(value: Any) -> Any:
    """NumPy's scalars inside of lists."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"expected something JSON can hold, got {type(value).__name__}")
