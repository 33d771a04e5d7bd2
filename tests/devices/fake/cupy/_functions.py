"""CuPy's functions that are not universal functions: NumPy's, on device arrays alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cupy._array import ndarray, plain, wrap

CREATION = ("arange", "eye", "linspace", "tri")
VIEWS = ("reshape", "transpose", "squeeze", "expand_dims", "broadcast_to", "diagonal", "flip", "swapaxes",
         "moveaxis", "ravel", "rollaxis")  # fmt: skip
OTHERS = ("where", "tril", "triu", "roll", "diff", "tensordot", "dot", "outer", "cross", "trace", "around",
          "repeat", "tile", "searchsorted", "isin", "nonzero", "unique", "copyto", "clip", "count_nonzero",
          "var", "std", "vdot", "inner", "nanmax", "nanmin", "einsum")  # fmt: skip
REDUCTIONS = ("max", "min", "any", "all")
TYPED = ("sum", "prod", "mean")
PLACES = ("argmax", "argmin")


def _on_device(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **settings: Any) -> Any:
        given = [x for x in (*args, *settings.values()) if isinstance(x, ndarray)]
        host_args = [_unwrapped(x) for x in args]
        host_settings = {name: _unwrapped(x) for name, x in settings.items()}
        with np.errstate(all="ignore"):
            return _wrapped(function(*host_args, **host_settings), given[0] if given else None)

    return call


def _unwrapped(x: Any) -> Any:
    if isinstance(x, tuple | list):
        return type(x)(_unwrapped(item) for item in x)
    return plain(x)


def _wrapped(answer: Any, source: Any) -> Any:
    if isinstance(answer, tuple | list):
        return type(answer)(_wrapped(item, source) for item in answer)
    return wrap(answer, source) if isinstance(answer, np.ndarray | np.generic) else answer


def _made(name: str) -> Callable[..., Any]:
    def make(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
        if isinstance(shape, np.ndarray):
            raise TypeError("a shape is of integers")
        return wrap(getattr(np, name)(shape, dtype or float, order=order))

    return make


def _like(name: str) -> Callable[..., Any]:
    def make(a: Any, dtype: Any = None, **_: Any) -> ndarray:
        return wrap(getattr(np, name)(a._host, dtype))

    return make


def full(shape: Any, fill_value: Any, dtype: Any = None, order: str = "C") -> ndarray:
    return wrap(np.full(shape, plain(fill_value), dtype))


def full_like(a: Any, fill_value: Any, dtype: Any = None) -> ndarray:
    return wrap(np.full_like(a._host, plain(fill_value), dtype))


def _reduction(name: str, typed: bool) -> Callable[..., Any]:
    function = getattr(np, name)

    def reduce(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        if axis == ():
            raise AssertionError("over no axis: what CuPy does then nobody has written down")
        settings = {"dtype": dtype} if typed else {}
        with np.errstate(all="ignore"):
            return wrap(function(a._host, axis=axis, keepdims=keepdims, **settings))

    def untyped(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        return reduce(a, axis, None, out, keepdims)

    return reduce if typed else untyped


def _places(name: str) -> Callable[..., Any]:
    def reduce(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        return wrap(getattr(np, name)(a._host, axis=axis, keepdims=keepdims))

    return reduce


def _running(name: str) -> Callable[..., Any]:
    def run(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        with np.errstate(all="ignore"):
            return wrap(getattr(np, name)(a._host, axis, dtype))

    return run


def concatenate(
    tup: Any, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind"
) -> Any:
    if not all(isinstance(item, ndarray) for item in tup):
        raise TypeError("Only cupy arrays can be concatenated")
    return wrap(np.concatenate([item._host for item in tup], axis))


def stack(tup: Any, axis: int = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    if not all(isinstance(item, ndarray) for item in tup):
        raise TypeError("Only cupy arrays can be stacked")
    return wrap(np.stack([item._host for item in tup], axis))


def take(a: Any, indices: Any, axis: Any = None, out: Any = None) -> Any:
    return a.take(indices, axis, out)


def take_along_axis(a: Any, indices: Any, axis: Any) -> Any:
    return wrap(np.take_along_axis(a._host, indices._host % max(1, a.shape[axis]), axis))


def sort(a: Any, axis: Any = -1, kind: Any = None) -> Any:
    return wrap(np.sort(a._host, axis, kind="stable"))


def argsort(a: Any, axis: Any = -1, kind: Any = None) -> Any:
    return wrap(np.argsort(a._host, axis, kind="stable"))


def broadcast_arrays(*args: Any) -> list[Any]:
    hosts = np.broadcast_arrays(*(a._host for a in args))
    return [wrap(host, a) for host, a in zip(hosts, args, strict=True)]


def isdtype(dtype: Any, kind: Any) -> bool:
    return np.isdtype(dtype, kind)


def may_share_memory(a: Any, b: Any, max_work: Any = None) -> bool:
    return np.may_share_memory(a._host, b._host)


def ascontiguousarray(a: Any, dtype: Any = None) -> Any:
    return wrap(np.ascontiguousarray(a._host, dtype), a)


def real(val: Any) -> Any:
    return val.real


def imag(val: Any) -> Any:
    return val.imag if val.dtype.kind == "c" else wrap(np.zeros(val.shape, val.dtype))


FUNCTIONS: dict[str, Any] = {
    **{name: _on_device(getattr(np, name)) for name in (*CREATION, *VIEWS, *OTHERS)},
    **{name: _made(name) for name in ("zeros", "ones", "empty")},
    **{name: _like(name) for name in ("zeros_like", "ones_like", "empty_like")},
    **{name: _reduction(name, False) for name in REDUCTIONS},
    **{name: _reduction(name, True) for name in TYPED},
    **{name: _places(name) for name in PLACES},
    **{name: _running(name) for name in ("cumsum", "cumprod")},
    **{
        function.__name__: function
        for function in (
            *(full, full_like, concatenate, stack, take, take_along_axis, sort, argsort),
            *(broadcast_arrays, isdtype, may_share_memory, ascontiguousarray, real, imag),
        )
    },
}
FUNCTIONS["meshgrid"] = _on_device(np.meshgrid)
for _name in (*REDUCTIONS, *TYPED):
    setattr(ndarray, _name, FUNCTIONS[_name])
ndarray.conj = lambda self: wrap(np.conj(self._host), self)
