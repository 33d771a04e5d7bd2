"""An array that behaves as CuPy's does, in host memory; it is never converted to NumPy implicitly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from cupy.cuda import allocate, counts, require_stream

LOOPS = json.loads((Path(__file__).parent / "loops.json").read_text())


class HiddenTransfer(TypeError):
    """An array was about to be converted, or waited for, without anybody having asked."""


def _hidden(what: str) -> Any:
    def refuse(self: Any, *_: Any, **__: Any) -> Any:
        raise HiddenTransfer(f"{what} on a device array: a hidden transfer")

    return refuse


class ndarray:  # CuPy's name
    """The data lie in `_host`, which tests and the fake alone touch; `_memory` is what the pool counts."""

    __slots__ = ("__weakref__", "_host", "_memory", "base")
    __array_priority__ = 100

    def __init__(self, host: np.ndarray, memory: Any = None, base: Any = None) -> None:
        require_stream()
        self._host = host
        self._memory = allocate(host.nbytes) if memory is None else memory
        self.base = base

    for _name in ("__array__", "__float__", "__int__", "__bool__", "__index__", "__complex__"):
        locals()[_name] = _hidden(_name)
    del _name

    shape = property(lambda self: self._host.shape)
    dtype = property(lambda self: self._host.dtype)
    size = property(lambda self: self._host.size)
    ndim = property(lambda self: self._host.ndim)
    nbytes = property(lambda self: self._host.nbytes)
    itemsize = property(lambda self: self._host.itemsize)
    strides = property(lambda self: self._host.strides)
    T = property(lambda self: wrap(self._host.T, self))
    real = property(lambda self: wrap(self._host.real, self), lambda self, x: self._set("real", x))
    imag = property(lambda self: wrap(self._host.imag, self), lambda self, x: self._set("imag", x))

    def _set(self, part: str, value: Any) -> None:
        getattr(self._host, part)[...] = plain(value)

    @property
    def device(self) -> Any:
        from cupy.cuda import Device

        return Device()

    def get(self, stream: Any = None, order: str = "C", out: Any = None, blocking: bool = True) -> np.ndarray:
        counts["downloads"] += 1
        return np.array(self._host, order=order)

    def __array_ufunc__(self, function: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        import cupy

        if method != "__call__" or any(isinstance(x, np.ndarray) for x in inputs):
            raise TypeError(f"Unsupported type {np.ndarray}")
        return getattr(cupy, function.__name__)(*inputs, **settings)

    # -- as methods -------------------------------------------------------------------------------------

    def astype(self, dtype: Any, order: str = "K", casting: Any = None, copy: bool = True) -> Any:
        if not copy and self.dtype == np.dtype(dtype):
            return self
        with np.errstate(all="ignore"):
            return wrap(self._host.astype(dtype))

    def copy(self, order: str = "C") -> Any:
        return wrap(np.array(self._host, order=order))

    def view(self, dtype: Any = None) -> Any:
        return wrap(self._host.view() if dtype is None else self._host.view(dtype), self)

    def reshape(self, *shape: Any) -> Any:
        return wrap(self._host.reshape(*shape), self)

    def fill(self, value: Any) -> None:
        self._host.fill(plain(value))

    def take(self, indices: Any, axis: Any = None, out: Any = None) -> Any:
        places = plain(indices)
        host = self._host.reshape(-1) if axis is None else self._host
        size = host.shape[axis or 0]
        if host.size == 0 and np.size(places):
            raise IndexError("cannot do a non-empty take from an empty axes.")
        taken = host.take(np.mod(places, size) if size else places, axis=axis or 0)
        if out is None:
            return wrap(taken)
        if out.dtype != self.dtype or out.shape != taken.shape:
            raise TypeError("Output dtype or shape mismatch")
        out._host[...] = taken
        return out

    def scatter(self, index: Any, value: Any, function: Any, dtypes: tuple[str, ...]) -> None:
        places = self._places(index)
        advanced = any(isinstance(item, np.ndarray) for item in places)
        if advanced and self.dtype.name not in dtypes:
            raise TypeError(f"scatter does not support {self.dtype}")
        function.at(self._host, places, np.asarray(plain(value)).astype(self.dtype))

    def _places(self, index: Any) -> tuple[Any, ...]:
        """The index for NumPy, with arrays wrapped into the bounds as CuPy wraps them."""
        items = list(index) if isinstance(index, tuple) else [index]
        taking = sum(item is not None and item is not Ellipsis for item in items)
        answer: list[Any] = []
        axis = 0
        for item in items:
            if item is Ellipsis:
                axis += self.ndim - taking
            elif isinstance(item, ndarray):
                if item.dtype == np.bool_:
                    raise HiddenTransfer("a boolean index: how many it selects has to be waited for")
                answer.append(item._host % self.shape[axis] if self.shape[axis] else item._host)
                axis += 1
                continue
            elif isinstance(item, int | slice | np.integer):
                axis += 1
            elif item is not None:
                raise TypeError(f"Unsupported index {type(item)}")
            answer.append(item)
        return tuple(answer)

    def __getitem__(self, index: Any) -> Any:
        places = self._places(index)
        if any(isinstance(item, np.ndarray) for item in places):
            return wrap(self._host[places])
        return wrap(np.asarray(self._host[(*places, *(() if Ellipsis in places else (Ellipsis,)))]), self)

    def __setitem__(self, index: Any, value: Any) -> None:
        places, given = self._places(index), plain(value)
        with np.errstate(all="ignore"):
            if not any(isinstance(item, np.ndarray) for item in places):
                self._host[places] = given
                return
            # which of several writers of one place comes last is nobody's promise: here it is the first
            where = np.zeros(self.shape, np.int64)
            where.reshape(-1)[:] = np.arange(self.size)
            flat = where[places].reshape(-1)[::-1]
            values = np.broadcast_to(given, where[places].shape).reshape(-1)[::-1]
            written = self._host.copy()
            written.reshape(-1)[flat] = values
            self._host[...] = written

    def __iter__(self) -> Any:
        return (self[place] for place in range(len(self)))

    def __len__(self) -> int:
        return len(self._host)

    def __repr__(self) -> str:
        return f"<device array {self.shape} {self.dtype}>"

    def __hash__(self) -> int:
        return id(self)

    def __pos__(self) -> Any:
        return self.copy()


def plain(x: Any) -> Any:
    """What the fake computes with; a host array among device arrays is refused, as CuPy refuses it."""
    if isinstance(x, ndarray):
        return x._host
    if isinstance(x, np.ndarray):
        raise TypeError(f"Unsupported type {type(x)}")
    return x


def wrap(host: Any, source: Any = None) -> ndarray:
    """A result as a device array, 0-d ones too; it shares the memory of `source` where it looks at it."""
    array = np.asarray(host)
    if source is not None and (array.size == 0 or np.may_share_memory(array, source._host)):
        return ndarray(array, source._memory, source if source.base is None else source.base)
    return ndarray(array)


class ufunc:  # CuPy's name
    """A universal function with CuPy's loops: the first one that the operands fit is taken."""

    def __init__(self, name: str, function: Any, loops: str) -> None:
        self.name = self.__name__ = name
        self.types = loops.split()
        self._function = function
        ins, outs = self.types[0].split("->")
        self.nin, self.nout = len(ins), len(outs)

    def __call__(self, *args: Any, out: Any = None, dtype: Any = None, casting: str = "same_kind") -> Any:
        given, outs = args[: self.nin], list(args[self.nin :]) or ([out] if out is not None else [])
        if len(given) != self.nin or any(not isinstance(o, ndarray) for o in outs):
            raise TypeError(f"wrong arguments for {self.name}")
        hosts = [self._operand(x) for x in given]
        if not any(isinstance(x, ndarray) for x in (*given, *outs)):
            hosts = [np.asarray(x) for x in hosts]
        common = np.result_type(*hosts)
        wanted = [h.dtype if isinstance(h, np.ndarray) else common for h in hosts]
        ins, results = self._loop(wanted, dtype)
        with np.errstate(all="ignore"):
            cast = [np.asarray(h).astype(t) for h, t in zip(hosts, ins, strict=True)]
            answer = self._function(*cast)
            answers = answer if isinstance(answer, tuple) else (answer,)
            answers = tuple(np.asarray(a).astype(t) for a, t in zip(answers, results, strict=True))
        if outs:
            for target, value in zip(outs, answers, strict=True):
                if not np.can_cast(value.dtype, target.dtype, casting):
                    raise TypeError(f"output (typecode '{value.dtype.char}') could not be coerced")
                target._host[...] = value
            return outs[0] if self.nout == 1 else tuple(outs)
        made = tuple(map(wrap, answers))
        return made[0] if self.nout == 1 else made

    def _operand(self, x: Any) -> Any:
        if isinstance(x, ndarray):
            return x._host
        if isinstance(x, np.ndarray) or not isinstance(x, bool | int | float | complex | np.generic):
            raise TypeError(f"Unsupported type {type(x)}")
        return x if not isinstance(x, np.generic) else np.asarray(x)

    def _loop(self, wanted: list[np.dtype], dtype: Any) -> tuple[str, str]:
        for loop in self.types:
            ins, outs = loop.split("->")
            if dtype is not None and np.dtype(outs[0]) != np.dtype(dtype):
                continue
            if dtype is not None or all(np.can_cast(w, t) for w, t in zip(wanted, ins, strict=True)):
                return ins, outs
        raise TypeError(f"Wrong type ({wanted}) of arguments for {self.name}")


def _power(a: Any, b: Any) -> Any:
    """A device has no errors to raise: of an integer to a negative power it makes something."""
    return np.power(a, np.where(b < 0, 0, b) if np.asarray(b).dtype.kind == "i" else b)


UFUNCS = {name: ufunc(name, getattr(np, name), loops) for name, loops in LOOPS["cupy"].items()}
for _name in ("power", "pow"):
    UFUNCS[_name]._function = _power
_OPERATORS = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "true_divide",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "pow": "power",
    "lshift": "left_shift",
    "rshift": "right_shift",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
}
_COMPARISONS = {
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
    "eq": "equal",
    "ne": "not_equal",
}


def _binary(function: Any, kind: str) -> Any:
    def forward(self: Any, other: Any) -> Any:
        return function(self, other)

    def backward(self: Any, other: Any) -> Any:
        return function(other, self)

    def in_place(self: Any, other: Any) -> Any:
        return function(self, other, out=self)

    return {"": forward, "r": backward, "i": in_place}[kind]


for _operator, _name in _OPERATORS.items():
    for _kind in ("", "r", "i"):
        setattr(ndarray, f"__{_kind}{_operator}__", _binary(UFUNCS[_name], _kind))
for _operator, _name in _COMPARISONS.items():
    setattr(ndarray, f"__{_operator}__", _binary(UFUNCS[_name], ""))
for _operator, _name in {"neg": "negative", "abs": "absolute", "invert": "invert"}.items():
    setattr(ndarray, f"__{_operator}__", lambda self, _function=UFUNCS[_name]: _function(self))
