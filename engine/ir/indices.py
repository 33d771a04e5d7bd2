"""NumPy's indexing, decided from shapes alone.

An index is a tuple of integers, slices, None, Ellipsis, nested tuples of integers (a constant index
array) and `InputIndex` (an index array that arrives as an input). `normalize_index` checks it against
a shape and leaves neither negative constants nor booleans in it, and an Ellipsis only where it stands
for no axis between index arrays: NumPy does not call these adjacent and puts their axes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine import dtypes
from engine.errors import DataDependentShape, IndexOutOfRange, ShapeMismatch
from engine.ir.attributes import InputIndex
from engine.ir.shapes import broadcast

Index = tuple[Any, ...]


def along(axis: int, item: Any) -> Index:
    """The index that applies `item` to one axis (not negative) and takes all of the others."""
    return (*(slice(None),) * axis, item, Ellipsis)


def normalize_index(index: Index, shape: tuple[int, ...], tensors: Sequence[Any]) -> Index:
    """The index with every axis spelled out; `tensors` are the index tensors (variables of the tape).

    Raises IndexOutOfRange, ShapeMismatch, and DataDependentShape for a mask that is no constant.
    """
    items = [_without_mask(item, tensors) for item in index]
    consumed = sum(_indexed_axes(item) for item in items)
    if consumed > len(shape):
        raise IndexOutOfRange(
            f"an index of {consumed} axes into shape {shape}, which has {len(shape)}",
            hint="leave out the last indices",
        )
    if not any(item is Ellipsis for item in items):
        items.append(Ellipsis)
    answer: list[Any] = []
    axis = 0
    for place, item in enumerate(items):
        if item is Ellipsis:
            if consumed == len(shape) and _separates(items, place):
                answer.append(Ellipsis)
            for _ in range(len(shape) - consumed):
                answer.append(slice(0, shape[axis], 1))
                axis += 1
        elif item is None:
            answer.append(None)
        elif isinstance(item, _Mask):
            answer.extend(item.positions(shape[axis : axis + item.array.ndim]))
            axis += item.array.ndim
        else:
            answer.append(_normalize_item(item, axis, shape[axis]))
            axis += 1
    return tuple(answer)


def _separates(items: Sequence[Any], place: int) -> bool:
    """Whether the ellipsis at `place`, which stands for no axis, keeps index arrays from being adjacent."""
    picks = [isinstance(item, int | tuple | InputIndex | _Mask) for item in items]
    return any(picks[:place]) and any(picks[place:])


class _Mask:
    """A constant boolean index: the positions where it holds."""

    def __init__(self, value: Any) -> None:
        self.array = np.asarray(value)
        if self.array.ndim == 0:
            raise ShapeMismatch("a mask has at least one axis", hint="reshape the tensor to select from it")

    def positions(self, sizes: tuple[int, ...]) -> list[Any]:
        if self.array.shape != sizes:
            raise ShapeMismatch(
                f"a mask of shape {self.array.shape} indexes axes of shape {sizes}",
                hint="a mask has the shape of the axes it selects from",
            )
        return [_nested(axis.tolist()) for axis in np.nonzero(self.array)]


def _nested(value: Any) -> Any:
    return tuple(_nested(item) for item in value) if isinstance(value, list) else value


def _without_mask(item: Any, tensors: Sequence[Any]) -> Any:
    if isinstance(item, tuple):
        array = np.asarray(item)
        return _Mask(array) if array.dtype == np.bool_ else item
    if not isinstance(item, InputIndex):
        return item
    if not 1 <= item.position <= len(tensors):
        raise IndexOutOfRange(
            f"the index names input {item.position}; the index tensors are inputs 1 to {len(tensors)}",
            hint='input 0 is the tensor itself; {"input": 1} is the first index tensor',
        )
    tensor = tensors[item.position - 1]
    if tensor.dtype != dtypes.BOOL:
        return item
    value = tensor.tape.constants.get(tensor.slot)
    if value is None:
        raise DataDependentShape(
            "how many elements a mask selects depends on its values",
            hint="use where(mask, x, fill) and reduce, which keeps the shape; a constant mask works as it is",
        )
    return _Mask(value)


def _indexed_axes(item: Any) -> int:
    if item is None or item is Ellipsis:
        return 0
    return item.array.ndim if isinstance(item, _Mask) else 1


def _normalize_item(item: Any, axis: int, size: int) -> Any:
    if isinstance(item, slice):
        return _normalize_slice(item, size)
    if isinstance(item, InputIndex):
        return item
    return _in_range(item, axis, size)


def _normalize_slice(item: slice, size: int) -> slice:
    start, stop, step = item.indices(size)
    if len(range(start, stop, step)) == 0:
        return slice(0, 0, 1)
    return slice(start, None if stop < 0 else stop, step)


def _in_range(item: Any, axis: int, size: int) -> Any:
    if isinstance(item, tuple):
        return tuple(_in_range(i, axis, size) for i in item)
    if not -size <= item < size:
        raise IndexOutOfRange(
            f"index {item} is out of range for axis {axis} with size {size}",
            hint=f"indices run from {-size} to {size - 1}, and the first is 0"
            if size
            else "the axis is empty",
        )
    return item % size


def shape_of(index: Index, shape: tuple[int, ...], tensors: Sequence[Any]) -> tuple[int, ...]:
    """The shape of `x[index]` for a normalised index; raises ShapeMismatch."""
    advanced = [_index_shape(item, tensors) for item in index if isinstance(item, tuple | InputIndex)]
    if not advanced:
        return tuple(s for s in _basic_sizes(index, shape) if s is not None)
    # integers beside index arrays are index arrays of shape (), as in NumPy
    common = broadcast(*advanced)
    places = [i for i, item in enumerate(index) if isinstance(item, int | tuple | InputIndex)]
    adjacent = places[-1] - places[0] + 1 == len(places)
    sizes = _basic_sizes(index, shape)
    before = [s for s in sizes[: places[0]] if s is not None] if adjacent else []
    rest = [s for s in (sizes[places[0] :] if adjacent else sizes) if s is not None]
    return (*before, *common, *rest)


def _index_shape(item: Any, tensors: Sequence[Any]) -> tuple[int, ...]:
    if isinstance(item, InputIndex):
        return tuple(tensors[item.position - 1].shape)
    return np.shape(item)


def _basic_sizes(index: Index, shape: tuple[int, ...]) -> list[int | None]:
    """The size that each entry of the index contributes; None for integers and index arrays."""
    sizes: list[int | None] = []
    axis = 0
    for item in index:
        if item is None or item is Ellipsis:
            sizes.append(1 if item is None else None)
            continue
        if isinstance(item, slice):
            sizes.append(len(range(*item.indices(shape[axis]))))
        else:
            sizes.append(None)
        axis += 1
    return sizes


def is_view(index: Index) -> bool:
    """Whether `x[index]` only looks at x."""
    return not any(isinstance(item, tuple | InputIndex) for item in index)


def arrays_of(xp: Any, index: Index, indices: Sequence[Any], shape: tuple[int, ...]) -> Index:
    """The index of a tensor of `shape` as the library takes it, given the arrays of the index inputs."""
    answer: list[Any] = []
    axis = 0
    for item in index:
        if isinstance(item, InputIndex):
            places = indices[item.position - 1]
            xp.watch_indices(places, shape[axis])
            answer.append(places)
        elif isinstance(item, tuple):
            answer.append(xp.constant(item, xp.int64))
        else:
            answer.append(item)
        if item is not None and item is not Ellipsis:
            axis += 1
    return tuple(answer)


def axis_of_slices(index: Index, shape: tuple[int, ...]) -> int | None:
    """The axis along which an index of integers picks whole slices, every other axis taken as it is."""
    if len(index) != len(shape):
        return None
    axes = [axis for axis, item in enumerate(index) if isinstance(item, InputIndex | tuple)]
    others = zip(index, shape, strict=True)
    whole = sum(isinstance(item, slice) and item == slice(0, size, 1) for item, size in others)
    return axes[0] if len(axes) == 1 and whole == len(shape) - 1 else None


def selects_once(index: Index) -> bool:
    """Whether it is certain that `x[index]` reads no element twice."""
    if any(isinstance(item, InputIndex) for item in index):
        return False
    arrays = [np.asarray(item) for item in index if isinstance(item, tuple)]
    if not arrays:
        return True
    places = np.stack([array.reshape(-1) for array in np.broadcast_arrays(*arrays)])
    return bool(np.unique(places, axis=1).shape[1] == places.shape[1])
