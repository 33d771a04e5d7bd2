"""Arrays as JSON-able data, in the three forms that an answer may have."""

from __future__ import annotations

import binascii
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from engine import dtypes
from engine.arrays.types import Array
from engine.ir.json_numbers import INFINITY, NAN, NEGATIVE_INFINITY

Encoding = Literal["json", "typed", "base64"]

_NAMES = {np.dtype(name).newbyteorder(order): name for name in dtypes.ALL for order in ("<", ">", "=")}
_NUMBER = frozenset({int, float})
_ATOM = frozenset({int, float, str, bool})
_DTYPE_HINT = "the dtypes are " + dtypes.names(dtypes.ALL)


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


def _to_lists(array: Array) -> Any:
    if array.dtype.kind == "c":
        array = np.stack([array.real, array.imag], axis=-1)
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return array.tolist()
    return _with_strings(array).tolist()


def _with_strings(array: Array) -> npt.NDArray[np.object_]:
    named = array.astype(object)
    for where, name in (
        (np.isnan(array), NAN),
        (array == np.inf, INFINITY),
        (array == -np.inf, NEGATIVE_INFINITY),
    ):
        named[where] = name
    return named
