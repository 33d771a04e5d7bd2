"""What is no array of numbers: which kind of thing it is, and how numbers are made of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def from_elsewhere(value: Any) -> npt.NDArray[Any]:
    """The array of something that has one: a tensor of PyTorch or JAX, a table's columns.

    Raises TypeError for a tensor whose own gradient would be lost, and for what cannot be read.
    """
    if getattr(value, "requires_grad", False):
        raise TypeError(
            f"expected numbers, got a {_library(value)} tensor that requires a gradient, which would stop "
            "here: pass value.detach(), and differentiate with gradwire instead"
        )
    try:
        array = np.asarray(value)
    except Exception as error:  # each library has its own
        raise TypeError(not_numbers(value)) from error
    if array.dtype.kind not in "biufc":
        raise TypeError(not_numbers(value if hasattr(value, "columns") else array))
    return array


def refuse_special(value: npt.NDArray[Any]) -> None:
    """Raise TypeError for an array whose mask would be lost, or whose product is one of matrices."""
    if isinstance(value, np.matrix):
        raise TypeError(
            "expected an array, got a np.matrix, whose `*` is a product of matrices, and that of tensors is "
            "not: write np.asarray(x), and `@` for products of matrices"
        )
    masked = np.ma.getmaskarray(value)
    if masked.any():
        raise TypeError(
            f"expected numbers, got a masked array with {int(masked.sum())} masked elements, whose mask "
            "would be lost: leave them out, x.compressed(), fill them in, x.filled(x.mean()), or send "
            "the mask as weights, gw.sum(gw.where(mask, 0.0, error)) / count"
        )


def not_numbers(value: Any) -> str:  # noqa: PLR0911  # one for each kind
    """What is said of a value that is no array of numbers, with the cure."""
    kind = type(value).__name__
    if value is None:
        return (
            "expected numbers, got None: from a function without `return`, or a gradient that does not exist"
        )
    if isinstance(value, str | bytes):
        return f"expected numbers, got the text {value!r:.40}: float(text) makes a number of one"
    if isinstance(value, dict):
        return "expected numbers, got a dict: give one of its values, such as d['x']"
    if isinstance(value, set | frozenset):
        return "expected numbers, got a set, which has no order: list(values)"
    if hasattr(value, "__next__"):
        return f"expected numbers, got a {kind}, which is read once: list(values)"
    if hasattr(value, "dtypes") and hasattr(value, "columns"):
        return (
            "expected numbers, got a table with columns that hold none: choose the others, "
            "table.select_dtypes('number'), or encode them, pandas.get_dummies(table)"
        )
    if _library(value) == "jax":
        return (
            "expected numbers, got a value that JAX is tracing: jax.grad and jax.jit cannot trace ops of "
            "gradwire: differentiate with gw.grad(f)"
        )
    if callable(value):
        return f"expected numbers, got the function {getattr(value, '__name__', kind)!r}: call it first"
    if hasattr(value, "dtype") and "bfloat16" in str(value.dtype):
        return f"expected numbers, got {value.dtype}, which NumPy has not: convert it to float32"
    if isinstance(value, list | tuple):
        return _of_list(value)
    array = value if isinstance(value, np.ndarray | np.generic) else None
    names = ("to_numpy", "values", "data", "value") if array is None else ()
    own = next((name for name in names if hasattr(value, name)), None)
    if own is not None:
        call = f"value.{own}()" if callable(getattr(value, own)) else f"value.{own}"
        return f"expected numbers, got {kind}: give the array that it holds, {call}"
    if array is None:
        return f"expected numbers, got {kind}: float(value) makes a number of one"
    return f"expected numbers, got an array of {array.dtype}: {_of_dtype(array.dtype)}"


def _of_list(value: Any) -> str:
    lengths = {len(item) if hasattr(item, "__len__") and not isinstance(item, str) else 0 for item in value}
    if len(lengths) > 1:
        listed = ", ".join("a number" if n == 0 else str(n) for n in sorted(lengths))
        return (
            f"expected rows of one length, got lengths {listed}: fill the short ones up, with a mask for "
            "what is filling, or take the rows one by one"
        )
    for item in value:
        if isinstance(item, list | tuple):
            return _of_list(item)
        if not isinstance(item, int | float | complex | np.number | np.bool_):
            return f"expected numbers, got a list with {type(item).__name__} in it: {item!r:.40}"
    return "expected numbers, got a list that is no array of numbers"


def _of_dtype(dtype: np.dtype[Any]) -> str:
    if dtype.kind == "O":
        return "x.astype(float) converts it if all elements are numbers (None and '' are none)"
    if dtype.kind in "US":
        return (
            "x.astype(float) for numbers written as text; classes by name become integers with "
            "np.unique(x, return_inverse=True)[1]"
        )
    if dtype.kind in "Mm":
        return "count from an origin: (x - x[0]) / np.timedelta64(1, 'D')"
    if dtype.names:
        return "take one of its fields: x['name']"
    return "x.astype(np.float64)"


def _library(value: Any) -> str:
    return type(value).__module__.partition(".")[0].removesuffix("lib")
