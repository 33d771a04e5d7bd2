"""Pieces added into zeros side by side, until nothing is left, are joined: a split's adjoint is a concat.

No value changes, but a piece's -0.0 is kept where 0.0 was added to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from engine.ir.table import TABLE
from engine.ir.tape import Instruction, Tape

Span = tuple[int, int, int]  # where along the axis a piece begins and ends, and the piece's slot


def joins(tape: Tape) -> Tape:
    """The tape with `concat` in place of complete chains of `index_add` from zeros."""
    if sum(step.op.name == "index_add" for step in tape.instructions) < 2:
        return tape
    makers = {step.outputs[0]: step for step in tape.instructions}
    uses = Counter(slot for step in tape.instructions for slot in step.inputs)
    uses.update(tape.outputs)
    steps = [_joined(tape, step, makers, uses) or step for step in tape.instructions]
    return Tape(tape.types, tape.inputs, tape.constants, steps, list(tape.outputs))


def _joined(
    tape: Tape, last: Instruction, makers: Mapping[int, Instruction], uses: Mapping[int, int]
) -> Instruction | None:
    axis: int | None = None
    spans: list[Span] = []
    start, step = last.outputs[0], makers.get(last.outputs[0])
    while step is not None and step.op.name == "index_add":
        piece = _piece(tape, step, axis)
        if piece is None or (step is not last and uses[step.outputs[0]] != 1):
            return None
        axis, span = piece
        spans.append(span)
        start = step.inputs[0]
        step = makers.get(start)
    if axis is None or len(spans) < 2 or not _zero(tape, start, makers):
        return None
    spans.sort()
    ends = [0, *(end for _, end, _ in spans)]
    whole = ends[-1] == tape.types[last.outputs[0]].shape[axis]
    if not whole or any(begin != end for (begin, _, _), end in zip(spans, ends, strict=False)):
        return None
    return replace(
        last,
        op=TABLE["concat"],
        inputs=tuple(slot for _, _, slot in spans),
        attributes={"axis": axis},
    )


def _piece(tape: Tape, step: Instruction, axis: int | None) -> tuple[int, Span] | None:
    """The axis along which a step adds a slice that is whole along every other one, and the slice."""
    target, slot, *indices = step.inputs
    index: Sequence[object] = step.attributes["index"]
    shape = tape.types[target].shape
    if indices or len(index) != len(shape) or not all(isinstance(item, slice) for item in index):
        return None
    ranges = [range(*item.indices(size)) for item, size in zip(index, shape, strict=True)]  # type: ignore[attr-defined]  # slices, as was looked at
    partial = [k for k, (own, size) in enumerate(zip(ranges, shape, strict=True)) if own != range(size)]
    if len(partial) != 1 or axis not in (None, partial[0]):
        return None
    (place,) = partial
    own = ranges[place]
    fits = tape.types[slot].shape == tuple(map(len, ranges)) and len(own) > 0 and own.step == 1
    return (place, (own.start, own.stop, slot)) if fits else None


def _zero(tape: Tape, slot: int, makers: Mapping[int, Instruction]) -> bool:
    """Whether a slot is certain to hold zeros."""
    maker = makers.get(slot)
    if maker is not None and maker.op.name == "broadcast_to":
        slot = maker.inputs[0]
    constant = tape.constants.get(slot)
    return constant is not None and constant.size > 0 and not constant.any()
