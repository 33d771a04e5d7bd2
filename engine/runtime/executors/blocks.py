"""Elementwise work over long vectors, block by block, so that each block stays in the cache.

An optimiser's update is a dozen passes over vectors of every parameter; done one after the other they read
and write main memory a dozen times, done in blocks once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.arrays.types import Array
from engine.runtime.executors.closures import Values

BLOCK = 512 << 10  # bytes of one operand: smaller ones spend more on calls than they save on memory
Bound = tuple[Callable[[Values], None], int]


@dataclass(frozen=True, slots=True)
class Call:
    """A universal function on fixed arrays, from the step at `index`.

    It reads the slots `inputs` and writes `slot`; `last` is the last step that reads `slot`. `buffer` is the
    buffer of its output, None if the output is kept.
    """

    ufunc: Any
    operands: tuple[Any, ...]
    target: Any
    index: int
    slot: int
    inputs: tuple[int, ...]
    buffer: int | None
    last: int


def blocked(calls: Sequence[Call]) -> list[Bound]:
    """The calls in their order, as what is done at each run; neighbours over one long vector go in blocks."""
    bound: list[Bound] = []
    group: list[Call] = []
    for call in calls:
        if group and not (_is_long(call) and _fits(call, group)):
            bound += _bind_group(group)
            group = []
        if _is_long(call):
            group.append(call)
        else:
            bound.append((_one(call), call.index))
    return bound + _bind_group(group)


def _is_long(call: Call) -> bool:
    target = call.target
    if target.ndim != 1 or target.nbytes < 2 * BLOCK:
        return False
    return all(a.ndim == 0 or a.shape == target.shape for a in call.operands)


def _fits(call: Call, group: Sequence[Call]) -> bool:
    """Whether results stay as they are block by block: memory is shared element for element or not at all."""
    if call.target.shape != group[0].target.shape:
        return False
    written = [other.target for other in group]
    read = [array for other in group for array in other.operands]
    return all(_apart_or_alike(a, b) for a in (*call.operands, call.target) for b in written) and all(
        _apart_or_alike(call.target, b) for b in read
    )


def _apart_or_alike(a: Array, b: Array) -> bool:
    if not np.may_share_memory(a, b):
        return True
    return (a.ctypes.data, a.strides, a.dtype) == (b.ctypes.data, b.strides, b.dtype)


def one_by_one(calls: Sequence[Call]) -> list[Bound]:
    """The calls in their order, each over the whole of its arrays, as a device wants it."""
    return [(_one(call), call.index) for call in calls]


def _one(call: Call) -> Callable[[Values], None]:
    ufunc, target = call.ufunc, call.target
    if len(call.operands) == 1:
        (x,) = call.operands
        return lambda values: ufunc(x, out=target)
    a, b = call.operands
    return lambda values: ufunc(a, b, out=target)


def _bind_group(group: Sequence[Call]) -> list[Bound]:
    if len(group) < 2:
        return [(_one(call), call.index) for call in group]
    temporaries = _temporaries(group)
    size = group[0].target.size
    step = max(1, BLOCK // group[0].target.itemsize)
    work = []
    for start in range(0, size, step):
        part = slice(start, min(start + step, size))
        first = slice(0, part.stop - start)
        for call in group:
            operands = tuple(
                array if array.ndim == 0 else array[first if slot in temporaries else part]
                for slot, array in zip(call.inputs, call.operands, strict=True)
            )
            target = call.target[first if call.slot in temporaries else part]
            work.append((call.ufunc, operands, target))

    def run(values: Values) -> None:
        for ufunc, operands, target in work:
            ufunc(*operands, out=target)

    return [(run, group[0].index)]


def _temporaries(group: Sequence[Call]) -> set[int]:
    """What is made and spent within the group, in buffers that hold nothing else which it makes.

    Every block of such a value can lie in the same few bytes, which then never leave the cache.
    """
    end = group[-1].index
    slots = {call.slot for call in group}
    spent = {call.slot for call in group if call.buffer is not None and call.last <= end}
    viewed = [(slot, a) for call in group for slot, a in zip(call.inputs, call.operands, strict=True)]
    for call in group:  # what is read through a view, too, is to lie where it is
        if any(slot not in slots and np.may_share_memory(a, call.target) for slot, a in viewed):
            spent.discard(call.slot)
    buffers_in_use = {call.buffer for call in group if call.slot not in spent}
    return {call.slot for call in group if call.slot in spent and call.buffer not in buffers_in_use}
