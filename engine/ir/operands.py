"""What an op takes: how many arrays, of which dtypes, and how bare numbers and constants are converted."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes
from engine.errors import DtypeMismatch, WrongArity
from engine.ir.input import Input
from engine.ir.op import Op


def cast_scalar(value: np.ndarray[Any, Any], dtype: str) -> np.ndarray[Any, Any]:
    """A constant in another dtype; raises DtypeMismatch if an integer does not fit."""
    if value.dtype.name == dtype:
        return value
    if dtypes.is_integer(dtype) and dtypes.is_integer(value.dtype.name):
        limits = np.iinfo(dtype)
        if value.size and not (limits.min <= value.min() and value.max() <= limits.max):
            raise DtypeMismatch(
                f"{value.item() if value.ndim == 0 else 'a constant'} does not fit into {dtype}",
                hint=f"{dtype} holds {limits.min} to {limits.max}; cast the tensor to a wider dtype first",
            )
    with np.errstate(all="ignore"):
        return value.astype(dtype)


def check_arity(op: Op, count: int) -> None:
    """Raise WrongArity unless `op` takes `count` arrays."""
    fixed = len(op.inputs)
    if op.variadic:
        minimum = fixed - 1 + op.inputs[-1].minimum
        if count < minimum:
            raise WrongArity(
                f"expected at least {_inputs(minimum)}, got {count}", op=op.name, hint=op.signature
            )
    elif count != fixed:
        raise WrongArity(f"expected {_inputs(fixed)}, got {count}", op=op.name, hint=op.signature)


def _inputs(count: int) -> str:
    return "1 input" if count == 1 else f"{count} inputs"


def weak_dtype(number: bool | int | float | complex) -> str:
    """The dtype in which a bare scalar is kept until it meets a tensor; a huge integer is a float."""
    if isinstance(number, bool):
        return dtypes.BOOL
    if isinstance(number, int):
        if -(2**63) <= number < 2**63:
            return "int64"
        return "uint64" if 0 < number < 2**64 else "float64"
    return "complex128" if isinstance(number, complex) else "float64"


_NUMBERS = frozenset(dtypes.ALL) - {dtypes.BOOL}
_ACCEPTED = {
    "any": (frozenset(dtypes.ALL), ""),
    "numeric": (_NUMBERS, "a number's dtype"),
    "floating": (frozenset((*dtypes.FLOATING, *dtypes.COMPLEX)), "a floating dtype"),
    "real_floating": (frozenset(dtypes.FLOATING), "a real floating dtype"),
    "real": (_NUMBERS - set(dtypes.COMPLEX), "a real number's dtype"),
    "integer": (frozenset(dtypes.INTEGER), "an integer dtype"),
    "index": (frozenset((*dtypes.INTEGER, dtypes.BOOL)), "an integer or bool dtype"),
    "boolean": (frozenset((dtypes.BOOL,)), "bool"),
}


def check_kind(op: Op, parameter: Input, dtype: str) -> None:
    """Raise DtypeMismatch unless the parameter takes this dtype."""
    accepted, expected = _ACCEPTED[parameter.kind]
    if dtype not in accepted:
        compares = parameter.kind == "boolean"
        whole = parameter.kind in ("integer", "index")
        cure = "compare first, as in x != 0" if compares else "convert it with astype first"
        if whole and dtypes.is_floating(dtype):
            cure = f'{cure}, as in astype(x, \'int64\'), or send it so: {{"dtype": "int64", "data": …}}'
        raise DtypeMismatch(f"expected {expected} for '{parameter.name}', got {dtype}", op=op.name, hint=cure)
