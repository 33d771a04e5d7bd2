"""Tensors made from attributes or from another tensor's shape; no value of any input is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, isfinite, nan
from typing import Any

from engine import dtypes
from engine.dtypes import TensorType
from engine.errors import InvalidAttribute
from engine.ir.attributes import BOOLEAN, DTYPE, INT, NUMBER, SHAPE, SIZE, Attribute
from engine.ir.cost import Cost
from engine.ir.families import CREATION, define
from engine.ir.no_gradient import NoGradient
from engine.ir.op import Op
from engine.ir.samples import Sample
from engine.ir.table import TABLE

SHAPE_ONLY = NoGradient("nondifferentiable", "shape_only", "only the shape is read, never a value")
_DTYPE = Attribute("dtype", DTYPE, dtypes.DEFAULT)
_SHAPE = Attribute("shape", SHAPE)
_VALUE = Attribute("fill_value", NUMBER)


def _written(types: Sequence[TensorType], outputs: Sequence[TensorType], **_: Any) -> Cost:
    return Cost(0, outputs[0].nbytes)


def value_of(dtype: str, value: float, name: str) -> float | int | bool:
    """The attribute `name` as Python's kind of `dtype`; raises InvalidAttribute where it would be changed."""
    if dtypes.is_inexact(dtype):
        return value
    kind = bool if dtype == dtypes.BOOL else int
    if not isfinite(value) or kind(value) != value or not _holds(dtype, int(value)):
        raise InvalidAttribute(f"expected a value of {dtype} for '{name}', got {value}")
    return kind(value)


def _holds(dtype: str, value: int) -> bool:
    if dtype == dtypes.BOOL:
        return True
    span = 1 << 8 * dtypes.ITEMSIZE[dtype]
    lowest = -(span // 2) if dtype in dtypes.SIGNED else 0
    return lowest <= value < lowest + span


def made(on: Any, name: str, **attributes: Any) -> Any:
    """What an op without inputs answers, on the tape of the variable `on`."""
    return on.tape.apply(TABLE[name], (), attributes)


# -- like another tensor -----------------------------------------------------------------------------


def _same_dtype(types: Sequence[Any], *, dtype: str | None, **numbers: Any) -> dict[str, Any]:
    dtype = dtype or types[0].dtype
    return {"dtype": dtype, **{name: value_of(dtype, value, name) for name, value in numbers.items()}}


def _like(
    name: str, summary: str, forward: Callable[..., Any], *attributes: Attribute, sample: Any = None
) -> Op:
    return define(
        name,
        family=CREATION,
        summary=summary,
        forward=forward,
        normalize=_same_dtype,
        infer=lambda types, *, dtype, **_: (TensorType(types[0].shape, dtype),),
        vjp=SHAPE_ONLY,
        kinds="any",
        attributes=(*attributes, Attribute("dtype", DTYPE, None, "that of x when absent")),
        cost=_written,
        samples=(
            Sample(((2, 3),), sample or {}),
            Sample(((),), {**(sample or {}), "dtype": "float32"}),
            Sample(((0, 2),), {**(sample or {}), "dtype": "int64"}),
        ),
    )


def _zeros_like(xp: Any, x: Any, *, dtype: str) -> Any:
    return xp.zeros(x.shape, dtype=getattr(xp, dtype))


def _ones_like(xp: Any, x: Any, *, dtype: str) -> Any:
    return xp.ones(x.shape, dtype=getattr(xp, dtype))


def _full_like(xp: Any, x: Any, *, fill_value: float, dtype: str) -> Any:
    return xp.full(x.shape, fill_value, dtype=getattr(xp, dtype))


zeros_like = _like("zeros_like", "Zeros in the shape of x.", _zeros_like)
ones_like = _like("ones_like", "Ones in the shape of x.", _ones_like)
full_like = _like("full_like", "One value in the shape of x.", _full_like, _VALUE, sample={"fill_value": 2})


# -- from attributes alone ---------------------------------------------------------------------------


def _create(name: str, *aliases: str, **fields: Any) -> Op:
    return define(name, *aliases, family=CREATION, vjp=(), cost=_written, **fields)


def _infer_shape(
    types: Sequence[TensorType], *, shape: tuple[int, ...], dtype: str, **_: Any
) -> tuple[TensorType, ...]:
    return (TensorType(shape, dtype),)


_SHAPES = (
    Sample((), {"shape": [2, 3]}),
    Sample((), {"shape": [], "dtype": "float32"}),
    Sample((), {"shape": 0, "dtype": "int64"}),
)

zeros = _create(
    "zeros",
    summary="Zeros.",
    forward=lambda xp, *, shape, dtype: xp.zeros(shape, dtype=getattr(xp, dtype)),
    infer=_infer_shape,
    attributes=(_SHAPE, _DTYPE),
    samples=_SHAPES,
)

ones = _create(
    "ones",
    summary="Ones.",
    forward=lambda xp, *, shape, dtype: xp.ones(shape, dtype=getattr(xp, dtype)),
    infer=_infer_shape,
    attributes=(_SHAPE, _DTYPE),
    samples=_SHAPES,
)


def _check_full(types: Sequence[TensorType], *, fill_value: float, dtype: str, **_: Any) -> dict[str, Any]:
    return {"fill_value": value_of(dtype, fill_value, "fill_value")}


full = _create(
    "full",
    "fill",
    summary="One value everywhere.",
    forward=lambda xp, *, shape, fill_value, dtype: xp.full(shape, fill_value, dtype=getattr(xp, dtype)),
    normalize=_check_full,
    infer=_infer_shape,
    attributes=(_SHAPE, _VALUE, _DTYPE),
    samples=(
        Sample((), {"shape": [2, 3], "fill_value": 0.5}),
        Sample((), {"shape": [2], "fill_value": nan}),
        Sample((), {"shape": [2], "fill_value": 3, "dtype": "int64"}),
    ),
    conventions="A tensor's value is repeated by broadcast_to.",
)


def _eye(xp: Any, *, n_rows: int, n_cols: int, k: int, dtype: str) -> Any:
    return xp.eye(n_rows, n_cols, k=k, dtype=getattr(xp, dtype))


eye = _create(
    "eye",
    summary="Ones on the k-th diagonal, zeros beside it.",
    forward=_eye,
    normalize=lambda types, *, n_rows, n_cols, **_: {"n_cols": n_rows if n_cols is None else n_cols},
    infer=lambda types, *, n_rows, n_cols, k, dtype: (TensorType((n_rows, n_cols), dtype),),
    attributes=(
        Attribute("n_rows", SIZE),
        Attribute("n_cols", SIZE, None, "as many as rows when absent"),
        Attribute("k", INT, 0, "above the main diagonal when positive"),
        _DTYPE,
    ),
    samples=(Sample((), {"n_rows": 3}), Sample((), {"n_rows": 2, "n_cols": 4, "k": 1, "dtype": "float32"})),
)


def _normalize_arange(
    types: Sequence[TensorType], *, start: float, stop: float | None, step: float, dtype: str | None
) -> dict[str, Any]:
    if stop is None:
        start, stop = 0, start
    if not all(map(isfinite, (start, stop, step))) or step == 0:
        raise InvalidAttribute(f"expected finite bounds and a step other than 0, got {start}, {stop}, {step}")
    whole = all(isinstance(bound, int) for bound in (start, stop, step))
    dtype = dtype or ("int64" if whole else dtypes.DEFAULT)
    count = _length(start, stop, step)
    if dtype == dtypes.BOOL:
        raise InvalidAttribute("expected a number's dtype, got bool")
    if count and dtypes.is_integer(dtype):
        for end in (start, start + (count - 1) * step):
            if not _holds(dtype, int(end)):
                raise InvalidAttribute(f"{end} does not fit into {dtype}")
    return {"start": start, "stop": stop, "dtype": dtype}


def _length(start: float, stop: float, step: float) -> int:
    if all(isinstance(bound, int) for bound in (start, stop, step)):
        return max(0, int(-((start - stop) // step)))
    count = (stop - start) / step
    if not isfinite(count):
        raise InvalidAttribute(f"from {start} to {stop} by {step} are more numbers than can be counted")
    return max(0, ceil(count))


def _arange(xp: Any, *, start: float, stop: float, step: float, dtype: str) -> Any:
    if _length(start, stop, step) == 0:  # however far apart the bounds are
        return xp.zeros((0,), dtype=getattr(xp, dtype))
    return xp.arange(start, stop, step, dtype=getattr(xp, dtype))


arange = _create(
    "arange",
    "range",
    summary="Numbers from `start` up to but without `stop`, `step` apart; from 0 if only one bound is given.",
    forward=_arange,
    normalize=_normalize_arange,
    infer=lambda types, *, start, stop, step, dtype: (TensorType((_length(start, stop, step),), dtype),),
    attributes=(
        Attribute("start", NUMBER),
        Attribute("stop", NUMBER, None),
        Attribute("step", NUMBER, 1),
        Attribute("dtype", DTYPE, None, "int64 for integers, else float64"),
    ),
    samples=(
        Sample((), {"start": 4}),
        Sample((), {"start": 1, "stop": 8, "step": 3}),
        Sample((), {"start": 1, "stop": 0, "step": -0.3}),
        Sample((), {"start": 3, "stop": 1}),
    ),
    conventions="With a fractional step the count is ceil((stop - start) / step): prefer linspace.",
)


def _linspace(xp: Any, *, start: float, stop: float, num: int, endpoint: bool, dtype: str) -> Any:
    return xp.linspace(start, stop, num, endpoint=endpoint, dtype=getattr(xp, dtype))


linspace = _create(
    "linspace",
    summary="`num` evenly spaced numbers from `start` to `stop`.",
    forward=_linspace,
    infer=lambda types, *, num, dtype, **_: (TensorType((num,), dtype),),
    attributes=(
        Attribute("start", NUMBER),
        Attribute("stop", NUMBER),
        Attribute("num", SIZE, 50),
        Attribute("endpoint", BOOLEAN, True, "whether `stop` is the last number"),
        _DTYPE,
    ),
    samples=(
        Sample((), {"start": 0, "stop": 1, "num": 5}),
        Sample((), {"start": 0, "stop": 1, "num": 4, "endpoint": False, "dtype": "float32"}),
        Sample((), {"start": 2, "stop": 1, "num": 0}),
    ),
)
