"""Whether a value on a tape is in C order, as far as its history shows.

A reshape of such a value only looks at it; of any other it has to copy, and a copy of what
broadcasting repeats may be larger than everything else. Deciding this when a reshape is recorded keeps
the estimate of memory true.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import Any

_DEPTH = 16  # views of views are followed so far; what lies deeper is taken to be out of order


def in_c_order(x: Any) -> bool:
    """Whether the elements of the variable `x` are known to lie one after the other."""
    slot = x.slot
    for _ in range(_DEPTH):
        step = _producer(x.tape, slot)
        if step is None or not step.op.kernel.is_view(step.attributes):
            return True  # given from outside, or written by a kernel
        source = step.inputs[0]
        before, after = x.tape.types[source].shape, x.tape.types[slot].shape
        if not _keeps_order(step.op.name, step.attributes, before, after):
            return False
        slot = source
    return False


def _producer(tape: Any, slot: int) -> Any:
    """The instruction that made a slot, None for an input or a constant. Slots are numbered in order."""
    place = bisect_right(tape.instructions, slot, key=lambda step: step.outputs[0]) - 1
    step = tape.instructions[place] if place >= 0 else None
    return step if step is not None and slot in step.outputs else None


def _keeps_order(
    op: str, attributes: Mapping[str, Any], before: tuple[int, ...], after: tuple[int, ...]
) -> bool:
    """Whether a view of a value in C order is in C order itself."""
    if op == "permute_dims":
        moved = [axis for axis in attributes["axes"] if before[axis] != 1]
        return moved == sorted(moved)
    if op == "flip":
        return all(before[axis] <= 1 for axis in attributes["axis"])
    if op == "getitem":
        return _reads_a_run(attributes["index"], before)
    if op in ("broadcast_to", "read_diagonal"):
        return squeezed(before) == squeezed(after)
    return True


def _reads_a_run(index: tuple[Any, ...], shape: tuple[int, ...]) -> bool:
    """Whether a basic index takes neighbours: integers, then one slice of step 1, then whole axes."""
    items = [item for item in index if isinstance(item, int | slice)]
    whole = [item == slice(0, size, 1) for item, size in zip(items, shape, strict=True)]
    while items and isinstance(items[0], int):
        del items[0], whole[0]
    if not items:
        return True
    first = items[0]
    return isinstance(first, slice) and first.step == 1 and all(whole[1:])


def squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The sizes that are not 1: axes of size 1 come and go without a copy."""
    return tuple(size for size in shape if size != 1)
