"""Batch rules of loops: all rows in one loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.dtypes import TensorType
from engine.ir.table import TABLE, F
from engine.ir.tape import Tape, Variable
from engine.ops.control.loop_rules import length_of
from engine.ops.control.subtape import Body, input_types
from engine.ops.creation import made
from engine.transforms.vmap import batch


def batched_loop(
    op: Any,
    xs: Sequence[Variable],
    batched: Sequence[bool],
    n: int,
    *,
    body: Tape,
    carry: int,
    scanned: int,
    counted: bool,
    **attributes: Any,
) -> Any:
    """All rows in one loop: what is carried has the batch axis, what is scanned has it behind the steps."""
    if counted and batched[-1]:
        return _batched_by_count(xs, batched, n, body=body, carry=carry, scanned=scanned, **attributes)
    rows = [
        x if b or i >= carry else x.broadcast_to((n, *x.shape))
        for i, (x, b) in enumerate(zip(xs, batched, strict=True))
    ]
    flags = [b or i < carry for i, b in enumerate(batched)]
    for i in range(carry, carry + scanned):
        if flags[i]:
            rows[i] = _swapped(rows[i])
    names = [name for name, flag in zip(body.inputs, flags, strict=False) if flag]
    many = batch(body, names, n)
    answers = rows[0].tape.apply(
        op, rows, {**attributes, "body": many, "carry": carry, "scanned": scanned, "counted": counted}
    )
    return tuple(v if i < carry else _swapped(v) for i, v in enumerate(answers))


def _batched_by_count(
    xs: Sequence[Variable],
    batched: Sequence[bool],
    n: int,
    *,
    body: Tape,
    carry: int,
    scanned: int,
    **attributes: Any,
) -> tuple[Variable, ...]:
    """Rows of different counts go as long as the longest; the others keep what they have and emit zeros."""
    counts = xs[-1]
    steps = length_of([x.type for x in xs], carry, scanned, attributes["length"])
    places = made(counts, "arange", start=xs[carry].shape[1] if batched[carry] else steps)
    inner = Body()
    types = input_types(body)
    arguments = inner.inputs(types[: carry + scanned])
    place = inner.input(TensorType((), places.dtype))
    arguments += inner.inputs(types[carry + scanned :])
    count = inner.input(TensorType((), counts.dtype))
    going = place < count
    answers = inner.play(body, arguments)
    carried = [F.where(going, new, old) for new, old in zip(answers, arguments[:carry], strict=False)]
    masked = inner.finish([*carried, *(F.where(going, value, 0) for value in answers[carry:])])
    inputs = [*xs[: carry + scanned], places, *xs[carry + scanned : -1], counts, F.max(counts)]
    flags = [*batched[: carry + scanned], False, *batched[carry + scanned : -1], True, False]
    rows: tuple[Variable, ...] = batched_loop(
        TABLE["scan_loop"],
        inputs,
        flags,
        n,
        body=masked,
        carry=carry,
        scanned=scanned + 1,
        counted=True,
        **attributes,
    )
    return rows


def _swapped(x: Variable) -> Variable:
    """The first two axes swapped."""
    swapped: Variable = F.permute_dims(x, axes=(1, 0, *range(2, x.ndim)))
    return swapped
