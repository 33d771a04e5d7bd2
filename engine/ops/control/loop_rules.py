"""Derivatives of a loop: cotangents in a loop in reverse order, tangents carried beside the values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.dtypes import TensorType
from engine.ir.function_rules import outputs_of
from engine.ir.table import TABLE
from engine.ir.tape import Tape, Variable
from engine.ops.control.subtape import TANGENT, Body, inexact, input_types, with_tangents
from engine.transforms.vjp import backward, zeros


def loop(inputs: Sequence[Variable], **attributes: Any) -> list[Variable]:
    """Record the primitive."""
    answer: tuple[Variable, ...] = inputs[0].tape.apply(TABLE["scan_loop"], inputs, attributes)
    return list(answer)


def length_of(types: Sequence[TensorType], carry: int, scanned: int, length: int | None) -> int:
    """The number of steps: the first axis of what is scanned, else `length`."""
    sizes = {t.shape[0] for t in types[carry : carry + scanned]}
    return sizes.pop() if sizes else int(length or 0)


def pull(
    gs: Sequence[Variable],
    ys: Sequence[Variable],
    *xs: Variable,
    body: Tape,
    carry: int,
    scanned: int,
    reverse: bool,
    length: int | None,
    counted: bool,
) -> list[Variable | None]:
    """The cotangents of a loop's inputs; a count has none."""
    count = xs[-1] if counted else None
    inputs = xs[:-1] if counted else xs
    pulled = pull_loop(
        gs,
        ys[len(body.outputs) :],
        inputs,
        count=count,
        body=body,
        carry=carry,
        scanned=scanned,
        reverse=reverse,
        length=length_of([x.type for x in inputs], carry, scanned, length),
    )
    return [*pulled, None] if counted else pulled


def pull_loop(
    gs: Sequence[Variable],
    entries: Sequence[Variable],
    xs: Sequence[Variable],
    *,
    count: Variable | None,
    body: Tape,
    carry: int,
    scanned: int,
    reverse: bool,
    length: int,
) -> list[Variable | None]:
    """A loop backwards over what was carried into each step: the body's walk, its cotangents carried.

    `gs` are the cotangents of what is carried at the end, of the stacked results, and of `entries`.
    """
    outs = outputs_of(body)
    walked, constants = list(xs[carry : carry + scanned]), list(xs[carry + scanned :])
    moving = inexact(outs[:carry])
    emitted = inexact(outs[carry:])
    learned = inexact([x.type for x in constants])
    inexact_scanned = inexact([x.type for x in walked])
    tape = _pulled_body(body, carry, scanned)
    inputs = [
        *(gs[i] for i in moving),
        *(zeros(xs[0].tape, constants[i]) for i in learned),
        *entries,
        *walked,
        *(gs[carry + i] for i in emitted),
        *(gs[len(outs) + i] for i in moving),
        *constants,
        *([] if count is None else [count]),
    ]
    answer = loop(
        inputs,
        body=tape,
        carry=len(moving) + len(learned),
        scanned=len(entries) + len(walked) + len(emitted) + len(moving),
        reverse=not reverse,
        length=length,
        counted=count is not None,
    )
    places = [*moving, *(carry + scanned + i for i in learned), *(carry + i for i in inexact_scanned)]
    pulled: list[Variable | None] = [None] * len(xs)
    for i, cotangent in zip(places, answer, strict=False):
        pulled[i] = cotangent
    return pulled


def _pulled_body(body: Tape, carry: int, scanned: int) -> Tape:
    """One step back.

    Inputs: cotangents of what is carried, sums for the constants; scanned are what was carried in, the
    scanned, cotangents of what was emitted and of what was carried in; then the constants. Outputs: the
    cotangents carried on, the sums; stacked are the scanned inputs' cotangents.
    """
    types, outs = input_types(body), outputs_of(body)
    moving, emitted = inexact(outs[:carry]), inexact(outs[carry:])
    inexact_scanned, learned = inexact(types[carry : carry + scanned]), inexact(types[carry + scanned :])
    backward_body = Body()
    dcarried = [backward_body.input(outs[i]) for i in moving]
    sums = [backward_body.input(types[carry + scanned + i]) for i in learned]
    carried = backward_body.inputs(types[:carry])
    walked = backward_body.inputs(types[carry : carry + scanned])
    demitted = [backward_body.input(outs[carry + i]) for i in emitted]
    dentries = [backward_body.input(outs[i]) for i in moving]
    constants = backward_body.inputs(types[carry + scanned :])
    answers = backward_body.play(body, [*carried, *walked, *constants])
    seeds = {answers[i].slot: g for i, g in zip(moving, dcarried, strict=True)}
    seeds.update({answers[carry + i].slot: g for i, g in zip(emitted, demitted, strict=True)})
    wanted = [
        *(carried[i] for i in moving),
        *(constants[i] for i in learned),
        *(walked[i] for i in inexact_scanned),
    ]
    cotangents = backward(backward_body.tape, seeds, [v.slot for v in wanted])
    adjoints = [cotangents[v.slot] if v.slot in cotangents else zeros(backward_body.tape, v) for v in wanted]
    added = [*dentries, *sums]
    totals = [adjoint + more for adjoint, more in zip(adjoints, added, strict=False)]
    return backward_body.finish([*totals, *adjoints[len(added) :]])


def push(
    tangents: Sequence[Variable | None],
    xs: Sequence[Variable],
    *,
    body: Tape,
    carry: int,
    scanned: int,
    reverse: bool,
    length: int | None,
    counted: bool,
) -> list[Variable | None]:
    """The loop with tangents carried beside the values."""
    count = [xs[-1]] if counted else []
    xs, tangents = (xs[:-1], tangents[:-1]) if counted else (xs, tangents)
    outs = outputs_of(body)
    moving = inexact(outs[:carry])
    walked = [carry + i for i in range(scanned) if tangents[carry + i] is not None]
    constants = [i for i in range(carry + scanned, len(xs)) if tangents[i] is not None]
    tape, emitted = with_tangents(body, [*moving, *walked, *constants], carried=moving, carry=carry)
    tape = _rearranged(tape, carry, scanned, len(moving), len(walked))

    def tangent(i: int) -> Variable:
        direction = tangents[i]
        return zeros(xs[i].tape, xs[i]) if direction is None else direction

    inputs = [
        *xs[:carry],
        *(tangent(i) for i in moving),
        *xs[carry : carry + scanned],
        *(tangent(i) for i in walked),
        *xs[carry + scanned :],
        *(tangent(i) for i in constants),
        *count,
    ]
    k = carry + len(moving)
    answer = loop(
        inputs,
        body=tape,
        carry=k,
        scanned=scanned + len(walked),
        reverse=reverse,
        length=length,
        counted=counted,
    )
    pushed: list[Variable | None] = [None] * (len(outs) + carry)
    results = len(outs) - carry
    for place, i in enumerate(moving):
        pushed[i] = answer[carry + place]
        pushed[len(outs) + i] = answer[k + results + len(emitted) + carry + place]
    for place, i in enumerate(emitted):
        pushed[carry + i] = answer[k + results + place]
    return pushed


def _rearranged(tape: Tape, carry: int, scanned: int, moving: int, walked: int) -> Tape:
    """Inputs in the loop's order: carried, their tangents, scanned, their tangents, constants, theirs."""
    names = list(tape.inputs)
    values = [name for name in names if not name.startswith(TANGENT)]
    tangents = [name for name in names if name.startswith(TANGENT)]
    order = [
        *values[:carry],
        *tangents[:moving],
        *values[carry : carry + scanned],
        *tangents[moving : moving + walked],
        *values[carry + scanned :],
        *tangents[moving + walked :],
    ]
    tape.inputs = {name: tape.inputs[name] for name in order}
    return tape
