"""scan: a loop over the first axis, its body planned once.

The graph's `scan` casts what is carried and becomes `scan_loop`. Beside its results the loop answers what
was carried into each step, stacked; the executor stores that only where something reads it, and the
gradient does: it is a loop the other way round that runs the body's own walk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.attributes import BOOLEAN, FUNCTION, SIZE, Attribute
from engine.backward import backward, zeros
from engine.batching import batch
from engine.control.bodies import TANGENT, Body, cost_of_runs, floating, input_types, with_tangents
from engine.dtypes import TensorType
from engine.errors import ShapeMismatch, WrongArity
from engine.families import COMPOSITE, CONTROL, define
from engine.functions import FunctionRule, Sizes, Specialize, Types, expect_inputs, outputs_of, settle
from engine.op import Cost, F, jointly
from engine.passes import lower
from engine.tape import Tape
from engine.variable import Variable

COUNTS = (
    Attribute("carry", SIZE, 1, "how many inputs are carried from step to step; they come first"),
    Attribute("scanned", SIZE, 1, "how many inputs are walked along their first axis; they come next"),
    Attribute("reverse", BOOLEAN, False, "start at the end; results keep the order of the inputs"),
    Attribute("length", SIZE, None, "the number of steps where nothing is scanned"),
)


# -- the primitive -----------------------------------------------------------------------------------


def _length(types: Sequence[TensorType], carry: int, scanned: int, length: int | None) -> int:
    sizes = {t.shape[0] for t in types[carry : carry + scanned]}
    return sizes.pop() if sizes else int(length or 0)


def _infer(
    types: Sequence[TensorType], *, body: Tape, carry: int, scanned: int, length: int | None, **_: Any
) -> tuple[TensorType, ...]:
    steps = _length(types, carry, scanned, length)
    outs = outputs_of(body)
    carried = [TensorType(t.shape, t.dtype) for t in outs[:carry]]
    stacked = [TensorType((steps, *t.shape), t.dtype) for t in (*outs[carry:], *carried)]
    return (*carried, *stacked)


def _run(
    xp: Any,
    *xs: Any,
    body: Any,
    carry: int,
    scanned: int,
    reverse: bool,
    length: int | None,
    counted: bool,
    needed: Sequence[bool],
) -> list[Any]:
    """The loop itself; `counted` loops run only as many steps as their last input says."""
    count = int(xs[-1]) if counted else None
    xs = xs[:-1] if counted else xs
    carried, walked, constants = list(xs[:carry]), xs[carry : carry + scanned], xs[carry + scanned :]
    steps = walked[0].shape[0] if walked else int(length or 0)
    types = body.outputs
    stacks = [
        xp.zeros((steps, *type.shape), dtype=getattr(xp, type.dtype)) if want else None
        for type, want in zip((*types[carry:], *types[:carry]), needed[carry:], strict=True)
    ]
    results, entries = stacks[: len(types) - carry], stacks[len(types) - carry :]
    order = range(steps if count is None else min(count, steps))
    for step in reversed(order) if reverse else order:
        for stack, value in zip(entries, carried, strict=True):
            if stack is not None:
                stack[step, ...] = value
        answers = body([*carried, *[x[step] for x in walked], *constants])
        carried = answers[:carry]
        for stack, value in zip(results, answers[carry:], strict=True):
            if stack is not None:
                stack[step, ...] = value
    return [*carried, *results, *entries]


def _cost(
    types: Sequence[TensorType],
    outputs: Sequence[TensorType],
    *,
    body: Tape,
    carry: int,
    scanned: int,
    length: int | None,
    **_: Any,
) -> Cost:
    return cost_of_runs(body, _length(types, carry, scanned, length))


def _pull(
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
        length=_length([x.type for x in inputs], carry, scanned, length),
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
    moving = floating(outs[:carry])
    emitted = floating(outs[carry:])
    learned = floating([x.type for x in constants])
    seen = floating([x.type for x in walked])
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
    places = [*moving, *(carry + scanned + i for i in learned), *(carry + i for i in seen)]
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
    moving, emitted = floating(outs[:carry]), floating(outs[carry:])
    seen, learned = floating(types[carry : carry + scanned]), floating(types[carry + scanned :])
    made = Body()
    dcarried = [made.input(outs[i]) for i in moving]
    sums = [made.input(types[carry + scanned + i]) for i in learned]
    carried = made.inputs(types[:carry])
    walked = made.inputs(types[carry : carry + scanned])
    demitted = [made.input(outs[carry + i]) for i in emitted]
    dentries = [made.input(outs[i]) for i in moving]
    constants = made.inputs(types[carry + scanned :])
    answers = made.play(body, [*carried, *walked, *constants])
    seeds = {answers[i].slot: g for i, g in zip(moving, dcarried, strict=True)}
    seeds.update({answers[carry + i].slot: g for i, g in zip(emitted, demitted, strict=True)})
    wanted = [*(carried[i] for i in moving), *(constants[i] for i in learned), *(walked[i] for i in seen)]
    known = backward(made.tape, seeds, [v.slot for v in wanted])
    adjoints = [known[v.slot] if v.slot in known else zeros(made.tape, v) for v in wanted]
    added = [*dentries, *sums]
    totals = [adjoint + more for adjoint, more in zip(adjoints, added, strict=False)]
    return made.finish([*totals, *adjoints[len(added) :]])


def _push(
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
    moving = floating(outs[:carry])
    walked = [carry + i for i in range(scanned) if tangents[carry + i] is not None]
    constants = [i for i in range(carry + scanned, len(xs)) if tangents[i] is not None]
    tape, emitted = with_tangents(body, [*moving, *walked, *constants], carried=moving, carry=carry)
    tape = _rearranged(tape, carry, scanned, len(moving), len(walked))

    def tangent(i: int) -> Variable:
        known = tangents[i]
        return zeros(xs[i].tape, xs[i]) if known is None else known

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


def _batched(
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
    many = batch(lower(body), names, n)
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
    steps = _length([x.type for x in xs], carry, scanned, attributes["length"])
    places = counts.tape.constant(np.arange(xs[carry].shape[1] if batched[carry] else steps))
    made = Body()
    types = input_types(body)
    arguments = made.inputs(types[: carry + scanned])
    place = made.input(TensorType((), places.dtype))
    arguments += made.inputs(types[carry + scanned :])
    count = made.input(TensorType((), counts.dtype))
    going = place < count
    answers = made.play(body, arguments)
    kept = [F.where(going, new, old) for new, old in zip(answers, arguments[:carry], strict=False)]
    masked = made.finish([*kept, *(F.where(going, value, 0) for value in answers[carry:])])
    inputs = [*xs[: carry + scanned], places, *xs[carry + scanned : -1], counts, F.max(counts)]
    flags = [*batched[: carry + scanned], False, *batched[carry + scanned : -1], True, False]
    rows: tuple[Variable, ...] = _batched(
        scan_loop, inputs, flags, n, body=masked, carry=carry, scanned=scanned + 1, counted=True, **attributes
    )
    return rows


def _swapped(x: Variable) -> Variable:
    """The first two axes swapped."""
    swapped: Variable = F.permute_dims(x, axes=(1, 0, *range(2, x.ndim)))
    return swapped


def _bind_loop(specialize: Specialize, attributes: Mapping[str, Any], types: Types) -> dict[str, Any]:
    carry, scanned = attributes.get("carry", 1), attributes.get("scanned", 1)
    own = types[:-1] if attributes.get("counted") else types
    walked = range(carry, carry + scanned)
    rows = [TensorType(t.shape[1:] if i in walked else t.shape, t.dtype) for i, t in enumerate(own)]
    return {"body": specialize(attributes["body"], rows)}


def _link_loop(attributes: Mapping[str, Any], inputs: int, sizes: Sizes) -> None:
    own = inputs - 1 if attributes.get("counted") else inputs
    expect_inputs(attributes["body"], sizes, own, "the carried, one step of the scanned, the constants")


scan_loop = define(
    "scan_loop",
    functions=FunctionRule(
        _link_loop,
        lambda attributes, sizes: sizes(attributes["body"])[1] + attributes.get("carry", 1),
        _bind_loop,
    ),
    family=CONTROL,
    summary="What scan becomes: its results, and what was carried into each step.",
    forward=_run,
    infer=_infer,
    pullback=_pull,
    pushforward=_push,
    batch=_batched,
    vjp=jointly,
    kinds="any",
    promote=False,
    variadic=True,
    cost=_cost,
    lazy=True,
    attributes=(Attribute("body", FUNCTION), *COUNTS, Attribute("counted", BOOLEAN, False)),
    outputs=None,
    internal=True,
)


def loop(inputs: Sequence[Variable], **attributes: Any) -> list[Variable]:
    """Record the primitive."""
    answer: tuple[Variable, ...] = inputs[0].tape.apply(scan_loop, inputs, attributes)
    return list(answer)


# -- the op ------------------------------------------------------------------------------------------


def _link(attributes: Mapping[str, Any], inputs: int, sizes: Sizes) -> None:
    carry, scanned = attributes.get("carry", 1), attributes.get("scanned", 1)
    if carry + scanned > inputs:
        raise WrongArity(
            f"{carry} carried and {scanned} scanned inputs are named, and the node has {inputs}",
            hint="inputs are the carried, then the scanned, then constants",
        )
    expect_inputs(attributes["body"], sizes, inputs, "the carried, one step of the scanned, the constants")
    answers = sizes(attributes["body"])[1]
    if answers < carry:
        raise WrongArity(
            f"the function '{attributes['body']}' has {answers} outputs, and {carry} are carried on",
            hint="the first outputs are carried to the next step, the others are stacked",
        )


def _bind(specialize: Specialize, attributes: Mapping[str, Any], types: Types) -> dict[str, Any]:
    carry, scanned = attributes.get("carry", 1), attributes.get("scanned", 1)
    steps = {}
    for position in range(carry, carry + scanned):
        if not types[position].shape:
            raise ShapeMismatch(f"input {position} is scanned and has no axes", hint="steps lie along axis 0")
        steps[position] = types[position].shape[0]
    if len(set(steps.values())) > 1:
        listed = ", ".join(f"input {i} has {n}" for i, n in steps.items())
        raise ShapeMismatch(
            f"scanned inputs share their first axis: {listed}", hint="give each as many steps"
        )
    rows = [TensorType(t.shape[1:] if i < scanned else t.shape, t.dtype) for i, t in enumerate(types[carry:])]
    body = settle(specialize, attributes["body"], types[:carry], rows, lambda tape: outputs_of(tape)[:carry])
    return {"body": body}


def _scan(*xs: Any, body: Tape, carry: int, scanned: int, reverse: bool, length: int | None) -> Any:
    types = input_types(body)
    inputs = [x.astype(types[i].dtype) if i < carry else x for i, x in enumerate(xs)]
    answers = loop(
        inputs, body=body, carry=carry, scanned=scanned, reverse=reverse, length=length, counted=False
    )
    results = answers[: len(body.outputs)]
    return results[0] if len(results) == 1 else tuple(results)


scan = define(
    "scan",
    family=COMPOSITE,
    summary="A loop over the first axis: body(carried, step of the scanned, constants) → (carried, results).",
    formula=_scan,
    vjp=jointly,
    kinds="any",
    promote=False,
    variadic=True,
    functions=FunctionRule(_link, lambda attributes, sizes: sizes(attributes["body"])[1], _bind),
    attributes=(Attribute("body", FUNCTION), *COUNTS),
    outputs=None,
    conventions="Carried values keep their shapes and dtypes; bare numbers take the dtype of what follows. "
    "The gradient stores what was carried into each step and computes the rest again.",
)
