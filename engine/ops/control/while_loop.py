"""while_loop: a loop while a condition holds. Its backward pass stores the carried values of each step.

The graph's `while_loop` becomes `while_steps`, which answers what is carried at the end, how many steps it
took, and what was carried into each, in buffers of `max_steps`; the executor makes these only where the
gradient reads them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.dtypes import TensorType
from engine.errors import DtypeMismatch, OverLimit, ShapeMismatch, WrongArity
from engine.ir.attributes import FUNCTION, SIZE, Attribute
from engine.ir.batch_rules import aligned, rank
from engine.ir.cost import Cost
from engine.ir.derivative import JOINT
from engine.ir.families import COMPOSITE, CONTROL, define
from engine.ir.function_rules import (
    FunctionRule,
    Sizes,
    Specialize,
    Types,
    expect_inputs,
    expect_outputs,
    outputs_of,
    settle,
)
from engine.ir.table import F
from engine.ir.tape import Tape, Variable
from engine.ops.control.loop_rules import pull_loop
from engine.ops.control.stepping import owned, stacks_of
from engine.ops.control.subtape import Body, cost_of_runs, inexact, input_types, with_tangents
from engine.transforms.vjp import zeros
from engine.transforms.vmap import batch

MAX_STEPS = 1000


def _infer(
    types: Sequence[TensorType], *, body: Tape, carry: int, max_steps: int, **_: Any
) -> tuple[TensorType, ...]:
    carried = [TensorType(t.shape, t.dtype) for t in outputs_of(body)]
    entries = [TensorType((max_steps, *t.shape), t.dtype) for t in carried]
    return (*carried, TensorType((), "int64"), *entries)


def _run(
    xp: Any, *xs: Any, condition: Any, body: Any, carry: int, max_steps: int, needed: Sequence[bool]
) -> list[Any]:
    carried, constants = list(xs[:carry]), xs[carry:]
    entries = stacks_of(xp, body.outputs, max_steps, needed[carry + 1 :])
    if body.loops is not None and condition.loops is not None:
        ended = body.loops.repeat(condition.loops, carried, constants, max_steps, entries)
        if ended is None:
            raise _too_many(max_steps)
        count, carried = ended
        return [*carried, xp.full((), count, dtype=xp.int64), *entries]
    entered = [(place, stack) for place, stack in enumerate(entries) if stack is not None]
    count = 0
    with condition.session() as test, body.session() as run:
        while xp.item(test([*carried, *constants])[0]):
            if count == max_steps:
                raise _too_many(max_steps)
            for place, stack in entered:
                stack[count, ...] = carried[place]
            carried = run([*carried, *constants])
            count += 1
    return [*owned(xp, carried), xp.full((), count, dtype=xp.int64), *entries]


def _too_many(max_steps: int) -> OverLimit:
    return OverLimit(
        f"the condition still holds after {max_steps} steps", hint="raise max_steps, or mend the condition"
    )


def _cost(
    types: Sequence[TensorType],
    outputs: Sequence[TensorType],
    *,
    condition: Tape,
    body: Tape,
    max_steps: int,
    **_: Any,
) -> Cost:
    """The most that it can take."""
    inner, test = cost_of_runs(body, max_steps), cost_of_runs(condition, max_steps)
    parts = ("flops", "bytes", "workspace", "slow", "retained")
    return Cost(*(getattr(inner, part) + getattr(test, part) for part in parts))


def _pull(
    gs: Sequence[Variable],
    ys: Sequence[Variable],
    *xs: Variable,
    condition: Tape,
    body: Tape,
    carry: int,
    max_steps: int,
) -> list[Variable | None]:
    """The loop backwards, as many steps as were taken."""
    count, entries = ys[carry], ys[carry + 1 :]
    return pull_loop(
        [*gs[:carry], *gs[carry + 1 :]],
        entries,
        xs,
        count=count,
        body=body,
        carry=carry,
        scanned=0,
        reverse=False,
        length=max_steps,
    )


def _push(
    tangents: Sequence[Variable | None],
    xs: Sequence[Variable],
    *,
    condition: Tape,
    body: Tape,
    carry: int,
    max_steps: int,
) -> list[Variable | None]:
    """The loop with tangents carried beside the values; the condition reads the values alone."""
    outs = outputs_of(body)
    moving = inexact(outs)
    constants = [i for i in range(carry, len(xs)) if tangents[i] is not None]
    wide, _ = with_tangents(body, [*moving, *constants], carried=moving, carry=carry)
    k, total = len(moving), len(xs)
    names = list(wide.inputs)
    order = [*names[:carry], *names[total : total + k], *names[carry:total], *names[total + k :]]
    wide.inputs = {name: wide.inputs[name] for name in order}
    test = Body()
    arguments = test.inputs([wide.types[slot] for slot in wide.inputs.values()])
    values = [*arguments[:carry], *arguments[carry + k : total + k]]
    test.finish(test.play(condition, values))

    def tangent(i: int) -> Variable:
        direction = tangents[i]
        return zeros(xs[i].tape, xs[i]) if direction is None else direction

    inputs = [
        *xs[:carry],
        *(tangent(i) for i in moving),
        *xs[carry:],
        *(tangent(i) for i in constants),
    ]
    answers = _steps(inputs, condition=test.tape, body=wide, carry=carry + k, max_steps=max_steps)
    pushed: list[Variable | None] = [None] * (2 * carry + 1)
    for place, i in enumerate(moving):
        pushed[i] = answers[carry + place]
        pushed[carry + 1 + i] = answers[carry + k + 1 + carry + place]
    return pushed


def _batched(
    op: Any,
    xs: Sequence[Variable],
    batched: Sequence[bool],
    n: int,
    *,
    condition: Tape,
    body: Tape,
    carry: int,
    max_steps: int,
) -> Any:
    """Rows go on together while any condition holds; those that are done keep what they carry."""
    flags = [True] * carry + list(batched[carry:])
    rows = [
        x if b or i >= carry else x.broadcast_to((n, *x.shape))
        for i, (x, b) in enumerate(zip(xs, batched, strict=True))
    ]
    holds, step = (
        batch(tape, [name for name, f in zip(tape.inputs, flags, strict=True) if f], n)
        for tape in (condition, body)
    )
    types, counter = input_types(step), TensorType((n,), "int64")
    types = [*types[:carry], counter, *types[carry:]]
    test = Body()
    arguments = test.inputs(types)
    (each,) = test.play(holds, [*arguments[:carry], *arguments[carry + 1 :]])
    test.finish([F.any(each)])
    batched_body = Body()
    arguments = batched_body.inputs(types)
    own = [*arguments[:carry], *arguments[carry + 1 :]]
    (going,) = batched_body.play(holds, own)
    after = [
        F.where(aligned(going, True, rank(new, True)), new, old)
        for new, old in zip(batched_body.play(step, own), own, strict=False)
    ]
    batched_body.finish([*after, arguments[carry] + going.astype("int64")])
    zero = rows[0].tape.constant(0, "int64").broadcast_to((n,))
    inputs = [*rows[:carry], zero, *rows[carry:]]
    answers = _steps(
        inputs, condition=test.tape, body=batched_body.tape, carry=carry + 1, max_steps=max_steps
    )
    carried, counts, entries = answers[:carry], answers[carry], answers[carry + 2 : 2 * carry + 2]
    swapped = [F.permute_dims(e, axes=(1, 0, *range(2, e.ndim))) for e in entries]
    return (*carried, counts, *swapped)


def _bind_steps(specialize: Specialize, attributes: Mapping[str, Any], types: Types) -> dict[str, Any]:
    own = [TensorType(t.shape, t.dtype) for t in types]
    return {key: specialize(attributes[key], own) for key in ("condition", "body")}


def _link_steps(attributes: Mapping[str, Any], inputs: int, sizes: Sizes) -> None:
    for key in ("condition", "body"):
        expect_inputs(attributes[key], sizes, inputs, "the carried, then the constants")


while_steps = define(
    "while_steps",
    functions=FunctionRule(
        _link_steps, lambda attributes, sizes: 2 * attributes.get("carry", 1) + 1, _bind_steps
    ),
    family=CONTROL,
    summary="What while_loop becomes: its results, the number of steps, and what was carried into each.",
    forward=_run,
    infer=_infer,
    pullback=_pull,
    pushforward=_push,
    batch=_batched,
    vjp=JOINT,
    kinds="any",
    promote=False,
    variadic=True,
    cost=_cost,
    takes_needed=True,
    attributes=(
        Attribute("condition", FUNCTION),
        Attribute("body", FUNCTION),
        Attribute("carry", SIZE, 1),
        Attribute("max_steps", SIZE, MAX_STEPS),
    ),
    outputs=None,
    internal=True,
)


def _steps(inputs: Sequence[Variable], **attributes: Any) -> list[Variable]:
    answer: tuple[Variable, ...] = inputs[0].tape.apply(while_steps, inputs, attributes)
    return list(answer)


# -- the op ------------------------------------------------------------------------------------------


def _link(attributes: Mapping[str, Any], inputs: int, sizes: Sizes) -> None:
    carry = attributes.get("carry", 1)
    if not 1 <= carry <= inputs:
        raise WrongArity(
            f"{carry} carried inputs are named, and the node has {inputs}",
            hint="inputs are the carried ones, then constants",
        )
    for key in ("condition", "body"):
        expect_inputs(attributes[key], sizes, inputs, "the carried, then the constants")
    expect_outputs(attributes["condition"], sizes, 1, "whether to go on")
    expect_outputs(attributes["body"], sizes, carry, "what is carried on")


def _bind(specialize: Specialize, attributes: Mapping[str, Any], types: Types) -> dict[str, Any]:
    carry = attributes.get("carry", 1)
    rest = [TensorType(t.shape, t.dtype) for t in types[carry:]]
    body = settle(specialize, attributes["body"], types[:carry], rest, outputs_of)
    condition = specialize(attributes["condition"], input_types(body))
    (answer,) = outputs_of(condition)
    if answer.shape != ():
        raise ShapeMismatch(
            f"the condition answers shape {answer.shape}, expected a scalar",
            hint="use any or all to make one condition",
        )
    if answer.dtype != "bool":
        raise DtypeMismatch(
            f"the condition answers {answer.dtype}, expected bool", hint="compare, as in x > 0"
        )
    return {"condition": condition, "body": body}


def _while(*xs: Any, condition: Tape, body: Tape, carry: int, max_steps: int) -> Any:
    types = input_types(body)
    inputs = [x.astype(types[i].dtype) if i < carry else x for i, x in enumerate(xs)]
    results = _steps(inputs, condition=condition, body=body, carry=carry, max_steps=max_steps)[:carry]
    return results[0] if len(results) == 1 else tuple(results)


while_loop = define(
    "while_loop",
    family=COMPOSITE,
    summary="Carried values after repeating `body` while `condition` holds.",
    formula=_while,
    vjp=JOINT,
    kinds="any",
    promote=False,
    variadic=True,
    functions=FunctionRule(_link, lambda attributes, sizes: attributes.get("carry", 1), _bind),
    attributes=(
        Attribute("condition", FUNCTION),
        Attribute("body", FUNCTION),
        Attribute("carry", SIZE, 1, "how many inputs are carried; they come first"),
        Attribute("max_steps", SIZE, MAX_STEPS, "more steps are an error"),
    ),
    outputs=None,
    conventions="The reverse stores what was carried into each of max_steps steps; the estimate counts it.",
)
