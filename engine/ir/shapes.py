"""Rules about shapes and dtypes that ops share: broadcasting, axes, reductions, conversions."""

from __future__ import annotations

from typing import Any

from engine import dtypes
from engine.errors import DtypeMismatch, IndexOutOfRange, ShapeMismatch


def broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The common shape under NumPy's broadcasting; raises ShapeMismatch."""
    answer: list[int] = []
    for axis in range(1, max(map(len, shapes), default=0) + 1):
        size = 1
        for shape in shapes:
            if len(shape) < axis or shape[-axis] == 1:
                continue
            if size not in (1, shape[-axis]):
                listed = " and ".join(map(str, shapes))
                raise ShapeMismatch(
                    f"shapes {listed} do not broadcast: axis -{axis} has sizes {size} and {shape[-axis]}",
                    hint="sizes must be equal, or one of them 1; reshape or expand_dims can align them",
                )
            size = shape[-axis]
        answer.append(size)
    return tuple(reversed(answer))


def normalize_axis(axis: int, ndim: int) -> int:
    """A non-negative axis; raises IndexOutOfRange."""
    if not -ndim <= axis < ndim:
        allowed = f"from {-ndim} to {ndim - 1}" if ndim else "none: the tensor is a scalar"
        raise IndexOutOfRange(f"axis {axis} is out of range for {ndim} axes", hint=f"the axes are {allowed}")
    return axis % ndim


def normalize_axes(axis: tuple[int, ...] | None, ndim: int) -> tuple[int, ...]:
    """Sorted non-negative axes, all of them for None; raises IndexOutOfRange."""
    if axis is None:
        return tuple(range(ndim))
    axes = sorted(normalize_axis(a, ndim) for a in axis)
    if len(set(axes)) != len(axes):
        raise IndexOutOfRange(f"the axes {axis} name one axis twice", hint="name each axis once")
    return tuple(axes)


def reduced(shape: tuple[int, ...], axis: tuple[int, ...], keepdims: bool) -> tuple[int, ...]:
    """The shape after a reduction over `axis` (non-negative)."""
    if keepdims:
        return tuple(1 if i in axis else size for i, size in enumerate(shape))
    return tuple(size for i, size in enumerate(shape) if i not in axis)


def check_cast(source: str, target: str) -> None:
    """Raise DtypeMismatch if a conversion would drop imaginary parts."""
    if dtypes.is_complex(source) and not dtypes.is_complex(target) and target != dtypes.BOOL:
        raise DtypeMismatch(
            f"{source} to {target} would drop the imaginary parts",
            hint="take real(x), imag(x) or abs(x) first",
        )


def cast_back(g: Any, x: Any) -> Any:
    """A cotangent in the dtype of an input that was converted; a real input takes the real part."""
    return (g if dtypes.is_complex(x.dtype) else g.real()).astype(x.dtype)


def spread(g: Any, x: Any, axis: tuple[int, ...]) -> Any:
    """A reduction's cotangent (or value) laid out over the shape of its input."""
    return g.reshape(reduced(x.shape, axis, True)).broadcast_to(x.shape)
